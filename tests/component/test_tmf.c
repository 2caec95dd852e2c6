/* Task management while the disk stands still: answered at once, and what the disk
 * still has never lands on what is written afterwards, by whatever session. */
#include "tests/fakes/medium_model.h"
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { LBA = 8, N = 8, BYTES = N * 512 };

#define SOON (200 * RIG_MS)

/* Two paths of one initiator to one volume, on two reactors, and a volume beside it. */
struct pair {
	struct rig g;
	struct ini a, b, beside;
	uint8_t data_a[BYTES], data_b[BYTES], back[BYTES];
	struct ini_cmd ca, cb;
	unsigned where_a; /* its reactor */
};

static void pair_open(struct pair *p, uint64_t seed, bool buffered)
{
	struct rig_config cfg = { .seed = seed, .reactors = 2, .volumes = 2, .buffered = buffered };

	memset(p, 0, sizeof(*p));
	rig_init(&p->g, &cfg);
	fake_world_knobs(p->g.w)->nap_permille = seed / 4 % 2 * 200;
	ini_init(&p->a, p->g.w, "iqn.2026-11.io.ringlun.test:one", 1);
	ini_init(&p->b, p->g.w, "iqn.2026-11.io.ringlun.test:one", 2);
	ini_init(&p->beside, p->g.w, "iqn.2026-11.io.ringlun.test:other", 3);
	p->where_a = seed / 2 % 2;
	assert_true(rig_login(&p->g, &p->a, 0, p->where_a));
	assert_true(rig_login(&p->g, &p->b, 0, !p->where_a));
	assert_true(rig_login(&p->g, &p->beside, 1, 0));
	memset(p->data_a, 'A', BYTES);
	memset(p->data_b, 'B', BYTES);
}

static void pair_close(struct pair *p)
{
	assert_string_equal(p->a.broken, "");
	assert_string_equal(p->b.broken, "");
	assert_string_equal(p->beside.broken, "");
	assert_int_equal(rig_fences(&p->g, 0), 0);
	assert_int_equal(rig_zombies(&p->g), 0);
	rig_fini(&p->g);
}

/* The disk has a write of @a, and keeps it. */
static void write_a_stalls(struct pair *p)
{
	fake_file_stall(p->g.v[0].file);
	cmd_write(&p->ca, LBA, N, p->data_a, false);
	ini_submit(&p->a, &p->ca);
	rig_pass(&p->g, 50 * RIG_MS);
	assert_int_equal(p->ca.state, INI_CMD_SENT);
	assert_int_equal(p->g.r[p->where_a]->nrunning, 1);
	assert_int_equal(rig_fences(&p->g, 0), 0);
}

static void assert_tmf(struct pair *p, struct ini *i, enum iscsi_tmf function,
		       const struct ini_cmd *ref, unsigned response)
{
	unsigned before = i->tmfs;

	ini_tmf(i, function, 0, ref);
	assert_true(RIG_WAIT(&p->g, i->tmfs > before, SOON));
	assert_int_equal(i->tmf_response, response);
}

/* ABORT TASK of whatever has this tag. */
static void assert_tmf_tag(struct pair *p, uint32_t itt, unsigned response)
{
	const struct ini_cmd ref = { .itt = itt, .cmd_sn = p->a.exp_cmd_sn };

	assert_tmf(p, &p->a, ISCSI_TMF_ABORT_TASK, &ref, response);
}

static void submit_b(struct pair *p)
{
	cmd_write(&p->cb, LBA + 2, 2, p->data_b, false);
	ini_submit(&p->b, &p->cb);
}

static void assert_others_go_on(struct pair *p)
{
	struct ini_cmd c;
	unsigned nops = p->b.nops;

	ini_nop(&p->b, true, NULL, 0);
	assert_true(RIG_WAIT(&p->g, p->b.nops > nops, SOON));
	cmd_write(&c, LBA, N, p->data_a, true);
	ini_submit(&p->beside, &c);
	assert_true(RIG_WAIT(&p->g, c.state == INI_CMD_DONE, SOON));
	assert_int_equal(c.status, SCSI_GOOD);
}

