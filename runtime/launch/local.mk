noinst_LIBRARIES += liboclaunch.a
OC_LAUNCH_SOURCES = \
	runtime/launch/aside.c runtime/launch/aside.h \
	runtime/launch/call.h \
	runtime/launch/cgroup.c runtime/launch/cgroup.h \
	runtime/launch/cgroup_call.c runtime/launch/cgroup_call.h \
	runtime/launch/child.c runtime/launch/child.h \
	runtime/launch/confine.c \
	runtime/launch/control.c runtime/launch/control.h runtime/launch/control_serve.c \
	runtime/launch/delegate.c runtime/launch/delegate.h \
	runtime/launch/dev.c \
	runtime/launch/disk.c runtime/launch/disk.h \
	runtime/launch/egress.c runtime/launch/egress.h runtime/launch/egress_internal.h \
	runtime/launch/egress_door.c \
	runtime/launch/egress_records.c \
	runtime/launch/filters.h \
	runtime/launch/helper.c runtime/launch/helper.h \
	runtime/launch/ids.c \
	runtime/launch/init.c \
	runtime/launch/janitor.c runtime/launch/janitor.h \
	runtime/launch/keeper.c \
	runtime/launch/landlock.c \
	runtime/launch/launch.h \
	runtime/launch/mounts.c \
	runtime/launch/msg.c \
	runtime/launch/overlay.c runtime/launch/overlay.h \
	runtime/launch/overlay_mount.c \
	runtime/launch/net.c \
	runtime/launch/payload.c \
	runtime/launch/pipes.c runtime/launch/pipes.h \
	runtime/launch/prepare.c runtime/launch/prepare.h \
	runtime/launch/relay.c runtime/launch/relay.h \
	runtime/launch/run.c \
	runtime/launch/rundir.c runtime/launch/rundir.h \
	runtime/launch/runner.c \
	runtime/launch/sampler.c runtime/launch/sampler.h \
	runtime/launch/sandbox.c runtime/launch/sandbox.h \
	runtime/launch/spawn.c runtime/launch/spawn.h \
	runtime/launch/streams.h \
	runtime/launch/sys.h
liboclaunch_a_SOURCES = $(OC_LAUNCH_SOURCES)

# The same code with one layer left out on request (OC_TEST_DROP): shows that the probes can fail.  Never installed.
check_LIBRARIES = liboclaunch-weak.a
liboclaunch_weak_a_SOURCES = $(OC_LAUNCH_SOURCES) netns/setup/setup.c
liboclaunch_weak_a_CPPFLAGS = $(AM_CPPFLAGS) -DOC_TEST_WEAKEN
