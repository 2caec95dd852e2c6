/* A histogram of times, exact to 1.6 %, of fixed size: 64 buckets per power of two.
 *
 * Plain data; zeroed is empty. One thread writes; hist_add joins those of several. */
#pragma once

#include <stdint.h>

enum {
	HIST_SUB_BITS = 6, /* a bucket's width is at most 1/64 of its values */
	HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) << HIST_SUB_BITS,
};

struct hist {
	uint64_t count, sum, min, max;
	uint64_t buckets[HIST_BUCKETS];
};

void hist_record(struct hist *h, uint64_t value);
void hist_add(struct hist *to, const struct hist *from);

/* The value below which @percent of all lie (nearest rank), within 1.6 %; 0 where
 * there is none. 0 and 100 are the exact least and greatest. */
uint64_t hist_percentile(const struct hist *h, double percent);

static inline double hist_mean(const struct hist *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}
