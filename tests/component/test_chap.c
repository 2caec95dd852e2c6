/* CHAP through the whole server: targets with users beside targets without, discovery, both
 * directions, and policies that change while a login is under way. */
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

static const struct policy_user alice = { "alice", "alice-has-a-secret" };
static const struct policy_user renewed = { "alice", "alice-has-another" };
static const struct policy_user the_target = { "target", "so-has-the-target" };
static const struct ini_chap right = { "CHAP,None", "8,7,6,5", "alice", "alice-has-a-secret",
				       NULL };
static const struct ini_chap wrong = { "CHAP", "5", "alice", "alice-has-no-secret", NULL };

static struct iscsi_policy *policy_of(const struct policy_user *user,
				      const struct policy_user *mutual)
{
	struct policy_rule everybody = { 0 };
	struct policy_spec spec = {
		.rules = &everybody, .nrules = 1, .users = user, .nusers = !!user, .mutual = mutual
	};
	struct iscsi_policy *p = NULL;
	char why[200];

	assert_int_equal(policy_new(&p, &spec, why, sizeof(why)), 0);
	return p;
}

/* Volume 0 has alice and the target's own secret; volume 1 has no users. */
static void open_rig(struct rig *g, struct ini *i)
{
	struct rig_config cfg = { .seed = 21, .volumes = 2 };

	rig_init(g, &cfg);
	assert_int_equal(
		iscsi_node_set_policy(&g->node, rig_target(g, 0), policy_of(&alice, &the_target)),
		0);
	ini_init(i, g->w, HOST, 1);
	i->security_stage = true;
}

static void close_rig(struct rig *g, struct ini *i)
{
	assert_string_equal(i->broken, "");
	rig_fini(g);
}

/* Returns the status: 0, and the session is there; else the target has closed the connection. */
static unsigned log_in(struct rig *g, struct ini *i, const char *target)
{
	i->login_status = 0;
	rig_connect(g, i, 0);
	ini_login(i, target);
	assert_true(RIG_WAIT(g, i->state != INI_LOGIN, SOON));
	if (i->state == INI_FULL) {
		assert_int_equal(i->login_status, 0);
		return 0;
	}
	assert_int_not_equal(i->login_status, 0);
	assert_true(RIG_WAIT(g, i->closed, 5 * RIG_S));
	return i->login_status;
}

static void each_algorithm(void **state)
{
	static const char *const lists[] = { "5", "6", "7", "8", "5,7", "5,6,7,8" };
	static const unsigned chosen[] = { 5, 6, 7, 8, 7, 8 };
	struct ini_cmd c;
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	for (size_t n = 0; n < ARRAY_SIZE(lists); n++) {
		struct ini_chap chap = right;

		chap.algorithms = lists[n];
		i.chap = &chap;
		assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), 0);
		assert_true(i.challenged);
		assert_int_equal(i.chap_algorithm, chosen[n]);
		cmd_test_unit_ready(&c);
		assert_true(rig_do(&g, &i, &c));
	}
	close_rig(&g, &i);
}

static void who_does_not_prove_itself_stays_out(void **state)
{
	struct ini_chap wrong_user = right, no_algorithm = right, none = right;
	struct rig g;
	struct ini i;

	(void)state;
	wrong_user.user = "bob";
	no_algorithm.algorithms = "9";
	none.methods = "None";
	open_rig(&g, &i);
	i.chap = &wrong;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	assert_true(i.challenged);
	i.chap = &wrong_user;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	assert_true(i.challenged); /* nothing tells that there is no such user */
	i.chap = &no_algorithm;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	i.chap = &none;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	i.chap = NULL;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	i.security_stage = false;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	close_rig(&g, &i);
}

static void a_target_without_users_asks_nobody(void **state)
{
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	i.chap = &right;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 1)), 0);
	assert_false(i.challenged);
	i.chap = &wrong; /* CHAP and nothing else */
	assert_int_equal(log_in(&g, &i, rig_target(&g, 1)), ISCSI_LOGIN_AUTH_FAILURE);
	i.security_stage = false;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 1)), 0);
	close_rig(&g, &i);
}

