/* UTF-8, and what must not reach a terminal. */
#include "tools/ringlun/text.h"

#include "backstore/base/compiler.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void one(const char *in, const char *keep, const char *expected)
{
	char *out = text_escape(in, keep);

	assert_string_equal(out, expected);
	free(out);
}

static void what_is_utf8(void **state)
{
	static const char *const bad[] = {
		"\x80",		    /* goes on without a beginning */
		"\xc0\xaf",	    /* overlong */
		"\xe0\x80\xaf",	    /* overlong */
		"\xed\xa0\x80",	    /* a surrogate */
		"\xf4\x90\x80\x80", /* above U+10FFFF */
		"\xc3",		    /* ends in the middle */
		"\xe2\x82",
		"\xf8\x88\x80\x80\x80",
		"\xff",
	};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_false(text_is_good_utf8(bad[i]));
		assert_int_equal(text_next(bad[i], &code), 1);
		assert_int_equal(code, UINT32_MAX);
	}
	assert_true(text_is_good_utf8("ab ü € \xf0\x9f\x92\xbe"));
	assert_int_equal(text_next("€", &code), 3);
	assert_int_equal(code, 0x20ac);
	assert_int_equal(text_next("\xf4\x8f\xbf\xbf", &code), 4);
	assert_int_equal(code, 0x10ffff);
}

static void escaped(void **state)
{
	(void)state;
	one("", NULL, "");
	one("plain ü 日本", NULL, "plain ü 日本");
	one("a\x1b[2Jb", NULL, "a\\x1b[2Jb");
	one("a\nb\tc\x7f", NULL, "a\\x0ab\\x09c\\x7f");
	one("a\nb\r", "\n", "a\nb\\x0d");
	one("\xc2\x9b"
	    "1m",
	    NULL, "\\u009b1m"); /* C1: CSI in one character */
	one("\xe2\x80\xae"
	    "gnp",
	    NULL, "\\u202egnp"); /* turns the direction */
	one("\xe2\x80\x8b\xef\xbb\xbf", NULL, "\\u200b\\ufeff");
	one("\xff\xc3", NULL, "\\xff\\xc3");
}

static void columns(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("bücher"), 6);
	assert_int_equal(text_width("日本"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* combining */
	assert_int_equal(text_fit("abc", 5), 3);
	assert_int_equal(text_fit("abc", 2), 2);
	assert_int_equal(text_fit("日本", 3), strlen("日"));
	assert_int_equal(text_fit("日本", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_utf8),
		cmocka_unit_test(escaped),
		cmocka_unit_test(columns),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
