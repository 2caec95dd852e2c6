/* Tables for people. */
#include "tools/ringlun/table.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const heads[] = { "NAME", ">SIZE", "WHERE", NULL };

static void prints(const struct table *t, unsigned columns, const char *expected)
{
	size_t bytes;
	char *out = NULL;
	FILE *f = open_memstream(&out, &bytes);

	assert_non_null(f);
	table_print(t, f, columns);
	fclose(f);
	assert_string_equal(out, expected);
	free(out);
}

static void aligned(void **state)
{
	struct table t;

	(void)state;
	table_init(&t, heads);
	prints(&t, 0, "NAME  SIZE  WHERE\n");
	table_add(&t, "a");
	table_addf(&t, "%d", 5);
	table_add(&t, "");
	table_add(&t, "日本-volume");
	table_add(&t, "100G");
	table_add(&t, "pool");
	prints(&t, 0,
	       "NAME         SIZE  WHERE\n"
	       "a               5\n"
	       "日本-volume  100G  pool\n");
	prints(&t, 8, "NAME    \na       \n日本-vol\n");
	table_fini(&t);
}

static void hostile(void **state)
{
	struct table t;

	(void)state;
	table_init(&t, heads);
	table_add(&t, "a\nb");
	table_add(&t, "\x1b[1m");
	table_add(&t, "x");
	prints(&t, 0,
	       "NAME       SIZE  WHERE\n"
	       "a\\x0ab  \\x1b[1m  x\n");
	table_fini(&t);
}

static void many_rows(void **state)
{
	struct table t;

	(void)state;
	table_init(&t, heads);
	for (int i = 0; i < 1000; i++) {
		table_addf(&t, "v%d", i);
		table_addf(&t, "%d", i);
		table_add(&t, "x");
	}
	assert_int_equal(t.ncells, 3000);
	assert_string_equal(t.cells[2997], "v999");
	table_add(&t, "cut short"); /* a row that is not whole is not printed, and not leaked */
	table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned),
		cmocka_unit_test(hostile),
		cmocka_unit_test(many_rows),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
