/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names - host names in the one form in which they are compared: lower case ASCII, no trailing dot.
 *
 * The same function reads rules, DNS questions, TLS server names and Host headers, so that no two of them can disagree.
 * Letters outside ASCII are refused (with the xn-- form as a hint where it is certain): mapping them (UTS 46) takes tables
 * that change every year, and a rule must not change its meaning with a library.  On the wire names are ASCII anyway.
 * Pure: no system call, no memory, no state.
 */
#ifndef OC_NETNS_POLICY_NAMES_H
#define OC_NETNS_POLICY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define OC_NAME_MAX 253	      /* characters of a name without the trailing dot, RFC 1035 2.3.4 */
#define OC_NAME_LABEL_MAX 63

enum oc_name_error {
	OC_NAME_EMPTY = -1,
	OC_NAME_LONG = -2,
	OC_NAME_LABEL_EMPTY = -3,
	OC_NAME_LABEL_LONG = -4,
	OC_NAME_BYTE = -5,     /* not a letter, digit, hyphen or underscore */
	OC_NAME_NOT_ASCII = -6,
	OC_NAME_HYPHEN = -7,   /* a label starts or ends with one */
	OC_NAME_NUMERIC = -8,  /* the last label is a number: an address, or what some program takes for one */
	OC_NAME_PUNYCODE = -9, /* xn-- and then nothing that decodes */
};

/*
 * Normalise in[0..len) (may hold any bytes): one trailing dot goes, letters become lower case.  Returns the length, out is NUL-terminated;
 * or an enum oc_name_error, and out is "".  Underscores are taken anywhere: real names have them.
 */
int oc_name_normalize(const char *in, size_t len, char out[OC_NAME_MAX + 1]);
/* "a label is empty", ... */
const char *oc_name_error_text(int error);
/*
 * The ASCII form of a name with letters outside ASCII, only if no mapping is needed to get it (all in ranges that are lower case and
 * composed).  Returns the length, or an enum oc_name_error if it cannot be said.
 */
int oc_name_to_ascii(const char *in, size_t len, char out[OC_NAME_MAX + 1]);

/* Both normalised.  True if name is any number of labels, at least one, below parent. */
bool oc_name_below(const char *name, const char *parent);

/*
 * What stands directly above names that anyone can register: every single label, and a list of the well-known longer ones (country
 * second levels, and hosting services where every customer is a name; see suffix.c for what is covered).
 */
bool oc_name_is_public_suffix(const char *name);
/* The part of it that no host has: what registries sell below, and the well-known top-level names ("com", "co.uk", "io"). */
bool oc_name_is_registry(const char *name);
/* localhost, localhost.localdomain and all below localhost: inside a sandbox these are the sandbox itself. */
bool oc_name_is_localhost(const char *name);
/* Names that are never public hosts: the above, *.local, *.internal (metadata.google.internal), *.home.arpa, *.lan, *.onion. */
bool oc_name_is_special(const char *name);

#endif
