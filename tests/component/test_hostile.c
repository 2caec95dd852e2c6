/* Peers that are broken or mean, and the command window. None of them may hurt anybody
 * but himself: whoever is beside them goes on, and all that they took comes back. */
#include "target/iscsi/session.h"
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

struct stage {
	struct rig g;
	struct ini bad, good; /* on one reactor */
	uint8_t data[64 << 10];
};

static void stage_open(struct stage *s, uint64_t seed)
{
	struct rig_config cfg = { .seed = seed, .reactors = 2, .volumes = 2 };

	memset(s, 0, sizeof(*s));
	rig_init(&s->g, &cfg);
	ini_init(&s->bad, s->g.w, HOST, 1);
	ini_init(&s->good, s->g.w, HOST, 2);
	assert_true(rig_login(&s->g, &s->good, 0, 0));
}

static void stage_login(struct stage *s)
{
	assert_true(rig_login(&s->g, &s->bad, 0, 0));
}

static void stage_close(struct stage *s)
{
	struct ini_cmd c;

	for (unsigned tries = 0; tries < 2; tries++) { /* the bad one may have reset the unit */
		cmd_write(&c, 0, 8, s->data, true);
		ini_submit(&s->good, &c);
		assert_true(RIG_WAIT(&s->g, c.state == INI_CMD_DONE, SOON));
		if (cmd_sense_key(&c) != 6)
			break;
	}
	assert_int_equal(c.status, SCSI_GOOD);
	assert_string_equal(s->good.broken, "");
	rig_fini(&s->g);
}

/* --- peers that do not read --- */

static void a_peer_that_never_reads(void **state)
{
	static struct stage s;
	static struct ini_cmd c[128];

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_sock_set_window(s.bad.k, 1000);
	s.bad.deaf = true;
	for (unsigned n = 0; n < 128; n++) {
		cmd_read(&c[n], 0, 128, s.data);
		ini_submit(&s.bad, &c[n]);
	}
	rig_pass(&s.g, 10 * RIG_S);
	/* what it asked for takes its share, not more */
	assert_true(rig_used_bytes(&s.g) <= pool_size_bytes(s.g.r[0]->pool) / 2);
	rig_pass(&s.g, 60 * RIG_S);
	assert_true(fake_sock_is_closed_by_server(s.bad.k)); /* the ping was not answered */
	assert_int_equal(rig_used_bytes(&s.g), 0);
	ini_reset(&s.bad);
	stage_close(&s);
}

static void a_peer_that_asks_and_does_not_read(void **state)
{
	static struct stage s;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_sock_set_window(s.bad.k, 1000);
	s.bad.deaf = true;
	for (unsigned n = 0; n < 5000; n++)
		ini_nop(&s.bad, true, s.data, 4096);
	/* long before a ping could have found it dead */
	assert_true(RIG_WAIT(&s.g, fake_sock_is_closed_by_server(s.bad.k), 10 * RIG_S));
	ini_reset(&s.bad);
	stage_close(&s);
}

/* Few, but long: it is the bytes that count. */
static void a_peer_that_asks_for_much(void **state)
{
	static struct stage s;
	static uint8_t much[256 << 10];

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_sock_set_window(s.bad.k, 1000);
	s.bad.deaf = true;
	for (unsigned n = 0; n < 64; n++)
		ini_nop(&s.bad, true, much, sizeof(much));
	assert_true(RIG_WAIT(&s.g, fake_sock_is_closed_by_server(s.bad.k), 10 * RIG_S));
	ini_reset(&s.bad);
	stage_close(&s);
}

