/* How far a job is. */
#include "tools/ringlun/progress.h"

#include "backstore/base/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void says(const char *job, const char *expected)
{
	json_t *j = json_loads(job, 0, NULL);
	char *text = progress_text(j);

	assert_string_equal(text, expected);
	free(text);
	json_decref(j);
}

static void texts(void **state)
{
	(void)state;
	says("{\"kind\": \"volume-create\", \"subject\": \"db1\", \"done\": 4509715800, \"total\": "
	     "10737418240, \"unit\": \"bytes\"}",
	     "volume-create db1   42 % (4.2G of 10G)");
	says("{\"kind\": \"apply\", \"subject\": \"state\", \"done\": 3, \"total\": 7, \"unit\": "
	     "\"steps\", \"message\": \"target a\"}",
	     "apply state   42 % (3 of 7 steps)  target a");
	says("{\"kind\": \"volume-delete\", \"subject\": \"db1\", \"done\": 0, \"total\": 0}",
	     "volume-delete db1");
	says("{\"kind\": \"x\", \"subject\": \"y\", \"done\": 9, \"total\": 0, \"unit\": "
	     "\"steps\"}",
	     "x y  9 steps");
	/* of another version, or of nobody that we know */
	says("{}", "job ");
	says("{\"done\": 20, \"total\": 10, \"unit\": 5}", "job   100 % (20 of 10)");
	says("{\"done\": -5, \"total\": 10}", "job     0 % (0 of 10)");
}

static void bars(void **state)
{
	static const struct {
		uint64_t done, total;
		const char *bar;
	} rows[] = {
		{ 0, 100, "[..........]" },
		{ 9, 100, "[..........]" },
		{ 50, 100, "[#####.....]" },
		{ 99, 100, "[#########.]" }, /* not full before it is done */
		{ 100, 100, "[##########]" },
		{ 200, 100, "[##########]" },
		{ 5, 0, "[..........]" },
		{ UINT64_MAX / 2, UINT64_MAX, "[#####.....]" },
	};
	char out[13];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		progress_bar(out, 10, rows[i].done, rows[i].total);
		assert_string_equal(out, rows[i].bar);
	}
}

static void left(void **state)
{
	struct progress p = { .begin_s = 10, .begin_done = 100 };

	(void)state;
	assert_int_equal(progress_left_s(&p, 200, 300, 20), 10);
	assert_int_equal(progress_left_s(&p, 150, 300, 20), 30);
	assert_true(progress_left_s(&p, 200, 300, 11) == UINT64_MAX); /* too early */
	assert_true(progress_left_s(&p, 100, 300, 20) == UINT64_MAX); /* it stands still */
	assert_true(progress_left_s(&p, 300, 300, 20) == UINT64_MAX);
	assert_true(progress_left_s(&p, 50, 0, 20) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(bars),
		cmocka_unit_test(left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
