/* Who may log in, by rules that change, between two PDUs of a login, too; who is told of what; who
 * is sent elsewhere, asked to leave, or dropped. */
#include "tests/component/change_bed.h"

/* --- who may ------------------------------------------------------------------------------- */

static const struct policy_rule everybody, somebody_else = { .initiator = "iqn.*:ELSE" };

static unsigned log_in(struct bed *b, struct ini *i, unsigned target)
{
	rig_connect(&b->g, i, 0);
	ini_login(i, rig_target(&b->g, target));
	assert_true(RIG_WAIT(&b->g, i->state != INI_LOGIN, SOON));
	return i->login_status;
}

static void rules_hold_from_now_on(void **state)
{
	struct policy_spec nobody = { 0 }, other = { .rules = &somebody_else, .nrules = 1 };
	struct ini i, someone;
	struct bed b;

	(void)state;
	bed_open(&b, 2);
	ini_init(&i, b.g.w, HOST, 7);
	ini_init(&someone, b.g.w, "iqn.2026-11.org.example:else", 7);
	assert_int_equal(iscsi_node_set_policy(&b.g.node, "iqn.x:none", policy_by(&nobody)),
			 -ENOENT);
	assert_int_equal(iscsi_node_set_policy(&b.g.node, rig_target(&b.g, 1), policy_by(&nobody)),
			 0);
	assert_int_equal(log_in(&b, &i, 1), ISCSI_LOGIN_FORBIDDEN);
	assert_int_equal(iscsi_node_set_policy(&b.g.node, rig_target(&b.g, 1), policy_by(&other)),
			 0);
	assert_int_equal(log_in(&b, &i, 1), ISCSI_LOGIN_FORBIDDEN);
	assert_int_equal(log_in(&b, &someone, 1), 0);
	iscsi_node_set_default_policy(&b.g.node, policy_by(&other));
	assert_int_equal(log_in(&b, &i, 2), ISCSI_LOGIN_FORBIDDEN);
	assert_int_equal(tur(&b, &b.a, 0), 0); /* who is logged in stays */
	iscsi_node_set_default_policy(&b.g.node, NULL);
	assert_int_equal(log_in(&b, &i, 2), 0);
	rig_drop(&i);
	rig_drop(&someone);
	bed_close(&b);
}

/* The target has answered the first PDU, and the initiator has yet to read it. */
static void log_in_half(struct bed *b, struct ini *i, unsigned target)
{
	struct iscsi_target *t = iscsi_node_target(&b->g.node, rig_target(&b->g, target));
	unsigned before = atomic_load(&t->refs);

	i->security_stage = i->deaf = true;
	rig_connect(&b->g, i, 1);
	ini_login(i, rig_target(&b->g, target));
	assert_true(RIG_WAIT(&b->g, atomic_load(&t->refs) > before, SOON));
	rig_pass(&b->g, 10 * RIG_MS);
	assert_int_equal(i->state, INI_LOGIN);
	i->deaf = false;
}

static unsigned log_in_rest(struct bed *b, struct ini *i)
{
	assert_true(RIG_WAIT(&b->g, i->state != INI_LOGIN || i->closed, SOON));
	return i->state == INI_FULL ? 0 : i->login_status;
}

static void rules_change_during_a_login(void **state)
{
	static const struct policy_user user = { "u", "a secret of hers" };
	static const char *const away[] = { "192.0.2.9:3260" };
	const struct {
		struct policy_spec spec;
		unsigned status;
	} rows[] = {
		{ { .rules = NULL }, ISCSI_LOGIN_FORBIDDEN },
		{ { .rules = &everybody, .nrules = 1 }, 0 },
		{ { .rules = &everybody, .nrules = 1, .users = &user, .nusers = 1 },
		  ISCSI_LOGIN_UNAVAILABLE },
		{ { .by_default = true, .portals = away, .nportals = 1 }, ISCSI_LOGIN_NOT_FOUND },
		{ { .by_default = true, .redirect = "192.0.2.9" }, ISCSI_LOGIN_MOVED },
	};
	struct ini i;
	struct bed b;

	(void)state;
	for (size_t n = 0; n < ARRAY_SIZE(rows); n++) {
		bed_open(&b, n);
		ini_init(&i, b.g.w, HOST, 7);
		log_in_half(&b, &i, 1);
		assert_int_equal(iscsi_node_set_policy(&b.g.node, rig_target(&b.g, 1),
						       policy_by(&rows[n].spec)),
				 0);
		assert_int_equal(log_in_rest(&b, &i), rows[n].status);
		rig_drop(&i);
		bed_close(&b);
	}
}

static void a_target_goes_during_a_login(void **state)
{
	struct ini i;
	struct bed b;

	(void)state;
	bed_open(&b, 4);
	ini_init(&i, b.g.w, HOST, 7);
	log_in_half(&b, &i, 1);
	assert_int_equal(iscsi_node_remove_target(&b.g.node, rig_target(&b.g, 1)), 0);
	assert_true(RIG_WAIT(&b.g, i.closed, SOON));
	rig_drop(&i);
	bed_close(&b);
}

