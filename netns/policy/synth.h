/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synth - the addresses that stand for names in one sandbox.
 *
 * They are taken from 198.18.0.0/15 (RFC 2544, benchmarking of network devices): it is never routed on the internet, is nobody's private
 * network (10/8, 172.16/12, 192.168/16 and, with overlay networks and carriers, 100.64/10 are), programs take it for an ordinary unicast
 * address (unlike 240/4 and 0/8), and it is what other tools use for this purpose.  The sandbox sees only its own lo, so
 * nothing behind it is hidden: a rule for 198.18.0.0/15 itself is an error.
 *
 * Addresses are given in order: the same questions in the same order give the same addresses.  A table holds at most OC_SYNTH_NAMES names;
 * when it is full the one that was not used for longest, is held by nobody and was given out more than OC_SYNTH_HOLD seconds ago goes, and
 * the new name gets an address that stood for nothing in the last OC_SYNTH_ROUNDS turns: an address that a program kept
 * too long means nothing, rather than somebody else.
 * Memory: about 150 KB when full of names of 40 characters, nothing is touched before it is needed.
 */
#ifndef OC_NETNS_POLICY_SYNTH_H
#define OC_NETNS_POLICY_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netns/policy/addr.h"
#include "netns/policy/names.h"

#define OC_SYNTH_NET 0xC6120000u /* 198.18.0.0 */
#define OC_SYNTH_BITS 15u
#define OC_SYNTH_NAMES 2048u /* a power of two */
#define OC_SYNTH_ROUNDS ((1u << (32u - OC_SYNTH_BITS)) / OC_SYNTH_NAMES)
#define OC_SYNTH_TTL 60u   /* seconds, for answers */
#define OC_SYNTH_HOLD 600u /* seconds; programs keep addresses longer than they may */

struct oc_synth;

/* NULL if there is no memory. */
struct oc_synth *oc_synth_new(void);
void oc_synth_free(struct oc_synth *s);

/*
 * The address of name (normalised), a new one if it has none; now: seconds of any clock that only goes forward.
 * Returns 0, or -1 if the table is full of names in use (or memory is).
 */
int oc_synth_give(struct oc_synth *s, const char *name, uint64_t now, struct oc_addr *out);
/* The name that a stands for, NULL if none; valid while the address is.  Does not count as use. */
const char *oc_synth_name(const struct oc_synth *s, const struct oc_addr *a);
/* Hold and release the name of an open connection.  hold returns -1 if a stands for nothing. */
int oc_synth_hold(struct oc_synth *s, const struct oc_addr *a, uint64_t now);
void oc_synth_release(struct oc_synth *s, const struct oc_addr *a, uint64_t now);
/* True for every address of the range, whether it stands for a name or not. */
bool oc_synth_is(const struct oc_addr *a);
/* Names that are in the table, and names that ever were (a name that went and came back counts twice). */
size_t oc_synth_count(const struct oc_synth *s);
uint64_t oc_synth_given(const struct oc_synth *s);

#endif
