/* The command window, and tasks by their tags. */
#include "target/iscsi/session.h"

#include "target/iscsi/task.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void session_at(struct session *s, uint32_t exp, uint32_t window)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->tasks);
	s->exp_cmd_sn = exp;
	s->max_cmd_sn = exp + window - 1;
}

/* At every place of the circle of numbers. */
static void the_window(void **state)
{
	static const uint32_t starts[] = {
		0, 1, 5, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff
	};
	struct session s;

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(starts); n++) {
		uint32_t at = starts[n];

		session_at(&s, at, 128);
		assert_int_equal(session_take_sn(&s, at - 1), SESSION_IGNORE);
		assert_int_equal(session_take_sn(&s, at - 1000), SESSION_IGNORE);
		assert_int_equal(session_take_sn(&s, at + 128), SESSION_IGNORE);
		assert_int_equal(session_take_sn(&s, at + 0x7fffffff), SESSION_IGNORE);
		assert_int_equal(session_take_sn(&s, at + 1), SESSION_EARLY);
		assert_int_equal(session_take_sn(&s, at + 127), SESSION_EARLY);
		assert_int_equal(s.exp_cmd_sn, at);
		assert_int_equal(session_take_sn(&s, at), SESSION_NOW);
		assert_int_equal(s.exp_cmd_sn, at + 1);
		assert_int_equal(session_take_sn(&s, at), SESSION_IGNORE); /* again */
		assert_int_equal(s.max_cmd_sn, at + 127);
	}
}

/* A whole window unanswered: closed; one answer: one more. */
static void the_window_moves_with_the_answers(void **state)
{
	struct session s;
	uint32_t sn = 0xffffff00;

	(void)state;
	session_at(&s, sn, 4);
	for (unsigned n = 0; n < 4; n++)
		assert_int_equal(session_take_sn(&s, sn++), SESSION_NOW);
	for (unsigned n = 0; n < 1000; n++) {
		assert_int_equal(session_take_sn(&s, sn), SESSION_IGNORE);
		session_credit(&s);
		assert_int_equal(session_take_sn(&s, sn + 1), SESSION_IGNORE);
		assert_int_equal(session_take_sn(&s, sn++), SESSION_NOW);
	}
	assert_int_equal(s.exp_cmd_sn, sn);
}

static void no_tag_is_the_reserved_one(void **state)
{
	struct session s;

	(void)state;
	session_at(&s, 0, 1);
	s.last_ttt = 0xfffffffd;
	assert_int_equal(session_new_ttt(&s), 0xfffffffe);
	assert_int_not_equal(session_new_ttt(&s), ISCSI_NO_TAG);
	assert_int_not_equal(session_new_ttt(&s), 0);
}

/* Initiators number their tags in different ways; none may put them all in one bucket. */
static void tags_are_spread(void **state)
{
	unsigned low[SESSION_ITT_BUCKETS] = { 0 }, high[SESSION_ITT_BUCKETS] = { 0 };

	(void)state;
	for (uint32_t n = 0; n < 128; n++) {
		low[session_bucket(n)]++;
		high[session_bucket(n << 16 | 7)]++;
	}
	for (unsigned n = 0; n < SESSION_ITT_BUCKETS; n++)
		assert_true(low[n] <= 1 && high[n] <= 1);
}

static void a_task_is_found_by_its_tag(void **state)
{
	enum { N = 500 };
	struct task *t = calloc(N, sizeof(*t));
	struct session s;

	(void)state;
	session_at(&s, 0, 1);
	for (uint32_t n = 0; n < N; n++) {
		unsigned bucket = session_bucket(n * 3);

		t[n].itt = be32_of(n * 3);
		t[n].itt_next = s.by_itt[bucket];
		s.by_itt[bucket] = &t[n];
	}
	for (uint32_t n = 0; n < N; n++) {
		assert_ptr_equal(session_find(&s, be32_of(n * 3)), &t[n]);
		assert_null(session_find(&s, be32_of(n * 3 + 1)));
	}
	assert_null(session_find(&s, be32_of(ISCSI_NO_TAG)));
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_window),
		cmocka_unit_test(the_window_moves_with_the_answers),
		cmocka_unit_test(no_tag_is_the_reserved_one),
		cmocka_unit_test(tags_are_spread),
		cmocka_unit_test(a_task_is_found_by_its_tag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
