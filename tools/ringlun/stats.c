/* Differences of counters, and quantiles of histograms. */
#include "tools/ringlun/stats.h"

#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned parse_numbers(const json_t *array, uint64_t *out)
{
	size_t n = MIN(json_array_size(array), (size_t)STATS_MAX_BUCKETS);

	for (size_t i = 0; i < n; i++) {
		json_int_t v = json_integer_value(json_array_get(array, i));

		out[i] = v > 0 ? (uint64_t)v : 0;
	}
	return (unsigned)n;
}

static void parse_counts(struct stats_counts *c, const json_t *j)
{
	c->ops = field_number(j, "ops");
	c->bytes = field_number(j, "bytes");
	c->errors = field_number(j, "errors");
	parse_numbers(json_object_get(j, "buckets"), c->buckets);
}

static int by_name(const void *a, const void *b)
{
	const struct stats_volume *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int stats_parse(struct stats *out, const json_t *answer)
{
	const json_t *volumes = json_object_get(answer, "volumes"), *v;
	size_t i;

	*out = (struct stats){ 0 };
	if (!json_is_array(volumes) || !json_is_array(json_object_get(answer, "bucket_ns")))
		return -EPROTO;
	out->at_ns = field_number(answer, "at_ns");
	out->nbuckets = parse_numbers(json_object_get(answer, "bucket_ns"), out->upper_ns) + 1;
	out->nbuckets = MIN(out->nbuckets, (unsigned)STATS_MAX_BUCKETS);
	out->n = json_array_size(volumes);
	out->volumes = mem_need(calloc(out->n + 1, sizeof(*out->volumes)));
	json_array_foreach(volumes, i, v)
	{
		struct stats_volume *to = &out->volumes[i];

		to->name = mem_copy(field_text(v, "name", "?"));
		to->queue = field_number(v, "queue");
		parse_counts(&to->dir[STATS_READ], json_object_get(v, "read"));
		parse_counts(&to->dir[STATS_WRITE], json_object_get(v, "write"));
	}
	qsort(out->volumes, out->n, sizeof(*out->volumes), by_name);
	return 0;
}

void stats_fini(struct stats *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->volumes[i].name);
	free(s->volumes);
	*s = (struct stats){ 0 };
}

double stats_seconds(const struct stats *now, const struct stats *before)
{
	return now->at_ns > before->at_ns ? (double)(now->at_ns - before->at_ns) / 1e9 : 0;
}

double stats_quantile(const uint64_t *counts, const uint64_t *upper_ns, unsigned nbuckets, double q)
{
	double all = 0, seen = 0, wanted;

	for (unsigned i = 0; i < nbuckets; i++)
		all += (double)counts[i];
	if (all <= 0)
		return -1;
	wanted = all * q;
	for (unsigned i = 0; i < nbuckets; i++) {
		double lower = i ? (double)upper_ns[i - 1] : 0, n = (double)counts[i];

		if (n > 0 && seen + n >= wanted)
			return i + 1 == nbuckets ? lower
						 : lower + ((double)upper_ns[i] - lower) *
								   (wanted - seen) / n;
		seen += n;
	}
	return (double)upper_ns[nbuckets - 2];
}

/* What came since @before; all of @now where a counter went back. */
static struct stats_counts since(const struct stats_counts *now, const struct stats_counts *before)
{
	struct stats_counts d = *now;

	if (!before || now->ops < before->ops || now->bytes < before->bytes)
		return d;
	d.ops -= before->ops;
	d.bytes -= before->bytes;
	d.errors -= MIN(before->errors, d.errors);
	for (unsigned i = 0; i < STATS_MAX_BUCKETS; i++)
		d.buckets[i] -= MIN(before->buckets[i], d.buckets[i]);
	return d;
}

static struct stats_rate rate(const struct stats *now, const struct stats_counts *d, double seconds)
{
	double per_s = seconds > 0 ? 1 / seconds : 0;

	return (struct stats_rate){
		.iops = (double)d->ops * per_s,
		.bytes_s = (double)d->bytes * per_s,
		.errors_s = (double)d->errors * per_s,
		.p50_ns = stats_quantile(d->buckets, now->upper_ns, now->nbuckets, 0.5),
		.p99_ns = stats_quantile(d->buckets, now->upper_ns, now->nbuckets, 0.99),
	};
}

static double iops(const struct stats_row *row)
{
	return row->dir[STATS_READ].iops + row->dir[STATS_WRITE].iops;
}

static int busiest_first(const void *a, const void *b)
{
	const struct stats_row *x = a, *y = b;

	if (iops(x) > iops(y) || iops(x) < iops(y))
		return iops(x) > iops(y) ? -1 : 1;
	return strcmp(x->name, y->name);
}

struct stats_row *stats_rows(const struct stats *now, const struct stats *before)
{
	struct stats_row *rows = mem_need(calloc(now->n + 1, sizeof(*rows)));
	double seconds = stats_seconds(now, before);

	for (size_t i = 0; i < now->n; i++) {
		const struct stats_volume *v = &now->volumes[i];
		const struct stats_volume *old =
			before->n ? bsearch(v, before->volumes, before->n, sizeof(*v), by_name)
				  : NULL;

		rows[i].name = v->name;
		rows[i].queue = v->queue;
		for (unsigned dir = 0; dir < STATS_DIRS; dir++) {
			struct stats_counts d = since(&v->dir[dir], old ? &old->dir[dir] : NULL);

			rows[i].dir[dir] = rate(now, &d, seconds);
		}
	}
	qsort(rows, now->n, sizeof(*rows), busiest_first);
	return rows;
}
