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

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(addresses) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
