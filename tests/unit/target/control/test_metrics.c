/* The texts for monitoring: that they can be read, that they say what was counted, and that no name
 * breaks them. promtool reads the same from a live server in tests/control/metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "target/control/metrics.h"
#include "target/control/metrics_out.h"

#include <jansson.h>
#include <unistd.h>

enum { VOLUMES = 3 };

/* Labels that somebody has to escape. */
static const char *const names[VOLUMES] = { "disk1", "a\"b\\c\nd{e}", "gr\xc3\xbc\xc3\x9f\xff" };
static const char *const escaped[VOLUMES] = { "disk1", "a\\\"b\\\\c\\nd{e}",
					      "gr\xc3\xbc\xc3\x9f\xef\xbf\xbd" };

static void fill_volume(struct metrics_volume *v, const char *name, unsigned seed)
{
	v->name = strdup(name);
	v->pool = strdup(seed % 2 ? "default" : "");
	v->state = "in-use";
	v->id[0] = (uint8_t)seed;
	v->size_bytes = 1000 + seed;
	for (unsigned d = 0; d < SCSI_STAT_DIRS; d++) {
		struct scsi_stat *s = &v->stats.dir[d];

		s->bytes = 1000000 * seed + d;
		s->errors = 10 * seed + d;
		s->latency_ns = 1500000000 + seed;
		for (unsigned i = 0; i < SCSI_STAT_BUCKETS; i++)
			s->ops += s->buckets[i] = i * seed + d;
	}
	v->stats.flushes = 7 + seed;
	v->stats.unmaps = 8 + seed;
	v->stats.refused = 9 + seed;
	v->stats.aborted = 10 + seed;
	v->stats.queue = 11 + seed;
}

static void fill(struct metrics *m)
{
	*m = (struct metrics){ .nvolumes = VOLUMES, .nsessions = 2, .nreactors = 2 };
	m->volumes = calloc(VOLUMES, sizeof(*m->volumes));
	for (unsigned i = 0; i < VOLUMES; i++)
		fill_volume(&m->volumes[i], names[i], i);
	m->sessions = calloc(2, sizeof(*m->sessions));
	m->sessions[0] = (struct iscsi_session_info){
		.id = 17,
		.initiator = "iqn.2026-11.example:host",
		.target = "iqn.2026-11.io.ringlun:disk1",
		.address = "[fe80::1]:40000",
		.reactor = 1,
		.header_digest = true,
		.state = ISCSI_SESSION_ACTIVE,
		.since_s = 1795000000,
		.commands = 33,
		.read_bytes = 4096,
		.written_bytes = 8192,
	};
	m->sessions[1] = (struct iscsi_session_info){ .id = 18, .discovery = true };
	m->reactors = calloc(2, sizeof(*m->reactors));
	m->reactors[1] = (struct metrics_reactor){ 2, 99, 1 };
	m->logins = 5;
	m->redirected = 6;
	m->refused[REFUSED_FORBIDDEN] = 3;
	m->log_lines[1] = 12;
	m->log_flood = 4;
	m->log_lost = 2;
	m->process = (struct metrics_process){
		1250000000, 1795000000010000000, 1 << 20, 1 << 21, 9, 1024, 3
	};
	m->engine = "io_uring";
	m->at_ns = 123456789012;
}

static void expect_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return;
	fail_msg("no line: %s", line);
}

