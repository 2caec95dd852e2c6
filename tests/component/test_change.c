/* LUNs that come and go under load, units that grow, targets that are removed with their sessions.
 * The disk may stand still: nobody waits for it but who frees the unit. */
#include "tests/component/alloc_fault.h"
#include "tests/component/change_bed.h"

#include "backstore/kinds.h"

/* --- LUNs ---------------------------------------------------------------------------------- */

static void a_lun_comes(void **state)
{
	struct bed b;
	struct ini_cmd c;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bed_open(&b, seed);
		quieten(&b, &b.a, 1);
		assert_int_equal(tur(&b, &b.a, 300), NO_LUN);
		assert_int_equal(luns(&b, &b.a), 3);
		assert_int_equal(map(&b, 0, 300, 2), 0);
		assert_int_equal(tur(&b, &b.a, 0), LUNS_CHANGED);
		assert_int_equal(tur(&b, &b.a, 0), 0);
		assert_int_equal(tur(&b, &b.a, 300), POWER_ON);
		assert_int_equal(tur(&b, &b.a, 300), 0);
		assert_int_equal(luns(&b, &b.a), 4);
		assert_int_equal(tur(&b, &b.a, 1), 0);	   /* REPORT LUNS has told it */
		assert_int_equal(tur(&b, &b.other, 0), 0); /* not of this target */
		cmd_write(&c, 0, N, b.data, false);
		c.lun = 300;
		assert_true(rig_good(&b.g, &b.a, &c));
		cmd_read(&c, 0, N, b.back);
		assert_true(rig_good(&b.g, &b.other, &c));
		assert_memory_equal(b.back, b.data, BYTES);
		/* another session has its own news of it */
		assert_int_equal(tur(&b, &b.b, 0), LUNS_CHANGED);
		assert_int_equal(map(&b, 0, 300, 1), -EEXIST);
		assert_int_equal(map(&b, 0, 16384, 1), -ERANGE);
		assert_int_equal(iscsi_node_map_lun(&b.g.node, "iqn.x:none", 0, lu_of(&b, 1)),
				 -ENOENT);
		assert_int_equal(unmap(&b, 0, 7), -ENOENT);
		bed_close(&b);
	}
}

/* Attentions still find them, wherever in the nexus they are now. */
static void grow_all(struct bed *b)
{
	for (unsigned n = 0; n < 3; n++) {
		bs_raise_size(scsi_lu_backstore(lu_of(b, n)), 2 << 20);
		scsi_lu_grown(lu_of(b, n));
	}
}

/* Many: more than a nexus had room for, and holes that are filled. */
static void many_luns_come_and_go(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b, 5);
	for (unsigned lun = 3; lun < 60; lun++) {
		assert_int_equal(map(&b, 0, lun, lun % 3), 0);
		if (lun % 3)
			assert_int_equal(unmap(&b, 0, lun - 1), 0);
	}
	quieten(&b, &b.a, 0);
	for (unsigned lun = 0; lun < 60; lun++) {
		bool there = lun < 2 || lun % 3 == 2;

		if (there)
			quieten(&b, &b.a, lun);
		else
			assert_int_equal(tur(&b, &b.a, lun), NO_LUN);
	}
	grow_all(&b);
	for (unsigned lun = 0; lun < 60; lun++)
		if (lun < 2 || lun % 3 == 2)
			assert_int_equal(tur(&b, &b.a, lun), CAPACITY);
	bed_close(&b);
}

static void assert_lost_lun(const struct ini_cmd *c)
{
	assert_int_equal(c->status, SCSI_CHECK_CONDITION);
	assert_int_equal(cmd_sense_key(c), ILLEGAL);
	assert_int_equal(cmd_sense_code(c), NO_LUN);
}

static bool all_are(const struct ini_cmd *c, unsigned n, enum ini_cmd_state state)
{
	for (unsigned k = 0; k < n; k++)
		if (c[k].state != state)
			return false;
	return true;
}

