/* GET /metrics, in the text format 0.0.4 of Prometheus.
 *
 * One family after the other, as the format asks for: so the volumes are gone through once for each
 * family. Labels are escaped once for each volume and not for each line, and a histogram's lines
 * differ in their last label only: a line costs two copies and a number.
 *
 * Seconds and bytes; what only grows is a counter and ends in _total. A new family is a row in a
 * table here, and a line in the manual (METRICS in ringlund(8)). */
#include "target/control/metrics.h"

#include "target/control/metrics_out.h"

#include <stdlib.h>

static const char *const directions[SCSI_STAT_DIRS] = {
	[SCSI_STAT_READ] = "read",
	[SCSI_STAT_WRITE] = "write",
	[SCSI_STAT_OTHER] = "other",
};

void metrics_fini(struct metrics *m)
{
	for (unsigned i = 0; i < m->nvolumes; i++) {
		free(m->volumes[i].name);
		free(m->volumes[i].pool);
	}
	free(m->volumes);
	free(m->sessions);
	free(m->reactors);
	*m = (struct metrics){ 0 };
}

enum type { COUNTER, GAUGE, HISTOGRAM };

static void family(struct out *o, const char *name, enum type type, const char *help)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };

	out_str(o, "# HELP ");
	out_str(o, name);
	out_str(o, " ");
	out_str(o, help);
	out_str(o, "\n# TYPE ");
	out_str(o, name);
	out_str(o, " ");
	out_str(o, types[type]);
	out_str(o, "\n");
}

static void label(struct out *o, const char *before, const char *value)
{
	out_str(o, before);
	out_label(o, value);
}

static void value(struct out *o, const char *before, uint64_t n)
{
	out_str(o, before);
	out_u64(o, n);
	out_str(o, "\n");
}

static void value_ns(struct out *o, const char *before, uint64_t ns)
{
	out_str(o, before);
	out_ns(o, ns);
	out_str(o, "\n");
}

/* --- volumes ------------------------------------------------------------------------- */

/* {volume="name", in the text of all of them: NAMES has where each begins and ends. */
struct names {
	struct out text;
	size_t *ends;
};

static bool names_make(struct names *n, const struct metrics *m)
{
	*n = (struct names){ .ends = calloc(m->nvolumes + 1u, sizeof(*n->ends)) };
	for (unsigned i = 0; n->ends && i < m->nvolumes; i++) {
		label(&n->text, "{volume=\"", m->volumes[i].name);
		out_str(&n->text, "\"");
		n->ends[i + 1] = n->text.len;
	}
	return n->ends && !n->text.failed;
}

static void names_free(struct names *n)
{
	free(n->text.text);
	free(n->ends);
}

static void name(struct out *o, const char *family_name, const struct names *n, unsigned i)
{
	out_str(o, family_name);
	out_bytes(o, n->text.text + n->ends[i], n->ends[i + 1] - n->ends[i]);
}

static void volume_info(struct out *o, const struct metrics *m, const struct names *n)
{
	static const char info[] = "ringlun_volume_info";

	family(o, info, GAUGE, "A volume that there is, with its identity, pool and state.");
	for (unsigned i = 0; i < m->nvolumes; i++) {
		const struct metrics_volume *v = &m->volumes[i];

		name(o, info, n, i);
		out_str(o, ",id=\"");
		out_uuid(o, v->id);
		label(o, "\",pool=\"", v->pool);
		label(o, "\",state=\"", v->state);
		out_str(o, "\"} 1\n");
	}
}