static void a_flood_of_nops_that_are_read(void **state)
{
	static struct stage s;
	struct ini_cmd c;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	for (unsigned n = 0; n < 20000; n++)
		ini_nop(&s.bad, true, s.data, n % 64);
	cmd_write(&c, 0, 8, s.data, true);
	ini_submit(&s.good, &c);
	assert_true(RIG_WAIT(&s.g, c.state == INI_CMD_DONE, RIG_S));
	RIG_WAIT(&s.g, s.bad.nops == 20000 || s.bad.closed, 600 * RIG_S);
	/* it may be dropped for sending faster than it reads, but not be answered wrongly */
	assert_true(s.bad.closed || s.bad.nops == 20000);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

/* --- bytes that are no PDUs, or are not whole --- */

static void garbage(void **state)
{
	static struct stage s;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		uint8_t noise[4096];

		stage_open(&s, seed);
		if (seed % 2)
			stage_login(&s);
		else
			rig_connect(&s.g, &s.bad, 0);
		s.bad.deaf = true;
		for (size_t n = 0; n < sizeof(noise); n++)
			noise[n] = (uint8_t)fake_world_random(s.g.w, 256);
		if (seed % 4 > 1) /* at least it begins well */
			memcpy(noise, "\x01\xa0\0\0\0\0\0\0", 8);
		ini_send_raw(&s.bad, noise, sizeof(noise));
		rig_pass(&s.g, SOON);
		stage_close(&s);
	}
}

/* Valid opcodes, random rest. */
static void ill_formed_pdus(void **state)
{
	static const uint8_t opcodes[] = { 0x00, 0x40, 0x01, 0x41, 0x02, 0x42, 0x04, 0x44,
					   0x05, 0x06, 0x46, 0x10, 0x1c, 0x3f, 0x20, 0x03 };
	static struct stage s;

	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		stage_open(&s, seed);
		stage_login(&s);
		s.bad.deaf = true;
		for (unsigned n = 0; n < 30; n++) {
			struct bhs_scsi_cmd h;
			uint8_t *raw = (uint8_t *)&h;

			for (size_t at = 0; at < sizeof(h); at++)
				raw[at] = (uint8_t)fake_world_random(s.g.w, 256);
			h.opcode = opcodes[fake_world_random(s.g.w, sizeof(opcodes))];
			h.ahs_words = 0;
			if (fake_world_random(s.g.w, 4)) {
				h.cmd_sn = be32_of(s.bad.cmd_sn +
						   (uint32_t)fake_world_random(s.g.w, 3));
				h.itt = be32_of((uint32_t)fake_world_random(s.g.w, 3));
				memset(h.lun, 0, sizeof(h.lun));
				h.cdb[0] = (uint8_t)(fake_world_random(s.g.w, 2) ? 0x28 : 0x2a);
				h.edtl = be32_of((uint32_t)fake_world_random(s.g.w, 100000));
			}
			ini_send_pdu(&s.bad, &h, s.data, (uint32_t)fake_world_random(s.g.w, 600));
		}
		rig_pass(&s.g, SOON);
		stage_close(&s);
	}
}

static void half_a_pdu_then_silence(void **state)
{
	static struct stage s;
	struct bhs_scsi_cmd h = { .opcode = ISCSI_SCSI_CMD,
				  .flags = ISCSI_FINAL | ISCSI_CMD_WRITE | ISCSI_ATTR_SIMPLE,
				  .cdb = { 0x8a, [12] = 0, 128 } };

	(void)state;
	for (size_t part = 1; part < 48 + 60000; part += part < 48 ? 13 : 29000) {
		stage_open(&s, part);
		stage_login(&s);
		h.edtl = be32_of(65536);
		h.cmd_sn = be32_of(s.bad.cmd_sn);
		h.data_len = be24_of(65536);
		ini_send_raw(&s.bad, &h, MIN(part, sizeof(h)));
		if (part > sizeof(h))
			ini_send_raw(&s.bad, s.data, part - sizeof(h));
		s.bad.mute_pings = true;
		rig_pass(&s.g, 20 * RIG_S);
		assert_false(s.bad.closed);
		assert_int_equal(rig_used_bytes(&s.g) > 0, part >= sizeof(h));
		rig_pass(&s.g, 20 * RIG_S);
		assert_true(s.bad.closed);
		assert_int_equal(rig_used_bytes(&s.g), 0);
		stage_close(&s);
	}
}