/* What is there where B was written over a part of A. */
static const uint8_t *block_of_b(struct pair *p)
{
	struct ini_cmd c;

	cmd_read(&c, LBA, N, p->back);
	assert_true(rig_good(&p->g, &p->b, &c));
	return p->back + 2 * 512;
}

static void take_attention(struct pair *p, struct ini *i, int code)
{
	struct ini_cmd c;

	cmd_test_unit_ready(&c);
	assert_true(rig_do(&p->g, i, &c));
	assert_int_equal(cmd_sense_key(&c), 6);
	assert_int_equal(cmd_sense_code(&c), code);
}

struct tmf_case {
	enum iscsi_tmf function;
	bool by_b;
	int attention_a, attention_b; /* 0: none */
};

static const struct tmf_case cases[] = {
	{ ISCSI_TMF_ABORT_TASK, false, 0, 0 },
	{ ISCSI_TMF_ABORT_TASK_SET, false, 0, 0 },
	{ ISCSI_TMF_CLEAR_TASK_SET, false, 0, 0 },
	{ ISCSI_TMF_CLEAR_TASK_SET, true, 0x2f00, 0 },
	{ ISCSI_TMF_LU_RESET, false, 0x2903, 0x2903 },
	{ ISCSI_TMF_LU_RESET, true, 0x2903, 0x2903 },
	{ ISCSI_TMF_TARGET_WARM_RESET, false, 0x2903, 0x2903 },
	{ ISCSI_TMF_TARGET_WARM_RESET, true, 0x2903, 0x2903 },
};

static void one_case(const struct tmf_case *t, uint64_t seed)
{
	static struct pair p;

	pair_open(&p, seed, seed % 2);
	write_a_stalls(&p);
	assert_tmf(&p, t->by_b ? &p.b : &p.a, t->function, &p.ca, ISCSI_TMF_COMPLETE);
	assert_int_equal(rig_zombies(&p.g), 1);
	assert_int_equal(rig_fences(&p.g, 0), 1);
	assert_true(rig_used_bytes(&p.g) >= BYTES); /* the disk may still read them */
	ini_forget(&p.ca);
	if (t->attention_a)
		take_attention(&p, &p.a, t->attention_a);
	if (t->attention_b)
		take_attention(&p, &p.b, t->attention_b);
	if (t->function == ISCSI_TMF_TARGET_WARM_RESET) /* its volume is a LUN of theirs, too */
		take_attention(&p, &p.beside, 0x2903);
	submit_b(&p);
	rig_pass(&p.g, 5 * RIG_S);
	assert_int_equal(p.cb.state, INI_CMD_SENT);
	assert_others_go_on(&p);
	fake_file_release(p.g.v[0].file);
	assert_true(RIG_WAIT(&p.g, p.cb.state == INI_CMD_DONE, SOON));
	assert_int_equal(p.cb.status, SCSI_GOOD);
	assert_memory_equal(block_of_b(&p), p.data_b, 2 * 512);
	assert_int_equal(rig_used_bytes(&p.g), 0);
	pair_close(&p);
}

static void answered_while_the_disk_stands_still(void **state)
{
	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(cases); n++)
		for (uint64_t seed = 0; seed < 8; seed++)
			one_case(&cases[n], seed);
}

