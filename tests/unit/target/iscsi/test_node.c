/* The register: targets, who may log in, who holds what, who is replaced. */
#include "target/iscsi/session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_OLD = 4 };

struct rig {
	struct iscsi_node node;
	char holder[ISCSI_NAME_BYTES];
	struct node_old old[MAX_OLD];
	unsigned nold;
};

static int add(struct rig *r, const char *name, bool shared)
{
	struct policy_spec spec = { .by_default = true, .shared = shared };
	struct iscsi_policy *policy;
	char why[256];

	assert_int_equal(policy_new(&policy, &spec, why, sizeof(why)), 0);
	return iscsi_node_add_target(&r->node, name, policy, why, sizeof(why));
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_int_equal(iscsi_node_init(&r->node), 0);
	assert_int_equal(add(r, "iqn.x:one", false), 0);
	assert_int_equal(add(r, "iqn.x:shared", true), 0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	iscsi_node_fini(&r->node);
	free(r);
	return 0;
}

static void session_of(struct rig *r, struct session *s, const char *target, const char *name,
		       uint8_t isid)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->link);
	s->target = target ? iscsi_node_target(&r->node, target) : NULL;
	s->policy = s->target ? s->target->policy : NULL;
	strcpy(s->initiator, name);
	s->isid[5] = isid;
	s->reactor = (void *)&s->isid; /* tells them apart */
}

static enum node_verdict enter(struct rig *r, struct session *s)
{
	*r->holder = '\0';
	return iscsi_node_enter(&r->node, s, r->old, MAX_OLD, &r->nold, r->holder);
}

static void targets_by_name(void **state)
{
	struct rig *r = *state;
	char longest[ISCSI_NAME_BYTES + 1];

	assert_int_equal(add(r, "iqn.x:one", false), -EEXIST);
	assert_int_equal(add(r, "IQN.X:ONE", false), -EEXIST);
	assert_string_equal(iscsi_node_target(&r->node, "Iqn.x:oNe")->name, "iqn.x:one");
	assert_null(iscsi_node_target(&r->node, "iqn.x:on"));
	assert_null(iscsi_node_target(&r->node, ""));
	memset(longest, 'n', sizeof(longest));
	longest[ISCSI_NAME_BYTES] = '\0';
	assert_int_equal(add(r, longest, false), -EINVAL);
	longest[ISCSI_NAME_BYTES - 1] = '\0';
	assert_int_equal(add(r, longest, false), 0);
	assert_non_null(iscsi_node_target(&r->node, longest));
}

static void one_name_at_a_time(void **state)
{
	struct rig *r = *state;
	struct session a, path, b, shared_a, shared_b, discovery;

	session_of(r, &a, "iqn.x:one", "host-a", 1);
	session_of(r, &path, "iqn.x:one", "HOST-A", 2);
	session_of(r, &b, "iqn.x:one", "host-b", 1);
	session_of(r, &shared_a, "iqn.x:shared", "host-a", 1);
	session_of(r, &shared_b, "iqn.x:shared", "host-b", 1);
	session_of(r, &discovery, NULL, "host-b", 1);
	assert_int_equal(enter(r, &a), NODE_ENTERED);
	assert_int_equal(enter(r, &path), NODE_ENTERED);
	assert_int_equal(r->nold, 0);
	assert_int_equal(enter(r, &b), NODE_HELD);
	assert_string_equal(r->holder, "host-a");
	assert_false(b.registered);
	assert_int_equal(enter(r, &shared_a), NODE_ENTERED);
	assert_int_equal(enter(r, &shared_b), NODE_ENTERED);
	assert_int_equal(enter(r, &discovery), NODE_ENTERED);
	iscsi_node_leave(&r->node, &a);
	assert_int_equal(enter(r, &b), NODE_HELD); /* the other path */
	iscsi_node_leave(&r->node, &path);
	assert_int_equal(enter(r, &b), NODE_ENTERED);
	assert_int_equal(enter(r, &a), NODE_HELD);
	assert_string_equal(r->holder, "host-b");
	iscsi_node_leave(&r->node, &b);
	iscsi_node_leave(&r->node, &b); /* harmless */
	iscsi_node_leave(&r->node, &a);
	assert_int_equal(enter(r, &a), NODE_ENTERED);
}

