/* What is counted is what initiators have seen: commands, bytes, errors, the time it took, whoever
 * gave up, and what is still here. */
#include "target/iscsi/node_change.h"
#include "target/scsi/stats.h"
#include "tests/fakes/server_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PATHS = 3, MAX_BLOCKS = 64, DEEP = 16 };

#define SOON (200 * RIG_MS)

struct scene {
	struct rig g;
	struct ini i[PATHS];
	uint8_t data[MAX_BLOCKS * 512], back[MAX_BLOCKS * 512];
	struct scsi_stats base;
	uint64_t commands[PATHS], in[PATHS], out[PATHS]; /* as the sessions began */
};

static struct scsi_stats stats_of(struct scene *s)
{
	struct scsi_stats out;

	scsi_lu_stats(s->g.v[0].lu, &out);
	return out;
}

/* As the node lists it; path @n is the session with this ISID. */
static struct iscsi_session_info session_of(struct scene *s, unsigned n)
{
	struct iscsi_session_info *all, found = { 0 };
	unsigned count;

	assert_int_equal(iscsi_node_sessions(&s->g.node, &all, &count), 0);
	for (unsigned k = 0; k < count; k++)
		if (!memcmp(all[k].isid, s->i[n].isid, 6))
			found = all[k];
	free(all);
	assert_true(found.id > 0);
	return found;
}

static void scene_open(struct scene *s, uint64_t seed)
{
	struct rig_config cfg = { .seed = seed, .reactors = 2 };

	memset(s, 0, sizeof(*s));
	memset(s->data, 0x5a, sizeof(s->data));
	rig_init(&s->g, &cfg);
	for (unsigned n = 0; n < PATHS; n++) {
		ini_init(&s->i[n], s->g.w, "iqn.2026-11.io.ringlun.test:host", (uint8_t)(n + 1));
		assert_true(rig_login(&s->g, &s->i[n], 0, n % 2));
	}
	s->base = stats_of(s);
	for (unsigned n = 0; n < PATHS; n++) {
		struct iscsi_session_info info = session_of(s, n);

		s->commands[n] = info.commands;
		s->in[n] = info.read_bytes;
		s->out[n] = info.written_bytes;
	}
}

static void scene_close(struct scene *s)
{
	struct scsi_stats now = stats_of(s);

	assert_int_equal(now.queue, 0);
	for (unsigned n = 0; n < PATHS; n++)
		assert_string_equal(s->i[n].broken, "");
	rig_fini(&s->g);
}

static void expect(const struct scsi_stat *now, const struct scsi_stat *base, uint64_t ops,
		   uint64_t bytes, uint64_t errors)
{
	uint64_t sum = 0;

	assert_int_equal(now->ops - base->ops, ops);
	assert_int_equal(now->bytes - base->bytes, bytes);
	assert_int_equal(now->errors - base->errors, errors);
	for (unsigned k = 0; k < SCSI_STAT_BUCKETS; k++)
		sum += now->buckets[k];
	assert_int_equal(sum, now->ops);
}

