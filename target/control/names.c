/* A sorted array: documents are read whole, and then only asked. */
#include "target/control/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *left, const void *right)
{
	const struct name_entry *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order ? order : (a->index > b->index) - (a->index < b->index);
}

int names_init(struct names *names, unsigned n)
{
	*names = (struct names){ .entries = n ? calloc(n, sizeof(*names->entries)) : NULL };
	return n && !names->entries ? -ENOMEM : 0;
}

void names_add(struct names *names, const char *name, unsigned index)
{
	names->entries[names->n++] = (struct name_entry){ name, index };
}

void names_sort(struct names *names)
{
	if (names->n)
		qsort(names->entries, names->n, sizeof(*names->entries), by_name);
}

long names_find(const struct names *names, const char *name)
{
	unsigned lo = 0, hi = names->n;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		int order = strcmp(name, names->entries[mid].name);

		if (!order)
			return names->entries[mid].index;
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -1;
}

void names_fini(struct names *names)
{
	free(names->entries);
	*names = (struct names){ .entries = NULL };
}
