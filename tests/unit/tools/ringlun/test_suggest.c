/* "Did you mean ...?" */
#include "tools/ringlun/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void distances(void **state)
{
	char longer[100];

	(void)state;
	assert_int_equal(suggest_distance("", ""), 0);
	assert_int_equal(suggest_distance("list", "list"), 0);
	assert_int_equal(suggest_distance("lst", "list"), 1);
	assert_int_equal(suggest_distance("ilst", "list"), 1);
	assert_int_equal(suggest_distance("volme", "volume"), 1);
	assert_int_equal(suggest_distance("xize", "size"), 1);
	assert_int_equal(suggest_distance("", "abc"), 3);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_true(suggest_distance(longer, "a") > 2);
}

static const char *best(const char *typed)
{
	static const char *const words[] = {
		"volume", "target", "job", "top", "unexpose", "expose"
	};
	struct suggest s = { .typed = typed };

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		suggest_consider(&s, words[i]);
	return s.best;
}

static void choices(void **state)
{
	(void)state;
	assert_string_equal(best("volumes"), "volume");
	assert_string_equal(best("vol"), "volume");
	assert_string_equal(best("expsoe"), "expose");
	assert_string_equal(best("jbo"), "job");
	assert_null(best("xyz"));
	assert_null(best("a")); /* everything is near to nearly nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances),
		cmocka_unit_test(choices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
