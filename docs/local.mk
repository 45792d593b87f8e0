dist_man_MANS += docs/oc-sandbox.1 docs/oc-sandbox.json.5 docs/oc-sandbox-egress.5 docs/oc-egress.8 docs/oc-sandbox-mcp.1 docs/oc-sandbox-net.1 docs/oc-sandbox-overlay.1 docs/libocsandbox.3
dist_doc_DATA = README.md SECURITY.md NEWS LICENSE
if HAVE_GATEWAY
dist_man_MANS += docs/openclaw.1 docs/openclaw.json.5
endif
