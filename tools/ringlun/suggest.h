/* "Did you mean ...?" */
#pragma once

#include <stddef.h>

/* Changes of one letter, exchanges of two neighbours among them, that make @b of @a. */
unsigned suggest_distance(const char *a, const char *b);

struct suggest {
	const char *typed;
	const char *best; /* NULL: nothing is near */
	unsigned distance;
};
/* One more word that it may have been. */
void suggest_consider(struct suggest *s, const char *word);