/* The data segment is longer than was declared: the stream cannot be followed any more. */
static void a_segment_that_is_too_long(void **state)
{
	static struct stage s;
	struct bhs_nop_out h = { .opcode = ISCSI_NOP_OUT | ISCSI_IMMEDIATE, .flags = ISCSI_FINAL };

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	h.data_len = be24_of(s.bad.target_segment + 1);
	ini_send_raw(&s.bad, &h, sizeof(h));
	assert_true(RIG_WAIT(&s.g, s.bad.closed, 5 * RIG_S));
	stage_close(&s);
}

/* What breaks the rules of data transfer ends the session, after a Reject. */
static void data_where_none_was_asked_for(void **state)
{
	static const uint32_t offsets[] = { 512, 0xfffffe00, 8192, 0 };
	static struct stage s;

	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		struct bhs_data_out h = { .opcode = ISCSI_DATA_OUT, .flags = ISCSI_FINAL };
		struct ini_cmd c;
		uint8_t back[4096];

		stage_open(&s, n);
		stage_login(&s);
		s.bad.hold_r2ts = true;
		memset(s.data, 'x', sizeof(s.data));
		cmd_write(&c, 16, 8, s.data, false);
		c.how = INI_OUT_R2T;
		ini_submit(&s.bad, &c);
		assert_true(RIG_WAIT(&s.g, c.r2ts_held, SOON));
		h.itt = be32_of(c.itt);
		h.ttt = be32_of(n == 3 ? 0x12345678 : 1);
		h.offset = be32_of(offsets[n]);
		ini_send_pdu(&s.bad, &h, s.data, 4096);
		assert_true(RIG_WAIT(&s.g, s.bad.closed, 5 * RIG_S));
		assert_int_equal(s.bad.rejects, 1);
		assert_int_equal(s.bad.reject_reason, ISCSI_REJECT_PROTOCOL);
		fake_file_peek(s.g.v[0].file, 16 * 512, back, sizeof(back));
		assert_int_equal(back[0], 0);
		memset(s.data, 0, sizeof(s.data));
		stage_close(&s);
	}
}

/* Likewise of what is sent without being asked for. */
static void unsolicited_data_against_the_rules(void **state)
{
	static const struct {
		uint32_t edtl, first, offset, len; /* @first bytes came with the command */
		bool final;
	} t[] = {
		{ 65536, 512, 1024, 512, true },       /* a hole */
		{ 65536, 512, 0, 512, true },	       /* again */
		{ 65536, 512, 0xfffffe00, 512, true }, /* far away */
		{ 4096, 512, 512, 4096, true },	       /* beyond the end */
		{ 262144, 512, 512, 65536, true },     /* beyond FirstBurstLength */
		{ 65536, 512, 512, 512, false },       /* then more after the final one */
	};
	static struct stage s;
	static uint8_t back[262144];

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(t); n++) {
		struct bhs_scsi_cmd h = { .opcode = ISCSI_SCSI_CMD };
		struct bhs_data_out d = { .opcode = ISCSI_DATA_OUT, .flags = ISCSI_FINAL };

		stage_open(&s, n);
		s.bad.hold_r2ts = true;
		stage_login(&s);
		memset(s.data, 'x', sizeof(s.data));
		h.flags = ISCSI_CMD_WRITE | ISCSI_ATTR_SIMPLE;
		h.itt = be32_of(77);
		h.edtl = be32_of(t[n].edtl);
		h.cmd_sn = be32_of(ini_take_sn(&s.bad));
		h.cdb[0] = 0x8a;
		put_be32(h.cdb + 10, t[n].edtl / 512);
		ini_send_pdu(&s.bad, &h, s.data, t[n].first);
		d.itt = h.itt;
		d.ttt = be32_of(ISCSI_NO_TAG);
		d.offset = be32_of(t[n].offset);
		ini_send_pdu(&s.bad, &d, s.data, t[n].len);
		if (!t[n].final) {
			d.offset = be32_of(t[n].offset + t[n].len);
			d.data_sn = be32_of(1);
			ini_send_pdu(&s.bad, &d, s.data, t[n].len);
		}
		assert_true(RIG_WAIT(&s.g, s.bad.closed, 5 * RIG_S));
		assert_int_equal(s.bad.rejects, 1);
		assert_int_equal(s.bad.reject_reason, ISCSI_REJECT_PROTOCOL);
		fake_file_peek(s.g.v[0].file, 0, back, t[n].edtl);
		for (uint32_t k = 0; k < t[n].edtl; k++)
			assert_int_equal(back[k], 0);
		memset(s.data, 0, sizeof(s.data));
		stage_close(&s);
	}
}

