/* Peers that are broken or mean. None of them may hurt anybody but himself: whoever is
 * beside them goes on, and all that they took comes back. */
#include "tests/component/stage.h"

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

/* Signs of life do not make up for it: what it holds is the others'. */
static void a_peer_that_talks_and_never_reads(void **state)
{
	static struct stage s;
	static struct ini_cmd c[16];

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_sock_set_window(s.bad.k, 1000);
	s.bad.deaf = true;
	for (unsigned n = 0; n < 16; n++) {
		cmd_read(&c[n], 0, 128, s.data);
		ini_submit(&s.bad, &c[n]);
	}
	for (unsigned n = 0; n < 30 && !fake_sock_is_closed_by_server(s.bad.k); n++) {
		ini_nop(&s.bad, true, s.data, 4);
		rig_pass(&s.g, 5 * RIG_S);
	}
	assert_true(fake_sock_is_closed_by_server(s.bad.k));
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

/* So many answers wait that the ping for its silence is one too many. */
static void a_peer_that_is_silent_behind_a_full_queue(void **state)
{
	static struct stage s;
	unsigned closed_by_the_ping = 0;

	(void)state;
	for (unsigned n = 505; n < 525; n++) {
		bool closed;

		stage_open(&s, 1);
		stage_login(&s);
		fake_sock_set_window(s.bad.k, 100);
		s.bad.deaf = true;
		for (unsigned i = 0; i < n; i++)
			ini_nop(&s.bad, true, s.data, 4);
		rig_pass(&s.g, RIG_S);
		closed = fake_sock_is_closed_by_server(s.bad.k);
		rig_pass(&s.g, 20 * RIG_S);
		closed_by_the_ping += !closed && fake_sock_is_closed_by_server(s.bad.k);
		rig_pass(&s.g, 60 * RIG_S);
		assert_true(fake_sock_is_closed_by_server(s.bad.k));
		ini_reset(&s.bad);
		stage_close(&s);
	}
	assert_true(closed_by_the_ping > 0);
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

/* Bytes keep coming, but the PDU never becomes whole. Whole ones, however slow, are welcome. */
static void a_byte_at_a_time(void **state)
{
	static struct stage s;
	static const uint8_t nop[48] = { 0x40, 0x80, [16] = 0xff, 0xff, 0xff,
					 0xff, 0xff, 0xff,	  0xff, 0xff };
	static const uint8_t longer[48] = {
		0x40, 0x80, [6] = 0x10, [19] = 9, 0xff, 0xff, 0xff, 0xff
	};

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	for (unsigned n = 0; n < 6 * sizeof(nop); n++) { /* 144 s, a PDU in each 24 */
		ini_send_raw(&s.bad, nop + n % sizeof(nop), 1);
		rig_pass(&s.g, RIG_S / 2);
	}
	assert_false(fake_sock_is_closed_by_server(s.bad.k));
	rig_pass(&s.g, 20 * RIG_S); /* nor does silence before it count */
	ini_send_raw(&s.bad, longer, sizeof(longer));
	for (unsigned n = 0; n < 50; n++) {
		ini_send_raw(&s.bad, s.data, 1);
		rig_pass(&s.g, RIG_S);
	}
	assert_false(fake_sock_is_closed_by_server(s.bad.k));
	for (unsigned n = 0; n < 40; n++) {
		ini_send_raw(&s.bad, s.data, 1);
		rig_pass(&s.g, RIG_S);
	}
	assert_true(fake_sock_is_closed_by_server(s.bad.k));
	ini_reset(&s.bad);
	stage_close(&s);
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
		cmocka_unit_test(a_peer_that_talks_and_never_reads),
		cmocka_unit_test(a_peer_that_asks_and_does_not_read),
		cmocka_unit_test(a_peer_that_is_silent_behind_a_full_queue),
		cmocka_unit_test(a_peer_that_asks_for_much),
		cmocka_unit_test(a_flood_of_nops_that_are_read),
		cmocka_unit_test(garbage),
		cmocka_unit_test(ill_formed_pdus),
		cmocka_unit_test(half_a_pdu_then_silence),
		cmocka_unit_test(a_byte_at_a_time),
		cmocka_unit_test(a_segment_that_is_too_long),
		cmocka_unit_test(data_where_none_was_asked_for),
		cmocka_unit_test(unsolicited_data_against_the_rules),
		cmocka_unit_test(a_data_out_is_missing),
		cmocka_unit_test(gone_before_the_answer),
		cmocka_unit_test(a_login_while_a_login_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
