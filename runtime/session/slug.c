/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slug - see slug.h.
 */
#include "runtime/session/slug.h"

#include <stdio.h>

#define COUNT(x) (sizeof(x) / sizeof(*(x)))

/* At most 12 letters each. */
static const char *const adjectives[] = {
	"able",	  "amber",  "ample", "azure",  "bold",	 "brave",  "brief",  "bright", "brisk",
	"calm",	  "civil",  "clean", "clear",  "clever", "cool",   "crisp",  "deep",   "eager",
	"early",  "easy",   "even",  "exact",  "fair",	 "fast",   "fine",   "firm",   "fleet",
	"fond",	  "frank",  "fresh", "gentle", "glad",	 "golden", "grand",  "green",  "handy",
	"happy",  "hardy",  "ideal", "jolly",  "keen",	 "kind",   "large",  "late",   "light",
	"lively", "loyal",  "lucid", "lucky",  "mellow", "merry",  "mild",   "modest", "neat",
	"noble",  "olive",  "open",  "pale",   "plain",	 "polite", "prime",  "proud",  "quick",
	"quiet",  "rapid",  "rare",  "ready",  "rich",	 "ripe",   "royal",  "sage",   "sharp",
	"silent", "silver", "smart", "smooth", "snowy",	 "solid",  "steady", "still",  "sunny",
	"swift",  "tall",   "tidy",  "tiny",   "true",	 "vast",   "vivid",  "warm",   "wise",
};
static const char *const nouns[] = {
	"acorn",  "anchor", "apple",  "arrow", "aspen",	 "badger", "barley", "basil",  "beach",
	"beacon", "birch",  "bridge", "brook", "canyon", "cedar",  "cliff",  "cloud",  "clover",
	"comet",  "coral",  "crane",  "creek", "delta",	 "dune",   "eagle",  "ember",  "falcon",
	"fern",	  "field",  "finch",  "fjord", "flint",	 "forest", "fox",    "garden", "glade",
	"grove",  "gull",   "harbor", "hazel", "heron",	 "hill",   "island", "ivy",    "jasper",
	"kelp",	  "lagoon", "lake",   "lark",  "laurel", "linen",  "lotus",  "maple",  "marsh",
	"meadow", "mesa",   "mint",   "moss",  "nectar", "oak",	   "ocean",  "orbit",  "orchid",
	"otter",  "owl",    "peak",   "pearl", "pebble", "pine",   "plum",   "pond",   "poppy",
	"quartz", "rain",   "reef",   "ridge", "river",	 "robin",  "sand",   "shell",  "slate",
	"spruce", "stone",  "thyme",  "tide",  "trail",	 "tulip",  "valley", "willow", "wren",
};

/* xorshift64*: enough for names. */
static uint32_t draw(uint64_t *state, size_t below)
{
	uint64_t x = *state ? *state : UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (uint32_t)(((x * UINT64_C(0x2545f4914f6cdd1d)) >> 32) * below >> 32);
}

void oc_slug_make(uint64_t *state, bool (*taken)(void *ctx, const char *slug), void *ctx,
		  char out[OC_SLUG_MAX])
{
	static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	for (int tries = 0;; tries++) {
		const char *a = adjectives[draw(state, COUNT(adjectives))];
		const char *b = nouns[draw(state, COUNT(nouns))];
		const char *c = nouns[draw(state, COUNT(nouns))];
		const size_t n = sizeof letters - 1;
		if (tries < 2)
			snprintf(out, OC_SLUG_MAX, "%s-%s", a, b);
		else if (tries < 4)
			snprintf(out, OC_SLUG_MAX, "%s-%s-%s", a, b, c);
		else
			snprintf(out, OC_SLUG_MAX, "%s-%s-%c%c%c", a, b, letters[draw(state, n)],
				 letters[draw(state, n)], letters[draw(state, n)]);
		if (!taken(ctx, out))
			return;
	}
}