static void the_numbers_are_there(void **state)
{
	struct metrics m;
	char *t, line[300];

	(void)state;
	fill(&m);
	t = metrics_text(&m);
	assert_non_null(t);
	expect_line(t, "ringlun_build_info{version=\"" RINGLUN_VERSION "\",engine=\"io_uring\"} 1");
	expect_line(t, "ringlun_volume_info{volume=\"disk1\",id=\"00000000-0000-0000-0000-"
		       "000000000000\",pool=\"\",state=\"in-use\"} 1");
	expect_line(t, "ringlun_volume_size_bytes{volume=\"disk1\"} 1000");
	expect_line(t, "ringlun_volume_queue{volume=\"disk1\"} 11");
	expect_line(t, "ringlun_volume_flushes_total{volume=\"disk1\"} 7");
	expect_line(t, "ringlun_volume_unmaps_total{volume=\"disk1\"} 8");
	expect_line(t, "ringlun_volume_refused_total{volume=\"disk1\"} 9");
	expect_line(t, "ringlun_volume_aborted_total{volume=\"disk1\"} 10");
	for (unsigned i = 0; i < VOLUMES; i++) {
		snprintf(line, sizeof(line),
			 "ringlun_volume_bytes_total{volume=\"%s\",direction=\"write\"} %u",
			 escaped[i], 1000000 * i + 1);
		expect_line(t, line);
		snprintf(line, sizeof(line),
			 "ringlun_volume_errors_total{volume=\"%s\",direction=\"other\"} %u",
			 escaped[i], 10 * i + 2);
		expect_line(t, line);
		snprintf(line, sizeof(line),
			 "ringlun_volume_operations_total{volume=\"%s\",direction=\"read\"} %u",
			 escaped[i], i * 25 * 26 / 2);
		expect_line(t, line);
	}
	expect_line(t, "ringlun_sessions 2");
	expect_line(t,
		    "ringlun_session_info{session=\"17\",initiator=\"iqn.2026-11.example:host\","
		    "target=\"iqn.2026-11.io.ringlun:disk1\",address=\"[fe80::1]:40000\","
		    "kind=\"normal\",reactor=\"1\",header_digest=\"CRC32C\",data_digest=\"None\","
		    "state=\"active\"} 1");
	expect_line(t, "ringlun_session_start_time_seconds{session=\"17\"} 1795000000");
	expect_line(t, "ringlun_session_commands_total{session=\"17\"} 33");
	expect_line(t, "ringlun_session_bytes_total{session=\"17\",direction=\"read\"} 4096");
	expect_line(t, "ringlun_session_bytes_total{session=\"17\",direction=\"write\"} 8192");
	expect_line(t, "ringlun_reactor_commands_total{reactor=\"1\"} 99");
	expect_line(t, "ringlun_reactor_zombies{reactor=\"1\"} 1");
	expect_line(t, "ringlun_reactor_connections{reactor=\"0\"} 0");
	expect_line(t, "ringlun_logins_total 5");
	expect_line(t, "ringlun_logins_redirected_total 6");
	expect_line(t, "ringlun_logins_refused_total{reason=\"forbidden\"} 3");
	expect_line(t, "ringlun_log_lines_total{level=\"warn\"} 12");
	expect_line(t, "ringlun_log_lines_dropped_total{reason=\"flood\"} 4");
	expect_line(t, "ringlun_log_lines_dropped_total{reason=\"not_taken\"} 2");
	expect_line(t, "process_cpu_seconds_total 1.25");
	expect_line(t, "process_start_time_seconds 1795000000.01");
	expect_line(t, "process_open_fds 9");
	expect_line(t, "process_threads 3");
	free(t);
	metrics_fini(&m);
}

static void a_histogram_adds_up(void **state)
{
	static const char bucket[] = "ringlun_volume_latency_seconds_bucket{volume=\"disk1\","
				     "direction=\"write\",le=\"";
	struct metrics m;
	char *t, *at;
	double before = 0, edge;
	unsigned n = 0;

	(void)state;
	fill(&m);
	t = at = metrics_text(&m);
	while ((at = strstr(at, bucket))) {
		unsigned long long count;
		char *end;

		at += strlen(bucket);
		edge = strtod(at, &end); /* takes +Inf, too */
		assert_int_equal(sscanf(end, "\"} %llu\n", &count), 1);
		assert_true(edge > before);
		before = edge;
		assert_int_equal(count, ++n); /* one in each bucket */
		if (n < SCSI_STAT_BUCKETS)
			assert_true(edge == 1e-6 * (double)(1ull << (n - 1)));
	}
	assert_int_equal(n, SCSI_STAT_BUCKETS);
	assert_true(before > 1e300);
	expect_line(t,
		    "ringlun_volume_latency_seconds_sum{volume=\"disk1\",direction=\"write\"} 1.5");
	expect_line(
		t, "ringlun_volume_latency_seconds_count{volume=\"disk1\",direction=\"write\"} 26");
	free(t);
	metrics_fini(&m);
}

/* What the format asks for: HELP and TYPE once, before the lines of their family, which are
 * together; no line twice. */
