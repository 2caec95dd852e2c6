/* Bytes that are damaged on their way: with digests no damaged byte reaches a disk, no damaged
 * command is answered GOOD, and nobody waits for ever. */
#include "tests/component/stage.h"

enum { BLOCKS = 256, BYTES = BLOCKS * 512, ROUNDS = 60 };

struct damage {
	struct rig g;
	struct ini i;
	uint8_t disk[BYTES]; /* what must be there */
	uint8_t data[BYTES];
	unsigned good, failed, lost, rejects;
};

static uint32_t pick(struct damage *d, uint32_t n)
{
	return (uint32_t)fake_world_random(d->g.w, n);
}

static void begin(struct damage *d, uint64_t seed)
{
	struct rig_config cfg = {
		.seed = seed, .volume_bytes = BYTES, .buffered = seed % 2, .memory_bytes = 16 << 20
	};

	memset(d, 0, sizeof(*d));
	rig_init(&d->g, &cfg);
	ini_init(&d->i, d->g.w, HOST, 1);
	d->i.offer.HeaderDigest = d->i.offer.DataDigest = true;
	d->i.offer.ImmediateData = pick(d, 2);
	d->i.offer.InitialR2T = pick(d, 2);
	d->i.offer.MaxBurstLength = 512u << pick(d, 8);
	d->i.offer.FirstBurstLength = 512u << pick(d, 8);
	d->i.offer.MaxOutstandingR2T = 1 + pick(d, 4);
	assert_true(rig_login(&d->g, &d->i, 0, 0));
}

/* One write; some digest of it is wrong, perhaps. */
static void one_write(struct damage *d)
{
	uint32_t lba = pick(d, BLOCKS), n = 1 + pick(d, BLOCKS - lba), rejects = d->i.rejects;
	bool header = !pick(d, 8), data = !pick(d, 3), damaged;
	struct ini_cmd c;

	for (uint32_t k = 0; k < n * 512; k++)
		d->data[k] = (uint8_t)(pick(d, 256));
	cmd_write(&c, lba, n, d->data, pick(d, 2));
	d->i.spoil_header = header && pick(d, 2) ? 1 : 0;
	d->i.spoil_data = data && pick(d, 2) ? 1 : 0;
	damaged = d->i.spoil_header || d->i.spoil_data;
	ini_submit(&d->i, &c);
	rig_turn(&d->g, rig_now(&d->g) + RIG_S);
	if (c.state == INI_CMD_SENT && !damaged) { /* what R2Ts ask for */
		d->i.spoil_header = header ? 1 : 0;
		d->i.spoil_data = data ? 1 : 0;
		damaged = header || data;
	}
	assert_true(RIG_WAIT(&d->g, c.state >= INI_CMD_DONE, RIG_S));
	if (d->i.spoil_header || d->i.spoil_data) /* nothing came that it could have spoilt */
		damaged = d->i.spoil_header != (header ? 1 : 0) || d->i.rejects != rejects;
	d->i.spoil_header = d->i.spoil_data = 0;
	d->rejects += d->i.rejects - rejects;
	if (c.state == INI_CMD_DONE && c.status == SCSI_GOOD) {
		assert_false(damaged);
		memcpy(d->disk + lba * 512, d->data, n * 512);
		d->good++;
		return;
	}
	assert_true(damaged);
	if (c.state == INI_CMD_DONE) {
		assert_int_equal(cmd_sense_key(&c), 0x0b);
		assert_int_equal(cmd_sense_code(&c), 0x4705);
		d->failed++;
		return;
	}
	d->lost++;
	assert_true(rig_login(&d->g, &d->i, 0, 0));
}

static void damaged_writes(void **state)
{
	static struct damage d;
	unsigned good = 0, failed = 0, lost = 0, rejects = 0;
	int keep = rig_hush();

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		static uint8_t back[BYTES];
		struct ini_cmd c;

		begin(&d, seed);
		for (unsigned n = 0; n < ROUNDS; n++)
			one_write(&d);
		fake_file_peek(d.g.v[0].file, 0, back, BYTES);
		assert_memory_equal(back, d.disk, BYTES);
		cmd_read(&c, 0, BLOCKS, back);
		assert_true(rig_good(&d.g, &d.i, &c));
		assert_memory_equal(back, d.disk, BYTES);
		assert_string_equal(d.i.broken, "");
		assert_int_equal(rig_used_bytes(&d.g), 0);
		good += d.good;
		failed += d.failed;
		lost += d.lost;
		rejects += d.rejects;
		rig_fini(&d.g);
	}
	rig_unhush(keep);
	/* all of it has been tried */
	assert_true(good > 100 && failed > 100 && lost > 100 && rejects > failed);
}

/* A task that was aborted while its damaged data were on their way. */
static void aborted_meanwhile(void **state)
{
	static struct damage d;
	int keep = rig_hush();

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct ini_cmd c, r;

		begin(&d, seed);
		cmd_write(&c, 0, BLOCKS, d.data, false);
		c.how = INI_OUT_R2T;
		d.i.hold_r2ts = true;
		ini_submit(&d.i, &c);
		assert_true(RIG_WAIT(&d.g, c.r2ts_held, RIG_S));
		ini_tmf(&d.i, ISCSI_TMF_ABORT_TASK, 0, &c);
		assert_true(RIG_WAIT(&d.g, d.i.tmfs, RIG_S));
		d.i.spoil_data = 1;
		ini_send_pdu(&d.i,
			     &(struct bhs_data_out){
				     .opcode = ISCSI_DATA_OUT,
				     .flags = ISCSI_FINAL,
				     .itt = be32_of(c.itt),
				     .ttt = be32_of(1),
			     },
			     d.data, 512);
		assert_true(RIG_WAIT(&d.g, d.i.rejects, RIG_S));
		assert_int_equal(d.i.reject_reason, ISCSI_REJECT_DATA_DIGEST);
		ini_forget(&c);
		cmd_read(&r, 0, 1, d.data);
		assert_true(rig_good(&d.g, &d.i, &r));
		assert_int_equal(rig_used_bytes(&d.g), 0);
		rig_fini(&d.g);
	}
	rig_unhush(keep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_writes),
		cmocka_unit_test(aborted_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
