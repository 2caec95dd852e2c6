/* Resets over several reactors and sessions, while the disk stands still: answered at once, also
 * when another reset, a login, a lost connection or the end of the server comes in between. */
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

enum { LBA = 8, N = 8, BYTES = N * 512, REACTORS = 3, SEEDS = 12 };

/* Three paths of one initiator to volume 0, a reactor each, and a session of the other target. */
struct bed {
	struct rig g;
	struct ini i[REACTORS], other;
	struct ini_cmd stuck[REACTORS];
	uint8_t old[BYTES], new[BYTES], back[BYTES];
};

static void bed_open(struct bed *b, uint64_t seed, unsigned sessions)
{
	struct rig_config cfg = {
		.seed = seed, .reactors = REACTORS, .volumes = 2, .buffered = seed % 2
	};

	memset(b, 0, sizeof(*b));
	rig_init(&b->g, &cfg);
	fake_world_knobs(b->g.w)->nap_permille = seed % 3 * 150;
	for (unsigned n = 0; n < REACTORS; n++) {
		ini_init(&b->i[n], b->g.w, HOST, (uint8_t)n);
		b->i[n].offer.iSCSIProtocolLevel = 2;
		if (n < sessions)
			assert_true(rig_login(&b->g, &b->i[n], 0, n));
	}
	ini_init(&b->other, b->g.w, HOST, REACTORS);
	assert_true(rig_login(&b->g, &b->other, 1, 0));
	memset(b->old, 'o', BYTES);
	memset(b->new, 'n', BYTES);
}

static void bed_close(struct bed *b)
{
	for (unsigned n = 0; n < REACTORS; n++)
		assert_string_equal(b->i[n].broken, "");
	assert_string_equal(b->other.broken, "");
	rig_fini(&b->g);
}

static void all_stall(struct bed *b, unsigned sessions)
{
	fake_file_stall(b->g.v[0].file);
	for (unsigned n = 0; n < sessions; n++) {
		cmd_write(&b->stuck[n], LBA + n * N, N, b->old, false);
		ini_submit(&b->i[n], &b->stuck[n]);
	}
	rig_pass(&b->g, 50 * RIG_MS);
	for (unsigned n = 0; n < sessions; n++)
		assert_int_equal(b->stuck[n].state, INI_CMD_SENT);
}

static void all_forget(struct bed *b, unsigned sessions)
{
	for (unsigned n = 0; n < sessions; n++)
		if (b->stuck[n].state == INI_CMD_SENT)
			ini_forget(&b->stuck[n]);
}

static void assert_tmf(struct bed *b, unsigned n, enum iscsi_tmf function, unsigned response)
{
	unsigned before = b->i[n].tmfs;

	ini_tmf(&b->i[n], function, 0, NULL);
	assert_true(RIG_WAIT(&b->g, b->i[n].tmfs > before, SOON));
	assert_int_equal(b->i[n].tmf_response, response);
}

static void assert_attention(struct bed *b, struct ini *i, int code)
{
	struct ini_cmd c;

	cmd_test_unit_ready(&c);
	assert_true(rig_do(&b->g, i, &c));
	assert_int_equal(code ? cmd_sense_code(&c) : c.status, code);
}

/* @i writes where the stuck ones are; it must wait for them, and stay. */
static void assert_old_does_not_land(struct bed *b, struct ini *i, unsigned sessions)
{
	struct ini_cmd c[REACTORS];

	for (unsigned n = 0; n < sessions; n++) {
		cmd_write(&c[n], LBA + n * N, N, b->new, false);
		ini_submit(i, &c[n]);
	}
	rig_pass(&b->g, 5 * RIG_S);
	for (unsigned n = 0; n < sessions; n++)
		assert_int_equal(c[n].state, INI_CMD_SENT);
	fake_file_release(b->g.v[0].file);
	for (unsigned n = 0; n < sessions; n++) {
		assert_true(RIG_WAIT(&b->g, c[n].state == INI_CMD_DONE, SOON));
		assert_int_equal(c[n].status, SCSI_GOOD);
	}
	for (unsigned n = 0; n < sessions; n++) {
		cmd_read(&c[0], LBA + n * N, N, b->back);
		assert_true(rig_good(&b->g, i, &c[0]));
		assert_memory_equal(b->back, b->new, BYTES);
	}
}

