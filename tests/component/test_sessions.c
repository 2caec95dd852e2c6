/* Sessions that come, replace each other, are refused, fall silent, and are asked to go:
 * over several reactors, with a disk that stands still where that makes it harder. */
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

enum { BYTES = 4096 };

static void open_rig(struct rig *g, uint64_t seed, bool shared)
{
	struct rig_config cfg = { .seed = seed, .reactors = 3, .volumes = 2, .shared = shared };

	rig_init(g, &cfg);
	fake_world_knobs(g->w)->nap_permille = seed % 3 * 150;
}

static void login_ends(struct rig *g, struct ini *i, unsigned reactor, enum ini_state how)
{
	rig_connect(g, i, reactor);
	ini_login(i, rig_target(g, 0));
	assert_true(RIG_WAIT(g, i->state != INI_LOGIN, SOON));
	assert_int_equal(i->state, how);
}

static void write_stalls(struct rig *g, struct ini *i, struct ini_cmd *c, const void *data)
{
	fake_file_stall(g->v[0].file);
	cmd_write(c, 0, BYTES / 512, data, false);
	ini_submit(i, c);
	rig_pass(g, 50 * RIG_MS);
	assert_int_equal(c->state, INI_CMD_SENT);
}

/* --- reinstatement (RFC 7143 6.3.5) --- */

static void one_replacement(uint64_t seed, unsigned from, unsigned to)
{
	static uint8_t old_data[BYTES], new_data[BYTES], back[BYTES];
	struct ini_cmd old_write, c;
	struct ini old, new;
	struct rig g;

	memset(old_data, 'o', BYTES);
	memset(new_data, 'n', BYTES);
	open_rig(&g, seed, false);
	ini_init(&old, g.w, HOST, 1);
	ini_init(&new, g.w, HOST, 1);
	assert_true(rig_login(&g, &old, 0, from));
	write_stalls(&g, &old, &old_write, old_data);
	login_ends(&g, &new, to, INI_FULL);
	assert_int_equal(rig_zombies(&g), 1);
	assert_int_equal(rig_fences(&g, 0), 1);
	assert_true(RIG_WAIT(&g, old.closed, SOON));
	assert_int_equal(old_write.state, INI_CMD_LOST);
	assert_int_not_equal(old.tsih, new.tsih);
	cmd_test_unit_ready(&c);
	assert_true(rig_do(&g, &new, &c));
	assert_int_equal(cmd_sense_code(&c), 0x2900);
	cmd_write(&c, 0, BYTES / 512, new_data, false);
	ini_submit(&new, &c);
	rig_pass(&g, 3 * RIG_S);
	assert_int_equal(c.state, INI_CMD_SENT); /* behind the fence */
	fake_file_release(g.v[0].file);
	assert_true(RIG_WAIT(&g, c.state == INI_CMD_DONE, SOON));
	cmd_read(&c, 0, BYTES / 512, back);
	assert_true(rig_good(&g, &new, &c));
	assert_memory_equal(back, new_data, BYTES);
	assert_string_equal(new.broken, "");
	rig_fini(&g);
}

static void a_new_login_replaces_the_old_session(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++)
		one_replacement(seed, seed % 3, seed / 3 % 3);
}

static unsigned registered(struct rig *g)
{
	unsigned n = 0;

	list_for_each (l, &g->node.sessions)
		n++;
	return n;
}

/* Several at once, on several reactors: one remains. */
static void of_many_at_once_one_remains(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 30; seed++) {
		struct ini i[5];
		struct rig g;
		unsigned up = 0;

		open_rig(&g, seed, false);
		for (unsigned n = 0; n < 5; n++) {
			ini_init(&i[n], g.w, HOST, 1);
			rig_connect(&g, &i[n], n % 3);
			ini_login(&i[n], rig_target(&g, 0));
		}
		rig_pass(&g, 3 * RIG_S);
		for (unsigned n = 0; n < 5; n++) {
			assert_string_equal(i[n].broken, "");
			up += i[n].state == INI_FULL && !i[n].closed;
		}
		assert_int_equal(up, 1);
		assert_int_equal(registered(&g), 1);
		rig_fini(&g);
	}
}

/* --- who may log in --- */

