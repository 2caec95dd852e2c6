/* Rates and quantiles from two looks. */
#include "tools/ringlun/stats.h"

#include "tools/ringlun/top.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double a, double b)
{
	if (a < b - 0.001 || a > b + 0.001)
		fail_msg("%f is not %f", a, b);
}

static void quantiles(void **state)
{
	static const uint64_t upper[] = { 1000, 2000, 4000 };
	static const uint64_t none[4], one[4] = { 0, 1 }, spread[4] = { 50, 30, 15, 5 };
	static const uint64_t last[4] = { 0, 0, 0, 9 };

	(void)state;
	near(stats_quantile(none, upper, 4, 0.5), -1);
	near(stats_quantile(one, upper, 4, 0.5), 1500);
	near(stats_quantile(one, upper, 4, 1), 2000);
	near(stats_quantile(spread, upper, 4, 0.25), 500);
	near(stats_quantile(spread, upper, 4, 0.5), 1000);
	near(stats_quantile(spread, upper, 4, 0.65), 1500);
	near(stats_quantile(spread, upper, 4, 0.8), 2000);
	near(stats_quantile(spread, upper, 4, 0.95), 4000);
	near(stats_quantile(spread, upper, 4, 0.99), 4000); /* all that is known of the last one */
	near(stats_quantile(last, upper, 4, 0.5), 4000);
}

static int parse(struct stats *s, const char *text)
{
	json_t *j = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(j);
	rc = stats_parse(s, j);
	json_decref(j);
	return rc;
}

#define COUNTS(ops, bytes, a, b)                                                                   \
	"{\"ops\":" #ops ",\"bytes\":" #bytes ",\"errors\":0,\"latency_ns\":0,\"buckets\":[" #a    \
	"," #b ",0]}"
#define LOOK(at, volumes) "{\"at_ns\":" #at ",\"bucket_ns\":[1000,2000],\"volumes\":[" volumes "]}"
#define VOLUME(name, read, write)                                                                  \
	"{\"name\":\"" name "\",\"read\":" read ",\"write\":" write ",\"queue\":3}"
#define IDLE COUNTS(0, 0, 0, 0)

static void differences(void **state)
{
	struct stats before, now;
	struct stats_row *rows;

	(void)state;
	assert_int_equal(parse(&before, LOOK(1000000000,
					     VOLUME("b", COUNTS(10, 100, 10, 0), IDLE) "," VOLUME(
						     "again", COUNTS(500, 5000, 500, 0),
						     IDLE) "," VOLUME("gone", IDLE, IDLE))),
			 0);
	assert_int_equal(
		parse(&now,
		      LOOK(3000000000, VOLUME("again", COUNTS(4, 40, 4, 0), IDLE) "," VOLUME(
					       "b", COUNTS(110, 4100, 10, 100),
					       IDLE) "," VOLUME("new", IDLE, COUNTS(2, 8, 2, 0)))),
		0);
	near(stats_seconds(&now, &before), 2);
	rows = stats_rows(&now, &before);
	assert_string_equal(rows[0].name, "b"); /* the busiest */
	near(rows[0].dir[STATS_READ].iops, 50);
	near(rows[0].dir[STATS_READ].bytes_s, 2000);
	near(rows[0].dir[STATS_READ].p50_ns, 1500); /* what was before does not count */
	near(rows[0].dir[STATS_WRITE].p50_ns, -1);
	assert_int_equal(rows[0].queue, 3);
	assert_string_equal(rows[1].name, "again"); /* begun anew: from 0 */
	near(rows[1].dir[STATS_READ].iops, 2);
	near(rows[1].dir[STATS_READ].p50_ns, 500);
	assert_string_equal(rows[2].name, "new");
	near(rows[2].dir[STATS_WRITE].iops, 1);
	free(rows);
	rows = stats_rows(&now, &now);
	near(stats_seconds(&now, &now), 0);
	near(rows[0].dir[STATS_READ].iops, 0);
	free(rows);
	stats_fini(&before);
	stats_fini(&now);
}