static void volume_numbers(struct out *o, const struct metrics *m, const struct names *n)
{
	static const struct {
		const char *name;
		enum type type;
		const char *help;
		size_t at; /* in metrics_volume */
		bool small;
	} rows[] = {
#define ROW(name, type, help, field, small)                                                        \
	{ "ringlun_volume_" name, type, help, offsetof(struct metrics_volume, field), small }
		ROW("size_bytes", GAUGE, "Size of the volume.", size_bytes, false),
		ROW("queue", GAUGE, "Commands that wait for their answer.", stats.queue, true),
		ROW("flushes_total", COUNTER, "SYNCHRONIZE CACHE commands answered.", stats.flushes,
		    false),
		ROW("unmaps_total", COUNTER, "UNMAP and WRITE SAME commands answered.",
		    stats.unmaps, false),
		ROW("refused_total", COUNTER,
		    "Commands answered BUSY or TASK SET FULL for want of memory.", stats.refused,
		    false),
		ROW("aborted_total", COUNTER, "Commands that ended without an answer.",
		    stats.aborted, false),
#undef ROW
	};

	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		family(o, rows[k].name, rows[k].type, rows[k].help);
		for (unsigned i = 0; i < m->nvolumes; i++) {
			const void *at = (const char *)&m->volumes[i] + rows[k].at;

			name(o, rows[k].name, n, i);
			value(o, "} ",
			      rows[k].small ? *(const unsigned *)at : *(const uint64_t *)at);
		}
	}
}

static void volume_directions(struct out *o, const struct metrics *m, const struct names *n)
{
	static const struct {
		const char *name, *help;
		size_t at; /* in scsi_stat */
	} rows[] = {
		{ "ringlun_volume_operations_total", "Commands answered.",
		  offsetof(struct scsi_stat, ops) },
		{ "ringlun_volume_bytes_total",
		  "Data moved between initiators and the volume, by commands that ended GOOD.",
		  offsetof(struct scsi_stat, bytes) },
		{ "ringlun_volume_errors_total",
		  "Commands answered with a status other than GOOD; unit attentions are not "
		  "counted.",
		  offsetof(struct scsi_stat, errors) },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		family(o, rows[k].name, COUNTER, rows[k].help);
		for (unsigned i = 0; i < m->nvolumes; i++)
			for (unsigned dir = 0; dir < SCSI_STAT_DIRS; dir++) {
				const struct scsi_stat *s = &m->volumes[i].stats.dir[dir];

				name(o, rows[k].name, n, i);
				out_str(o, ",direction=\"");
				out_str(o, directions[dir]);
				value(o, "\"} ", *(const uint64_t *)((const char *)s + rows[k].at));
			}
	}
}

#define LATENCY "ringlun_volume_latency_seconds"

/* `1e-06"} ` and the like, for each bucket but the last, which has no end. */
struct edges {
	struct out text[SCSI_STAT_BUCKETS];
};

static bool edges_make(struct edges *e)
{
	bool failed = false;

	*e = (struct edges){ 0 };
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS; i++) {
		if (i < SCSI_STAT_BUCKETS - 1)
			out_ns(&e->text[i], (uint64_t)SCSI_STAT_FIRST_NS << i);
		else
			out_str(&e->text[i], "+Inf");
		out_str(&e->text[i], "\"} ");
		failed |= e->text[i].failed;
	}
	return !failed;
}

static void edges_free(struct edges *e)
{
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS; i++)
		free(e->text[i].text);
}

/* Buckets of a histogram hold all that is less than their edge, the ones before included. */
static void histogram(struct out *o, const struct scsi_stat *s, const struct edges *e,
		      const struct names *n, unsigned volume, const char *direction)
{
	struct out head = { 0 };
	uint64_t sum = 0;

	name(&head, LATENCY "_bucket", n, volume);
	out_str(&head, ",direction=\"");
	out_str(&head, direction);
	out_str(&head, "\",le=\"");
	o->failed |= head.failed;
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS && !head.failed; i++) {
		sum += s->buckets[i];
		out_bytes(o, head.text, head.len);
		out_bytes(o, e->text[i].text, e->text[i].len);
		value(o, "", sum);
	}
	free(head.text);
	name(o, LATENCY "_sum", n, volume);
	out_str(o, ",direction=\"");
	out_str(o, direction);
	value_ns(o, "\"} ", s->latency_ns);
	name(o, LATENCY "_count", n, volume);
	out_str(o, ",direction=\"");
	out_str(o, direction);
	value(o, "\"} ", sum);
}