static void a_login_is_redirected(void **state)
{
	struct policy_spec moved = { .by_default = true, .redirect = "[2001:db8::5]:3261" };
	struct ini i;
	struct bed b;

	(void)state;
	bed_open(&b, 6);
	ini_init(&i, b.g.w, HOST, 7);
	for (unsigned n = 0; n < 4; n++) {
		moved.redirect_forever = n % 2;
		i.security_stage = n / 2;
		i.moved_to[0] = '\0';
		assert_int_equal(
			iscsi_node_set_policy(&b.g.node, rig_target(&b.g, 1), policy_by(&moved)),
			0);
		assert_int_equal(log_in(&b, &i, 1),
				 n % 2 ? ISCSI_LOGIN_MOVED_FOREVER : ISCSI_LOGIN_MOVED);
		assert_string_equal(i.moved_to, "[2001:db8::5]:3261"); /* no portal group */
		assert_true(RIG_WAIT(&b.g, i.closed, 5 * RIG_S));
	}
	rig_drop(&i);
	bed_close(&b);
}

/* --- discovery ----------------------------------------------------------------------------- */

static bool is_listed(const struct ini *i, const char *name)
{
	for (size_t at = 0; at < i->text_len; at += strlen(i->text + at) + 1)
		if (!strncmp(i->text + at, "TargetName=", 11) && !strcmp(i->text + at + 11, name))
			return true;
	return false;
}

static void only_what_it_may_use_is_told(void **state)
{
	struct policy_spec nobody = { 0 }, anybody = { .rules = &everybody, .nrules = 1 };
	struct policy_spec other = { .rules = &somebody_else, .nrules = 1 };
	struct ini i;
	struct bed b;

	(void)state;
	bed_open(&b, 8);
	ini_init(&i, b.g.w, HOST, 7);
	iscsi_node_set_default_policy(&b.g.node, policy_by(&other));
	assert_int_equal(iscsi_node_set_policy(&b.g.node, rig_target(&b.g, 1), policy_by(&anybody)),
			 0);
	assert_int_equal(iscsi_node_set_policy(&b.g.node, rig_target(&b.g, 2), policy_by(&nobody)),
			 0);
	rig_connect(&b.g, &i, 0);
	ini_login(&i, NULL);
	assert_true(RIG_WAIT(&b.g, i.state == INI_FULL, SOON));
	ini_text(&i, "SendTargets=All", 16, ISCSI_NO_TAG);
	assert_true(RIG_WAIT(&b.g, i.texts, SOON));
	assert_false(is_listed(&i, rig_target(&b.g, 0)));
	assert_true(is_listed(&i, rig_target(&b.g, 1)));
	assert_false(is_listed(&i, rig_target(&b.g, 2)));
	/* discovery has rules of its own, if it is to */
	iscsi_node_set_discovery_policy(&b.g.node, policy_by(&nobody));
	rig_connect(&b.g, &i, 0);
	ini_login(&i, NULL);
	assert_true(RIG_WAIT(&b.g, i.state != INI_LOGIN, SOON));
	assert_int_equal(i.login_status, ISCSI_LOGIN_FORBIDDEN);
	iscsi_node_set_discovery_policy(&b.g.node, NULL);
	rig_drop(&i);
	bed_close(&b);
}

/* --- sessions ------------------------------------------------------------------------------ */

static struct iscsi_session_info find(struct bed *b, unsigned isid)
{
	struct iscsi_session_info *all, found = { 0 };
	unsigned n;

	assert_int_equal(iscsi_node_sessions(&b->g.node, &all, &n), 0);
	for (unsigned k = 0; k < n; k++)
		if (all[k].isid[5] == isid)
			found = all[k];
	free(all);
	return found;
}

static void sessions_are_listed(void **state)
{
	struct iscsi_session_info s, t;
	struct ini_cmd c;
	struct bed b;

	(void)state;
	bed_open(&b, 1);
	s = find(&b, 1);
	assert_string_equal(s.initiator, HOST);
	assert_string_equal(s.target, rig_target(&b.g, 0));
	assert_int_equal(s.tsih, b.a.tsih);
	assert_int_equal(s.reactor, 1);
	assert_int_equal(s.state, ISCSI_SESSION_ACTIVE);
	assert_true(s.since_s > 0);
	assert_false(s.discovery || s.header_digest || s.data_digest);
	cmd_write(&c, 0, N, b.data, false);
	assert_true(rig_good(&b.g, &b.a, &c));
	cmd_read(&c, 0, 2 * N, b.back);
	assert_true(rig_good(&b.g, &b.a, &c));
	t = find(&b, 1);
	assert_int_equal(t.id, s.id);
	assert_int_equal(t.commands, s.commands + 2);
	assert_int_equal(t.written_bytes, s.written_bytes + BYTES);
	assert_int_equal(t.read_bytes, s.read_bytes + 2 * BYTES);
	b.a.offer.HeaderDigest = true;
	assert_true(rig_login(&b.g, &b.a, 0, 2)); /* again, on another reactor */
	t = find(&b, 1);
	assert_true(t.id > s.id);
	assert_true(t.header_digest);
	assert_int_equal(t.reactor, 2);
	bed_close(&b);
}

