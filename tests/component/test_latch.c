/* A disk that fails to make durable what it was given: whoever waits is told, nobody is told GOOD
 * afterwards, and the volume takes no more writes. */
#include "tests/fakes/server_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { HARDWARE_ERROR = 4, MEDIUM_ERROR = 3, DATA_PROTECT = 7, BYTES = 4096 };

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

struct two {
	struct rig g;
	struct ini i[2]; /* on a reactor each */
	uint8_t data[BYTES], back[BYTES];
	int keep;
};

static void two_open(struct two *t, uint64_t seed, bool buffered)
{
	struct rig_config cfg = { .seed = seed, .reactors = 2, .buffered = buffered };

	memset(t, 0, sizeof(*t));
	memset(t->data, 'd', BYTES);
	t->keep = rig_hush();
	rig_init(&t->g, &cfg);
	for (unsigned n = 0; n < 2; n++) {
		ini_init(&t->i[n], t->g.w, HOST, (uint8_t)n);
		assert_true(rig_login(&t->g, &t->i[n], 0, n));
	}
}

static void two_close(struct two *t)
{
	assert_string_equal(t->i[0].broken, "");
	assert_string_equal(t->i[1].broken, "");
	rig_fini(&t->g);
	rig_unhush(t->keep);
}

static void assert_failed(const struct ini_cmd *c, int key)
{
	assert_int_equal(c->state, INI_CMD_DONE);
	assert_int_equal(c->status, SCSI_CHECK_CONDITION);
	assert_int_equal(cmd_sense_key(c), key);
}

/* The disk is well again, but what it has lost is lost: no write, no flush is GOOD. */
static void assert_latched(struct two *t)
{
	struct ini_cmd c;

	t->g.v[0].file->sync_errno = 0;
	for (unsigned n = 0; n < 2; n++) {
		cmd_flush(&c);
		assert_true(rig_do(&t->g, &t->i[n], &c));
		assert_failed(&c, HARDWARE_ERROR);
		cmd_write(&c, 64, 8, t->data, false);
		assert_true(rig_do(&t->g, &t->i[n], &c));
		assert_int_equal(c.status, SCSI_CHECK_CONDITION);
		cmd_write(&c, 64, 8, t->data, true);
		assert_true(rig_do(&t->g, &t->i[n], &c));
		assert_int_equal(c.status, SCSI_CHECK_CONDITION);
		cmd_read(&c, 0, 8, t->back);
		assert_true(rig_good(&t->g, &t->i[n], &c)); /* reading is not forbidden */
	}
	fake_file_peek(t->g.v[0].file, 64 * 512, t->back, BYTES);
	assert_int_equal(t->back[0], 0);
}

static void both_waiters_are_told(void **state)
{
	static struct two t;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct ini_cmd write, flush[2], late;

		two_open(&t, seed, seed % 2);
		cmd_write(&write, 0, 8, t.data, false);
		assert_true(rig_good(&t.g, &t.i[0], &write));
		fake_file_stall(t.g.v[0].file);
		t.g.v[0].file->sync_errno = EIO;
		for (unsigned n = 0; n < 2; n++) {
			cmd_flush(&flush[n]);
			ini_submit(&t.i[n], &flush[n]);
		}
		rig_pass(&t.g, 50 * RIG_MS);
		t.g.v[0].file->sync_errno = 0; /* one fdatasync is told, as in Linux */
		fake_file_release(t.g.v[0].file);
		cmd_flush(&late);
		ini_submit(&t.i[seed % 2], &late);
		assert_true(RIG_WAIT(&t.g,
				     flush[0].state == INI_CMD_DONE &&
					     flush[1].state == INI_CMD_DONE &&
					     late.state == INI_CMD_DONE,
				     SOON));
		assert_failed(&flush[0], HARDWARE_ERROR);
		assert_failed(&flush[1], HARDWARE_ERROR);
		assert_failed(&late, HARDWARE_ERROR);
		assert_int_equal(t.g.v[0].file->syncing_max, 1);
		assert_latched(&t);
		two_close(&t);
	}
}

static void a_failing_fua_latches(void **state)
{
	static struct two t;
	struct ini_cmd c;

	(void)state;
	for (unsigned buffered = 0; buffered < 2; buffered++) {
		two_open(&t, 1, buffered);
		t.g.v[0].file->sync_errno = EIO;
		t.g.v[0].file->write_errno = buffered ? 0 : EIO;
		cmd_write(&c, 0, 8, t.data, true);
		assert_true(rig_do(&t.g, &t.i[0], &c));
		assert_int_equal(c.status, SCSI_CHECK_CONDITION);
		t.g.v[0].file->write_errno = 0;
		assert_latched(&t);
		two_close(&t);
	}
}

/* Without a promise of durability a failed write is that write's affair. */
static void a_failing_write_does_not_latch(void **state)
{
	static struct two t;
	struct ini_cmd c;

	(void)state;
	two_open(&t, 1, false);
	t.g.v[0].file->write_errno = EIO;
	cmd_write(&c, 0, 8, t.data, false);
	assert_true(rig_do(&t.g, &t.i[0], &c));
	assert_failed(&c, MEDIUM_ERROR);
	t.g.v[0].file->write_errno = ENOSPC;
	cmd_write(&c, 0, 8, t.data, false);
	assert_true(rig_do(&t.g, &t.i[0], &c));
	assert_failed(&c, DATA_PROTECT);
	assert_int_equal(cmd_sense_code(&c), 0x2707);
	t.g.v[0].file->write_errno = 0;
	cmd_write(&c, 0, 8, t.data, false);
	assert_true(rig_good(&t.g, &t.i[1], &c));
	cmd_flush(&c);
	assert_true(rig_good(&t.g, &t.i[0], &c));
	two_close(&t);
}

static void many_flushes_share_few_syncs(void **state)
{
	enum { N = 100 };
	static struct two t;
	static struct ini_cmd c[N];

	(void)state;
	two_open(&t, 1, true);
	t.g.v[0].file->syncs = 0;
	for (unsigned n = 0; n < N; n++) {
		cmd_flush(&c[n]);
		ini_submit(&t.i[n % 2], &c[n]);
	}
	assert_true(RIG_WAIT(&t.g, t.i[0].nsent + t.i[1].nsent == 0, RIG_S));
	for (unsigned n = 0; n < N; n++)
		assert_int_equal(c[n].status, SCSI_GOOD);
	assert_int_equal(t.g.v[0].file->syncing_max, 1);
	assert_in_range(t.g.v[0].file->syncs, 1, N / 2);
	two_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_waiters_are_told),
		cmocka_unit_test(a_failing_fua_latches),
		cmocka_unit_test(a_failing_write_does_not_latch),
		cmocka_unit_test(many_flushes_share_few_syncs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
