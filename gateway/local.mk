# The openclaw program: each of its rooms has a local.mk of its own.  Nothing of it is linked into oc-sandbox.
include $(top_srcdir)/gateway/config/local.mk
include $(top_srcdir)/gateway/auth/local.mk
include $(top_srcdir)/gateway/protocol/local.mk
include $(top_srcdir)/gateway/server/local.mk
include $(top_srcdir)/gateway/cli/local.mk
