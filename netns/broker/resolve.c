/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolve - names to addresses, as the host would: its hosts file and its name servers, both read
 * once at the start.
 *
 * Only names that the rules allow come here.  A and AAAA are asked at the same time; who waits is
 * served when both answers are there, or 50 ms after the first that has addresses (RFC 8305 section
 * 3).  Answers are kept for their TTL, at most 30 s, and every connection has them classified anew:
 * a cache cannot make an address allowed.
 *
 * c-ares is told to use DNS only, with no search list and no aliases: everything else in it reads
 * files, which are out of reach by then.
 */
#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"
#include "netns/broker/internal.h"

#define ENTRIES_MAX  1024u
#define BUCKETS	     256u
#define HOSTS_MAX    (1u << 20)
#define TTL_MAX	     30u
#define TTL_HOSTS    60u
#define TTL_NEGATIVE 3u
#define SECOND	     1000000u
#define PATIENCE_US  50000u

struct entry;
struct query {
	struct entry *entry;
	int status;
};
struct entry {
	struct oc_grave grave; /* first */
	struct entry *next;    /* in the bucket */
	struct oc_resolver *resolver;
	struct oc_list waiters;
	struct oc_timer patience;
	struct query query[2]; /* AAAA, A */
	unsigned pending;
	bool impatient, calling; /* calling: waiters are being told */
	uint64_t expires;
	uint32_t ttl;
	size_t count;
	struct oc_addr addr[OC_RESOLVE_ADDRS];
	char name[];
};
struct channel_socket {
	struct oc_grave grave; /* first */
	struct channel_socket *next;
	struct oc_event event;
};
struct oc_resolver {
	struct oc_eg *g;
	ares_channel channel;
	struct oc_timer timer;
	struct channel_socket *sockets;
	struct entry *bucket[BUCKETS];
	size_t entries;
	uint64_t queries;
	struct oc_buf hosts;
};

/* --- the sockets and the clock of c-ares --- */

static void arm(struct oc_resolver *r)
{
	struct timeval tv;

	if (ares_timeout(r->channel, NULL, &tv))
		(void)oc_timer_set(r->g, &r->timer,
				   (uint64_t)tv.tv_sec * SECOND + (uint64_t)tv.tv_usec);
	else
		oc_timer_clear(r->g, &r->timer);
}

static void timer_late(struct oc_eg *g, struct oc_timer *t)
{
	struct oc_resolver *r = OC_CONTAINER(t, struct oc_resolver, timer);

	(void)g;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm(r);
}

static void socket_event(struct oc_eg *g, struct oc_event *e, uint32_t events)
{
	struct oc_resolver *r = g->resolver;
	int fd = e->fd;

	ares_process_fd(r->channel, events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
			events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	arm(r);
}

static void socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct oc_resolver *r = data;
	struct channel_socket **p = &r->sockets;
	uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);

	while (*p && (*p)->event.fd != fd)
		p = &(*p)->next;
	struct channel_socket *s = *p;
	if (!events) {
		if (!s)
			return;
		(void)epoll_ctl(r->g->loop.epoll, EPOLL_CTL_DEL, fd, NULL);
		*p = s->next;
		s->event.fd = -1; /* c-ares closes it */
		oc_loop_bury(r->g, s);
		return;
	}
	if (s) {
		struct epoll_event ev = {.events = events, .data.ptr = &s->event};
		(void)epoll_ctl(r->g->loop.epoll, EPOLL_CTL_MOD, fd, &ev);
		return;
	}
	s = calloc(1, sizeof *s);
	if (!s)
		return; /* the query runs into its time limit */
	s->event = (struct oc_event){.fd = -1, .fn = socket_event};
	if (oc_loop_add(r->g, &s->event, fd, events) < 0) {
		free(s);
		return;
	}
	s->next = r->sockets;
	r->sockets = s;
}

/* --- entries --- */

static struct entry **bucket_of(struct oc_resolver *r, const char *name)
{
	uint32_t h = 2166136261u;

	for (const char *p = name; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return &r->bucket[h % BUCKETS];
}

static bool idle(const struct oc_eg *g, const struct entry *e)
{
	return !e->pending && !e->calling && e->waiters.next == &e->waiters && e->expires <= g->now;
}

static void sweep(struct oc_eg *g, struct oc_resolver *r)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry **p = &r->bucket[i]; *p;) {
			struct entry *e = *p;
			if (!idle(g, e)) {
				p = &e->next;
				continue;
			}
			*p = e->next;
			r->entries--;
			oc_timer_clear(g, &e->patience);
			oc_loop_bury(g, e);
		}
}