static void a_volume_takes_one_initiator(void **state)
{
	struct ini first, path, second;
	struct rig g;

	(void)state;
	open_rig(&g, 1, false);
	ini_init(&first, g.w, HOST, 1);
	ini_init(&path, g.w, "iqn.2026-11.io.RINGLUN.test:host", 2); /* the same name */
	ini_init(&second, g.w, HOST "2", 1);
	login_ends(&g, &first, 0, INI_FULL);
	login_ends(&g, &path, 1, INI_FULL);
	login_ends(&g, &second, 2, INI_REFUSED);
	assert_int_equal(second.login_status, ISCSI_LOGIN_FORBIDDEN);
	assert_true(RIG_WAIT(&g, second.closed, 3 * RIG_S));
	assert_false(first.closed);
	ini_logout(&first);
	assert_true(RIG_WAIT(&g, first.logged_out, SOON));
	login_ends(&g, &second, 0, INI_REFUSED); /* the other path is still there */
	ini_logout(&path);
	assert_true(RIG_WAIT(&g, path.logged_out, SOON));
	login_ends(&g, &second, 0, INI_FULL); /* at once: the connection may linger */
	rig_fini(&g);
}

static void a_lost_connection_lets_go_too(void **state)
{
	static uint8_t data[BYTES];
	struct ini first, second;
	struct ini_cmd c;
	struct rig g;

	(void)state;
	open_rig(&g, 1, false);
	ini_init(&first, g.w, HOST, 1);
	ini_init(&second, g.w, HOST "2", 1);
	assert_true(rig_login(&g, &first, 0, 0));
	write_stalls(&g, &first, &c, data);
	ini_reset(&first);
	rig_pass(&g, SOON);
	login_ends(&g, &second, 1, INI_FULL); /* though the disk still has the other's write */
	assert_int_equal(rig_fences(&g, 0), 1);
	rig_fini(&g);
}

static void a_shared_volume_takes_two(void **state)
{
	struct ini first, second;
	struct rig g;

	(void)state;
	open_rig(&g, 1, true);
	ini_init(&first, g.w, HOST, 1);
	ini_init(&second, g.w, HOST "2", 1);
	login_ends(&g, &first, 0, INI_FULL);
	login_ends(&g, &second, 1, INI_FULL);
	rig_pass(&g, RIG_S);
	assert_false(first.closed);
	rig_fini(&g);
}

static void who_is_not_allowed_is_refused(void **state)
{
	static const struct policy_rule rule = { .initiator = "iqn.2026-11.io.ringlun.test:*" };
	const struct policy_spec spec = { .rules = &rule, .nrules = 1 };
	struct iscsi_policy *allow;
	char why[256];
	struct ini stranger, friend, lost;
	struct rig g;

	(void)state;
	open_rig(&g, 1, false);
	assert_int_equal(policy_new(&allow, &spec, why, sizeof(why)), 0);
	iscsi_node_set_default_policy(&g.node, allow);
	ini_init(&stranger, g.w, "iqn.2026-11.org.example:x", 1);
	ini_init(&friend, g.w, HOST, 1);
	ini_init(&lost, g.w, HOST, 2);
	login_ends(&g, &stranger, 0, INI_REFUSED);
	assert_int_equal(stranger.login_status, ISCSI_LOGIN_FORBIDDEN);
	login_ends(&g, &friend, 0, INI_FULL);
	rig_connect(&g, &lost, 0);
	ini_login(&lost, "iqn.2026-11.io.ringlun:not-there");
	assert_true(RIG_WAIT(&g, lost.state == INI_REFUSED, SOON));
	assert_int_equal(lost.login_status, ISCSI_LOGIN_NOT_FOUND);
	rig_fini(&g);
}

/* --- time --- */

static void who_does_not_log_in_is_dropped(void **state)
{
	struct ini silent, half;
	struct rig g;
	uint64_t limit;

	(void)state;
	open_rig(&g, 1, false);
	limit = g.node.timeouts.login_ns;
	ini_init(&silent, g.w, HOST, 1);
	ini_init(&half, g.w, HOST, 2);
	rig_connect(&g, &silent, 0);
	rig_connect(&g, &half, 1);
	ini_send_raw(&half, "\x43\x87\0", 3);
	rig_pass(&g, limit - RIG_S);
	assert_false(silent.closed || half.closed);
	ini_send_raw(&half, "\0", 1); /* a byte now and then does not help */
	rig_pass(&g, 2 * RIG_S);
	assert_true(silent.closed && half.closed);
	rig_fini(&g);
}

static void a_silent_peer_is_pinged_then_dropped(void **state)
{
	struct ini dead, alive;
	struct rig g;
	uint64_t quiet;

	(void)state;
	open_rig(&g, 1, false);
	quiet = g.node.timeouts.quiet_ns;
	ini_init(&dead, g.w, HOST, 1);
	ini_init(&alive, g.w, HOST, 2);
	dead.mute_pings = true;
	assert_true(rig_login(&g, &dead, 0, 0));
	assert_true(rig_login(&g, &alive, 0, 1));
	rig_pass(&g, quiet - RIG_S);
	assert_int_equal(dead.pings, 0);
	rig_pass(&g, 2 * RIG_S);
	assert_int_equal(dead.pings, 1);
	rig_pass(&g, quiet - 2 * RIG_S);
	assert_false(dead.closed);
	rig_pass(&g, 2 * RIG_S);
	assert_true(dead.closed);
	rig_pass(&g, 10 * quiet);
	assert_false(alive.closed);
	assert_in_range(alive.pings, 4, 12);
	assert_string_equal(alive.broken, "");
	rig_fini(&g);
}

