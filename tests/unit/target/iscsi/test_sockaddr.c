/* Addresses as text. */
#include "target/iscsi/sockaddr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage of(int family, const char *addr, unsigned port)
{
	struct sockaddr_storage sa = { .ss_family = family };

	if (family == AF_INET) {
		((struct sockaddr_in *)&sa)->sin_port = htons(port);
		assert_int_equal(inet_pton(family, addr, &((struct sockaddr_in *)&sa)->sin_addr),
				 1);
	} else {
		((struct sockaddr_in6 *)&sa)->sin6_port = htons(port);
		assert_int_equal(inet_pton(family, addr, &((struct sockaddr_in6 *)&sa)->sin6_addr),
				 1);
	}
	return sa;
}

static void addresses(void **state)
{
	static const struct {
		int family;
		const char *addr;
		unsigned port;
		const char *text;
		bool loopback;
	} rows[] = {
		{ AF_INET, "127.0.0.1", 3260, "127.0.0.1:3260", true },
		{ AF_INET, "127.255.0.9", 1, "127.255.0.9:1", true },
		{ AF_INET, "128.0.0.1", 65535, "128.0.0.1:65535", false },
		{ AF_INET6, "::1", 3260, "[::1]:3260", true },
		{ AF_INET6, "fd77::2", 0, "[fd77::2]:0", false },
		{ AF_INET6, "::ffff:192.0.2.7", 3260, "192.0.2.7:3260", false },
		{ AF_INET6, "1111:2222:3333:4444:5555:6666:7777:8888", 65535,
		  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", false },
	};
	struct sockaddr_storage other = { .ss_family = AF_UNSPEC };
	char text[SOCKADDR_TEXT_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage sa = of(rows[i].family, rows[i].addr, rows[i].port);

		sockaddr_text(&sa, sockaddr_port(&sa), text);
		assert_string_equal(text, rows[i].text);
		assert_int_equal(sockaddr_is_loopback(&sa), rows[i].loopback);
	}
	sockaddr_text(&other, 0, text);
	assert_string_equal(text, "?");
}

/* As they are given: what comes of it, or NULL. */
static void parsed(void **state)
{
	static const struct {
		const char *spec, *text;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1:3260" },
		{ "192.0.2.1:1", "192.0.2.1:1" },
		{ "0.0.0.0:0", "0.0.0.0:0" },
		{ "2001:DB8::1", "[2001:db8::1]:3260" },
		{ "[2001:db8::1]", "[2001:db8::1]:3260" },
		{ "[2001:db8::1]:65535", "[2001:db8::1]:65535" },
		{ "::ffff:192.0.2.1", "192.0.2.1:3260" },
		{ "[::ffff:192.0.2.1]:77", "192.0.2.1:77" },
		{ "", NULL },
		{ ":3260", NULL },
		{ "192.0.2.1:", NULL },
		{ "192.0.2.1:x", NULL },
		{ "192.0.2.1:65536", NULL },
		{ "192.0.2.1:-1", NULL },
		{ "192.0.2", NULL },
		{ "[192.0.2.1", NULL },
		{ "[::1]3260", NULL },
		{ "[::1]:", NULL },
		{ "example.org:3260", NULL },
		{ "11111111112222222222333333333344444444445555555555666666666677777777778", NULL },
	};
	char text[SOCKADDR_TEXT_BYTES];
	struct sockaddr_storage sa;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(!sockaddr_parse(&sa, rows[i].spec), rows[i].text != NULL);
		if (!rows[i].text)
			continue;
		sockaddr_text(&sa, sockaddr_port(&sa), text);
		assert_string_equal(text, rows[i].text);
	}
}

static void one_for_another(void **state)
{
	static const struct {
		const char *portal, *other;
		bool equal, covers;
	} rows[] = {
		{ "192.0.2.1:1", "192.0.2.1:1", true, true },
		{ "192.0.2.1:1", "192.0.2.1:2", false, false },
		{ "192.0.2.1:1", "192.0.2.2:1", false, false },
		{ "0.0.0.0:1", "192.0.2.2:1", false, true },
		{ "0.0.0.0:1", "192.0.2.2:2", false, false },
		{ "0.0.0.0:1", "[2001:db8::1]:1", false, false },
		{ "192.0.2.2:1", "0.0.0.0:1", false, false },
		{ "[::]:1", "[2001:db8::1]:1", false, true },
		{ "[::]:1", "192.0.2.2:1", false, false },
		{ "[2001:db8::1]:1", "[2001:db8::1]:1", true, true },
		{ "[2001:db8::1]:1", "[2001:db8::2]:1", false, false },
	};
	struct sockaddr_storage a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(sockaddr_parse(&a, rows[i].portal), 0);
		assert_int_equal(sockaddr_parse(&b, rows[i].other), 0);
		assert_int_equal(sockaddr_equal(&a, &b), rows[i].equal);
		assert_int_equal(sockaddr_covers(&a, &b), rows[i].covers);
		sockaddr_set_port(&b, htons(9));
		assert_int_equal(sockaddr_port(&b), htons(9));
		assert_false(sockaddr_covers(&a, &b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(parsed),
		cmocka_unit_test(one_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
