/* Addresses to listen on: each way to write one, and what is none. */
#include "target/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* As the kernel would be told it. */
static const char *told(const struct listen_config *l, char *buf, size_t cap)
{
	const struct sockaddr_in *in = (const void *)&l->addr;
	const struct sockaddr_in6 *in6 = (const void *)&l->addr;
	char addr[INET6_ADDRSTRLEN];

	if (l->addr.ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, addr, sizeof(addr));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, addr, sizeof(addr));
	snprintf(buf, cap, "%s %u", addr,
		 ntohs(l->addr.ss_family == AF_INET ? in->sin_port : in6->sin6_port));
	return buf;
}

static void addresses(void **state)
{
	static const struct {
		const char *spec, *told;
		bool loopback;
	} t[] = {
		{ "127.0.0.1", "127.0.0.1 3260", true },
		{ "127.255.0.9:1", "127.255.0.9 1", true },
		{ "0.0.0.0", "0.0.0.0 3260", false },
		{ "192.0.2.1:65535", "192.0.2.1 65535", false },
		{ "192.0.2.1:0", "192.0.2.1 0", false },
		{ "::1", "::1 3260", true },
		{ "[::1]", "::1 3260", true },
		{ "[::1]:860", "::1 860", true },
		{ "::", ":: 3260", false },
		{ "2001:db8::1:3260", "2001:db8::1:3260 3260", false }, /* all of it an address */
		{ "[2001:DB8::1]:3261", "2001:db8::1 3261", false },
	};
	struct listen_config l;
	char why[CONFIG_WHY_BYTES], buf[80];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(listen_config_parse(&l, t[i].spec, why, sizeof(why)), 0);
		assert_string_equal(told(&l, buf, sizeof(buf)), t[i].told);
		assert_string_equal(l.text, t[i].spec);
		assert_int_equal(listen_config_is_loopback(&l), t[i].loopback);
	}
}

static void none_of_these(void **state)
{
	static const char *const t[] = {
		"",
		":",
		":3260",
		"127.0.0.1:",
		"127.0.0.1:x",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"127.0.0.1:65536",
		"127.0.0.1:99999999999999999999",
		"127.0.0",
		"127.0.0.1.1",
		"256.0.0.1",
		"localhost",
		"eth0",
		"[127.0.0.1]:",
		"[::1",
		"::1]",
		"[::1]3260",
		"[::1]:",
		"[]",
		"[]:3260",
		"fe80::1%lo",
		"::ffff:192.0.2.1",
		"1:2:3:4:5:6:7:8:9",
	};
	struct listen_config l;
	char why[CONFIG_WHY_BYTES], long_one[500];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		memset(why, 0, sizeof(why));
		if (listen_config_parse(&l, t[i], why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' is taken for an address", t[i]);
		assert_non_null(strstr(why, t[i]));
		assert_non_null(strstr(why, "give "));
	}
	memset(long_one, '1', sizeof(long_one));
	long_one[sizeof(long_one) - 1] = '\0';
	assert_int_equal(listen_config_parse(&l, long_one, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "give ")); /* it has not pushed out the way out */
}

static void what_cannot_be_bound_twice(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} t[] = {
		{ "127.0.0.1", "127.0.0.1", true },
		{ "127.0.0.1", "127.0.0.1:3261", false },
		{ "127.0.0.1", "127.0.0.2", false },
		{ "0.0.0.0", "127.0.0.2", true },
		{ "127.0.0.2", "0.0.0.0", true },
		{ "0.0.0.0", "::", false },
		{ "::", "[::1]", true },
		{ "[2001:db8::1]:5", "[2001:db8::1]:5", true },
		{ "[2001:db8::1]:5", "[2001:db8::2]:5", false },
		{ "127.0.0.1:0", "127.0.0.1:0", false },
	};
	struct listen_config a, b;
	char why[CONFIG_WHY_BYTES];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(listen_config_parse(&a, t[i].a, why, sizeof(why)), 0);
		assert_int_equal(listen_config_parse(&b, t[i].b, why, sizeof(why)), 0);
		assert_int_equal(listen_config_overlaps(&a, &b), t[i].overlap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(none_of_these),
		cmocka_unit_test(what_cannot_be_bound_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