/* A Data-Out is missing (7.9): the command fails, the session goes on, nothing is written. */
static void a_data_out_is_missing(void **state)
{
	static struct stage s;
	struct bhs_data_out d = { .opcode = ISCSI_DATA_OUT };
	uint8_t back[512];
	struct ini_cmd c;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	s.bad.hold_r2ts = true;
	memset(s.data, 'x', sizeof(s.data));
	cmd_write(&c, 40, 8, s.data, false);
	c.how = INI_OUT_R2T;
	ini_submit(&s.bad, &c);
	assert_true(RIG_WAIT(&s.g, c.r2ts_held, SOON));
	d.itt = be32_of(c.itt);
	d.ttt = be32_of(1);
	ini_send_pdu(&s.bad, &d, s.data, 512);
	d.data_sn = be32_of(2);
	d.offset = be32_of(512);
	d.flags = ISCSI_FINAL;
	ini_send_pdu(&s.bad, &d, s.data, 3584);
	assert_true(RIG_WAIT(&s.g, c.state == INI_CMD_DONE, SOON));
	assert_int_equal(cmd_sense_key(&c), 0x0b);
	assert_int_equal(cmd_sense_code(&c), 0x4705);
	s.bad.hold_r2ts = false;
	memset(s.data, 0, sizeof(s.data));
	fake_file_peek(s.g.v[0].file, 40 * 512, back, sizeof(back));
	assert_int_equal(back[0], 0);
	cmd_write(&c, 40, 8, s.data, false);
	assert_true(rig_good(&s.g, &s.bad, &c));
	assert_int_equal(s.bad.max_cmd_sn - s.bad.exp_cmd_sn + 1, s.g.node.window);
	stage_close(&s);
}

/* --- the command window (4.2.2.1) --- */

static void finished(struct ini_cmd *c)
{
	unsigned *order = c->owner;

	if (c->state == INI_CMD_DONE)
		c->sense[0] = (uint8_t)++ * order;
}

/* Sent in any order, run in the order of their numbers: each writes the same block. */
static void out_of_order_within_the_window(void **state)
{
	enum { N = 12 };
	static struct stage s;
	static uint8_t data[N][512], back[512];

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct ini_cmd c[N], read;
		unsigned order[N], done = 0;
		uint32_t first;

		stage_open(&s, seed);
		stage_login(&s);
		first = s.bad.cmd_sn;
		for (unsigned n = 0; n < N; n++)
			order[n] = n;
		for (unsigned n = N - 1; n > 0; n--) {
			unsigned other = (unsigned)fake_world_random(s.g.w, n + 1), t = order[n];

			order[n] = order[other];
			order[other] = t;
		}
		for (unsigned n = 0; n < N; n++) {
			struct ini_cmd *q = &c[order[n]];

			memset(data[order[n]], 'a' + (int)order[n], 512);
			cmd_write(q, 3, 1, data[order[n]], false);
			q->attr = ISCSI_ATTR_ORDERED;
			q->done = finished;
			q->owner = &done;
			s.bad.cmd_sn = first + order[n];
			ini_submit(&s.bad, q);
		}
		s.bad.cmd_sn = first + N;
		assert_true(RIG_WAIT(&s.g, done == N, RIG_S));
		for (unsigned n = 0; n < N; n++) {
			assert_int_equal(c[n].status, SCSI_GOOD);
			assert_int_equal(c[n].sense[0], n + 1);
		}
		cmd_read(&read, 3, 1, back);
		assert_true(rig_good(&s.g, &s.bad, &read));
		assert_memory_equal(back, data[N - 1], 512);
		assert_string_equal(s.bad.broken, "");
		memset(data, 0, sizeof(data));
		stage_close(&s);
	}
}