static void assert_nothing_left(struct bed *b)
{
	list_for_each (l, &b->g.node.sessions) {
		const struct session *s = list_entry(l, struct session, link);

		assert_int_equal(s->ntasks + s->nheld + s->nordered + s->nimmediate, 0);
		assert_true(list_empty(&s->tasks));
	}
}

/* Its disk stands still; all of its commands are answered at once, others' go on, and the unit is
 * free when the disk has let go, not before. */
static void a_lun_goes_under_load(void **state)
{
	static struct ini_cmd ca[COMMANDS], cb[COMMANDS];
	struct ini_cmd c;
	struct bed b;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bed_open(&b, seed);
		quieten(&b, &b.a, 1);
		quieten(&b, &b.b, 1);
		assert_int_equal(iscsi_node_lun_sessions(&b.g.node, lu_of(&b, 1)), 2);
		fake_file_stall(b.g.v[1].file);
		b.a.hold_r2ts = true;
		start_all(&b, &b.a, ca, 1);
		start_all(&b, &b.b, cb, 1);
		rig_pass(&b.g, 50 * RIG_MS);
		assert_true(all_are(ca, COMMANDS, INI_CMD_SENT));
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), SOON), -EBUSY);
		assert_int_equal(unmap(&b, 0, 1), 0);
		assert_int_equal(unmap(&b, 1, 0), 0);
		assert_true(RIG_WAIT(&b.g, all_are(cb, COMMANDS, INI_CMD_DONE), SOON));
		assert_true(RIG_WAIT(&b.g, all_are(ca, RUNNING, INI_CMD_DONE), SOON));
		/* what was asked for comes, and then there is an answer */
		assert_true(all_are(ca + RUNNING, HALF, INI_CMD_SENT));
		b.a.hold_r2ts = false;
		for (unsigned n = RUNNING; n < RUNNING + HALF; n++)
			ini_answer_r2ts(&b.a, &ca[n]);
		assert_true(RIG_WAIT(&b.g, all_are(ca, COMMANDS, INI_CMD_DONE), SOON));
		for (unsigned n = 0; n < COMMANDS; n++) {
			assert_lost_lun(&ca[n]);
			assert_lost_lun(&cb[n]);
		}
		assert_int_equal(b.a.nsent + b.b.nsent, 0);
		assert_nothing_left(&b);
		assert_int_equal(tur(&b, &b.a, 1), NO_LUN);
		assert_int_equal(tur(&b, &b.a, 0), LUNS_CHANGED);
		cmd_write(&c, 0, N, b.data, false);
		assert_true(rig_good(&b.g, &b.a, &c));
		assert_int_equal(iscsi_node_lun_sessions(&b.g.node, lu_of(&b, 1)), 0);
		assert_true(rig_zombies(&b.g) > 0);
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), SOON), -ETIMEDOUT);
		fake_file_release(b.g.v[1].file);
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), RIG_S), 0);
		assert_int_equal(rig_zombies(&b.g), 0);
		scsi_lu_free(b.g.v[1].lu);
		b.g.v[1].lu = NULL;
		quieten(&b, &b.b, 2);
		bed_close(&b);
	}
}

/* A reset of the unit's own is under way on all reactors when its LUN goes. */
static void a_lun_goes_during_a_reset(void **state)
{
	static const enum iscsi_tmf functions[] = { ISCSI_TMF_LU_RESET, ISCSI_TMF_CLEAR_TASK_SET,
						    ISCSI_TMF_TARGET_WARM_RESET,
						    ISCSI_TMF_TARGET_COLD_RESET };
	static struct ini_cmd ca[COMMANDS], cb[COMMANDS];
	struct bed b;

	(void)state;
	for (uint64_t seed = 0; seed < 4 * SEEDS; seed++) {
		enum iscsi_tmf function = functions[seed % ARRAY_SIZE(functions)];

		bed_open(&b, seed);
		quieten(&b, &b.a, 1);
		quieten(&b, &b.b, 1);
		fake_file_stall(b.g.v[1].file);
		start_all(&b, &b.a, ca, 1);
		start_all(&b, &b.b, cb, 1);
		rig_pass(&b.g, 50 * RIG_MS);
		ini_tmf(&b.a, function, 1, NULL);
		for (unsigned n = 0; n < seed / 4; n++)
			(void)rig_turn(&b.g, UINT64_MAX);
		assert_int_equal(unmap(&b, 0, 1), 0);
		assert_int_equal(unmap(&b, 1, 0), 0);
		assert_true(RIG_WAIT(&b.g, b.a.tmfs, SOON));
		fake_file_release(b.g.v[1].file);
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), RIG_S), 0);
		scsi_lu_free(b.g.v[1].lu);
		b.g.v[1].lu = NULL;
		rig_pass(&b.g, SOON);
		for (unsigned n = 0; n < COMMANDS; n++) { /* ended by one of both */
			if (ca[n].state == INI_CMD_SENT)
				ini_forget(&ca[n]);
			if (cb[n].state == INI_CMD_SENT)
				ini_forget(&cb[n]);
		}
		if (function != ISCSI_TMF_TARGET_COLD_RESET)
			quieten(&b, &b.b, 0);
		bed_close(&b);
	}
}