/* --- the target's resets --- */

static void warm_reset_ends_commands_and_no_session(void **state)
{
	static struct bed b;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bed_open(&b, seed, REACTORS);
		all_stall(&b, REACTORS);
		assert_tmf(&b, seed % REACTORS, ISCSI_TMF_TARGET_WARM_RESET, ISCSI_TMF_COMPLETE);
		all_forget(&b, REACTORS);
		assert_int_equal(rig_zombies(&b.g), REACTORS);
		assert_int_equal(rig_fences(&b.g, 0), REACTORS);
		for (unsigned n = 0; n < REACTORS; n++) {
			assert_false(b.i[n].closed);
			assert_attention(&b, &b.i[n], 0x2903);
			assert_attention(&b, &b.i[n], 0);
		}
		assert_old_does_not_land(&b, &b.i[(seed + 1) % REACTORS], REACTORS);
		bed_close(&b);
	}
}

static void cold_reset_ends_the_targets_sessions(void **state)
{
	static struct bed b;
	struct ini again;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		unsigned by = seed % REACTORS;

		bed_open(&b, seed, REACTORS);
		all_stall(&b, REACTORS);
		assert_tmf(&b, by, ISCSI_TMF_TARGET_COLD_RESET, ISCSI_TMF_COMPLETE);
		/* who sees the answer may log in, even by another name */
		ini_init(&again, b.g.w, HOST "2", 1);
		rig_connect(&b.g, &again, (by + 1) % REACTORS);
		ini_login(&again, rig_target(&b.g, 0));
		assert_true(RIG_WAIT(&b.g, again.state == INI_FULL, SOON));
		for (unsigned n = 0; n < REACTORS; n++)
			assert_true(RIG_WAIT(&b.g, b.i[n].closed, SOON));
		assert_int_equal(rig_zombies(&b.g), REACTORS);
		assert_attention(&b, &again, 0x2900);
		assert_old_does_not_land(&b, &again, REACTORS);
		assert_false(b.other.closed);
		assert_attention(&b, &b.other, 0x2903); /* its unit is the target's LUN 1 */
		assert_attention(&b, &b.other, 0);
		assert_string_equal(again.broken, "");
		bed_close(&b);
	}
}

static void cold_reset_of_another_target_is_not_noticed(void **state)
{
	static struct bed b;

	(void)state;
	bed_open(&b, 1, 2);
	all_stall(&b, 2);
	ini_tmf(&b.other, ISCSI_TMF_TARGET_COLD_RESET, 0, NULL);
	assert_true(RIG_WAIT(&b.g, b.other.tmfs == 1 && b.other.closed, SOON));
	fake_file_release(b.g.v[0].file);
	for (unsigned n = 0; n < 2; n++) {
		assert_true(RIG_WAIT(&b.g, b.stuck[n].state == INI_CMD_DONE, SOON));
		assert_int_equal(b.stuck[n].status, SCSI_GOOD);
		assert_false(b.i[n].closed);
	}
	bed_close(&b);
}

/* --- what comes in between --- */