static enum oc_egress_reason status_of(const struct entry *e)
{
	if (e->count)
		return OC_EGRESS_ALLOWED;
	for (size_t i = 0; i < 2; i++)
		if (e->query[i].status != ARES_ENODATA && e->query[i].status != ARES_ENOTFOUND)
			return OC_EGRESS_RESOLVE_FAILED;
	return OC_EGRESS_NO_SUCH_NAME;
}

static void tell(struct oc_eg *g, struct entry *e)
{
	struct oc_addr addr[OC_RESOLVE_ADDRS];
	size_t count = e->count;

	/* What a waiter does may come back here. */
	if (e->calling)
		return;
	e->calling = true;
	memcpy(addr, e->addr, sizeof addr);
	while (e->waiters.next != &e->waiters) {
		struct oc_waiter *w = OC_CONTAINER(e->waiters.next, struct oc_waiter, link);
		oc_list_remove(&w->link);
		w->fn(g, w, status_of(e), addr, count);
	}
	e->calling = false;
}

static void patience_late(struct oc_eg *g, struct oc_timer *t)
{
	struct entry *e = OC_CONTAINER(t, struct entry, patience);

	e->impatient = true;
	tell(g, e);
}

static void add_addresses(struct entry *e, const struct ares_addrinfo *info)
{
	for (const struct ares_addrinfo_node *n = info->nodes; n && e->count < OC_RESOLVE_ADDRS;
	     n = n->ai_next) {
		struct oc_addr a = {0};
		if (n->ai_family == AF_INET && n->ai_addrlen >= sizeof(struct sockaddr_in)) {
			a.family = 4;
			memcpy(a.b,
			       &((const struct sockaddr_in *)(const void *)n->ai_addr)->sin_addr,
			       4);
		} else if (n->ai_family == AF_INET6 &&
			   n->ai_addrlen >= sizeof(struct sockaddr_in6)) {
			a.family = 6;
			memcpy(a.b,
			       &((const struct sockaddr_in6 *)(const void *)n->ai_addr)->sin6_addr,
			       16);
		} else {
			continue;
		}
		/* Half of the room at most for either family. */
		size_t same = 0;
		for (size_t i = 0; i < e->count; i++)
			same += e->addr[i].family == a.family;
		if (same == OC_RESOLVE_ADDRS / 2)
			break;
		uint32_t ttl = n->ai_ttl < 0 ? 0 : (uint32_t)n->ai_ttl;
		e->ttl = ttl < e->ttl ? ttl : e->ttl;
		e->addr[e->count++] = a;
	}
}

static void answered(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct query *q = arg;
	struct entry *e = q->entry;
	struct oc_eg *g = e->resolver->g;

	(void)timeouts;
	q->status = status;
	if (status == ARES_SUCCESS && info)
		add_addresses(e, info);
	if (status == ARES_SUCCESS && !e->count)
		q->status = ARES_ENODATA;
	if (info)
		ares_freeaddrinfo(info);
	if (--e->pending) {
		if (e->count && oc_timer_set(g, &e->patience, PATIENCE_US) < 0)
			e->impatient = true;
		if (!e->impatient)
			return;
	} else {
		oc_timer_clear(g, &e->patience);
		/* One second at least: 0 would ask upstream for each of a hundred connections that
		 * start together. */
		uint32_t ttl = e->count ? (e->ttl < 1 ? 1 : e->ttl) : TTL_NEGATIVE;
		e->expires = g->now + (uint64_t)ttl * SECOND;
	}
	tell(g, e);
}

/* --- the hosts file --- */

static size_t word(const char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t' || **p == '\r'))
		(*p)++;
	const char *start = *p;
	while (*p < end && **p != ' ' && **p != '\t' && **p != '\r')
		(*p)++;
	return (size_t)(*p - start);
}

static bool line_has(const char *p, const char *end, const char *name)
{
	char norm[OC_NAME_MAX + 1];

	for (size_t n; (n = word(&p, end)) > 0;)
		if (oc_name_normalize(p - n, n, norm) > 0 && strcmp(norm, name) == 0)
			return true;
	return false;
}

static void from_hosts(struct oc_resolver *r, struct entry *e)
{
	const char *p = r->hosts.data, *stop = p ? p + r->hosts.len : NULL;

	while (p < stop && e->count < OC_RESOLVE_ADDRS) {
		const char *next = memchr(p, '\n', (size_t)(stop - p));
		const char *end = next ? next : stop;
		const char *comment = memchr(p, '#', (size_t)(end - p));
		if (comment)
			end = comment;
		struct oc_addr a;
		size_t n = word(&p, end);
		if (n && oc_addr_parse(p - n, n, &a) == 0 && line_has(p, end, e->name))
			e->addr[e->count++] = a;
		p = next ? next + 1 : stop;
	}
}