/* Same name, ISID and target: RFC 7143 6.3.5. */
static void older_sessions_of_the_nexus(void **state)
{
	struct rig *r = *state;
	struct session s[MAX_OLD + 2], other_port, other_target;

	session_of(r, &other_port, "iqn.x:one", "host", 2);
	assert_int_equal(enter(r, &other_port), NODE_ENTERED);
	session_of(r, &other_target, "iqn.x:shared", "host", 1);
	assert_int_equal(enter(r, &other_target), NODE_ENTERED);
	for (unsigned n = 0; n <= MAX_OLD; n++) {
		session_of(r, &s[n], "iqn.x:one", n % 2 ? "host" : "HOST", 1);
		assert_int_equal(enter(r, &s[n]), NODE_ENTERED);
		assert_int_equal(r->nold, n);
		for (unsigned k = 0; k < n; k++) {
			assert_ptr_equal(r->old[k].reactor, s[k].reactor);
			assert_int_equal(r->old[k].serial, s[k].serial);
		}
	}
	session_of(r, &s[MAX_OLD + 1], "iqn.x:one", "host", 1);
	assert_int_equal(enter(r, &s[MAX_OLD + 1]), NODE_FULL); /* more than can be told */
	assert_false(s[MAX_OLD + 1].registered);
}

static void any_number_of_discoveries(void **state)
{
	struct rig *r = *state;
	struct session s[MAX_OLD * 3];

	for (unsigned n = 0; n < ARRAY_SIZE(s); n++) {
		session_of(r, &s[n], NULL, "host", 1);
		assert_int_equal(enter(r, &s[n]), NODE_ENTERED);
		assert_int_equal(r->nold, 0);
	}
}

/* Discovery counts, too; who comes in place of an older session always may. */
static void no_more_sessions_than_may_be(void **state)
{
	struct rig *r = *state;
	struct session a, b, discovery, again, third;

	r->node.max_sessions = 2;
	session_of(r, &a, "iqn.x:shared", "host", 1);
	session_of(r, &b, "iqn.x:shared", "host", 2);
	session_of(r, &discovery, NULL, "host", 1);
	session_of(r, &again, "iqn.x:shared", "host", 1);
	assert_int_equal(enter(r, &discovery), NODE_ENTERED);
	assert_int_equal(enter(r, &a), NODE_ENTERED);
	assert_int_equal(enter(r, &b), NODE_FULL);
	assert_false(b.registered);
	assert_int_equal(enter(r, &again), NODE_ENTERED);
	assert_int_equal(r->nold, 1);
	session_of(r, &third, "iqn.x:shared", "host", 1); /* the first has not gone yet */
	assert_int_equal(enter(r, &third), NODE_ENTERED);
	assert_int_equal(r->nold, 2);
	assert_int_equal(enter(r, &b), NODE_FULL);
	iscsi_node_leave(&r->node, &again);
	assert_int_equal(enter(r, &b), NODE_FULL);
	iscsi_node_leave(&r->node, &a);
	iscsi_node_leave(&r->node, &a); /* counted once */
	assert_int_equal(enter(r, &b), NODE_FULL);
	iscsi_node_leave(&r->node, &discovery);
	assert_int_equal(enter(r, &b), NODE_ENTERED);
	assert_int_equal(r->node.nsessions, 2);
}

static void a_thousand_targets(void **state)
{
	struct rig *r = *state;
	char name[64];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "iqn.x:many-%u", i);
		assert_int_equal(add(r, name, false), 0);
	}
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "IQN.x:Many-%u", i);
		assert_int_equal(add(r, name, false), -EEXIST);
		assert_non_null(iscsi_node_target(&r->node, name));
		assert_string_equal(iscsi_node_target(&r->node, name)->name + 10, name + 10);
	}
	assert_null(iscsi_node_target(&r->node, "iqn.x:many-1000"));
}

static void handles_are_never_zero_nor_twice(void **state)
{
	struct rig *r = *state;
	struct session first, s;
	uint64_t last = 0;

	session_of(r, &first, "iqn.x:shared", "first", 1);
	assert_int_equal(enter(r, &first), NODE_ENTERED);
	assert_true(iscsi_node_has_tsih(&r->node, first.tsih));
	for (unsigned n = 0; n < 70000; n++) { /* around once, and past the first */
		session_of(r, &s, "iqn.x:shared", "other", 1);
		assert_int_equal(enter(r, &s), NODE_ENTERED);
		assert_int_not_equal(s.tsih, 0);
		assert_int_not_equal(s.tsih, first.tsih);
		assert_true(s.serial > last);
		last = s.serial;
		iscsi_node_leave(&r->node, &s);
	}
	assert_false(iscsi_node_has_tsih(&r->node, s.tsih));
	iscsi_node_leave(&r->node, &first);
	assert_false(iscsi_node_has_tsih(&r->node, first.tsih));
	assert_false(iscsi_node_has_tsih(&r->node, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(targets_by_name, setup, teardown),
		cmocka_unit_test_setup_teardown(one_name_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(older_sessions_of_the_nexus, setup, teardown),
		cmocka_unit_test_setup_teardown(any_number_of_discoveries, setup, teardown),
		cmocka_unit_test_setup_teardown(no_more_sessions_than_may_be, setup, teardown),
		cmocka_unit_test_setup_teardown(a_thousand_targets, setup, teardown),
		cmocka_unit_test_setup_teardown(handles_are_never_zero_nor_twice, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
