/* Values below 64 have a bucket each. Above, the highest bit chooses a group of 64
 * buckets and the six bits after it one of them:
 *
 *     value   1 bbbbbb xxxxx     xxxxx are lost
 *     bucket  (number of x + 1) * 64 + bbbbbb */
#include "bench/src/hist.h"

#include "backstore/base/compiler.h"

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 1u << HIST_SUB_BITS)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;
	return (shift << HIST_SUB_BITS) + (unsigned)(value >> shift);
}

/* The middle of a bucket: half a width from the farthest of its values. */
static uint64_t value_of(unsigned bucket)
{
	unsigned shift = bucket >> HIST_SUB_BITS;
	uint64_t low;

	if (shift == 0)
		return bucket;
	shift--;
	low = (uint64_t)(bucket - (shift << HIST_SUB_BITS)) << shift;
	return low + (((uint64_t)1 << shift) >> 1);
}

void hist_record(struct hist *h, uint64_t value)
{
	if (h->count == 0 || value < h->min)
		h->min = value;
	h->max = MAX(h->max, value);
	h->count++;
	h->sum += value;
	h->buckets[bucket_of(value)]++;
}

void hist_add(struct hist *to, const struct hist *from)
{
	if (from->count == 0)
		return;
	if (to->count == 0 || from->min < to->min)
		to->min = from->min;
	to->max = MAX(to->max, from->max);
	to->count += from->count;
	to->sum += from->sum;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
	double share = percent / 100 * (double)h->count;
	uint64_t rank = (uint64_t)share, seen = 0;

	if ((double)rank < share)
		rank++;
	if (rank <= 1)
		return h->min;
	if (rank >= h->count)
		return h->max;
	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank)
			return MIN(MAX(value_of(i), h->min), h->max);
	}
	return h->max;
}
