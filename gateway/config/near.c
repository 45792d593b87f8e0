/* SPDX-License-Identifier: Apache-2.0 */
/*
 * near - the name that was probably meant: at most two letters wrong, missing, too many or swapped.
 */
#include <string.h>

#include "gateway/config/internal.h"

enum { word_max = 40 };

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edit distance with swaps of neighbours counted as one; more than word_max letters: far. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[3][word_max + 1];

	for (size_t j = 0; j <= m; j++)
		row[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t d = least(up[j], now[j - 1]) + 1;
			d = least(d, up[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = least(d, up2[j - 2] + 1);
			now[j] = d;
		}
	}
	return row[n % 3][m];
}

const char *oc_config_near(const char *word, const char *const *names, size_t count)
{
	size_t n = strlen(word), best = 3;
	const char *found = NULL;

	if (n < 2 || n > word_max)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t m = strlen(names[i]);
		if (m > word_max || m + 2 < n || n + 2 < m)
			continue;
		size_t d = distance(word, n, names[i], m);
		if (d < best && d * 2 < (n > m ? n : m)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
