/* How far a job is: a bar that is drawn anew on a terminal, a line now and then elsewhere. Goes to
 * standard error: standard output is for results. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool terminal;
	bool drawn;	  /* there is a bar on the last line */
	int told_percent; /* by the last plain line; -1: none */
	double told_s, begin_s;
	uint64_t begin_done; /* at begin_s */
	char told_message[128];
};

void progress_init(struct progress *p);
/* @now_s: of a clock that only goes forward. */
void progress_show(struct progress *p, const json_t *job, double now_s);
/* The bar goes. */
void progress_end(struct progress *p);

/* The parts: "volume-create db1   42 % (4.2G of 10G)", without a line's end; to be freed. */
char *progress_text(const json_t *job);
/* "[#####.....]" of @cells between brackets. */
void progress_bar(char *out, unsigned cells, uint64_t done, uint64_t total);
/* Seconds that are left at the speed until now; UINT64_MAX: nobody knows. */
uint64_t progress_left_s(const struct progress *p, uint64_t done, uint64_t total, double now_s);
