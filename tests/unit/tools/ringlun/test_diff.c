/* The steps of an apply. */
#include "tools/ringlun/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void prints(const char *steps, const char *expected)
{
	json_t *j = json_loads(steps, 0, NULL);
	size_t bytes;
	char *out = NULL;
	FILE *f = open_memstream(&out, &bytes);

	assert_non_null(j);
	diff_print(j, f);
	fclose(f);
	assert_string_equal(out, expected);
	free(out);
	json_decref(j);
}

static void steps(void **state)
{
	(void)state;
	prints("[]", "");
	prints("[{\"action\":\"create\",\"kind\":\"volume\",\"name\":\"a\",\"changes\":["
	       "{\"what\":\"size\",\"now\":null,\"wanted\":1073741824},"
	       "{\"what\":\"cache\",\"now\":null,\"wanted\":\"direct\"}]}]",
	       "+ volume a\n    size: 1G\n    cache: direct\n");
	prints("[{\"action\":\"change\",\"kind\":\"target\",\"name\":\"t\",\"changes\":["
	       "{\"what\":\"shared\",\"now\":false,\"wanted\":true},"
	       "{\"what\":\"allow\",\"now\":[],\"wanted\":null},"
	       "{\"what\":\"redirect\",\"now\":{\"address\":\"a:1\"},\"wanted\":null}]}]",
	       "~ target t\n    shared: false -> true\n    allow: [] -> the server's own rules\n"
	       "    redirect: {\"address\":\"a:1\"} -> nothing\n");
	prints("[{\"action\":\"delete\",\"kind\":\"portal\",\"name\":\"a:1\",\"changes\":["
	       "{\"what\":\"x\",\"now\":1,\"wanted\":null}]}]",
	       "- portal a:1\n");
	prints("[{\"action\":\"change\",\"kind\":\"discovery\",\"name\":\"\",\"changes\":null},5]",
	       "~ discovery\n~ ?\n");
	prints("[{\"action\":\"create\",\"kind\":\"a\\u001b\",\"name\":\"b\\nc\",\"changes\":["
	       "{\"what\":\"\\u202e\",\"now\":1,\"wanted\":\"\\r\"}]}]",
	       "+ a\\x1b b\\x0ac\n    \\u202e: \\x0d\n");
}

static void what_deletes(void **state)
{
	static const struct {
		const char *steps;
		bool deletes;
	} rows[] = {
		{ "[]", false },
		{ "null", false },
		{ "[{\"action\":\"delete\",\"kind\":\"target\"}]", false },
		{ "[{\"action\":\"create\",\"kind\":\"volume\"}]", false },
		{ "[{\"action\":\"create\"},{\"action\":\"delete\",\"kind\":\"volume\"}]", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *j = json_loads(rows[i].steps, JSON_DECODE_ANY, NULL);

		assert_int_equal(diff_deletes_volumes(j), rows[i].deletes);
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(what_deletes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
