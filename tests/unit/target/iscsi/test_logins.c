/* Who counts as one address, and what is said to one too many of it. */
#include "target/iscsi/logins.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sockaddr_storage address(const char *text, uint32_t scope)
{
	struct sockaddr_storage sa = { .ss_family = AF_INET };
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&sa;

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&sa)->sin_addr) == 1)
		return sa;
	sa.ss_family = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
	six->sin6_scope_id = scope;
	six->sin6_port = (in_port_t)rand(); /* means nothing */
	six->sin6_flowinfo = (uint32_t)rand();
	return sa;
}

/* They take each other's places. */
static bool are_one(const char *a, uint32_t scope_a, const char *b, uint32_t scope_b)
{
	struct sockaddr_storage sa = address(a, scope_a), sb = address(b, scope_b);
	struct login_source *first, *second;
	struct logins l;
	bool one;

	assert_int_equal(logins_init(&l, 1), 0);
	assert_int_equal(logins_enter(&l, &sa, &first), LOGIN_MAY);
	one = logins_enter(&l, &sb, &second) == LOGIN_REFUSE;
	assert_int_equal(first == second, one);
	logins_leave(&l, first);
	logins_leave(&l, second);
	logins_fini(&l);
	return one;
}

static void who_is_one(void **state)
{
	(void)state;
	assert_true(are_one("192.0.2.1", 0, "192.0.2.1", 0));
	assert_false(are_one("192.0.2.1", 0, "192.0.2.2", 0));
	assert_true(are_one("2001:db8::1", 0, "2001:db8::ffff:1:2:3", 0)); /* a /64 */
	assert_false(are_one("2001:db8:0:0::1", 0, "2001:db8:0:1::1", 0));
	assert_true(are_one("fe80::1", 2, "fe80::1", 2));
	assert_false(are_one("fe80::1", 2, "fe80::2", 2)); /* hosts of one link */
	assert_false(are_one("fe80::1", 2, "fe80::1", 3));
	assert_false(are_one("::ffff:192.0.2.1", 0, "::ffff:192.0.2.2", 0));
	assert_false(are_one("::1", 0, "127.0.0.1", 0));
}

static void one_too_many_is_told_and_more_is_not(void **state)
{
	enum { MAX = 5 };
	struct sockaddr_storage sa = address("192.0.2.1", 0), other = address("192.0.2.2", 0);
	struct login_source *in[2 * MAX], *out;
	struct logins l;

	(void)state;
	assert_int_equal(logins_init(&l, MAX), 0);
	for (unsigned i = 0; i < 2 * MAX; i++)
		assert_int_equal(logins_enter(&l, &sa, &in[i]), i < MAX ? LOGIN_MAY : LOGIN_REFUSE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(logins_enter(&l, &sa, &out), LOGIN_CLOSE);
		assert_null(out);
	}
	assert_int_equal(logins_enter(&l, &other, &out), LOGIN_MAY); /* nobody else's loss */
	logins_leave(&l, out);
	for (unsigned i = 0; i <= MAX; i++)
		logins_leave(&l, in[i]);
	assert_int_equal(logins_enter(&l, &sa, &in[0]), LOGIN_MAY);
	logins_leave(&l, in[0]);
	for (unsigned i = MAX + 1; i < 2 * MAX; i++)
		logins_leave(&l, in[i]);
	for (unsigned i = 0; i < LOGINS_BUCKETS; i++)
		assert_true(list_empty(&l.buckets[i])); /* an address is not kept */
	logins_fini(&l);
}

static void what_has_no_address_is_not_counted(void **state)
{
	struct sockaddr_storage sa = { .ss_family = AF_UNIX };
	struct login_source *out;
	struct logins l;

	(void)state;
	assert_int_equal(logins_init(&l, 1), 0);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(logins_enter(&l, &sa, &out), LOGIN_MAY);
		assert_null(out);
	}
	logins_leave(&l, NULL);
	logins_fini(&l);
}

static void *come_and_go(void *arg)
{
	struct logins *l = arg;
	char text[32];

	for (unsigned i = 0; i < 2000; i++) {
		struct sockaddr_storage sa;
		struct login_source *s;

		snprintf(text, sizeof(text), "192.0.2.%u", i % 7);
		sa = address(text, 0);
		if (logins_enter(l, &sa, &s) == LOGIN_CLOSE)
			abort();
		logins_leave(l, s);
	}
	return NULL;
}

static void from_several_threads(void **state)
{
	pthread_t threads[4];
	struct logins l;

	(void)state;
	assert_int_equal(logins_init(&l, 4), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &l), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < LOGINS_BUCKETS; i++)
		assert_true(list_empty(&l.buckets[i]));
	logins_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_one),
		cmocka_unit_test(one_too_many_is_told_and_more_is_not),
		cmocka_unit_test(what_has_no_address_is_not_counted),
		cmocka_unit_test(from_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
