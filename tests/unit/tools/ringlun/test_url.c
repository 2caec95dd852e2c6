/* Names in paths. */
#include "tools/ringlun/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void is(char *url, const char *expected)
{
	assert_string_equal(url, expected);
	free(url);
}

static void encoded(void **state)
{
	(void)state;
	is(url_format("/v1/volumes/%s", "db1"), "/v1/volumes/db1");
	is(url_format("/v1/volumes/%s/expose", "a/../b?c#d%e f"),
	   "/v1/volumes/a%2F..%2Fb%3Fc%23d%25e%20f/expose");
	is(url_format("/%s", "Az09-._~"), "/Az09-._~");
	is(url_format("/%s", "ü\n"), "/%C3%BC%0A");
	is(url_format("/v1/targets/%s", "iqn.2026-11.io.ringlun:x"),
	   "/v1/targets/iqn.2026-11.io.ringlun%3Ax");
	is(url_format("/v1/jobs/%s?wait=%u", "7", 10u), "/v1/jobs/7?wait=10");
}

static void queries(void **state)
{
	(void)state;
	is(url_add(url_format("/a"), "force", "true"), "/a?force=true");
	is(url_add(url_add(url_format("/a"), "b", "1&c=2"), "d", ""), "/a?b=1%26c%3D2&d=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded),
		cmocka_unit_test(queries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
