/* What volumes did between two looks at /v1/stats. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STATS_MAX_BUCKETS = 64 };

enum stats_dir { STATS_READ, STATS_WRITE, STATS_DIRS };

struct stats_counts {
	uint64_t ops, bytes, errors;
	uint64_t buckets[STATS_MAX_BUCKETS];
};

struct stats_volume {
	char *name;
	struct stats_counts dir[STATS_DIRS];
	uint64_t queue;
};

struct stats {
	uint64_t at_ns;
	unsigned nbuckets;
	uint64_t upper_ns[STATS_MAX_BUCKETS]; /* of each but the last, which has no upper end */
	struct stats_volume *volumes;	      /* by name */
	size_t n;
};

struct stats_rate {
	double iops, bytes_s, errors_s;
	double p50_ns, p99_ns; /* -1: nothing was done */
};

struct stats_row {
	const char *name; /* borrowed from @now */
	struct stats_rate dir[STATS_DIRS];
	uint64_t queue;
};

/* -EPROTO: that is not what /v1/stats answers. */
int stats_parse(struct stats *out, const json_t *answer) MUST_CHECK;
void stats_fini(struct stats *s);

/* One row for each volume of @now, the busiest first. A volume that is new, or whose counters have
 * begun anew (a restart of the server), counts from 0. To be freed. */
struct stats_row *stats_rows(const struct stats *now, const struct stats *before);
double stats_seconds(const struct stats *now, const struct stats *before);

/* What part @q (0 to 1) of those counted is below; linear within a bucket; -1 where all are 0. Of
 * the last bucket only the lower end is known. */
double stats_quantile(const uint64_t *counts, const uint64_t *upper_ns, unsigned nbuckets,
		      double q);
