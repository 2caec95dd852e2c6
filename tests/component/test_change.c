/* What changes while the server runs: LUNs come and go under load, targets are removed with their
 * sessions, rules change between two PDUs of a login, sessions are asked to leave, or dropped. The
 * disk may stand still: nobody waits for it but who frees the unit. */
#include "target/iscsi/conn.h"
#include "target/scsi/change.h"
#include "tests/fakes/server_rig.h"

#include "backstore/kinds.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

enum {
	LUNS_CHANGED = 0x3f0e,
	POWER_ON = 0x2900,
	CAPACITY = 0x2a09,
	NO_LUN = 0x2500,
	ILLEGAL = 5,
	ATTENTION = 6,
	SEEDS = 12,
	REACTORS = 3,
	N = 8,
	BYTES = N * 512,
};

/* v0 shows LUN 0 and, as LUN 1 and 2, what v1 and v2 show as LUN 0. */
struct bed {
	struct rig g;
	struct ini a, b, other; /* two sessions of v0, one of v2 */
	uint8_t data[64 << 10], back[64 << 10];
	char why[256];
};

static void bed_open(struct bed *b, uint64_t seed)
{
	struct rig_config cfg = { .seed = seed, .reactors = REACTORS, .volumes = 3 };

	memset(b, 0, sizeof(*b));
	rig_init(&b->g, &cfg);
	fake_world_knobs(b->g.w)->nap_permille = seed % 3 * 150;
	ini_init(&b->a, b->g.w, HOST, 1);
	ini_init(&b->b, b->g.w, HOST, 2);
	ini_init(&b->other, b->g.w, HOST, 3);
	b->a.offer.ImmediateData = b->b.offer.ImmediateData = true;
	b->a.offer.FirstBurstLength = 8192;
	b->a.offer.MaxBurstLength = 16384;
	b->a.offer.MaxOutstandingR2T = 2;
	assert_true(rig_login(&b->g, &b->a, 0, seed % REACTORS));
	assert_true(rig_login(&b->g, &b->b, 0, (seed + 1) % REACTORS));
	assert_true(rig_login(&b->g, &b->other, 2, (seed + 2) % REACTORS));
	memset(b->data, 'd', sizeof(b->data));
}

static void bed_close(struct bed *b)
{
	assert_string_equal(b->a.broken, "");
	assert_string_equal(b->b.broken, "");
	assert_string_equal(b->other.broken, "");
	rig_fini(&b->g);
}

/* TEST UNIT READY: 0, or what is wrong. */
static int tur(struct bed *b, struct ini *i, unsigned lun)
{
	struct ini_cmd c;

	cmd_test_unit_ready(&c);
	c.lun = lun;
	assert_true(rig_do(&b->g, i, &c));
	return c.status == SCSI_GOOD ? 0 : cmd_sense_code(&c);
}

static void quieten(struct bed *b, struct ini *i, unsigned lun)
{
	for (unsigned n = 0; n < 8 && tur(b, i, lun); n++)
		;
	assert_int_equal(tur(b, i, lun), 0);
}

static void cmd_report_luns(struct ini_cmd *c, void *buf, uint32_t len)
{
	memset(c, 0, sizeof(*c));
	c->cdb[0] = 0xa0;
	c->cdb[8] = (uint8_t)(len >> 8);
	c->cdb[9] = (uint8_t)len;
	c->in = buf;
	c->in_room = len;
}

static unsigned luns(struct bed *b, struct ini *i)
{
	struct ini_cmd c;

	cmd_report_luns(&c, b->back, 4096);
	assert_true(rig_good(&b->g, i, &c));
	assert_int_equal(c.in_len, 8 + b->back[3]);
	return b->back[3] / 8;
}

static struct scsi_lu *lu_of(struct bed *b, unsigned volume)
{
	return b->g.v[volume].lu;
}

static int map(struct bed *b, unsigned target, unsigned lun, unsigned volume)
{
	return iscsi_node_map_lun(&b->g.node, rig_target(&b->g, target), lun, lu_of(b, volume));
}

static int unmap(struct bed *b, unsigned target, unsigned lun)
{
	return iscsi_node_unmap_lun(&b->g.node, rig_target(&b->g, target), lun);
}

static struct iscsi_policy *policy_by(const struct policy_spec *spec)
{
	struct iscsi_policy *p = NULL;
	char why[256];

	assert_int_equal(policy_new(&p, spec, why, sizeof(why)), 0);
	return p;
}

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
	bed_close(&b);
}

enum { RUNNING = 6, HALF = 3, BEHIND = 2, COMMANDS = RUNNING + HALF + BEHIND };

/* Commands in every state there is: on the disk (of which two are reads), waiting for data, behind
 * an ORDERED one. */
static void start_all(struct bed *b, struct ini *i, struct ini_cmd *c, unsigned lun)
{
	for (unsigned n = 0; n < COMMANDS; n++) {
		if (n < 2)
			cmd_read(&c[n], n * 64, N, b->back + n * BYTES);
		else
			cmd_write(&c[n], n * 64, n < RUNNING || n >= RUNNING + HALF ? N : 128,
				  b->data, false);
		c[n].lun = lun;
		c[n].how = n < RUNNING || n >= RUNNING + HALF ? INI_OUT_IMMEDIATE : INI_OUT_R2T;
		if (n >= RUNNING + HALF)
			c[n].attr = ISCSI_ATTR_ORDERED;
		ini_submit(i, &c[n]);
	}
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
		cmocka_unit_test(a_lun_comes),
		cmocka_unit_test(many_luns_come_and_go),
		cmocka_unit_test(a_lun_goes_under_load),
		cmocka_unit_test(a_lun_goes_during_a_reset),
		cmocka_unit_test(a_unit_grows),
		cmocka_unit_test(a_target_goes_with_its_sessions),
		cmocka_unit_test(a_target_that_is_empty),
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
