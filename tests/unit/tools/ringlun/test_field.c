/* Parts of answers, whatever is in their place. */
#include "tools/ringlun/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void strange_and_usual(void **state)
{
	json_t *j = json_loads("{\"t\":\"x\",\"n\":5,\"neg\":-1,\"real\":2.5e3,\"huge\":1e300,"
			       "\"nan\":null,\"yes\":true,\"id\":18}",
			       0, NULL);
	char room[FIELD_ID_BYTES];
	json_t *named = json_loads("{\"id\":\"abc\"}", 0, NULL);

	(void)state;
	assert_non_null(j);
	assert_string_equal(field_text(j, "t", "-"), "x");
	assert_string_equal(field_text(j, "n", "-"), "-");
	assert_string_equal(field_text(j, "none", "-"), "-");
	assert_string_equal(field_text(NULL, "t", "-"), "-");
	assert_int_equal(field_number(j, "n"), 5);
	assert_int_equal(field_number(j, "neg"), 0);
	assert_int_equal(field_number(j, "real"), 2500);
	assert_int_equal(field_number(j, "huge"), 0);
	assert_int_equal(field_number(j, "t"), 0);
	assert_int_equal(field_number(NULL, "n"), 0);
	assert_true(field_is_true(j, "yes"));
	assert_false(field_is_true(j, "n"));
	assert_true(field_is_given(j, "n"));
	assert_false(field_is_given(j, "nan"));
	assert_false(field_is_given(j, "none"));
	assert_string_equal(field_id(j, room), "18");
	assert_string_equal(field_id(named, room), "abc");
	json_decref(j);
	json_decref(named);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(field_short_target("iqn.2026-11.io.ringlun:db1"), "db1");
	assert_string_equal(field_short_target("IQN.2026-11.io.ringlun:db1"), "db1");
	assert_string_equal(field_short_target("iqn.2026-11.io.ringlun:"),
			    "iqn.2026-11.io.ringlun:");
	assert_string_equal(field_short_target("iqn.1999-01.x:y"), "iqn.1999-01.x:y");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strange_and_usual),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