static void a_session_is_dropped(void **state)
{
	static struct ini_cmd ca[COMMANDS];
	struct bed b;

	(void)state;
	bed_open(&b, 7);
	quieten(&b, &b.a, 1);
	fake_file_stall(b.g.v[1].file);
	start_all(&b, &b.a, ca, 1);
	rig_pass(&b.g, 50 * RIG_MS);
	assert_int_equal(iscsi_node_drop_session(&b.g.node, find(&b, 1).id, false), 0);
	assert_int_equal(find(&b, 1).id, 0);
	assert_true(RIG_WAIT(&b.g, b.a.closed, SOON));
	assert_int_equal(iscsi_node_drop_session(&b.g.node, 4711, false), -ENOENT);
	assert_int_equal(tur(&b, &b.b, 0), 0);
	assert_true(rig_login(&b.g, &b.a, 0, 0)); /* it may come again */
	bed_close(&b);
}

static void who_is_asked_leaves(void **state)
{
	struct bed b;
	uint64_t id;

	(void)state;
	bed_open(&b, 7);
	id = find(&b, 1).id;
	assert_int_equal(iscsi_node_drop_session(&b.g.node, id, true), 0);
	assert_int_equal(find(&b, 1).state, ISCSI_SESSION_ASKED_OUT);
	assert_int_equal(iscsi_node_drop_session(&b.g.node, id, true), 0); /* once is enough */
	assert_true(RIG_WAIT(&b.g, b.a.asyncs, SOON));
	assert_int_equal(b.a.async_event, ISCSI_ASYNC_REQUEST_LOGOUT);
	assert_int_equal(b.a.async_seconds, 5);
	assert_int_equal(tur(&b, &b.a, 0), 0); /* what runs may end (11.9.1) */
	ini_logout(&b.a);
	assert_true(RIG_WAIT(&b.g, b.a.logged_out, SOON));
	assert_int_equal(b.a.asyncs, 1);
	assert_int_equal(find(&b, 1).id, 0);
	bed_close(&b);
}

static void who_ignores_it_is_dropped(void **state)
{
	struct bed b;
	uint64_t asked_ns;

	(void)state;
	bed_open(&b, 7);
	asked_ns = rig_now(&b.g);
	assert_int_equal(iscsi_node_drop_session(&b.g.node, find(&b, 1).id, true), 0);
	rig_pass(&b.g, 4 * RIG_S);
	assert_false(b.a.closed);
	assert_true(RIG_WAIT(&b.g, b.a.closed, 3 * RIG_S));
	assert_true(rig_now(&b.g) - asked_ns >= 5 * RIG_S);
	assert_int_equal(find(&b, 1).id, 0);
	bed_close(&b);
}

/* --- portals ------------------------------------------------------------------------------- */

static void portals_come_and_go(void **state)
{
	struct sockaddr_storage sa[ISCSI_MAX_PORTALS + 1];
	char text[64];
	struct bed b;

	(void)state;
	bed_open(&b, 1);
	for (unsigned n = 0; n <= ISCSI_MAX_PORTALS; n++) {
		snprintf(text, sizeof(text), "192.0.2.%u:3260", n + 1);
		assert_int_equal(sockaddr_parse(&sa[n], text), 0);
		assert_int_equal(iscsi_node_add_portal(&b.g.node, &sa[n]),
				 n < ISCSI_MAX_PORTALS ? 0 : -ENOSPC);
	}
	assert_int_equal(iscsi_node_add_portal(&b.g.node, &sa[5]), -EEXIST);
	assert_int_equal(iscsi_node_remove_portal(&b.g.node, &sa[0]), 0);
	assert_int_equal(iscsi_node_remove_portal(&b.g.node, &sa[0]), -ENOENT);
	assert_int_equal(iscsi_node_add_portal(&b.g.node, &sa[ISCSI_MAX_PORTALS]), 0);
	for (unsigned n = 1; n <= ISCSI_MAX_PORTALS; n++)
		assert_true(sockaddr_equal(&b.g.node.portals[n - 1].addr, &sa[n]));
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_hold_from_now_on),
		cmocka_unit_test(rules_change_during_a_login),
		cmocka_unit_test(a_target_goes_during_a_login),
		cmocka_unit_test(a_login_is_redirected),
		cmocka_unit_test(only_what_it_may_use_is_told),
		cmocka_unit_test(sessions_are_listed),
		cmocka_unit_test(a_session_is_dropped),
		cmocka_unit_test(who_is_asked_leaves),
		cmocka_unit_test(who_ignores_it_is_dropped),
		cmocka_unit_test(portals_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