static void volume_latency(struct out *o, const struct metrics *m, const struct names *n)
{
	struct edges e;

	o->failed |= !edges_make(&e);
	family(o, LATENCY, HISTOGRAM,
	       "From the arrival of a command to its status, data of writes included.");
	for (unsigned i = 0; i < m->nvolumes && !o->failed; i++)
		for (unsigned dir = 0; dir < SCSI_STAT_DIRS; dir++)
			histogram(o, &m->volumes[i].stats.dir[dir], &e, n, i, directions[dir]);
	edges_free(&e);
}

static void volumes(struct out *o, const struct metrics *m)
{
	struct names n;

	o->failed |= !names_make(&n, m);
	if (!o->failed) {
		volume_info(o, m, &n);
		volume_numbers(o, m, &n);
		volume_directions(o, m, &n);
		volume_latency(o, m, &n);
	}
	names_free(&n);
}

/* --- sessions ------------------------------------------------------------------------- */

static void session_info(struct out *o, const struct iscsi_session_info *s)
{
	out_str(o, "ringlun_session_info{session=\"");
	out_u64(o, s->id);
	label(o, "\",initiator=\"", s->initiator);
	label(o, "\",target=\"", s->target);
	label(o, "\",address=\"", s->address);
	out_str(o, "\",kind=\"");
	out_str(o, s->discovery ? "discovery" : "normal");
	out_str(o, "\",reactor=\"");
	out_u64(o, s->reactor);
	out_str(o, "\",header_digest=\"");
	out_str(o, s->header_digest ? "CRC32C" : "None");
	out_str(o, "\",data_digest=\"");
	out_str(o, s->data_digest ? "CRC32C" : "None");
	label(o, "\",state=\"", iscsi_session_state_name(s->state));
	out_str(o, "\"} 1\n");
}

static void session_bytes(struct out *o, uint64_t id, const char *direction, uint64_t n)
{
	out_str(o, "ringlun_session_bytes_total{session=\"");
	out_u64(o, id);
	label(o, "\",direction=\"", direction);
	value(o, "\"} ", n);
}

static void sessions(struct out *o, const struct metrics *m)
{
	const struct iscsi_session_info *all = m->sessions;

	family(o, "ringlun_sessions", GAUGE, "Sessions that there are.");
	value(o, "ringlun_sessions ", m->nsessions);
	family(o, "ringlun_session_info", GAUGE, "A session that there is.");
	for (unsigned i = 0; i < m->nsessions; i++)
		session_info(o, &all[i]);
	family(o, "ringlun_session_start_time_seconds", GAUGE, "When it logged in, since 1970.");
	for (unsigned i = 0; i < m->nsessions; i++) {
		out_str(o, "ringlun_session_start_time_seconds{session=\"");
		out_u64(o, all[i].id);
		value(o, "\"} ", all[i].since_s);
	}
	family(o, "ringlun_session_commands_total", COUNTER, "SCSI commands answered.");
	for (unsigned i = 0; i < m->nsessions; i++) {
		out_str(o, "ringlun_session_commands_total{session=\"");
		out_u64(o, all[i].id);
		value(o, "\"} ", all[i].commands);
	}
	family(o, "ringlun_session_bytes_total", COUNTER,
	       "Data moved by SCSI commands that ended GOOD.");
	for (unsigned i = 0; i < m->nsessions; i++) {
		session_bytes(o, all[i].id, "read", all[i].read_bytes);
		session_bytes(o, all[i].id, "write", all[i].written_bytes);
	}
}

/* --- the rest ------------------------------------------------------------------------- */