static void families_are_whole(void **state)
{
	enum { MAX = 64 };
	static char seen[MAX][80];
	char family[80] = "", *t, *save = NULL;
	unsigned nseen = 0;
	struct metrics m;

	(void)state;
	fill(&m);
	t = metrics_text(&m);
	for (char *line = strtok_r(t, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t len;

		if (!strncmp(line, "# HELP ", 7)) {
			assert_int_equal(sscanf(line, "# HELP %79s %*s", family), 1);
			for (unsigned i = 0; i < nseen; i++)
				assert_string_not_equal(seen[i], family);
			assert_true(nseen < MAX);
			strcpy(seen[nseen++], family);
			line = strtok_r(NULL, "\n", &save);
			assert_non_null(line);
			len = strlen(family);
			assert_memory_equal(line, "# TYPE ", 7);
			assert_memory_equal(line + 7, family, len);
			assert_true(!!strstr(family, "_total") ==
				    !strcmp(line + 7 + len, " counter"));
			continue;
		}
		len = strlen(family);
		assert_memory_equal(line, family, len); /* no stranger in between */
		assert_true(line[len] == ' ' || line[len] == '{' || line[len] == '_');
		assert_true(strrchr(line, ' ') && strrchr(line, ' ')[1] >= '0');
	}
	assert_true(nseen > 25);
	free(t);
	metrics_fini(&m);
}

static void nothing_to_tell_of_is_no_error(void **state)
{
	struct metrics m = { .engine = "epoll" };
	char *t = metrics_text(&m), *j = metrics_json(&m);
	json_t *doc = json_loads(j, 0, NULL);

	(void)state;
	expect_line(t, "ringlun_sessions 0");
	assert_null(strstr(t, "{volume="));
	assert_non_null(doc);
	assert_int_equal(json_array_size(json_object_get(doc, "volumes")), 0);
	json_decref(doc);
	free(t);
	free(j);
	metrics_fini(&m);
}

static uint64_t number(const json_t *o, const char *key)
{
	const json_t *n = json_object_get(o, key);

	assert_true(json_is_integer(n));
	return (uint64_t)json_integer_value(n);
}

static void the_document_is_json(void **state)
{
	static const char *const json_names[VOLUMES] = { "disk1", "a\"b\\c\nd{e}",
							 "gr\xc3\xbc\xc3\x9f\xef\xbf\xbd" };
	static const char *const dirs[] = { "read", "write", "other" };
	struct metrics m;
	char *text;
	json_t *doc, *volumes, *edges;

	(void)state;
	fill(&m);
	text = metrics_json(&m);
	doc = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	assert_int_equal(number(doc, "at_ns"), 123456789012);
	edges = json_object_get(doc, "bucket_ns");
	assert_int_equal(json_array_size(edges), SCSI_STAT_BUCKETS - 1);
	assert_int_equal(json_integer_value(json_array_get(edges, 0)), 1000);
	assert_int_equal(json_integer_value(json_array_get(edges, 24)), 16777216000);
	volumes = json_object_get(doc, "volumes");
	assert_int_equal(json_array_size(volumes), VOLUMES);
	for (unsigned i = 0; i < VOLUMES; i++) {
		const json_t *v = json_array_get(volumes, i);

		assert_string_equal(json_string_value(json_object_get(v, "name")), json_names[i]);
		assert_int_equal(number(v, "queue"), 11 + i);
		assert_int_equal(number(v, "flushes"), 7 + i);
		assert_int_equal(number(v, "refused"), 9 + i);
		for (unsigned d = 0; d < SCSI_STAT_DIRS; d++) {
			const struct scsi_stat *s = &m.volumes[i].stats.dir[d];
			const json_t *o = json_object_get(v, dirs[d]);
			const json_t *buckets = json_object_get(o, "buckets");

			assert_int_equal(number(o, "ops"), s->ops);
			assert_int_equal(number(o, "bytes"), s->bytes);
			assert_int_equal(number(o, "errors"), s->errors);
			assert_int_equal(number(o, "latency_ns"), s->latency_ns);
			assert_int_equal(json_array_size(buckets), SCSI_STAT_BUCKETS);
			for (unsigned k = 0; k < SCSI_STAT_BUCKETS; k++)
				assert_int_equal(json_integer_value(json_array_get(buckets, k)),
						 s->buckets[k]);
		}
	}
	json_decref(doc);
	free(text);
	metrics_fini(&m);
}

static const char *out_of(void (*put)(struct out *o, const char *s), const char *s)
{
	static char text[200];
	struct out o = { 0 };
	char *t;

	put(&o, s);
	t = out_end(&o);
	snprintf(text, sizeof(text), "%s", t);
	free(t);
	return text;
}

/* RFC 3629: overlong forms, surrogates, what is beyond U+10FFFF, what is cut off. */
static void what_is_no_utf8_is_replaced(void **state)
{
#define FFFD "\xef\xbf\xbd"
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "a\x80z", "a" FFFD "z" },
		{ "\xc0\xaf", FFFD FFFD },
		{ "\xc3", FFFD },
		{ "\xc3(", FFFD "(" },
		{ "\xe0\x9f\xbf", FFFD FFFD FFFD },
		{ "\xed\xa0\x80", FFFD FFFD FFFD },
		{ "\xed\x9f\xbf", "\xed\x9f\xbf" },
		{ "\xe2\x82", FFFD FFFD },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xf0\x9f\x92\xa9", "\xf0\x9f\x92\xa9" },
		{ "\xf0\x8f\xbf\xbf", FFFD FFFD FFFD FFFD },
		{ "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD },
		{ "\xf8\x88\x80\x80\x80", FFFD FFFD FFFD FFFD FFFD },
		{ "\"", "\\\"" },
		{ "\\", "\\\\" },
		{ "\n", "\\n" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(out_of(out_label, cases[i].in), cases[i].out);
		assert_string_equal(out_of(out_json, cases[i].in), cases[i].out);
	}
	assert_string_equal(out_of(out_json, "\x01\t\x1f\x7f"), "\\u0001\\u0009\\u001f\x7f");
	assert_string_equal(out_of(out_label, "\x01\t"), "\x01\t");
}

static void numbers_are_written_whole(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 " },
		{ 1, "0.000000001 " },
		{ 1000, "0.000001 " },
		{ 1500000000, "1.5 " },
		{ 60000000000, "60 " },
		{ UINT64_MAX, "18446744073.709551615 " },
	};
	struct out o = { 0 };
	char *t;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		out_ns(&o, cases[i].ns);
		out_str(&o, " ");
		t = out_end(&o);
		assert_string_equal(t, cases[i].text);
		free(t);
	}
	out_u64(&o, 0);
	out_str(&o, " ");
	out_u64(&o, UINT64_MAX);
	t = out_end(&o);
	assert_string_equal(t, "0 18446744073709551615");
	free(t);
}