/* Counts how often A lands on B. */
static unsigned times_a_wins(bool forget)
{
	static struct pair p;
	unsigned n = 0;

	for (uint64_t seed = 0; seed < 40; seed++) {
		pair_open(&p, seed, true);
		write_a_stalls(&p);
		assert_tmf(&p, &p.a, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_COMPLETE);
		ini_forget(&p.ca);
		if (forget)
			rig_forget_fences(&p.g, 0);
		submit_b(&p);
		rig_pass(&p.g, 50 * RIG_MS);
		fake_file_release(p.g.v[0].file);
		assert_true(RIG_WAIT(&p.g, p.cb.state == INI_CMD_DONE, SOON));
		assert_int_equal(p.cb.status, SCSI_GOOD);
		RIG_WAIT(&p.g, !rig_zombies(&p.g), SOON);
		n += memcmp(block_of_b(&p), p.data_b, 2 * 512) != 0;
		pair_close(&p);
	}
	return n;
}

static void without_the_fence_a_lands_on_b(void **state)
{
	(void)state;
	assert_int_equal(times_a_wins(false), 0);
	assert_in_range(times_a_wins(true), 3, 40);
}

static void who_waits_behind_a_fence_can_be_aborted(void **state)
{
	static struct pair p;

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		pair_open(&p, seed, seed % 2);
		write_a_stalls(&p);
		assert_tmf(&p, &p.a, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_COMPLETE);
		ini_forget(&p.ca);
		submit_b(&p);
		rig_pass(&p.g, 50 * RIG_MS);
		assert_tmf(&p, &p.b, ISCSI_TMF_ABORT_TASK, &p.cb, ISCSI_TMF_COMPLETE);
		ini_forget(&p.cb);
		assert_int_equal(rig_zombies(&p.g), 1); /* it never reached the disk */
		fake_file_release(p.g.v[0].file);
		rig_pass(&p.g, SOON);
		assert_memory_equal(block_of_b(&p), p.data_a, 2 * 512);
		pair_close(&p);
	}
}

/* Aborted at the very time at which the disk wakes up, and its turn comes. */
static void aborted_as_its_turn_comes(void **state)
{
	static struct pair p;
	unsigned landed = 0, not_landed = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		pair_open(&p, seed, false);
		write_a_stalls(&p);
		assert_tmf(&p, &p.a, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_COMPLETE);
		ini_forget(&p.ca);
		submit_b(&p);
		rig_pass(&p.g, 50 * RIG_MS);
		if (seed % 2)
			fake_file_release(p.g.v[0].file);
		rig_pass(&p.g, fake_world_random(p.g.w, 3000000));
		ini_tmf(&p.b, ISCSI_TMF_ABORT_TASK, 0, &p.cb);
		fake_file_release(p.g.v[0].file);
		assert_true(RIG_WAIT(&p.g, p.b.tmfs == 1, SOON));
		if (p.cb.state == INI_CMD_SENT) {
			assert_int_equal(p.b.tmf_response, ISCSI_TMF_COMPLETE);
			ini_forget(&p.cb);
		} else {
			assert_int_equal(p.cb.status, SCSI_GOOD);
		}
		rig_pass(&p.g, SOON);
		landed += block_of_b(&p)[0] == 'B';
		not_landed += p.back[2 * 512] == 'A';
		assert_true(p.cb.state == INI_CMD_LOST || p.back[2 * 512] == 'B');
		pair_close(&p);
	}
	assert_int_equal(landed + not_landed, 60);
	assert_true(landed && not_landed);
}

static void a_write_that_still_collects_its_data(void **state)
{
	static struct pair p;
	struct bhs_data_out late = { .opcode = ISCSI_DATA_OUT, .flags = ISCSI_FINAL };

	(void)state;
	pair_open(&p, 1, false);
	p.a.hold_r2ts = true;
	cmd_write(&p.ca, LBA, N, p.data_a, false);
	p.ca.how = INI_OUT_R2T;
	ini_submit(&p.a, &p.ca);
	assert_true(RIG_WAIT(&p.g, p.ca.r2ts_held == 1, SOON));
	assert_tmf(&p, &p.a, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_COMPLETE);
	assert_int_equal(rig_zombies(&p.g), 0);
	assert_int_equal(rig_used_bytes(&p.g), 0);
	late.itt = be32_of(p.ca.itt); /* was on its way already */
	late.ttt = be32_of(1);
	ini_send_pdu(&p.a, &late, p.data_a, BYTES);
	ini_forget(&p.ca);
	p.a.hold_r2ts = false;
	submit_b(&p);
	assert_true(RIG_WAIT(&p.g, p.cb.state == INI_CMD_DONE, SOON));
	assert_memory_equal(block_of_b(&p), p.data_b, 2 * 512);
	assert_int_equal(p.back[0], 0); /* nothing of A */
	cmd_test_unit_ready(&p.ca);
	assert_true(rig_good(&p.g, &p.a, &p.ca));
	pair_close(&p);
}