/* A session that has logged out still has tasks, but nothing on the unit. */
static void who_has_left_holds_no_unit(void **state)
{
	static struct ini_cmd ca[COMMANDS];
	struct bed b;

	(void)state;
	bed_open(&b, 2);
	b.a.hold_r2ts = true;
	quieten(&b, &b.a, 1);
	start_all(&b, &b.a, ca, 1);
	rig_pass(&b.g, 50 * RIG_MS);
	assert_int_equal(ca[RUNNING].state, INI_CMD_SENT); /* waits for its data */
	ini_logout(&b.a);
	assert_true(RIG_WAIT(&b.g, b.a.logged_out, SOON));
	assert_int_equal(unmap(&b, 0, 1), 0);
	assert_int_equal(unmap(&b, 1, 0), 0);
	assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), 20 * RIG_MS), 0);
	scsi_lu_free(b.g.v[1].lu);
	b.g.v[1].lu = NULL;
	ini_tmf(&b.b, ISCSI_TMF_TARGET_WARM_RESET, 0, NULL);
	assert_true(RIG_WAIT(&b.g, b.b.tmfs, SOON));
	bed_close(&b);
}

static void a_unit_grows(void **state)
{
	struct ini_cmd c;
	struct bed b;

	(void)state;
	bed_open(&b, 3);
	cmd_read(&c, 2048, N, b.back); /* 1 MiB */
	assert_true(rig_do(&b.g, &b.a, &c));
	assert_int_equal(cmd_sense_code(&c), 0x2100);
	scsi_lu_grown(lu_of(&b, 2)); /* it has not */
	assert_int_equal(tur(&b, &b.other, 0), 0);
	quieten(&b, &b.a, 2);
	bs_raise_size(scsi_lu_backstore(lu_of(&b, 2)), 2 << 20);
	scsi_lu_grown(lu_of(&b, 2));
	assert_int_equal(tur(&b, &b.other, 0), CAPACITY);
	assert_int_equal(tur(&b, &b.other, 0), 0);
	assert_int_equal(tur(&b, &b.a, 2), CAPACITY);
	assert_int_equal(tur(&b, &b.a, 0), 0);
	memset(&c, 0, sizeof(c));
	c.cdb[0] = 0x25;
	c.in = b.back;
	c.in_room = 8;
	assert_true(rig_good(&b.g, &b.other, &c));
	assert_memory_equal(b.back, ((const uint8_t[]){ 0, 0, 0x0f, 0xff, 0, 0, 2, 0 }), 8);
	bed_close(&b);
}

/* --- targets ------------------------------------------------------------------------------- */