static void this_process_is_known(void **state)
{
	struct metrics_process before, p;
	int fd[2];
	struct timespec now;

	(void)state;
	metrics_read_process(&before);
	assert_int_equal(pipe(fd), 0);
	metrics_read_process(&p);
	assert_int_equal(p.open_fds, before.open_fds + 2);
	close(fd[0]);
	close(fd[1]);
	assert_true(p.max_fds > p.open_fds);
	assert_true(p.cpu_ns > 0 && p.cpu_ns < UINT64_C(3600000000000));
	assert_true(p.resident_bytes > 1 << 20 && p.virtual_bytes >= p.resident_bytes);
	assert_true(p.threads >= 1 && p.threads < 100);
	clock_gettime(CLOCK_REALTIME, &now);
	assert_true(p.start_ns / 1000000000 <= (uint64_t)now.tv_sec + 1);
	assert_true(p.start_ns / 1000000000 + 3600 > (uint64_t)now.tv_sec);
	assert_int_equal(p.start_ns, before.start_ns);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* How long it takes is printed, for whoever wants to know; it fails where it is absurd. */
static void a_thousand_volumes(void **state)
{
	struct metrics m = { .nvolumes = 1000, .engine = "epoll" };
	double t0, t1, t2;
	char name[32], *t, *j;
	unsigned lines = 0;
	json_t *doc;

	(void)state;
	m.volumes = calloc(m.nvolumes, sizeof(*m.volumes));
	for (unsigned i = 0; i < m.nvolumes; i++) {
		snprintf(name, sizeof(name), "volume-%u", i);
		fill_volume(&m.volumes[i], name, i);
	}
	t0 = seconds();
	t = metrics_text(&m);
	t1 = seconds();
	j = metrics_json(&m);
	t2 = seconds();
	for (const char *at = t; (at = strchr(at, '\n')); at++)
		lines++;
	print_message("1,000 volumes: /metrics %u lines, %zu bytes, %.1f ms; /v1/stats %zu bytes, "
		      "%.1f ms\n",
		      lines, strlen(t), 1e3 * (t1 - t0), strlen(j), 1e3 * (t2 - t1));
	assert_true(lines > 1000 * 3 * (SCSI_STAT_BUCKETS + 2));
	expect_line(t, "ringlun_volume_latency_seconds_count{volume=\"volume-999\","
		       "direction=\"read\"} 324675");
	doc = json_loads(j, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(doc, "volumes")), 1000);
	json_decref(doc);
	assert_true(t2 - t0 < 20);
	free(t);
	free(j);
	metrics_fini(&m);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_numbers_are_there),
		cmocka_unit_test(a_histogram_adds_up),
		cmocka_unit_test(families_are_whole),
		cmocka_unit_test(nothing_to_tell_of_is_no_error),
		cmocka_unit_test(the_document_is_json),
		cmocka_unit_test(what_is_no_utf8_is_replaced),
		cmocka_unit_test(numbers_are_written_whole),
		cmocka_unit_test(this_process_is_known),
		cmocka_unit_test(a_thousand_volumes),
	};

	if (argc == 2 && !strcmp(argv[1], "--print")) { /* for promtool check metrics */
		struct metrics m;
		char *t;

		fill(&m);
		t = metrics_text(&m);
		fputs(t ? t : "", stdout);
		free(t);
		metrics_fini(&m);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