/* Any commands on any paths, with data as each agreed to send them. */
static void counters_are_what_was_done(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct scene *s = malloc(sizeof(*s));
		uint64_t ops[3] = { 0 }, bytes[3] = { 0 }, each[PATHS] = { 0 };
		uint64_t in[PATHS] = { 0 }, out[PATHS] = { 0 }, x = seed;
		struct scsi_stats now;
		struct ini_cmd c;

		scene_open(s, seed);
		for (unsigned k = 0; k < 100; k++) {
			unsigned path = (unsigned)(x >> 33) % PATHS, what = (unsigned)(x >> 41) % 4;
			uint32_t n = 1 + (uint32_t)(x >> 50) % MAX_BLOCKS;

			x = x * 6364136223846793005u + 1442695040888963407u;
			if (what == 0)
				cmd_read(&c, n, n, s->back);
			else if (what == 1)
				cmd_write(&c, n, n, s->data, n % 2);
			else if (what == 2)
				cmd_flush(&c);
			else
				cmd_test_unit_ready(&c);
			assert_true(rig_good(&s->g, &s->i[path], &c));
			what = MIN(what, 2u);
			ops[what]++;
			each[path]++;
			bytes[what] += what < 2 ? n * 512 : 0;
			in[path] += what == 0 ? n * 512 : 0;
			out[path] += what == 1 ? n * 512 : 0;
		}
		now = stats_of(s);
		for (unsigned d = 0; d < SCSI_STAT_DIRS; d++)
			expect(&now.dir[d], &s->base.dir[d], ops[d], bytes[d], 0);
		for (unsigned n = 0; n < PATHS; n++) {
			struct iscsi_session_info info = session_of(s, n);

			assert_int_equal(info.commands - s->commands[n], each[n]);
			assert_int_equal(info.read_bytes - s->in[n], in[n]);
			assert_int_equal(info.written_bytes - s->out[n], out[n]);
		}
		assert_int_equal(now.refused + now.aborted, 0);
		scene_close(s);
		free(s);
	}
}

static void errors_are_counted_and_attentions_are_not(void **state)
{
	struct scene *s = malloc(sizeof(*s));
	struct scsi_stats now;
	struct ini_cmd c;
	int quiet;

	(void)state;
	scene_open(s, 5);
	cmd_read(&c, 1 << 30, 1, s->back); /* beyond the end */
	assert_true(rig_do(&s->g, &s->i[0], &c));
	assert_int_equal(c.status, SCSI_CHECK_CONDITION);
	s->g.v[0].file->write_errno = EIO;
	cmd_write(&c, 0, 8, s->data, false);
	quiet = rig_hush();
	assert_true(rig_do(&s->g, &s->i[1], &c));
	rig_unhush(quiet);
	assert_int_equal(c.status, SCSI_CHECK_CONDITION);
	scsi_lu_attention(s->g.v[0].lu, SCSI_UA_MODE_CHANGED, NULL);
	cmd_read(&c, 0, 1, s->back);
	assert_true(rig_do(&s->g, &s->i[0], &c));
	assert_int_equal(cmd_sense_key(&c), 6);
	now = stats_of(s);
	expect(&now.dir[SCSI_STAT_READ], &s->base.dir[SCSI_STAT_READ], 2, 0, 1);
	expect(&now.dir[SCSI_STAT_WRITE], &s->base.dir[SCSI_STAT_WRITE], 1, 0, 1);
	scene_close(s);
	free(s);
}

/* The disk keeps some for a second: they are in the queue, and then in the histogram. */
static void the_time_at_the_disk_is_in_it(void **state)
{
	struct scene *s = malloc(sizeof(*s));
	struct scsi_stats now;
	struct ini_cmd c[DEEP];
	unsigned slow = 0;

	(void)state;
	scene_open(s, 6);
	fake_file_stall(s->g.v[0].file);
	for (unsigned k = 0; k < DEEP; k++) {
		cmd_write(&c[k], k * 8, 8, s->data, false);
		ini_submit(&s->i[k % 2], &c[k]);
	}
	rig_pass(&s->g, RIG_S);
	assert_int_equal(stats_of(s).queue, DEEP);
	assert_int_equal(stats_of(s).dir[SCSI_STAT_WRITE].ops, s->base.dir[SCSI_STAT_WRITE].ops);
	fake_file_release(s->g.v[0].file);
	for (unsigned k = 0; k < DEEP; k++)
		assert_true(RIG_WAIT(&s->g, c[k].state == INI_CMD_DONE, SOON));
	now = stats_of(s);
	for (unsigned k = 0; k < SCSI_STAT_BUCKETS; k++)
		if ((uint64_t)SCSI_STAT_FIRST_NS << k > RIG_S / 2)
			slow += now.dir[SCSI_STAT_WRITE].buckets[k];
	assert_int_equal(slow, DEEP);
	assert_in_range(now.dir[SCSI_STAT_WRITE].latency_ns, DEEP * RIG_S * 9 / 10,
			DEEP * RIG_S * 13 / 10);
	scene_close(s);
	free(s);
}