static void what_follows_the_request_is_not_its(void **state)
{
	static const enum iscsi_tmf functions[] = { ISCSI_TMF_ABORT_TASK_SET,
						    ISCSI_TMF_CLEAR_TASK_SET, ISCSI_TMF_LU_RESET,
						    ISCSI_TMF_TARGET_WARM_RESET };
	static struct bed b;
	struct ini_cmd c;

	(void)state;
	for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
		bed_open(&b, seed, 2);
		all_stall(&b, 2);
		ini_tmf(&b.i[0], functions[seed % 4], 0, NULL);
		cmd_write(&c, LBA + 100, N, b.new, false); /* before it is answered */
		ini_submit(&b.i[0], &c);
		assert_true(RIG_WAIT(&b.g, b.i[0].tmfs == 1, SOON));
		assert_int_equal(b.i[0].tmf_response, ISCSI_TMF_COMPLETE);
		ini_forget(&b.stuck[0]);
		if (seed % 4)
			ini_forget(&b.stuck[1]);
		fake_file_release(b.g.v[0].file);
		assert_true(RIG_WAIT(&b.g, c.state == INI_CMD_DONE, SOON));
		assert_true(c.status == SCSI_GOOD || cmd_sense_code(&c) == 0x2903);
		bed_close(&b);
	}
}

static void resets_cross(enum iscsi_tmf function)
{
	static struct bed b;

	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bool cold = function == ISCSI_TMF_TARGET_COLD_RESET;

		bed_open(&b, seed, REACTORS);
		all_stall(&b, REACTORS);
		for (unsigned n = 0; n < REACTORS; n++)
			ini_tmf(&b.i[n], function, 0, NULL);
		for (unsigned n = 0; n < REACTORS; n++) {
			struct ini *i = &b.i[n];

			/* one cold reset may end who asked for another */
			assert_true(RIG_WAIT(&b.g, i->tmfs == 1 || (cold && i->closed), SOON));
			if (i->tmfs)
				assert_int_equal(i->tmf_response, ISCSI_TMF_COMPLETE);
			assert_true(RIG_WAIT(&b.g, i->closed || !cold, SOON));
		}
		all_forget(&b, REACTORS);
		assert_int_equal(rig_zombies(&b.g), REACTORS);
		for (unsigned n = 0; n < REACTORS; n++)
			assert_int_equal(b.i[n].closed, cold);
		fake_file_release(b.g.v[0].file);
		bed_close(&b);
	}
}

static void resets_may_cross(void **state)
{
	(void)state;
	resets_cross(ISCSI_TMF_CLEAR_TASK_SET);
	resets_cross(ISCSI_TMF_LU_RESET);
	resets_cross(ISCSI_TMF_TARGET_WARM_RESET);
	resets_cross(ISCSI_TMF_TARGET_COLD_RESET);
}

/* More than a session may have under way are refused, not collected. */
static void many_at_once_are_refused(void **state)
{
	enum { MANY = 100 };
	static struct bed b;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bed_open(&b, seed, 2);
		all_stall(&b, 2);
		for (unsigned n = 0; n < MANY; n++)
			ini_tmf(&b.i[0], ISCSI_TMF_LU_RESET, 0, NULL);
		assert_true(RIG_WAIT(&b.g, b.i[0].tmfs == MANY, SOON));
		assert_in_range(b.i[0].tmfs_rejected, 1, MANY - 8);
		all_forget(&b, 2);
		assert_tmf(&b, 0, ISCSI_TMF_LU_RESET, ISCSI_TMF_COMPLETE);
		assert_attention(&b, &b.i[1], 0x2903);
		fake_file_release(b.g.v[0].file);
		bed_close(&b);
	}
}

static void who_asked_may_go_meanwhile(void **state)
{
	static struct bed b;
	unsigned lost = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 16 * SEEDS; seed++) {
		enum iscsi_tmf function =
			seed % 2 ? ISCSI_TMF_TARGET_WARM_RESET : ISCSI_TMF_TARGET_COLD_RESET;

		bed_open(&b, seed, REACTORS);
		all_stall(&b, REACTORS);
		/* reactors that are late: it is gone before the others have been heard */
		fake_world_knobs(b.g.w)->nap_permille = 800;
		ini_tmf(&b.i[0], function, 0, NULL);
		for (unsigned turns = seed / 4; turns; turns--)
			rig_turn(&b.g, rig_now(&b.g) + RIG_MS);
		if (seed / 2 % 2)
			ini_reset(&b.i[0]);
		else
			ini_logout(&b.i[0]);
		assert_true(RIG_WAIT(&b.g, b.i[0].closed, 3 * RIG_S));
		rig_pass(&b.g, SOON);
		if (rig_zombies(&b.g) == 1) { /* the connection was faster */
			lost++;
			fake_file_release(b.g.v[0].file);
			bed_close(&b);
			continue;
		}
		assert_int_equal(rig_zombies(&b.g), REACTORS);
		all_forget(&b, REACTORS);
		if (function == ISCSI_TMF_TARGET_WARM_RESET)
			assert_attention(&b, &b.i[1], 0x2903);
		else
			assert_true(b.i[1].closed && b.i[2].closed);
		fake_file_release(b.g.v[0].file);
		bed_close(&b);
	}
	assert_in_range(lost, 1, 8 * SEEDS);
}