/* Larger ones than before the restart: the number of operations tells. */
static void begun_anew(void **state)
{
	struct stats before, now;
	struct stats_row *rows;

	(void)state;
	assert_int_equal(parse(&before, LOOK(1000000000, VOLUME("a", COUNTS(5, 10, 5, 0), IDLE))),
			 0);
	assert_int_equal(parse(&now, LOOK(2000000000, VOLUME("a", COUNTS(4, 90, 4, 0), IDLE))), 0);
	rows = stats_rows(&now, &before);
	near(rows[0].dir[STATS_READ].iops, 4);
	near(rows[0].dir[STATS_READ].bytes_s, 90);
	free(rows);
	stats_fini(&before);
	stats_fini(&now);
}

static void strange_answers(void **state)
{
	struct stats s;

	(void)state;
	assert_int_equal(parse(&s, "{}"), -EPROTO);
	assert_int_equal(parse(&s, "{\"volumes\":[],\"bucket_ns\":5}"), -EPROTO);
	assert_int_equal(parse(&s,
			       "{\"volumes\":[5,null,{\"name\":1,\"read\":[],\"write\":{\"ops\":"
			       "-1,\"buckets\":[\"x\",-2]}}],\"bucket_ns\":[]}"),
			 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.nbuckets, 1);
	assert_int_equal(s.volumes[0].dir[STATS_WRITE].ops, 0);
	free(stats_rows(&s, &s));
	stats_fini(&s);
}

static void more_buckets_than_we_know(void **state)
{
	json_t *bounds = json_array(), *buckets = json_array();
	json_t *j = json_pack("{s:o, s:[{s:s, s:{s:i, s:o}}]}", "bucket_ns", bounds, "volumes",
			      "name", "a", "read", "ops", 1, "buckets", buckets);
	struct stats s, none = { 0 };
	struct stats_row *rows;

	(void)state;
	for (int i = 0; i < 300; i++) {
		json_array_append_new(bounds, json_integer(1000 * (i + 1)));
		json_array_append_new(buckets, json_integer(1));
	}
	assert_int_equal(stats_parse(&s, j), 0);
	assert_int_equal(s.nbuckets, STATS_MAX_BUCKETS);
	rows = stats_rows(&s, &none);
	near(rows[0].dir[STATS_READ].p99_ns, 63000);
	free(rows);
	stats_fini(&s);
	json_decref(j);
}

static unsigned lines_of(const char *text)
{
	unsigned n = 0;

	while ((text = strchr(text, '\n'))) {
		text++;
		n++;
	}
	return n;
}

static void rows_that_fit(void **state)
{
	struct stats before, now;
	char *text;

	(void)state;
	assert_int_equal(parse(&before, LOOK(1000000000, VOLUME("a", IDLE, IDLE))), 0);
	assert_int_equal(
		parse(&now, LOOK(2000000000, VOLUME("a", IDLE, IDLE) "," VOLUME(
						     "b", IDLE, IDLE) "," VOLUME("c", IDLE, IDLE))),
		0);
	text = top_text(&now, &before, 0);
	assert_int_equal(lines_of(text), 6);
	free(text);
	text = top_text(&now, &before, 6);
	assert_int_equal(lines_of(text), 6);
	free(text);
	text = top_text(&now, &before, 5);
	assert_int_equal(lines_of(text), 5);
	assert_non_null(strstr(text, "\n... and 2 more\n"));
	free(text);
	text = top_text(&now, &before, 1);
	assert_non_null(strstr(text, "\n... and 3 more\n"));
	free(text);
	stats_fini(&before);
	stats_fini(&now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles),
		cmocka_unit_test(differences),
		cmocka_unit_test(begun_anew),
		cmocka_unit_test(strange_answers),
		cmocka_unit_test(more_buckets_than_we_know),
		cmocka_unit_test(rows_that_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