/* By task management, and by a connection that is gone: with the disk, and before it. */
static void who_gives_up_is_counted_apart(void **state)
{
	struct scene *s = malloc(sizeof(*s));
	struct scsi_stats now;
	struct ini_cmd c[4];

	(void)state;
	scene_open(s, 7);
	s->i[0].hold_r2ts = s->i[1].hold_r2ts = true;
	fake_file_stall(s->g.v[0].file);
	for (unsigned k = 0; k < 4; k++) {
		cmd_write(&c[k], k * 8, 8, s->data, false);
		c[k].how = k % 2 ? INI_OUT_R2T : INI_OUT_IMMEDIATE; /* its data never come */
		ini_submit(&s->i[k / 2], &c[k]);
	}
	rig_pass(&s->g, 50 * RIG_MS);
	assert_int_equal(stats_of(s).queue, 4);
	ini_tmf(&s->i[0], ISCSI_TMF_ABORT_TASK_SET, 0, NULL);
	assert_true(RIG_WAIT(&s->g, s->i[0].tmfs == 1, SOON));
	now = stats_of(s);
	assert_int_equal(now.queue, 2);
	assert_int_equal(now.aborted, 2);
	ini_reset(&s->i[1]);
	rig_pass(&s->g, 50 * RIG_MS);
	now = stats_of(s);
	assert_int_equal(now.queue, 0); /* though the disk still has two of them */
	assert_int_equal(now.aborted, 4);
	fake_file_release(s->g.v[0].file);
	rig_pass(&s->g, 50 * RIG_MS);
	now = stats_of(s);
	assert_int_equal(now.aborted, 4);
	expect(&now.dir[SCSI_STAT_WRITE], &s->base.dir[SCSI_STAT_WRITE], 0, 0, 0);
	scene_close(s);
	free(s);
}

static void who_gets_no_buffer_is_counted_apart(void **state)
{
	static uint8_t much[DEEP << 20];
	struct scene *s = malloc(sizeof(*s));
	struct scsi_stats now;
	struct ini_cmd c[DEEP];
	unsigned refused = 0;

	(void)state;
	scene_open(s, 8);
	fake_file_stall(s->g.v[0].file);
	for (unsigned k = 0; k < DEEP; k++) {
		cmd_read(&c[k], 0, (1 << 20) / 512, much + (k << 20));
		ini_submit(&s->i[0], &c[k]);
	}
	rig_pass(&s->g, 100 * RIG_MS);
	for (unsigned k = 0; k < DEEP; k++)
		refused += c[k].state == INI_CMD_DONE;
	assert_in_range(refused, 1, DEEP - 1);
	now = stats_of(s);
	assert_int_equal(now.refused, refused);
	assert_int_equal(now.queue, DEEP - refused);
	fake_file_release(s->g.v[0].file);
	for (unsigned k = 0; k < DEEP; k++)
		assert_true(RIG_WAIT(&s->g, c[k].state == INI_CMD_DONE, SOON));
	now = stats_of(s);
	assert_int_equal(now.refused, refused);
	expect(&now.dir[SCSI_STAT_READ], &s->base.dir[SCSI_STAT_READ], DEEP - refused,
	       (uint64_t)(DEEP - refused) << 20, 0);
	assert_int_equal(session_of(s, 0).commands - s->commands[0], DEEP);
	scene_close(s);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_are_what_was_done),
		cmocka_unit_test(errors_are_counted_and_attentions_are_not),
		cmocka_unit_test(the_time_at_the_disk_is_in_it),
		cmocka_unit_test(who_gives_up_is_counted_apart),
		cmocka_unit_test(who_gets_no_buffer_is_counted_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
