noinst_LIBRARIES += libocnetsetup.a
libocnetsetup_a_SOURCES = netns/setup/internal.h netns/setup/refused.c netns/setup/setup.c netns/setup/setup.h