/* A read cannot harm, but the disk still has its buffer. */
static void an_aborted_read_keeps_its_buffer(void **state)
{
	static struct pair p;

	(void)state;
	pair_open(&p, 1, false);
	fake_file_stall(p.g.v[0].file);
	cmd_read(&p.ca, LBA, N, p.back);
	ini_submit(&p.a, &p.ca);
	rig_pass(&p.g, 50 * RIG_MS);
	assert_tmf(&p, &p.a, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_COMPLETE);
	ini_forget(&p.ca);
	assert_int_equal(rig_zombies(&p.g), 1);
	assert_int_equal(rig_fences(&p.g, 0), 0);
	assert_true(rig_used_bytes(&p.g) >= BYTES);
	fake_file_release(p.g.v[0].file);
	rig_pass(&p.g, SOON);
	assert_int_equal(rig_used_bytes(&p.g), 0);
	pair_close(&p);
}

static void what_cannot_be_done_is_said(void **state)
{
	static struct pair p;
	unsigned before;

	(void)state;
	pair_open(&p, 1, false);
	cmd_write(&p.ca, LBA, N, p.data_a, false);
	assert_true(rig_good(&p.g, &p.a, &p.ca));
	assert_tmf(&p, &p.a, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_NO_TASK); /* answered */
	assert_tmf(&p, &p.b, ISCSI_TMF_ABORT_TASK, &p.ca, ISCSI_TMF_NO_TASK);
	assert_tmf(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, NULL, ISCSI_TMF_NOT_SUPPORTED);
	assert_tmf(&p, &p.a, (enum iscsi_tmf)0, NULL, ISCSI_TMF_NOT_SUPPORTED);
	assert_tmf(&p, &p.a, (enum iscsi_tmf)13, NULL, ISCSI_TMF_NOT_SUPPORTED);
	assert_tmf(&p, &p.a, (enum iscsi_tmf)127, NULL, ISCSI_TMF_NOT_SUPPORTED);
	assert_tmf(&p, &p.a, ISCSI_TMF_CLEAR_ACA, NULL, ISCSI_TMF_NOT_SUPPORTED);
	assert_tmf(&p, &p.a, ISCSI_TMF_TASK_REASSIGN, NULL, ISCSI_TMF_NO_REASSIGN);
	for (unsigned f = ISCSI_TMF_ABORT_TASK_SET; f <= ISCSI_TMF_LU_RESET; f++) {
		if (f == ISCSI_TMF_CLEAR_ACA)
			continue;
		before = p.a.tmfs;
		ini_tmf(&p.a, (enum iscsi_tmf)f, 77, NULL);
		assert_true(RIG_WAIT(&p.g, p.a.tmfs > before, SOON));
		assert_int_equal(p.a.tmf_response, ISCSI_TMF_NO_LUN);
	}
	pair_close(&p);
}

/* Sent ahead of its turn, aborted, then its turn comes: it must not run. What is for all commands
 * before it is answered when they have come (11.6.1). */
