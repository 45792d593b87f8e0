/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/plan_test.h"

#define COUNT(x) (sizeof(x) / sizeof(*(x)))

static void refuse_bind(const char *source, const char *text)
{
	char spec[PATH_MAX + 32];
	const char *bind = spec;
	snprintf(spec, sizeof(spec), "%s:/mnt/x", source);
	pt_refused(&(struct oc_plan_options){ .no_config = true, .binds = &bind, .bind_count = 1 }, text);
}

static void accept_bind(const char *source)
{
	char spec[PATH_MAX + 32];
	const char *bind = spec;
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	snprintf(spec, sizeof(spec), "%s:/mnt/x", source);
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .binds = &bind, .bind_count = 1 });
	const struct oc_mount *m = pt_mount(&plan, "/mnt/x");
	assert_non_null(m);
	struct stat want, have;
	assert_int_equal(stat(source, &want), 0);
	assert_int_equal(fstat(m->fd, &have), 0);
	assert_true(want.st_ino == have.st_ino && m->ino == want.st_ino && m->dev == want.st_dev);
	oc_plan_close(&plan);
}

static void fixed_places(void **state)
{
	static const char *const bad[] = { "/", "/etc", "/etc/passwd", "/proc", "/proc/self", "/sys", "/dev", "/dev/null", "/boot",
					   "/root", "/root/x", "/run", "/var/run", "/var/run/x", "/var", "/home", "/var/lib",
					   "/var/lib/docker", "/tmp", "/tmp/.X11-unix" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		refuse_bind(bad[i], "cannot be mounted");
	refuse_bind("/no/such/place", "open /no/such/place");
	accept_bind("/usr/bin");
}

static void homes(void **state)
{
	static const char *const entries[] = { ".ssh", ".aws", ".cargo", ".config", ".docker", ".gnupg", ".netrc", ".npm", ".kube",
					       ".ssh/id", ".config/gcloud", ".local", ".local/share", ".local/share/keyrings/x",
					       ".openclaw", ".openclaw/openclaw.json", ".openclaw/agents/main" };
	(void)state;
	pt_mkdir("home/project");
	pt_mkdir("home/.sshx");
	refuse_bind(pt_path("home"), "it contains");
	refuse_bind(pt_top, "it contains");
	for (size_t i = 0; i < COUNT(entries); i++) {
		char path[PATH_MAX];
		snprintf(path, sizeof(path), "home/%s", entries[i]);
		refuse_bind(pt_path(path), "cannot be mounted");
	}
	accept_bind(pt_path("home/project"));
	accept_bind(pt_path("home/.sshx"));
}

/* CVE-2026-25724: the rule sees the name, the mount gets what the link leads to. */
static void links(void **state)
{
	(void)state;
	pt_mkdir("home/.ssh");
	pt_mkdir("data");
	pt_mkdir("data/inner");
	assert_int_equal(symlink(pt_path("home"), pt_path("to-home")), 0);
	assert_int_equal(symlink("to-home", pt_path("chain")), 0);
	assert_int_equal(symlink("/etc", pt_path("to-etc")), 0);
	assert_int_equal(symlink(pt_path("data"), pt_path("to-data")), 0);
	refuse_bind(pt_path("to-etc"), "symbolic link");
	refuse_bind(pt_path("to-etc/ssl"), "leads to another place");
	refuse_bind(pt_path("to-home/.ssh"), "leads to another place");
	refuse_bind(pt_path("chain/.ssh"), "leads to another place");
	refuse_bind(pt_path("to-data"), "symbolic link");
	accept_bind(pt_path("to-data/inner"));
	/* credentials that are kept elsewhere */
	pt_mkdir("vault");
	assert_int_equal(symlink(pt_path("vault"), pt_path("home/.aws")), 0);
	refuse_bind(pt_path("vault"), "it is in");
	assert_int_equal(unlink(pt_path("home/.aws")), 0);
	/* a home that is reached by another name */
	char home[PATH_MAX];
	snprintf(home, sizeof(home), "%s", getenv("HOME"));
	setenv("HOME", pt_path("to-home"), 1);
	refuse_bind(pt_path("home/.ssh"), "it is in");
	setenv("HOME", home, 1);
}

static void kinds(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	(void)state;
	pt_mkdir("kinds");
	assert_int_equal(mkfifo(pt_path("kinds/fifo"), 0600), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", pt_path("kinds/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	refuse_bind(pt_path("kinds/fifo"), "fifo");
	refuse_bind(pt_path("kinds/socket"), "socket");
	close(fd);
	if (getuid() == 0) {
		assert_int_equal(mknod(pt_path("kinds/null"), S_IFCHR | 0666, 0x103), 0);
		refuse_bind(pt_path("kinds/null"), "device");
	}
	pt_write("kinds/file", "x");
	accept_bind(pt_path("kinds/file"));
}

static void targets(void **state)
{
	static const struct {
		const char *target, *text;
	} rows[] = {
		{ "/", "over /" },	    { "/proc", "/proc" },	  { "/proc/x", "/proc" },     { "/dev/shm", "/dev" },
		{ "/sys/fs", "/sys" },	    { "/workspace", "reserved" }, { "/workspace/x", "reserved" }, { "/agent", "reserved" },
		{ "/bin/x", "link" },	    { "/usr", "mounted twice" },  { "/usr/no-such-point", "no mount point" },
		{ "/etc/passwd/x", "file" }, { "/etc/passwd", "twice" }, { "/usr/bin/env", "is a file" },
		{ "relative", "cannot be read" }, { "/a/../b", "\"..\"" },
	};
	(void)state;
	pt_mkdir("target");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char spec[PATH_MAX];
		const char *bind = spec;
		snprintf(spec, sizeof(spec), "%s:%s", pt_path("target"), rows[i].target);
		pt_refused(&(struct oc_plan_options){ .no_config = true, .binds = &bind, .bind_count = 1 }, rows[i].text);
		const char *tmpfs = rows[i].target;
		if (strcmp(tmpfs, "/usr/bin/env") != 0 && tmpfs[0] == '/')
			pt_refused(&(struct oc_plan_options){ .no_config = true, .tmpfs = &tmpfs, .tmpfs_count = 1 },
				   rows[i].text);
	}
	char deep[PATH_MAX] = "";
	for (int i = 0; i < 70; i++)
		strcat(deep, "/d");
	const char *tmpfs = deep;
	pt_refused(&(struct oc_plan_options){ .no_config = true, .tmpfs = &tmpfs, .tmpfs_count = 1 }, "deeper than");
}

/* Parents before children, whatever the order of the options. */
static void order(void **state)
{
	char spec[4][PATH_MAX];
	const char *binds[4];
	const char *const at[] = { "/srv/a/b/c", "/srv/a", "/srv", "/srv/a/b" };
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	(void)state;
	pt_mkdir("order");
	pt_mkdir("order/a");
	pt_mkdir("order/a/b");
	pt_mkdir("order/a/b/c");
	pt_mkdir("order/b");
	pt_mkdir("order/b/c");
	pt_mkdir("order/c");
	for (int i = 0; i < 4; i++) {
		const char *from[] = { "order/c", "order/a", "order", "order/b" };
		snprintf(spec[i], sizeof(spec[i]), "%s:%s", pt_path(from[i]), at[i]);
		binds[i] = spec[i];
	}
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .binds = binds, .bind_count = 4 });
	for (size_t i = 0; i < plan.mount_count; i++)
		for (size_t k = 0; k < i; k++) {
			size_t n = strlen(plan.mounts[i].target);
			assert_false(strncmp(plan.mounts[k].target, plan.mounts[i].target, n) == 0 &&
				     (plan.mounts[k].target[n] == '/' || !plan.mounts[k].target[n]));
		}
	oc_plan_close(&plan);
	binds[3] = binds[1];
	pt_refused(&(struct oc_plan_options){ .no_config = true, .binds = binds, .bind_count = 4 }, "mounted twice");
}