static void reactors(struct out *o, const struct metrics *m)
{
	static const struct {
		const char *name;
		enum type type;
		const char *help;
		size_t at; /* in metrics_reactor */
	} rows[] = {
		{ "ringlun_reactor_connections", GAUGE, "Connections of the reactor.",
		  offsetof(struct metrics_reactor, connections) },
		{ "ringlun_reactor_commands_total", COUNTER, "SCSI commands that came to it.",
		  offsetof(struct metrics_reactor, commands) },
		{ "ringlun_reactor_zombies", GAUGE,
		  "Aborted commands that a disk still has; later writes of their blocks wait.",
		  offsetof(struct metrics_reactor, zombies) },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		family(o, rows[k].name, rows[k].type, rows[k].help);
		for (unsigned i = 0; i < m->nreactors; i++) {
			out_str(o, rows[k].name);
			out_str(o, "{reactor=\"");
			out_u64(o, i);
			value(o, "\"} ",
			      *(const uint64_t *)((const char *)&m->reactors[i] + rows[k].at));
		}
	}
}

static void logins(struct out *o, const struct metrics *m)
{
	family(o, "ringlun_logins_total", COUNTER, "Logins that came to full feature phase.");
	value(o, "ringlun_logins_total ", m->logins);
	family(o, "ringlun_logins_redirected_total", COUNTER, "Logins sent to another address.");
	value(o, "ringlun_logins_redirected_total ", m->redirected);
	family(o, "ringlun_logins_refused_total", COUNTER,
	       "Logins refused, and connections closed before they logged in.");
	for (unsigned i = 0; i < LOGIN_REFUSALS; i++) {
		label(o, "ringlun_logins_refused_total{reason=\"",
		      login_refusal_name((enum login_refusal)i));
		value(o, "\"} ", m->refused[i]);
	}
}

static void log_lines(struct out *o, const struct metrics *m)
{
	static const char *const levels[] = { "error", "warn", "info", "debug" };

	family(o, "ringlun_log_lines_total", COUNTER, "Lines written to the log.");
	for (unsigned i = 0; i < ARRAY_SIZE(levels); i++) {
		label(o, "ringlun_log_lines_total{level=\"", levels[i]);
		value(o, "\"} ", m->log_lines[i]);
	}
	family(o, "ringlun_log_lines_dropped_total", COUNTER,
	       "Lines that are missing in the log: cut from a flood of one kind, or not taken by "
	       "whoever reads standard error.");
	value(o, "ringlun_log_lines_dropped_total{reason=\"flood\"} ", m->log_flood);
	value(o, "ringlun_log_lines_dropped_total{reason=\"not_taken\"} ", m->log_lost);
}

/* The names that all programs have. */
static void process(struct out *o, const struct metrics_process *p)
{
	family(o, "process_cpu_seconds_total", COUNTER, "User and system CPU time spent.");
	value_ns(o, "process_cpu_seconds_total ", p->cpu_ns);
	family(o, "process_start_time_seconds", GAUGE, "Start time of the process since 1970.");
	value_ns(o, "process_start_time_seconds ", p->start_ns);
	family(o, "process_resident_memory_bytes", GAUGE, "Resident memory size.");
	value(o, "process_resident_memory_bytes ", p->resident_bytes);
	family(o, "process_virtual_memory_bytes", GAUGE, "Virtual memory size.");
	value(o, "process_virtual_memory_bytes ", p->virtual_bytes);
	family(o, "process_open_fds", GAUGE, "Number of open file descriptors.");
	value(o, "process_open_fds ", p->open_fds);
	family(o, "process_max_fds", GAUGE, "Maximum number of open file descriptors.");
	value(o, "process_max_fds ", p->max_fds);
	family(o, "process_threads", GAUGE, "Number of threads.");
	value(o, "process_threads ", p->threads);
}

char *metrics_text(const struct metrics *m)
{
	struct out o = { 0 };

	family(&o, "ringlun_build_info", GAUGE, "The version, and the engine that runs.");
	label(&o, "ringlun_build_info{version=\"" RINGLUN_VERSION "\",engine=\"", m->engine);
	out_str(&o, "\"} 1\n");
	volumes(&o, m);
	sessions(&o, m);
	reactors(&o, m);
	logins(&o, m);
	log_lines(&o, m);
	process(&o, &m->process);
	return out_end(&o);
}