static void a_target_goes_with_its_sessions(void **state)
{
	static struct ini_cmd ca[COMMANDS];
	struct ini again;
	struct ini_cmd c;
	struct bed b;

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		bed_open(&b, seed);
		quieten(&b, &b.a, 1);
		fake_file_stall(b.g.v[1].file);
		start_all(&b, &b.a, ca, 1);
		rig_pass(&b.g, 50 * RIG_MS);
		ini_init(&again, b.g.w, HOST, 9);
		rig_connect(&b.g, &again, seed % REACTORS); /* one that is about to log in */
		ini_login(&again, rig_target(&b.g, 0));
		for (unsigned n = 0; n < seed; n++)
			(void)rig_turn(&b.g, UINT64_MAX);
		assert_int_equal(iscsi_node_remove_target(&b.g.node, rig_target(&b.g, 0)), 0);
		assert_int_equal(iscsi_node_remove_target(&b.g.node, rig_target(&b.g, 0)), -ENOENT);
		assert_true(RIG_WAIT(&b.g, b.a.closed && b.b.closed, SOON));
		assert_true(RIG_WAIT(&b.g, again.state == INI_REFUSED || again.closed, SOON));
		if (again.state == INI_REFUSED)
			assert_true(again.login_status == ISCSI_LOGIN_NOT_FOUND ||
				    again.login_status == ISCSI_LOGIN_TARGET_REMOVED);
		cmd_write(&c, 0, N, b.data, false);
		assert_true(rig_good(&b.g, &b.other, &c));
		/* the zombies hold neither the name */
		assert_true(rig_zombies(&b.g) > 0);
		assert_int_equal(iscsi_node_add_target(&b.g.node, rig_target(&b.g, 0), NULL, b.why,
						       sizeof(b.why)),
				 0);
		assert_int_equal(map(&b, 0, 0, 0), 0);
		rig_pass(&b.g, 5 * RIG_S); /* the server's end lingers */
		assert_true(rig_login(&b.g, &b.b, 0, seed % REACTORS));
		assert_int_equal(luns(&b, &b.b), 1);
		/* nor the other units, but their own */
		assert_int_equal(unmap(&b, 1, 0), 0);
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), SOON), -ETIMEDOUT);
		fake_file_release(b.g.v[1].file);
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), RIG_S), 0);
		rig_drop(&again);
		bed_close(&b);
	}
}

static void a_target_that_is_empty(void **state)
{
	struct ini i;
	struct bed b;

	(void)state;
	bed_open(&b, 1);
	assert_int_equal(iscsi_node_add_target(&b.g.node, "iqn.2026-11.io.ringlun:empty", NULL,
					       b.why, sizeof(b.why)),
			 0);
	ini_init(&i, b.g.w, HOST, 7);
	rig_connect(&b.g, &i, 0);
	ini_login(&i, "iqn.2026-11.io.ringlun:empty");
	assert_true(RIG_WAIT(&b.g, i.state == INI_FULL, SOON));
	assert_int_equal(tur(&b, &i, 0), NO_LUN);
	assert_int_equal(luns(&b, &i), 0);
	assert_int_equal(
		iscsi_node_map_lun(&b.g.node, "IQN.2026-11.io.ringlun:EMPTY", 4, lu_of(&b, 2)), 0);
	assert_int_equal(luns(&b, &i), 1);
	assert_int_equal(tur(&b, &i, 4), POWER_ON);
	assert_int_equal(tur(&b, &i, 4), 0);
	rig_drop(&i);
	bed_close(&b);
}

/* --- without memory ------------------------------------------------------------------------ */

static void arm(bool before)
{
	alloc_fault.armed = before;
}

/* Each allocation of it fails once: then nothing has changed, or a connection has ended. */
static void change_all(struct bed *b, struct ini_cmd *ca)
{
	const char *extra = "iqn.2026-11.io.ringlun:extra";
	int rc;

	quieten(b, &b->a, 1);
	fake_file_stall(b->g.v[1].file);
	start_all(b, &b->a, ca, 1);
	rig_pass(&b->g, 50 * RIG_MS);
	b->g.around = arm;
	arm(true);
	rc = map(b, 0, 40, 2);
	assert_true(rc == 0 || rc == -ENOMEM);
	arm(true);
	rc = unmap(b, 0, 1);
	assert_true(rc == 0 || rc == -ENOMEM);
	arm(true);
	rc = iscsi_node_add_target(&b->g.node, extra, NULL, b->why, sizeof(b->why));
	assert_true(rc == 0 || rc == -ENOMEM);
	arm(true);
	rc = iscsi_node_map_lun(&b->g.node, extra, 0, lu_of(b, 2));
	assert_true(rc == 0 || rc == -ENOMEM || rc == -ENOENT);
	rig_pass(&b->g, SOON);
	b->g.around = NULL;
	arm(false);
}