static void outside_of_the_window_is_ignored(void **state)
{
	static struct stage s;
	struct ini_cmd before, after, c;
	uint8_t back[512];
	uint32_t first;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	memset(s.data, 'x', sizeof(s.data));
	first = s.bad.cmd_sn;
	s.bad.cmd_sn = first - 1;
	cmd_write(&before, 5, 1, s.data, false);
	ini_submit(&s.bad, &before);
	s.bad.cmd_sn = s.bad.max_cmd_sn + 1;
	cmd_write(&after, 6, 1, s.data, false);
	after.immediate = false;
	s.bad.max_cmd_sn++; /* or it would not send it */
	ini_submit(&s.bad, &after);
	s.bad.max_cmd_sn--;
	s.bad.cmd_sn = first;
	cmd_test_unit_ready(&c);
	assert_true(rig_good(&s.g, &s.bad, &c));
	rig_pass(&s.g, SOON);
	assert_int_equal(before.state, INI_CMD_SENT);
	assert_int_equal(after.state, INI_CMD_SENT);
	assert_int_equal(s.bad.rejects, 0);
	fake_file_peek(s.g.v[0].file, 5 * 512, back, 512);
	assert_int_equal(back[0], 0);
	fake_file_peek(s.g.v[0].file, 6 * 512, back, 512);
	assert_int_equal(back[0], 0);
	assert_string_equal(s.bad.broken, "");
	ini_forget(&before);
	ini_forget(&after);
	memset(s.data, 0, sizeof(s.data));
	stage_close(&s);
}

