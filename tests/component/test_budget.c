/* The budget of data buffers, with a volume that stands still and far more writes than it
 * can hold: all of them come with data that nobody asked for. */
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	SESSIONS = 64,
	WRITES = 128, /* of a session: the whole window */
	BLOCKS = 16,
	BYTES = BLOCKS * 512,
	POOL_BYTES = 8 << 20, /* of each of two reactors; the writes bring 64 MiB */
	ALL = SESSIONS * WRITES,
};

struct crowd {
	struct rig g;
	struct ini i[SESSIONS];
	struct ini other;
	struct ini_cmd c[ALL];
	uint8_t data[BYTES];
	unsigned counts[256]; /* of answers, by status */
	unsigned lost;
};

static void count(struct ini_cmd *c)
{
	struct crowd *w = c->owner;

	if (c->state == INI_CMD_DONE)
		w->counts[c->status]++;
	else
		w->lost++;
}

static void crowd_open(struct crowd *w, uint64_t seed)
{
	struct rig_config cfg = {
		.seed = seed,
		.reactors = 2,
		.volumes = 2,
		.memory_bytes = POOL_BYTES,
		.volume_bytes = 64 << 20,
	};

	memset(w, 0, sizeof(*w));
	memset(w->data, 0x5a, sizeof(w->data));
	rig_init(&w->g, &cfg);
	fake_world_knobs(w->g.w)->latency_max_ns = 50000;
	for (unsigned n = 0; n < SESSIONS; n++) {
		ini_init(&w->i[n], w->g.w, "iqn.2026-11.io.ringlun.test:crowd", (uint8_t)n);
		assert_true(rig_login(&w->g, &w->i[n], 0, n % 2));
	}
	ini_init(&w->other, w->g.w, "iqn.2026-11.io.ringlun.test:other", 0);
	assert_true(rig_login(&w->g, &w->other, 1, 0));
}

static void everybody_writes(struct crowd *w, enum ini_out how)
{
	for (unsigned n = 0; n < ALL; n++) {
		struct ini_cmd *c = &w->c[n];

		cmd_write(c, (uint64_t)n * BLOCKS, BLOCKS, w->data, false);
		c->how = how;
		c->owner = w;
		c->done = count;
		ini_submit(&w->i[n / WRITES], c);
	}
}

static unsigned answered(const struct crowd *w)
{
	unsigned n = w->lost;

	for (unsigned s = 0; s < 256; s++)
		n += w->counts[s];
	return n;
}

/* While the first volume stands still. */
static void the_rest_goes_on(struct crowd *w)
{
	struct ini_cmd c;
	uint8_t back[BYTES];

	for (unsigned n = 0; n < SESSIONS; n++)
		ini_nop(&w->i[n], true, NULL, 0);
	for (unsigned n = 0; n < SESSIONS; n++)
		assert_true(RIG_WAIT(&w->g, w->i[n].nops == 1, RIG_S));
	cmd_write(&c, 0, BLOCKS, w->data, true);
	ini_submit(&w->other, &c);
	assert_true(RIG_WAIT(&w->g, c.state == INI_CMD_DONE, RIG_S));
	assert_int_equal(c.status, SCSI_GOOD);
	cmd_read(&c, 0, BLOCKS, back);
	ini_submit(&w->other, &c);
	assert_true(RIG_WAIT(&w->g, c.state == INI_CMD_DONE, RIG_S));
	assert_int_equal(c.status, SCSI_GOOD);
	assert_memory_equal(back, w->data, BYTES);
	cmd_test_unit_ready(&c); /* needs no buffer, on the volume that stands still */
	ini_submit(&w->i[0], &c);
	assert_true(RIG_WAIT(&w->g, c.state == INI_CMD_DONE, RIG_S));
	assert_int_equal(c.status, SCSI_GOOD);
}

static void check_written(struct crowd *w)
{
	uint8_t back[BYTES];
	unsigned good = 0;

	for (unsigned n = 0; n < ALL; n++) {
		fake_file_peek(w->g.v[0].file, (uint64_t)n * BYTES, back, BYTES);
		if (w->c[n].status == SCSI_GOOD)
			assert_memory_equal(back, w->data, BYTES);
		else
			assert_int_equal(back[0], 0);
		good += w->c[n].status == SCSI_GOOD;
	}
	assert_int_equal(good, w->counts[SCSI_GOOD]);
}