static void aborted_ahead(enum iscsi_tmf function)
{
	bool waits = function != ISCSI_TMF_ABORT_TASK;
	static struct pair p;

	pair_open(&p, 1, false);
	p.a.cmd_sn++; /* a gap */
	cmd_write(&p.ca, LBA, N, p.data_a, false);
	p.ca.how = INI_OUT_IMMEDIATE;
	ini_submit(&p.a, &p.ca);
	rig_pass(&p.g, 50 * RIG_MS);
	assert_int_equal(p.ca.state, INI_CMD_SENT);
	ini_tmf(&p.a, function, 0, &p.ca);
	rig_pass(&p.g, SOON);
	assert_int_equal(p.a.tmfs, !waits);
	if (waits) /* 11.5.1 */
		assert_tmf_tag(&p, p.a.next_itt - 1, ISCSI_TMF_REJECTED);
	ini_forget(&p.ca);
	p.a.cmd_sn -= 2; /* fills the gap */
	ini_nop(&p.a, false, NULL, 0);
	p.a.cmd_sn++;
	assert_true(RIG_WAIT(&p.g, p.a.nops == 1 && p.a.tmfs == (waits ? 2 : 1), SOON));
	assert_int_equal(p.a.tmf_response, ISCSI_TMF_COMPLETE);
	rig_pass(&p.g, SOON);
	for (unsigned n = 0; n < 2; n++) { /* after a reset: the unit attention first */
		cmd_test_unit_ready(&p.ca);
		assert_true(rig_do(&p.g, &p.a, &p.ca));
		cmd_test_unit_ready(&p.cb);
		assert_true(rig_do(&p.g, &p.b, &p.cb));
	}
	assert_int_equal(p.ca.status, SCSI_GOOD);
	assert_int_equal(block_of_b(&p)[0], 0);
	/* its place in the window has been given back */
	assert_int_equal(p.a.max_cmd_sn - p.a.exp_cmd_sn + 1, p.g.node.window);
	pair_close(&p);
}

static void aborted_before_its_turn(void **state)
{
	(void)state;
	aborted_ahead(ISCSI_TMF_TARGET_WARM_RESET);
	aborted_ahead(ISCSI_TMF_ABORT_TASK);
	aborted_ahead(ISCSI_TMF_ABORT_TASK_SET);
	aborted_ahead(ISCSI_TMF_CLEAR_TASK_SET);
	aborted_ahead(ISCSI_TMF_LU_RESET);
}

/* Nobody has aborted it; but its initiator may have lost the path by now, and write by the other
 * one. */
static void a_slow_write_is_fenced_unasked(void **state)
{
	static struct pair p;

	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++) {
		pair_open(&p, seed, seed % 2);
		write_a_stalls(&p);
		rig_pass(&p.g, 900 * RIG_MS);
		assert_int_equal(rig_fences(&p.g, 0), 0);
		rig_pass(&p.g, 700 * RIG_MS);
		assert_int_equal(rig_fences(&p.g, 0), 1);
		submit_b(&p);
		rig_pass(&p.g, 3 * RIG_S);
		assert_int_equal(p.cb.state, INI_CMD_SENT);
		fake_file_release(p.g.v[0].file);
		assert_true(RIG_WAIT(&p.g, p.cb.state == INI_CMD_DONE, SOON));
		assert_true(RIG_WAIT(&p.g, p.ca.state == INI_CMD_DONE, SOON));
		assert_int_equal(p.ca.status, SCSI_GOOD);
		assert_memory_equal(block_of_b(&p), p.data_b, 2 * 512);
		pair_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answered_while_the_disk_stands_still),
		cmocka_unit_test(without_the_fence_a_lands_on_b),
		cmocka_unit_test(who_waits_behind_a_fence_can_be_aborted),
		cmocka_unit_test(aborted_as_its_turn_comes),
		cmocka_unit_test(a_write_that_still_collects_its_data),
		cmocka_unit_test(an_aborted_read_keeps_its_buffer),
		cmocka_unit_test(what_cannot_be_done_is_said),
		cmocka_unit_test(aborted_before_its_turn),
		cmocka_unit_test(a_slow_write_is_fenced_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
