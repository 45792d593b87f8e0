bashcompletiondir = $(datarootdir)/bash-completion/completions
bashcompletion_DATA = contrib/completion/oc-sandbox
EXTRA_DIST += \
	.ci/run \
	.clang-format \
	.clang-tidy \
	.editorconfig \
	contrib/apparmor/oc-sandbox \
	contrib/check \
	contrib/completion/oc-sandbox.bash \
	contrib/lib.sh \
	contrib/quickstart
# bash looks for a file with the name of the command.
contrib/completion/oc-sandbox: contrib/completion/oc-sandbox.bash
	$(AM_V_GEN)$(MKDIR_P) contrib/completion && cp $(srcdir)/contrib/completion/oc-sandbox.bash $@
CLEANFILES += contrib/completion/oc-sandbox

# In the place that it is for, and not active until apparmor_parser has read it.
apparmordir = $(pkgdatadir)/apparmor
apparmor_DATA = contrib/apparmor/oc-sandbox

exampledir = $(docdir)/examples
dist_example_DATA = contrib/examples/Makefile contrib/examples/event-loop.c contrib/examples/run-one.c
