/* Peers that hold all they may, and more of them than there is memory for: what is left for the
 * others. */
#include "tests/component/stage.h"

/* The good one is at the same target: what the bad one holds is not all of the target's part. */
static void who_is_beside_it_finds_room(void **state)
{
	static struct stage s;
	static struct ini_cmd c[128], d[16];
	static uint8_t back[16][64 << 10];

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_sock_set_window(s.bad.k, 1000);
	s.bad.deaf = true;
	for (unsigned n = 0; n < 128; n++) {
		cmd_read(&c[n], 0, 128, s.data);
		ini_submit(&s.bad, &c[n]);
	}
	rig_pass(&s.g, RIG_S);
	for (unsigned n = 0; n < 16; n++) { /* several at once, not one by one */
		cmd_read(&d[n], 0, 128, back[n]);
		ini_submit(&s.good, &d[n]);
	}
	for (unsigned n = 0; n < 16; n++) {
		assert_true(RIG_WAIT(&s.g, d[n].state == INI_CMD_DONE, RIG_S));
		assert_int_equal(d[n].status, SCSI_GOOD);
	}
	ini_reset(&s.bad);
	stage_close(&s);
}

/* Each holds what one may: together they would hold all the memory there is. */
static void a_crowd_that_asks_and_does_not_read(void **state)
{
	enum { CROWD = 40, ASKS = 15, BYTES = 256 << 10 };
	static struct stage s;
	static struct ini crowd[CROWD];
	static uint8_t much[BYTES];
	unsigned closed = 0;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	for (unsigned k = 0; k < CROWD; k++) {
		ini_init(&crowd[k], s.g.w, HOST, (uint8_t)(10 + k));
		assert_true(rig_login(&s.g, &crowd[k], 0, 0));
		fake_sock_set_window(crowd[k].k, 1000);
		crowd[k].deaf = true;
		for (unsigned n = 0; n < ASKS; n++) /* 3.75 MiB */
			ini_nop(&crowd[k], true, much, BYTES);
	}
	rig_pass(&s.g, 2 * RIG_S);
	for (unsigned k = 0; k < CROWD; k++)
		closed += fake_sock_is_closed_by_server(crowd[k].k);
	assert_in_range(closed, CROWD / 2, CROWD - 1); /* the first ones are within the limit */
	/* 32 MiB, and one answer of each */
	assert_in_range(s.g.r[0]->queued_bytes, 16 << 20, (32 << 20) + CROWD * BYTES);
	for (unsigned n = 0; n < 10; n++) { /* who reads hardly notices */
		ini_nop(&s.good, true, s.data, 4096);
		assert_true(RIG_WAIT(&s.g, s.good.nops == n + 1, SOON));
	}
	for (unsigned k = 0; k < CROWD; k++)
		ini_reset(&crowd[k]);
	rig_pass(&s.g, RIG_S);
	assert_int_equal(s.g.r[0]->queued_bytes, 0);
	stage_close(&s);
}

/* The same with what waits for a number that never comes. */
static void a_crowd_that_leaves_gaps(void **state)
{
	enum { CROWD = 40, ASKS = 15, BYTES = 256 << 10 };
	static struct stage s;
	static struct ini crowd[CROWD];
	static uint8_t much[BYTES];
	struct bhs_nop_out gap = {
		.opcode = ISCSI_NOP_OUT,
		.flags = ISCSI_FINAL,
		.itt = be32_of(ISCSI_NO_TAG),
		.ttt = be32_of(ISCSI_NO_TAG),
	};
	unsigned closed = 0;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	for (unsigned k = 0; k < CROWD; k++) {
		ini_init(&crowd[k], s.g.w, HOST, (uint8_t)(10 + k));
		assert_true(rig_login(&s.g, &crowd[k], 0, 0));
		ini_take_sn(&crowd[k]);
		for (unsigned n = 0; n < ASKS; n++) /* 3.75 MiB */
			ini_nop(&crowd[k], false, much, BYTES);
		rig_pass(&s.g, 20 * RIG_MS);
	}
	rig_pass(&s.g, RIG_S);
	for (unsigned k = 0; k < CROWD; k++)
		closed += fake_sock_is_closed_by_server(crowd[k].k);
	assert_in_range(closed, CROWD / 2, CROWD - 1); /* the first ones are within the limit */
	assert_in_range(s.g.r[0]->parked_bytes, 16 << 20, 32 << 20);
	/* a little may wait nevertheless */
	gap.cmd_sn = be32_of(ini_take_sn(&s.good));
	ini_nop(&s.good, false, s.data, 4096);
	rig_pass(&s.g, RIG_S);
	assert_int_equal(s.good.nops, 0);
	ini_send_pdu(&s.good, &gap, NULL, 0);
	assert_true(RIG_WAIT(&s.g, s.good.nops == 1, SOON));
	for (unsigned k = 0; k < CROWD; k++)
		ini_reset(&crowd[k]);
	rig_pass(&s.g, RIG_S);
	assert_int_equal(s.g.r[0]->parked_bytes, 0);
	stage_close(&s);
}

/* And with pings that never become whole: what is held for them until their time is over. */
static void a_crowd_that_does_not_end_its_pings(void **state)
{
	enum { CROWD = 200, BYTES = 256 << 10 };
	static struct stage s;
	static struct ini crowd[CROWD];
	static uint8_t much[BYTES];
	const struct bhs_nop_out ping = {
		.opcode = ISCSI_NOP_OUT | ISCSI_IMMEDIATE,
		.flags = ISCSI_FINAL,
		.data_len = be24_of(BYTES),
		.itt = be32_of(1),
		.ttt = be32_of(ISCSI_NO_TAG),
	};
	unsigned closed = 0;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	for (unsigned k = 0; k < CROWD; k++) {
		ini_init(&crowd[k], s.g.w, HOST, (uint8_t)(10 + k));
		assert_true(rig_login(&s.g, &crowd[k], 0, 0));
		ini_send_raw(&crowd[k], &ping, sizeof(ping));
		ini_send_raw(&crowd[k], much, BYTES - 1);
		rig_pass(&s.g, 10 * RIG_MS);
	}
	for (unsigned k = 0; k < CROWD; k++)
		closed += fake_sock_is_closed_by_server(crowd[k].k);
	assert_in_range(closed, 1, CROWD / 2);
	assert_in_range(s.g.r[0]->staged_bytes, 16 << 20, 32 << 20);
	ini_nop(&s.good, true, s.data, 64 << 10);
	assert_true(RIG_WAIT(&s.g, s.good.nops == 1, SOON));
	for (unsigned k = 0; k < CROWD; k++)
		ini_reset(&crowd[k]);
	rig_pass(&s.g, RIG_S);
	assert_int_equal(s.g.r[0]->staged_bytes, 0);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_beside_it_finds_room),
		cmocka_unit_test(a_crowd_that_asks_and_does_not_read),
		cmocka_unit_test(a_crowd_that_leaves_gaps),
		cmocka_unit_test(a_crowd_that_does_not_end_its_pings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