static void many(void **state)
{
	const char **binds = calloc(10000, sizeof(*binds));
	(void)state;
	assert_non_null(binds);
	for (int i = 0; i < 10000; i++)
		binds[i] = "/usr/bin:/mnt/x";
	pt_refused(&(struct oc_plan_options){ .no_config = true, .binds = binds, .bind_count = 10000 }, "10000 binds");
	free(binds);
}

static void workspaces(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	static const char *const bad[] = { "/", "/etc", "/root", "/home", "/proc", "/run", "/tmp", "/var" };
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = bad[i] }, "cannot be mounted");
	pt_mkdir("ws");
	pt_write("ws-file", "");
	assert_int_equal(symlink("ws", pt_path("ws-link")), 0);
	pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws-link") }, "symbolic link");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws-file") }, "not a directory");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws-none") }, "No such file");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = pt_path("home") }, "it contains");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws/../home") }, "\"..\"");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .workspace = "" }, "empty");
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws") });
	const struct oc_mount *m = pt_mount(&plan, "/workspace");
	assert_true(m->kind == OC_MOUNT_BIND && m->workspace && !m->read_only && plan.access == OC_ACCESS_RW);
	oc_plan_close(&plan);
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws"), .access = "ro" });
	m = pt_mount(&plan, "/workspace");
	assert_true(m->kind == OC_MOUNT_BIND && m->read_only);
	oc_plan_close(&plan);
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .workspace = pt_path("ws"), .access = "none" });
	m = pt_mount(&plan, "/workspace");
	assert_true(m->kind == OC_MOUNT_TMPFS && m->mode == 0700);
	oc_plan_close(&plan);
}

