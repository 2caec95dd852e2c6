/* Tables for people: a row of headings, columns as wide as their widest cell. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdio.h>

struct table {
	unsigned ncols;
	const char *const *heads; /* one that starts with '>' is aligned to the right */
	char **cells;		  /* row by row */
	size_t ncells, room;
};

/* @heads ends with NULL and outlives the table. */
void table_init(struct table *t, const char *const *heads);
/* The next cell, row by row; what is hostile in it is escaped. */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *format, ...) PRINTF(2, 3);
/* @columns: cut lines to that width; 0: do not. */
void table_print(const struct table *t, FILE *f, unsigned columns);
void table_fini(struct table *t);

/* A line of something that is shown alone: "size        100G"; nothing where the text is empty. */
void table_line(FILE *f, const char *what, const char *format, ...) PRINTF(3, 4);
