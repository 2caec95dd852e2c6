/* Which refusal a login's status is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "backstore/base/compiler.h"
#include "target/iscsi/counters.h"

static void each_status_has_its_counter(void **state)
{
	static const struct {
		enum iscsi_login_status status;
		enum login_refusal why;
	} rows[] = {
		{ ISCSI_LOGIN_INITIATOR_ERROR, REFUSED_PROTOCOL },
		{ ISCSI_LOGIN_AUTH_FAILURE, REFUSED_AUTHENTICATION },
		{ ISCSI_LOGIN_FORBIDDEN, REFUSED_FORBIDDEN },
		{ ISCSI_LOGIN_NOT_FOUND, REFUSED_NOT_FOUND },
		{ ISCSI_LOGIN_TARGET_REMOVED, REFUSED_NOT_FOUND },
		{ ISCSI_LOGIN_BAD_VERSION, REFUSED_PROTOCOL },
		{ ISCSI_LOGIN_MISSING_PARAM, REFUSED_PROTOCOL },
		{ ISCSI_LOGIN_NO_SESSION, REFUSED_PROTOCOL },
		{ ISCSI_LOGIN_TARGET_ERROR, REFUSED_UNAVAILABLE },
		{ ISCSI_LOGIN_UNAVAILABLE, REFUSED_UNAVAILABLE },
		{ ISCSI_LOGIN_OUT_OF_RESOURCES, REFUSED_RESOURCES },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct login_counters c = { 0 };

		login_count_status(&c, rows[i].status);
		for (unsigned k = 0; k < LOGIN_REFUSALS; k++)
			assert_int_equal(c.refused[k], k == rows[i].why);
		assert_int_equal(c.redirected + c.done, 0);
	}
}

static void a_redirection_is_no_refusal(void **state)
{
	struct login_counters c = { 0 };

	(void)state;
	login_count_status(&c, ISCSI_LOGIN_MOVED);
	login_count_status(&c, ISCSI_LOGIN_MOVED_FOREVER);
	assert_int_equal(c.redirected, 2);
	for (unsigned k = 0; k < LOGIN_REFUSALS; k++)
		assert_int_equal(c.refused[k], 0);
}

static void each_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LOGIN_REFUSALS; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(login_refusal_name((enum login_refusal)i),
						login_refusal_name((enum login_refusal)k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_status_has_its_counter),
		cmocka_unit_test(a_redirection_is_no_refusal),
		cmocka_unit_test(each_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
