/* SPDX-License-Identifier: Apache-2.0 */
/* reason - the texts of the enumerations in rules.h.  The ids are part of the record format. */
#include <string.h>

#include "netns/policy/rules.h"

static const struct {
	const char *id, *text;
} reasons[OC_EGRESS_REASONS] = {
	[OC_EGRESS_ALLOWED] = {"allowed", "allowed"},
	[OC_EGRESS_MODE_NONE] = {"mode-none", "the sandbox has no network"},
	[OC_EGRESS_NO_RULES] = {"no-rules", "the allowlist is empty"},
	[OC_EGRESS_NAME_NOT_ALLOWED] = {"name-not-allowed", "no rule allows this name"},
	[OC_EGRESS_PORT_NOT_ALLOWED] = {"port-not-allowed", "no rule allows this port"},
	[OC_EGRESS_ADDRESS_NOT_ALLOWED] = {"address-not-allowed",
					   "an address without a name, and no rule allows it"},
	[OC_EGRESS_DENIED] = {"denied", "a rule denies it"},
	[OC_EGRESS_ADDRESS_CLASS] = {"address-class",
				     "an address of this class is only reached if a rule or allowPrivate names it"},
	[OC_EGRESS_BAD_NAME] = {"bad-name", "not a host name"},
	[OC_EGRESS_SPECIAL_NAME] = {"special-name", "a name of the local host or network"},
	[OC_EGRESS_NO_NAME] = {"no-name", "the client's first bytes name no host"},
	[OC_EGRESS_TWO_NAMES] = {"two-names", "the client's first bytes name more than one host"},
	[OC_EGRESS_NAME_MISMATCH] = {"name-mismatch",
				     "the client's first bytes name another host than the one that was dialled"},
	[OC_EGRESS_ECH] = {"ech", "an encrypted ClientHello hides the host"},
	[OC_EGRESS_NOT_TLS_OR_HTTP] = {"not-tls-or-http",
				       "neither TLS nor HTTP: a rule for other protocols starts with tcp:"},
	[OC_EGRESS_BAD_TLS] = {"bad-tls", "the ClientHello cannot be read safely"},
	[OC_EGRESS_BAD_HTTP] = {"bad-http", "the HTTP request cannot be read safely"},
	[OC_EGRESS_HTTP2_CLEARTEXT] = {"http2-cleartext", "HTTP/2 without TLS hides the host"},
	[OC_EGRESS_FIRST_BYTES_TIMEOUT] = {"first-bytes-timeout", "the client did not say in time whom it wants"},
	[OC_EGRESS_UNKNOWN_SYNTHETIC] = {"unknown-synthetic", "an address of the sandbox that stands for no name"},
	[OC_EGRESS_BAD_DNS] = {"bad-dns", "a DNS message that cannot be read"},
	[OC_EGRESS_DNS_TYPE] = {"dns-type", "a DNS type that is not answered"},
	[OC_EGRESS_RESOLVE_FAILED] = {"resolve-failed", "the name could not be resolved"},
	[OC_EGRESS_NO_SUCH_NAME] = {"no-such-name", "the name does not exist"},
	[OC_EGRESS_CONNECT_FAILED] = {"connect-failed", "the peer could not be connected to"},
	[OC_EGRESS_CONNECT_TIMEOUT] = {"connect-timeout", "the peer did not answer in time"},
	[OC_EGRESS_PROTOCOL] = {"protocol", "only TCP and DNS are carried"},
	[OC_EGRESS_RULE_REMOVED] = {"rule-removed", "the rule was taken away"},
	[OC_EGRESS_BUDGET_BYTES] = {"budget-bytes", "the budget of bytes is used up"},
	[OC_EGRESS_BUDGET_CONNECTIONS] = {"budget-connections", "the budget of connections is used up"},
	[OC_EGRESS_BUDGET_NAMES] = {"budget-names", "the budget of names is used up"},
	[OC_EGRESS_LIMIT] = {"limit", "a limit of the egress broker is reached"},
};

const char *oc_egress_reason_id(enum oc_egress_reason r)
{
	return (unsigned)r < OC_EGRESS_REASONS ? reasons[r].id : "unknown";
}

const char *oc_egress_reason_text(enum oc_egress_reason r)
{
	return (unsigned)r < OC_EGRESS_REASONS ? reasons[r].text : "unknown";
}

static const char *const modes[] = {
	[OC_EGRESS_NONE] = "none",
	[OC_EGRESS_ALLOWLIST] = "allowlist",
	[OC_EGRESS_OPEN] = "open",
};

const char *oc_egress_mode_name(enum oc_egress_mode m)
{
	return (unsigned)m < sizeof(modes) / sizeof(modes[0]) ? modes[m] : "unknown";
}

int oc_egress_mode_parse(const char *text)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(text, modes[i]) == 0)
			return (int)i;
	return -1;
}
