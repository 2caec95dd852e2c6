/* An index of the names of a list: sorted once, then found by halving. Names are borrowed. */
#pragma once

#include "backstore/base/compiler.h"

/* Where a name stands in its list. */
struct name_entry {
	const char *name;
	unsigned index;
};

struct names {
	struct name_entry *entries;
	unsigned n;
};

/* Room for @n. -ENOMEM. names_fini in any case. */
int names_init(struct names *names, unsigned n) MUST_CHECK;
void names_add(struct names *names, const char *name, unsigned index);
/* After all were added. Equal ones are neighbours, by rising index. */
void names_sort(struct names *names);
/* The index, or -1. */
long names_find(const struct names *names, const char *name);
void names_fini(struct names *names);
