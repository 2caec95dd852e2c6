/* GET /v1/stats. Written by hand: as a tree of JSON values a thousand volumes would be a hundred
 * thousand allocations, every second for each `ringlun top`. */
#include "target/control/metrics.h"
#include "target/control/metrics_out.h"

static void number(struct out *o, const char *before, uint64_t n)
{
	out_str(o, before);
	out_u64(o, n);
}

static void stat(struct out *o, const char *before, const struct scsi_stat *s)
{
	out_str(o, before);
	number(o, "{\"ops\":", s->ops);
	number(o, ",\"bytes\":", s->bytes);
	number(o, ",\"errors\":", s->errors);
	number(o, ",\"latency_ns\":", s->latency_ns);
	out_str(o, ",\"buckets\":");
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS; i++)
		number(o, i ? "," : "[", s->buckets[i]);
	out_str(o, "]}");
}

static void volume(struct out *o, const char *before, const struct metrics_volume *v)
{
	const struct scsi_stats *s = &v->stats;

	out_str(o, before);
	out_str(o, "{\"name\":\"");
	out_json(o, v->name);
	stat(o, "\",\"read\":", &s->dir[SCSI_STAT_READ]);
	stat(o, ",\"write\":", &s->dir[SCSI_STAT_WRITE]);
	stat(o, ",\"other\":", &s->dir[SCSI_STAT_OTHER]);
	number(o, ",\"flushes\":", s->flushes);
	number(o, ",\"unmaps\":", s->unmaps);
	number(o, ",\"refused\":", s->refused);
	number(o, ",\"aborted\":", s->aborted);
	number(o, ",\"queue\":", s->queue);
	out_str(o, "}");
}

char *metrics_json(const struct metrics *m)
{
	struct out o = { 0 };

	number(&o, "{\"at_ns\":", m->at_ns);
	/* upper ends, exclusive; the last bucket has none */
	out_str(&o, ",\"bucket_ns\":");
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS - 1; i++)
		number(&o, i ? "," : "[", (uint64_t)SCSI_STAT_FIRST_NS << i);
	out_str(&o, "],\"volumes\":[");
	for (unsigned i = 0; i < m->nvolumes; i++)
		volume(&o, i ? "," : "", &m->volumes[i]);
	out_str(&o, "]}");
	return out_end(&o);
}