static void a_whole_window_and_no_more(void **state)
{
	enum { N = 300 };
	static struct stage s;
	static struct ini_cmd c[N];

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_file_stall(s.g.v[0].file);
	for (unsigned n = 0; n < N; n++) {
		cmd_write(&c[n], n, 1, s.data, false);
		ini_submit(&s.bad, &c[n]);
	}
	rig_pass(&s.g, SOON);
	assert_int_equal(s.bad.nsent, s.g.node.window);
	assert_int_equal(s.bad.max_cmd_sn + 1, s.bad.cmd_sn);
	fake_file_release(s.g.v[0].file);
	assert_true(RIG_WAIT(&s.g, s.bad.nsent + s.bad.nqueued == 0, RIG_S));
	for (unsigned n = 0; n < N; n++)
		assert_int_equal(c[n].status, SCSI_GOOD);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

/* Immediate commands have no window; so many are taken, the others rejected. */
static void too_many_immediate_commands(void **state)
{
	enum { N = SESSION_MAX_IMMEDIATE + 5 };
	static struct stage s;
	static struct ini_cmd c[N];
	unsigned done = 0;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_file_stall(s.g.v[0].file);
	for (unsigned n = 0; n < N; n++) {
		cmd_write(&c[n], n, 1, s.data, false);
		c[n].immediate = true;
		c[n].how = INI_OUT_IMMEDIATE;
		ini_submit(&s.bad, &c[n]);
	}
	assert_true(RIG_WAIT(&s.g, s.bad.rejects == 5, SOON));
	assert_int_equal(s.bad.reject_reason, ISCSI_REJECT_TOO_MANY_IMMEDIATE);
	fake_file_release(s.g.v[0].file);
	rig_pass(&s.g, SOON);
	for (unsigned n = 0; n < N; n++)
		done += c[n].state == INI_CMD_DONE && c[n].status == SCSI_GOOD;
	assert_int_equal(done, SESSION_MAX_IMMEDIATE);
	for (unsigned n = SESSION_MAX_IMMEDIATE; n < N; n++)
		ini_forget(&c[n]);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

/* A tag that is in use: the new command is rejected, the old one is not touched. */
static void a_tag_twice(void **state)
{
	static struct stage s;
	struct ini_cmd a, b, c;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_file_stall(s.g.v[0].file);
	cmd_write(&a, 1, 1, s.data, false);
	ini_submit(&s.bad, &a);
	s.bad.next_itt--;
	cmd_write(&b, 2, 1, s.data, false);
	ini_submit(&s.bad, &b);
	assert_true(RIG_WAIT(&s.g, s.bad.rejects == 1, SOON));
	assert_int_equal(s.bad.reject_reason, ISCSI_REJECT_TASK_IN_PROGRESS);
	ini_forget(&b);
	fake_file_release(s.g.v[0].file);
	assert_true(RIG_WAIT(&s.g, a.state == INI_CMD_DONE, SOON));
	assert_int_equal(a.status, SCSI_GOOD);
	cmd_test_unit_ready(&c);
	assert_true(rig_good(&s.g, &s.bad, &c));
	assert_int_equal(s.bad.max_cmd_sn - s.bad.exp_cmd_sn + 1, s.g.node.window);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

/* Ends the connection in the very call that takes it. */
static void send_nonsense(struct ini *i)
{
	uint8_t nonsense[48];

	memset(nonsense, 0xff, sizeof(nonsense));
	ini_send_raw(i, nonsense, sizeof(nonsense));
}

/* What was asked of other reactors comes back to a connection that is gone. */
static void gone_before_the_answer(void **state)
{
	static struct stage s;
	struct ini again;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		stage_open(&s, seed);
		stage_login(&s);
		fake_world_knobs(s.g.w)->nap_permille = 300;
		if (seed % 2) {
			ini_tmf(&s.bad, ISCSI_TMF_LU_RESET, 0, NULL);
			send_nonsense(&s.bad);
			assert_true(RIG_WAIT(&s.g, s.bad.closed, 5 * RIG_S));
		} else { /* a login that waits for the end of the session before it */
			ini_init(&again, s.g.w, HOST, 1);
			rig_connect(&s.g, &again, 1);
			ini_login(&again, rig_target(&s.g, 0));
			send_nonsense(&again);
			assert_true(RIG_WAIT(&s.g, again.closed, 5 * RIG_S));
			rig_drop(&again);
		}
		stage_close(&s);
	}
}

/* A second Login Request, with nothing new to say, while the first waits for the end of an
 * older session. */
static void a_login_while_a_login_waits(void **state)
{
	struct bhs_login_req again_h = { .opcode = ISCSI_LOGIN_REQ | ISCSI_IMMEDIATE,
					 .flags = 0x87,
					 .isid = { 0x80, [5] = 1 } };
	static struct stage s;
	struct ini again;

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		stage_open(&s, seed);
		stage_login(&s);
		ini_init(&again, s.g.w, HOST, 1);
		rig_connect(&s.g, &again, 1);
		ini_login(&again, rig_target(&s.g, 0));
		again_h.cmd_sn = be32_of(again.cmd_sn);
		ini_send_pdu(&again, &again_h, NULL, 0);
		assert_true(RIG_WAIT(&s.g, again.closed, 5 * RIG_S)); /* wherever it met it */
		rig_drop(&again);
		stage_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peer_that_never_reads),
		cmocka_unit_test(a_peer_that_asks_and_does_not_read),
		cmocka_unit_test(a_peer_that_asks_for_much),
		cmocka_unit_test(a_flood_of_nops_that_are_read),
		cmocka_unit_test(garbage),
		cmocka_unit_test(ill_formed_pdus),
		cmocka_unit_test(half_a_pdu_then_silence),
		cmocka_unit_test(a_segment_that_is_too_long),
		cmocka_unit_test(data_where_none_was_asked_for),
		cmocka_unit_test(unsolicited_data_against_the_rules),
		cmocka_unit_test(a_data_out_is_missing),
		cmocka_unit_test(out_of_order_within_the_window),
		cmocka_unit_test(outside_of_the_window_is_ignored),
		cmocka_unit_test(a_whole_window_and_no_more),
		cmocka_unit_test(too_many_immediate_commands),
		cmocka_unit_test(a_tag_twice),
		cmocka_unit_test(gone_before_the_answer),
		cmocka_unit_test(a_login_while_a_login_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
