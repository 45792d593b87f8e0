noinst_LIBRARIES += libocsession.a
libocsession_a_SOURCES = \
	runtime/session/door.c runtime/session/door.h \
	runtime/session/oneshot.c runtime/session/oneshot.h \
	runtime/session/quarantine.c runtime/session/quarantine.h
