/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net - the parts of the load generator of `make bench-net`; see net.c for how it is called.
 *
 * A connection says in its first byte what it wants of the server: NET_UP (it sends until it closes its half, and is told how
 * many bytes came), NET_DOWN (it is sent bytes until it goes away), or 'G', an HTTP head, which is answered.
 */
#ifndef OC_BENCH_NET_H
#define OC_BENCH_NET_H

#include <stddef.h>
#include <stdint.h>

#define NET_UP	  'U'
#define NET_DOWN  'D'
#define NET_BLOCK (128u << 10) /* bytes of one send or recv, as iperf3 has them */

struct net_samples {
	double *at;
	size_t count, cap;
};

__attribute__((format(printf, 1, 2))) _Noreturn void net_die(const char *fmt, ...);
double net_now_us(void);
void net_sample(struct net_samples *s, double value);
/* Sorts them. */
double net_quantile(struct net_samples *s, double q);

/* net-serve.c: the far side, on 0.0.0.0; closes stdout when it listens.  Until its stdin ends. */
int net_serve(int argc, char **argv);
/* net-load.c: the near side; orders from stdin, figures to stdout. */
int net_work(int argc, char **argv);
/* net-launch.c: what one launch costs beside another. */
int net_launch(int argc, char **argv);

#endif