static void a_login_may_come_in_between(void **state)
{
	static struct bed b;
	unsigned in = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
		struct ini *late = &b.i[2];
		struct ini_cmd c;

		bed_open(&b, seed, 2);
		all_stall(&b, 2);
		rig_connect(&b.g, late, seed % REACTORS);
		ini_login(late, rig_target(&b.g, 0));
		for (unsigned turns = seed / 4; turns; turns--)
			rig_turn(&b.g, rig_now(&b.g) + RIG_MS);
		assert_tmf(&b, 0,
			   seed % 2 ? ISCSI_TMF_TARGET_WARM_RESET : ISCSI_TMF_TARGET_COLD_RESET,
			   ISCSI_TMF_COMPLETE);
		all_forget(&b, 2);
		assert_true(RIG_WAIT(&b.g, late->state == INI_FULL || late->closed, SOON));
		assert_true(late->state == INI_FULL || seed % 2 == 0);
		in += late->state == INI_FULL && !late->closed;
		if (late->state == INI_FULL && !late->closed) {
			cmd_test_unit_ready(&c);
			ini_submit(late, &c);
			assert_true(RIG_WAIT(&b.g, c.state != INI_CMD_SENT, SOON));
			assert_true(c.state == INI_CMD_LOST || cmd_sense_code(&c) == 0x2900);
		}
		fake_file_release(b.g.v[0].file);
		bed_close(&b);
	}
	assert_true(in > SEEDS);
}

static void also_while_the_server_stops(void **state)
{
	static struct bed b;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bed_open(&b, seed, 2); /* the third reactor has drained already */
		all_stall(&b, 2);
		rig_drain(&b.g, 10 * RIG_S);
		assert_true(RIG_WAIT(&b.g, b.i[0].asyncs == 1, SOON));
		assert_int_equal(b.i[0].async_event, ISCSI_ASYNC_REQUEST_LOGOUT);
		assert_int_equal(b.i[0].async_seconds, b.g.node.timeouts.logout_ns / RIG_S);
		assert_tmf(&b, 0, ISCSI_TMF_TARGET_WARM_RESET, ISCSI_TMF_COMPLETE);
		all_forget(&b, 2);
		assert_tmf(&b, 1, ISCSI_TMF_TARGET_COLD_RESET, ISCSI_TMF_COMPLETE);
		assert_true(RIG_WAIT(&b.g, b.i[0].closed && b.i[1].closed, SOON));
		ini_logout(&b.other);
		assert_true(RIG_WAIT(&b.g, b.other.closed, SOON));
		fake_file_release(b.g.v[0].file);
		assert_true(RIG_WAIT(&b.g, b.g.drained == REACTORS, SOON));
		bed_close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warm_reset_ends_commands_and_no_session),
		cmocka_unit_test(cold_reset_ends_the_targets_sessions),
		cmocka_unit_test(cold_reset_of_another_target_is_not_noticed),
		cmocka_unit_test(what_follows_the_request_is_not_its),
		cmocka_unit_test(resets_may_cross),
		cmocka_unit_test(many_at_once_are_refused),
		cmocka_unit_test(who_asked_may_go_meanwhile),
		cmocka_unit_test(a_login_may_come_in_between),
		cmocka_unit_test(also_while_the_server_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