/* --- asking --- */

static void ask(struct oc_eg *g, struct oc_resolver *r, struct entry *e)
{
	const struct ares_addrinfo_hints six = {
		.ai_family = AF_INET6, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
	const struct ares_addrinfo_hints four = {
		.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};

	e->count = 0;
	e->impatient = false;
	e->ttl = TTL_MAX;
	from_hosts(r, e);
	if (e->count) {
		e->expires = g->now + (uint64_t)TTL_HOSTS * SECOND;
		tell(g, e);
		return;
	}
	e->query[0] = e->query[1] = (struct query){.entry = e};
	e->pending = 2;
	r->queries++;
	ares_getaddrinfo(r->channel, e->name, NULL, &six, answered, &e->query[0]);
	ares_getaddrinfo(r->channel, e->name, NULL, &four, answered, &e->query[1]);
	arm(r);
}

void oc_resolve(struct oc_eg *g, const char *name, struct oc_waiter *w)
{
	struct oc_resolver *r = g->resolver;
	struct entry **bucket = bucket_of(r, name), *e = *bucket;

	while (e && strcmp(e->name, name) != 0)
		e = e->next;
	if (!e) {
		size_t len = strlen(name) + 1;
		if (r->entries >= ENTRIES_MAX)
			sweep(g, r);
		e = r->entries < ENTRIES_MAX ? calloc(1, sizeof *e + len) : NULL;
		if (!e) {
			w->fn(g, w, OC_EGRESS_LIMIT, NULL, 0);
			return;
		}
		memcpy(e->name, name, len);
		oc_list_init(&e->waiters);
		e->resolver = r;
		e->patience.fn = patience_late;
		e->next = *bucket;
		*bucket = e;
		r->entries++;
	}
	oc_list_append(&e->waiters, &w->link);
	if (e->pending) {
		if (e->impatient)
			tell(g, e);
	} else if (e->expires > g->now) {
		tell(g, e);
	} else if (!e->calling) {
		ask(g, r, e);
	}
}

void oc_resolve_cancel(struct oc_waiter *w)
{
	oc_list_remove(&w->link);
}

uint64_t oc_resolver_queries(const struct oc_resolver *r)
{
	return r->queries;
}

/* --- start --- */

static int read_hosts(struct oc_resolver *r, struct oc_err *err)
{
	oc_auto_close fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 : oc_fail(err, errno, "cannot open /etc/hosts");
	if (oc_read_all(fd, &r->hosts, HOSTS_MAX) < 0)
		return oc_fail(err, errno, "cannot read /etc/hosts (at most %u bytes)", HOSTS_MAX);
	return 0;
}

int oc_resolver_open(struct oc_eg *g, struct oc_err *err)
{
	char lookups[] = "b";
	struct oc_resolver *r = calloc(1, sizeof *r);
	if (!r)
		oc_oom();
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = 2000,
		.tries = 3,
		.ndots = 0,
		.domains = NULL,
		.ndomains = 0,
		.lookups = lookups,
		.sock_state_cb = socket_state,
		.sock_state_cb_data = r,
	};

	r->g = g;
	r->timer.fn = timer_late;
	g->resolver = r;
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&r->channel, &options,
					   ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
						   ARES_OPT_NDOTS | ARES_OPT_DOMAINS |
						   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS)
		return oc_fail(err, 0, "cannot start the resolver: %s", ares_strerror(status));
	return read_hosts(r, err);
}

int oc_resolver_servers(struct oc_resolver *r, const struct oc_json *list, struct oc_arena *a,
			struct oc_err *err)
{
	oc_auto_buf csv = {0};

	for (const struct oc_json *s = list->child; s; s = s->next) {
		if (s->type != OC_JSON_STRING)
			return oc_json_fail(a, s, err, "must be a string");
		oc_buf_printf(&csv, "%s%s", csv.len ? "," : "", s->string);
	}
	if (!csv.len)
		return oc_json_fail(a, list, err, "is empty");
	int status = ares_set_servers_ports_csv(r->channel, csv.data);
	if (status != ARES_SUCCESS)
		return oc_json_fail(a, list, err, "cannot use \"%s\": %s", csv.data,
				    ares_strerror(status));
	return 0;
}
