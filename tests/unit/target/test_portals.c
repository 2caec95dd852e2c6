/* Portals that come and go, before anybody listens; what the node tells of them. */
#include "target/portals.h"

#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct rig {
	struct iscsi_node node;
	struct portals portals;
	char why[512];
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_int_equal(iscsi_node_init(&r->node), 0);
	assert_int_equal(portals_init(&r->portals, &r->node, NULL, NULL), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	portals_fini(&r->portals);
	iscsi_node_fini(&r->node);
	free(r);
	return 0;
}

static int add(struct rig *r, const char *text, char told[SOCKADDR_TEXT_BYTES])
{
	struct sockaddr_storage sa;
	int rc = portals_add(&r->portals, text, &sa, r->why, sizeof(r->why));

	if (!rc)
		sockaddr_text(&sa, sockaddr_port(&sa), told);
	return rc;
}

static bool is_open(const char *text)
{
	struct sockaddr_storage sa;
	int fd, rc;

	assert_int_equal(sockaddr_parse(&sa, text), 0);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = connect(fd, (struct sockaddr *)&sa, sizeof(struct sockaddr_in));
	close(fd);
	return !rc;
}

static void they_come_and_go(void **state)
{
	struct rig *r = *state;
	char first[SOCKADDR_TEXT_BYTES], second[SOCKADDR_TEXT_BYTES], again[SOCKADDR_TEXT_BYTES];

	assert_int_equal(add(r, "127.0.0.1:0", first), 0);
	assert_int_equal(add(r, "127.0.0.1:0", second), 0);
	assert_string_not_equal(first, second);
	assert_int_equal(r->node.nportals, 2);
	assert_true(is_open(first) && is_open(second));
	assert_int_equal(add(r, first, again), -EADDRINUSE);
	assert_non_null(strstr(r->why, first));
	assert_int_equal(portals_remove(&r->portals, first, r->why, sizeof(r->why)), 0);
	assert_false(is_open(first));
	assert_true(is_open(second));
	assert_int_equal(r->node.nportals, 1);
	assert_int_equal(portals_remove(&r->portals, first, r->why, sizeof(r->why)), -ENOENT);
	assert_non_null(strstr(r->why, first));
	assert_int_equal(add(r, first, again), 0);
	assert_string_equal(again, first);
}

static void what_is_none(void **state)
{
	static const char *const bad[] = { "", "host", "127.0.0.1:x", "127.0.0.1:70000", "[::1" };
	struct rig *r = *state;
	char told[SOCKADDR_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(add(r, bad[i], told), -EINVAL);
		assert_non_null(strstr(r->why, bad[i]));
		assert_int_equal(portals_remove(&r->portals, bad[i], r->why, sizeof(r->why)),
				 -EINVAL);
	}
	assert_int_equal(add(r, "192.0.2.1:0", told), -EADDRNOTAVAIL);
	assert_non_null(strstr(r->why, "192.0.2.1"));
	assert_int_equal(r->node.nportals, 0);
}

static void as_many_as_may_be(void **state)
{
	struct rig *r = *state;
	char told[ISCSI_MAX_PORTALS + 1][SOCKADDR_TEXT_BYTES];

	for (unsigned n = 0; n < ISCSI_MAX_PORTALS; n++)
		assert_int_equal(add(r, "127.0.0.1:0", told[n]), 0);
	assert_int_equal(add(r, "127.0.0.1:0", told[ISCSI_MAX_PORTALS]), -ENOSPC);
	assert_non_null(strstr(r->why, "as many"));
	assert_int_equal(portals_remove(&r->portals, told[7], r->why, sizeof(r->why)), 0);
	assert_int_equal(add(r, "127.0.0.1:0", told[7]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(they_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(as_many_as_may_be, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