static void one_crowd(enum ini_out how)
{
	struct crowd *w = malloc(sizeof(*w));
	uint64_t used;

	crowd_open(w, 3);
	fake_file_stall(w->g.v[0].file);
	everybody_writes(w, how);
	rig_pass(&w->g, 2 * RIG_S);
	used = rig_used_bytes(&w->g);
	assert_in_range(used, POOL_BYTES / 2, POOL_BYTES); /* half of both: the rest for others */
	/* who got no buffer was told so, though the disk says nothing */
	assert_int_equal(answered(w), ALL - used / BYTES);
	assert_int_equal(w->counts[SCSI_TASK_SET_FULL] + w->counts[SCSI_BUSY], answered(w));
	assert_true(w->counts[SCSI_TASK_SET_FULL]);
	the_rest_goes_on(w);
	assert_int_equal(rig_used_bytes(&w->g), used);
	fake_file_release(w->g.v[0].file);
	assert_true(RIG_WAIT(&w->g, answered(w) == ALL, 10 * RIG_S));
	assert_int_equal(w->lost, 0);
	assert_int_equal(w->counts[SCSI_GOOD], used / BYTES);
	assert_int_equal(rig_used_bytes(&w->g), 0);
	check_written(w);
	for (unsigned n = 0; n < SESSIONS; n++)
		assert_string_equal(w->i[n].broken, "");
	rig_fini(&w->g);
	free(w);
}

static void data_with_the_command(void **state)
{
	(void)state;
	one_crowd(INI_OUT_IMMEDIATE);
}

static void data_after_the_command(void **state)
{
	(void)state;
	one_crowd(INI_OUT_UNSOLICITED);
}

static void data_on_request(void **state)
{
	(void)state;
	one_crowd(INI_OUT_R2T);
}

/* A nexus without any other task is told BUSY: TASK SET FULL would lower its queue
 * depth, and nothing would raise it again. */
static void alone_it_is_busy(void **state)
{
	static uint8_t much[1 << 20]; /* more than the others have left */
	struct crowd *w = malloc(sizeof(*w));
	struct ini_cmd c;

	(void)state;
	crowd_open(w, 4);
	fake_file_stall(w->g.v[0].file);
	for (unsigned n = WRITES; n < ALL; n++) { /* all but the first session */
		cmd_write(&w->c[n], (uint64_t)n * BLOCKS, BLOCKS, w->data, false);
		ini_submit(&w->i[n / WRITES], &w->c[n]);
	}
	rig_pass(&w->g, RIG_S);
	cmd_read(&c, 0, sizeof(much) / 512, much);
	ini_submit(&w->i[0], &c);
	assert_true(RIG_WAIT(&w->g, c.state == INI_CMD_DONE, RIG_S));
	assert_int_equal(c.status, SCSI_BUSY);
	rig_fini(&w->g);
	free(w);
}

/* Connections go while the disk has their writes: the buffers stay, then come back. */
static void the_crowd_leaves(void **state)
{
	struct crowd *w = malloc(sizeof(*w));
	uint64_t used;

	(void)state;
	crowd_open(w, 5);
	fake_file_stall(w->g.v[0].file);
	everybody_writes(w, INI_OUT_IMMEDIATE);
	rig_pass(&w->g, RIG_S);
	used = rig_used_bytes(&w->g);
	for (unsigned n = 0; n < SESSIONS; n++)
		ini_reset(&w->i[n]);
	rig_pass(&w->g, RIG_S);
	assert_int_equal(rig_used_bytes(&w->g), used);
	assert_int_equal(rig_zombies(&w->g), used / BYTES);
	fake_file_release(w->g.v[0].file);
	rig_pass(&w->g, RIG_S);
	assert_int_equal(rig_used_bytes(&w->g), 0);
	assert_int_equal(rig_zombies(&w->g), 0);
	rig_fini(&w->g);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_with_the_command), cmocka_unit_test(data_after_the_command),
		cmocka_unit_test(data_on_request),	 cmocka_unit_test(alone_it_is_busy),
		cmocka_unit_test(the_crowd_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