static void each_allocation_fails_once(void **state)
{
	static struct ini_cmd ca[COMMANDS];
	unsigned total = 0;
	struct bed b;
	bool fired = ALLOC_FAULT;

	(void)state;
	for (uint64_t n = 0; fired; n++) {
		int keep = rig_hush();

		alloc_fault.fail_at = UINT64_MAX;
		bed_open(&b, 9);
		alloc_fault.fail_at = n;
		alloc_fault.fired = false;
		change_all(&b, ca);
		fired = alloc_fault.fired;
		total += fired;
		alloc_fault.fail_at = UINT64_MAX;
		rig_unhush(keep);
		fake_file_release(b.g.v[1].file);
		(void)!unmap(&b, 0, 1);
		assert_int_equal(unmap(&b, 1, 0), 0);
		assert_int_equal(iscsi_node_await_lu(&b.g.node, lu_of(&b, 1), RIG_S), 0);
		assert_true(
			RIG_WAIT(&b.g, b.a.closed || all_are(ca, COMMANDS, INI_CMD_DONE), SOON));
		if (b.a.closed)
			assert_true(rig_login(&b.g, &b.a, 0, 0));
		quieten(&b, &b.a, 0);
		assert_int_equal(tur(&b, &b.a, 1), NO_LUN);
		assert_string_equal(b.a.broken, "");
		rig_fini(&b.g);
	}
	assert_true(!ALLOC_FAULT || total > 12);
}

static unsigned sessions_not_ending(struct bed *b)
{
	struct iscsi_session_info *all;
	unsigned n, going_on = 0;

	assert_int_equal(iscsi_node_sessions(&b->g.node, &all, &n), 0);
	for (unsigned i = 0; i < n; i++)
		going_on += all[i].state != ISCSI_SESSION_ENDING;
	free(all);
	return going_on;
}

/* A login that would replace a session, and fails: that session goes on, and is counted as before,
 * or has ended. Else its volume would seem to be unused. */
static void a_replacement_without_memory(void **state)
{
	bool fired = ALLOC_FAULT;
	unsigned total = 0;
	struct ini again;
	struct bed b;

	(void)state;
	for (uint64_t n = 0; fired; n++) {
		int keep = rig_hush();

		alloc_fault.fail_at = UINT64_MAX;
		bed_open(&b, n);
		ini_init(&again, b.g.w, HOST, 1); /* as a */
		b.g.around = arm;
		alloc_fault.fail_at = n;
		alloc_fault.fired = false;
		rig_connect(&b.g, &again, n % REACTORS);
		ini_login(&again, rig_target(&b.g, 0));
		rig_pass(&b.g, 20 * RIG_S);
		b.g.around = NULL;
		arm(false);
		fired = alloc_fault.fired;
		total += fired;
		alloc_fault.fail_at = UINT64_MAX;
		rig_unhush(keep);
		assert_int_equal(iscsi_node_lun_sessions(&b.g.node, lu_of(&b, 0)),
				 !b.a.closed + !b.b.closed + (again.state == INI_FULL));
		assert_int_equal(sessions_not_ending(&b), !b.a.closed + !b.b.closed +
								  !b.other.closed +
								  (again.state == INI_FULL));
		rig_fini(&b.g);
	}
	assert_true(!ALLOC_FAULT || total > 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lun_comes),
		cmocka_unit_test(many_luns_come_and_go),
		cmocka_unit_test(a_lun_goes_under_load),
		cmocka_unit_test(a_lun_goes_during_a_reset),
		cmocka_unit_test(who_has_left_holds_no_unit),
		cmocka_unit_test(a_unit_grows),
		cmocka_unit_test(a_target_goes_with_its_sessions),
		cmocka_unit_test(a_target_that_is_empty),
		cmocka_unit_test(each_allocation_fails_once),
		cmocka_unit_test(a_replacement_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
