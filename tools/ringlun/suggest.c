/* Distance of Damerau and Levenshtein, restricted: no letter is changed twice. */
#include "tools/ringlun/suggest.h"

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <string.h>

enum { LONGEST = 40 };

unsigned suggest_distance(const char *a, const char *b)
{
	unsigned d[LONGEST + 1][LONGEST + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > LONGEST || lb > LONGEST)
		return LONGEST;
	for (unsigned i = 0; i <= la; i++)
		d[i][0] = i;
	for (unsigned j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++)
		for (size_t j = 1; j <= lb; j++) {
			bool swapped =
				i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
			unsigned n = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			n = MIN(n, d[i - 1][j] + 1);
			n = MIN(n, d[i][j - 1] + 1);
			d[i][j] = swapped ? MIN(n, d[i - 2][j - 2] + 1) : n;
		}
	return d[la][lb];
}

void suggest_consider(struct suggest *s, const char *word)
{
	size_t len = strlen(s->typed);
	unsigned far = len < 4 ? 1 : 2, n = suggest_distance(s->typed, word);

	if (len >= 3 && !strncmp(s->typed, word, len))
		n = 1; /* its beginning */
	if (n <= far && (!s->best || n < s->distance)) {
		s->best = word;
		s->distance = n;
	}
}
