noinst_LIBRARIES += libocsession.a
libocsession_a_SOURCES = \
	runtime/session/activity.c runtime/session/activity.h \
	runtime/session/background.c \
	runtime/session/call_result.c runtime/session/call_result.h \
	runtime/session/calls.c \
	runtime/session/door.c runtime/session/door.h \
	runtime/session/door_call.c \
	runtime/session/end.c runtime/session/end.h \
	runtime/session/keep.c runtime/session/keep.h runtime/session/keep_internal.h \
	runtime/session/obtain.c runtime/session/obtain.h \
	runtime/session/oneshot.c runtime/session/oneshot.h \
	runtime/session/ops.c \
	runtime/session/overlay.c runtime/session/overlay.h runtime/session/overlay_priv.h \
	runtime/session/overlay_apply.c \
	runtime/session/overlay_drop.c \
	runtime/session/overlay_risk.c runtime/session/overlay_risk.h \
	runtime/session/overlay_scan.c \
	runtime/session/overlay_tree.c \
	runtime/session/quarantine.c runtime/session/quarantine.h \
	runtime/session/recovery.c runtime/session/recovery.h \
	runtime/session/remove.c runtime/session/remove.h \
	runtime/session/request.c runtime/session/request.h \
	runtime/session/ring.c runtime/session/ring.h \
	runtime/session/runners.c \
	runtime/session/scope.c runtime/session/scope.h \
	runtime/session/slug.c runtime/session/slug.h \
	runtime/session/textdiff.c runtime/session/textdiff.h \
	runtime/session/wire.h