/* --- draining --- */

static void who_is_asked_logs_out(void **state)
{
	struct ini a, b, late;
	struct rig g;

	(void)state;
	open_rig(&g, 1, false);
	ini_init(&a, g.w, HOST, 1);
	ini_init(&b, g.w, HOST, 2);
	ini_init(&late, g.w, HOST, 3);
	assert_true(rig_login(&g, &a, 0, 0));
	assert_true(rig_login(&g, &b, 0, 1));
	rig_drain(&g, 10 * RIG_S);
	assert_true(RIG_WAIT(&g, a.asyncs && b.asyncs, SOON));
	assert_int_equal(a.async_event, ISCSI_ASYNC_REQUEST_LOGOUT);
	assert_int_equal(g.drained, 1); /* the third reactor has nobody */
	ini_logout(&a);
	ini_logout(&b);
	assert_true(RIG_WAIT(&g, a.closed && b.closed, SOON));
	assert_true(RIG_WAIT(&g, g.drained == 3, SOON));
	assert_true(a.logged_out && b.logged_out);
	rig_fini(&g);
}

/* A session with commands under way is told, goes on meanwhile, and is dropped in the end. */
static void who_does_not_listen_is_dropped(void **state)
{
	struct ini a, knocking;
	struct ini_cmd c;
	struct rig g;

	(void)state;
	open_rig(&g, 1, false);
	ini_init(&a, g.w, HOST, 1);
	ini_init(&knocking, g.w, HOST, 2);
	assert_true(rig_login(&g, &a, 0, 0));
	rig_connect(&g, &knocking, 1);
	rig_pass(&g, SOON);
	rig_drain(&g, 10 * RIG_S);
	assert_true(RIG_WAIT(&g, a.asyncs == 1 && knocking.closed, SOON));
	cmd_test_unit_ready(&c);
	assert_true(rig_good(&g, &a, &c));
	rig_pass(&g, g.node.timeouts.logout_ns - RIG_S);
	assert_false(a.closed);
	rig_pass(&g, 2 * RIG_S);
	assert_true(a.closed);
	assert_int_equal(g.drained, 3);
	rig_fini(&g);
}

static void zombies_are_waited_for(bool they_end)
{
	static uint8_t data[BYTES];
	struct ini_cmd c;
	struct ini a;
	struct rig g;

	open_rig(&g, 1, false);
	ini_init(&a, g.w, HOST, 1);
	assert_true(rig_login(&g, &a, 0, 0));
	write_stalls(&g, &a, &c, data);
	rig_drain(&g, 8 * RIG_S);
	assert_true(RIG_WAIT(&g, a.asyncs, SOON));
	ini_logout(&a);
	assert_true(RIG_WAIT(&g, a.closed, SOON));
	assert_int_equal(rig_zombies(&g), 1);
	assert_true(RIG_WAIT(&g, g.drained == 2, SOON));
	rig_pass(&g, 6 * RIG_S);
	assert_int_equal(g.drained, 2);
	if (they_end) {
		fake_file_release(g.v[0].file);
		assert_true(RIG_WAIT(&g, g.drained == 3, SOON));
		assert_int_equal(rig_zombies(&g), 0);
	} else { /* but not for longer than the bound */
		rig_pass(&g, 3 * RIG_S);
		assert_int_equal(g.drained, 3);
		assert_int_equal(rig_zombies(&g), 1);
	}
	rig_fini(&g);
}

static void draining_waits_for_the_disk(void **state)
{
	(void)state;
	zombies_are_waited_for(true);
	zombies_are_waited_for(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_login_replaces_the_old_session),
		cmocka_unit_test(of_many_at_once_one_remains),
		cmocka_unit_test(a_volume_takes_one_initiator),
		cmocka_unit_test(a_lost_connection_lets_go_too),
		cmocka_unit_test(a_shared_volume_takes_two),
		cmocka_unit_test(who_is_not_allowed_is_refused),
		cmocka_unit_test(who_does_not_log_in_is_dropped),
		cmocka_unit_test(a_silent_peer_is_pinged_then_dropped),
		cmocka_unit_test(who_is_asked_logs_out),
		cmocka_unit_test(who_does_not_listen_is_dropped),
		cmocka_unit_test(draining_waits_for_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
