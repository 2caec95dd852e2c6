/* Which portal an initiator's operator is told of. */
#include "tools/ringlun/portal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void told(const char *portals, const char *server, const char *expected)
{
	json_t *j = json_loads(portals, 0, NULL);
	char *portal = portal_for_people(j, server ? server : "/run/x", !server);

	if (expected)
		assert_string_equal(portal, expected);
	else
		assert_null(portal);
	free(portal);
	json_decref(j);
}

static void choices(void **state)
{
	char here[256] = "", any[300];

	(void)state;
	gethostname(here, sizeof(here) - 1);
	snprintf(any, sizeof(any), "%s:3260", here);
	told("[]", NULL, NULL);
	told("[{\"address\": \"127.0.0.1:3260\"}]", NULL, "127.0.0.1:3260");
	told("[\"127.0.0.1:3260\", \"10.0.0.1:3260\"]", NULL, "10.0.0.1:3260");
	told("[\"10.0.0.1:1\", \"127.0.0.1:3260\"]", NULL, "10.0.0.1:1");
	told("[\"[::1]:3260\", \"[2001:db8::1]:3261\"]", NULL, "[2001:db8::1]:3261");
	told("[\"0.0.0.0:3260\"]", NULL, any);
	told("[\"[::]:3260\"]", NULL, any);
	told("[\"0.0.0.0:3260\"]", "storage1:8080", "storage1:3260");
	told("[\"[::]:3260\"]", "[2001:db8::9]:8080", "[2001:db8::9]:3260");
	told("[5, null]", NULL, "?"); /* of nobody that we know */
}

static void loopback(void **state)
{
	(void)state;
	assert_true(portal_is_loopback("127.0.0.1:3260"));
	assert_true(portal_is_loopback("127.1.2.3:3260"));
	assert_true(portal_is_loopback("[::1]:3260"));
	assert_false(portal_is_loopback("[::]:3260"));
	assert_false(portal_is_loopback("0.0.0.0:3260"));
	assert_false(portal_is_loopback("12.7.0.1:3260"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choices),
		cmocka_unit_test(loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
