noinst_LIBRARIES += libocnetsetup.a
libocnetsetup_a_SOURCES = netns/setup/setup.c netns/setup/setup.h
