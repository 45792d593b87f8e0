/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal - what setup.c, which makes the rules, and refused.c, which reads them, share.
 */
#ifndef OC_NETNS_SETUP_INTERNAL_H
#define OC_NETNS_SETUP_INTERNAL_H

#include "netns/setup/setup.h"

#define OC_TABLE "oc"
#define OC_CHAIN "filter"

/* The rules of OC_CHAIN that have a counter, in their order: each kind, then all that is refused.
 */
enum {
	OC_COUNT_UDP,
	OC_COUNT_ICMP,
	OC_COUNT_ICMP6,
	OC_COUNT_TCP,
	OC_COUNT_IPV6,
	OC_COUNT_TOTAL,
};
#define OC_COUNTS OC_COUNT_TOTAL

#endif