static void both_directions(void **state)
{
	struct ini_chap both = right;
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	i.chap = &both;
	both.mutual_secret = "so-has-the-target";
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), 0);
	assert_true(i.target_proved);
	both.mutual_secret = "so-has-another-target";
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), 0);
	assert_false(i.target_proved);
	both.secret = "wrong"; /* then it learns nothing of the target */
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	assert_string_equal(i.said.response, "");
	both.secret = alice.secret;
	assert_int_equal(iscsi_node_set_policy(&g.node, rig_target(&g, 0), policy_of(&alice, NULL)),
			 0);
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	close_rig(&g, &i);
}

static void discovery_has_users_of_its_own(void **state)
{
	static const struct policy_user scout = { "scout", "what-scouts-know" };
	struct ini_chap as_scout = right;
	struct rig g;
	struct ini i;

	(void)state;
	as_scout.user = scout.name;
	as_scout.secret = scout.secret;
	open_rig(&g, &i);
	i.chap = &right;
	assert_int_equal(log_in(&g, &i, NULL), 0);
	assert_false(i.challenged);
	iscsi_node_set_discovery_policy(&g.node, policy_of(&scout, NULL));
	assert_int_equal(log_in(&g, &i, NULL), ISCSI_LOGIN_AUTH_FAILURE);
	i.chap = &as_scout;
	assert_int_equal(log_in(&g, &i, NULL), 0);
	assert_true(i.challenged);
	ini_text(&i, "SendTargets=All", 16, ISCSI_NO_TAG);
	assert_true(RIG_WAIT(&g, i.texts == 1, SOON));
	assert_non_null(memmem(i.text, i.text_len, rig_target(&g, 1), strlen(rig_target(&g, 1))));
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	i.chap = NULL;
	assert_int_equal(log_in(&g, &i, NULL), ISCSI_LOGIN_AUTH_FAILURE);
	i.security_stage = false;
	assert_int_equal(log_in(&g, &i, NULL), ISCSI_LOGIN_AUTH_FAILURE);
	close_rig(&g, &i);
}

/* While the challenge is out: what it was for no longer counts. */
static void the_secret_changes_meanwhile(void **state)
{
	struct ini_chap with_new = right;
	struct rig g;
	struct ini i, old;

	(void)state;
	open_rig(&g, &i);
	ini_init(&old, g.w, HOST, 2);
	old.security_stage = true;
	old.chap = &right;
	assert_int_equal(log_in(&g, &old, rig_target(&g, 0)), 0);
	i.chap = &right;
	i.hold_response = true;
	rig_connect(&g, &i, 0);
	ini_login(&i, rig_target(&g, 0));
	assert_true(RIG_WAIT(&g, i.challenged, SOON));
	assert_int_equal(
		iscsi_node_set_policy(&g.node, rig_target(&g, 0), policy_of(&renewed, NULL)), 0);
	ini_prove(&i);
	assert_true(RIG_WAIT(&g, i.state != INI_LOGIN, SOON));
	assert_int_equal(i.state, INI_REFUSED);
	i.hold_response = false;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	with_new.secret = renewed.secret;
	i.chap = &with_new;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), 0);
	assert_false(old.closed); /* who was in stays in */
	assert_int_equal(old.state, INI_FULL);
	assert_string_equal(old.broken, "");
	close_rig(&g, &i);
}

/* Nothing is left of failures: rig_fini looks, and the session beside them never notices. */
static void failures_cost_nothing(void **state)
{
	struct ini_cmd c;
	struct ini good;
	struct rig g;
	struct ini i;

	(void)state;
	open_rig(&g, &i);
	ini_init(&good, g.w, HOST, 2);
	good.security_stage = true;
	good.chap = &right;
	assert_int_equal(log_in(&g, &good, rig_target(&g, 0)), 0);
	i.chap = &wrong;
	for (unsigned n = 0; n < 200; n++)
		assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), ISCSI_LOGIN_AUTH_FAILURE);
	cmd_test_unit_ready(&c);
	assert_true(rig_do(&g, &good, &c));
	assert_false(good.closed);
	i.chap = &right;
	assert_int_equal(log_in(&g, &i, rig_target(&g, 0)), 0);
	close_rig(&g, &i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm),
		cmocka_unit_test(who_does_not_prove_itself_stays_out),
		cmocka_unit_test(a_target_without_users_asks_nobody),
		cmocka_unit_test(both_directions),
		cmocka_unit_test(discovery_has_users_of_its_own),
		cmocka_unit_test(the_secret_changes_meanwhile),
		cmocka_unit_test(failures_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