static void rootfs(void **state)
{
	oc_auto_arena a = { 0 };
	struct oc_plan plan;
	(void)state;
	pt_mkdir("img");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .rootfs = pt_path("img") }, "is empty");
	pt_refused(&(struct oc_plan_options){ .no_config = true, .rootfs = "/" }, "cannot be mounted");
	pt_mkdir("img/usr");
	pt_mkdir("img/etc");
	pt_mkdir("img/var");
	assert_int_equal(symlink("usr/bin", pt_path("img/bin")), 0);
	assert_int_equal(symlink("/etc", pt_path("img/dev")), 0);
	assert_int_equal(symlink(pt_path("home"), pt_path("img/proc")), 0);
	assert_int_equal(symlink("/etc/shadow", pt_path("img/etc/hosts")), 0);
	pt_write("img/etc/passwd", "root:x:0:0::/:/bin/sh");
	pt_write("img/etc/resolv.conf", "");
	pt_build(&plan, &a, &(struct oc_plan_options){ .no_config = true, .rootfs = pt_path("img") });
	assert_int_equal(pt_mount(&plan, "/usr")->kind, OC_MOUNT_BIND);
	assert_true(pt_mount(&plan, "/usr")->read_only);
	assert_int_equal(pt_mount(&plan, "/bin")->kind, OC_MOUNT_SYMLINK);
	assert_int_equal(pt_mount(&plan, "/dev")->kind, OC_MOUNT_DEV);
	assert_int_equal(pt_mount(&plan, "/proc")->kind, OC_MOUNT_PROC);
	assert_null(pt_mount(&plan, "/etc/hosts"));
	assert_null(pt_mount(&plan, "/var/tmp"));
	const struct oc_mount *m = pt_mount(&plan, "/etc/passwd");
	assert_true(m->kind == OC_MOUNT_FILE && memcmp(m->content, "root:x:0:0::/:/bin/sh\nagent:x:", 30) == 0);
	oc_plan_close(&plan);
	assert_int_equal(rename(pt_path("img/etc"), pt_path("img/etc2")), 0);
	assert_int_equal(symlink("/etc", pt_path("img/etc")), 0);
	pt_refused(&(struct oc_plan_options){ .no_config = true, .rootfs = pt_path("img") }, "/etc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_places), cmocka_unit_test(homes), cmocka_unit_test(links), cmocka_unit_test(kinds),
		cmocka_unit_test(targets),	cmocka_unit_test(order), cmocka_unit_test(many),  cmocka_unit_test(workspaces),
		cmocka_unit_test(rootfs),
	};
	return cmocka_run_group_tests(tests, pt_setup, pt_teardown);
}
