/* What a command line becomes, and what the table may not say. */
#include "tools/ringlun/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = 16 };

/* Words between blanks. @text is cut up, and outlives @c. */
static enum command_status parse(struct call *c, char *text)
{
	char *argv[MAX_WORDS] = { (char[]){ "ringlun" } }, *at = NULL;
	int argc = 1;

	for (char *word = strtok_r(text, " ", &at); word; word = strtok_r(NULL, " ", &at))
		argv[argc++] = word;
	return call_parse(c, argc, argv);
}

static void options_anywhere(void **state)
{
	static const char *const lines[] = {
		"volume create db1 --size 1G --json",	 "--json volume create db1 --size 1G",
		"volume --json create --size=1G db1",	 "volume create --size 1G -- db1 --json",
		"volume create --size 1G --json -- db1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char text[100];
		enum command_status status;
		struct call c;

		strcpy(text, lines[i]);
		status = parse(&c, text);
		if (i == 3) { /* -- makes a word of it: one too many */
			assert_int_equal(status, STATUS_USAGE);
		} else {
			assert_int_equal(status, STATUS_OK);
			assert_string_equal(c.command->words, "volume create");
			assert_int_equal(c.nargs, 1);
			assert_string_equal(c.args[0], "db1");
			assert_string_equal(call_value(&c, "size"), "1G");
			assert_true(call_has(&c, "json"));
			assert_false(call_has(&c, "preallocate"));
			assert_null(call_value(&c, "pool"));
		}
		call_fini(&c);
	}
}

static void several_values(void **state)
{
	char text[] = "target set t --portal a --portal=b";
	struct call c;

	(void)state;
	assert_int_equal(parse(&c, text), STATUS_OK);
	assert_string_equal(call_nth_value(&c, "portal", 0), "a");
	assert_string_equal(call_nth_value(&c, "portal", 1), "b");
	assert_null(call_nth_value(&c, "portal", 2));
	call_fini(&c);
}

static void letters(void **state)
{
	char apart[] = "apply -f x.json", together[] = "apply -fx.json", dash[] = "apply -f -";
	struct call c;

	(void)state;
	assert_int_equal(parse(&c, apart), STATUS_OK);
	assert_string_equal(call_value(&c, "file"), "x.json");
	call_fini(&c);
	assert_int_equal(parse(&c, together), STATUS_OK);
	assert_string_equal(call_value(&c, "file"), "x.json");
	call_fini(&c);
	assert_int_equal(parse(&c, dash), STATUS_OK);
	assert_string_equal(call_value(&c, "file"), "-");
	call_fini(&c);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t value;
	} rows[] = {
		{ "0", true, 0 },     { "100", true, 100 }, { "101", false, 7 },
		{ "-1", false, 7 },   { "", false, 7 },	    { "5x", false, 7 },
		{ "0x10", false, 7 }, { " 5", false, 7 },   { "99999999999999999999999", false, 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char argument[40];
		char *argv[] = { (char[]){ "ringlun" }, (char[]){ "state" }, argument };
		uint64_t n = 7;
		struct call c;

		snprintf(argument, sizeof(argument), "--timeout=%s", rows[i].text);
		assert_int_equal(call_parse(&c, 3, argv), STATUS_OK);
		assert_int_equal(call_number(&c, "timeout", 0, 100, &n), rows[i].good);
		assert_int_equal(n, rows[i].value);
		call_fini(&c);
	}
}

/* What nobody would see before somebody types it. */
static void the_table(void **state)
{
	(void)state;
	for (const struct command *c = command_table; c->words; c++) {
		const char *words[2] = { 0 };
		char copy[40], *at;
		unsigned used;

		strcpy(copy, c->words);
		words[0] = strtok_r(copy, " ", &at);
		words[1] = strtok_r(NULL, " ", &at);
		assert_ptr_equal(command_find(words, command_depth(c), &used), c);
		assert_int_equal(used, command_depth(c));
		assert_non_null(c->summary);
		for (const struct command_option *o = c->options; o && o->name; o++) {
			assert_non_null(o->help);
			for (const struct command_option *g = command_globals; g->name; g++)
				assert_string_not_equal(o->name, g->name);
			for (const struct command_option *p = c->options; p != o; p++)
				assert_string_not_equal(o->name, p->name);
			assert_true(o->value || (!o->choices && !o->many));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_anywhere), cmocka_unit_test(several_values),
		cmocka_unit_test(letters),	    cmocka_unit_test(numbers),
		cmocka_unit_test(the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
