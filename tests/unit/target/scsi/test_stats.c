/* What is counted, in which row and bucket, and what is not. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include "target/scsi/stats.h"

#include <pthread.h>

static struct scsi_stats stats_of(const struct rig *r)
{
	struct scsi_stats s;

	scsi_lu_stats(r->lu, &s);
	return s;
}

static uint64_t all_ops(const struct scsi_stats *s)
{
	return s->dir[SCSI_STAT_READ].ops + s->dir[SCSI_STAT_WRITE].ops +
	       s->dir[SCSI_STAT_OTHER].ops;
}

/* One command from start to its answer, @took_ns later. */
static void run(struct rig *r, unsigned io, const uint8_t *cdb, size_t len, const void *data,
		uint32_t out, uint32_t in, uint64_t took_ns)
{
	struct rig_cmd c;

	if (rig_start(r, &c, io, cdb, len, out, in) != SCSI_ENDED) {
		rig_run(&c, data);
		rig_finish(r, &c);
	}
	r->io[io].now_ns += took_ns;
	scsi_cmd_answered(&c.cmd, r->io[io].now_ns);
	rig_free(&c);
}

static void *blocks(unsigned n)
{
	return memset(malloc(n * 512), 0x5a, n * 512);
}

static void each_direction_counts_for_itself(void **state)
{
	struct rig r;
	void *data = blocks(8);
	struct scsi_stats s;

	(void)state;
	rig_open(&r, NULL);
	run(&r, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0), NULL, 0, 4096, 5000);
	run(&r, 1, CDB(0x28, 0, 0, 0, 0, 8, 0, 0, 1, 0), NULL, 0, 512, 7000); /* another reactor */
	run(&r, 0, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 8, 0), data, 4096, 0, 9000);
	run(&r, 0, CDB(0x2e, 0, 0, 0, 0, 0, 0, 0, 2, 0), data, 1024, 0, 1); /* WRITE AND VERIFY */
	run(&r, 0, CDB(0x00), NULL, 0, 0, 1);
	run(&r, 0, CDB(0x12, 0, 0, 0, 36, 0), NULL, 0, 36, 1);
	run(&r, 0, CDB(0x35), NULL, 0, 0, 1);
	run(&r, 0, CDB(0x41, 0, 0, 0, 0, 0, 0, 0, 4, 0), data, 512, 0, 1); /* WRITE SAME */
	s = stats_of(&r);
	assert_int_equal(s.dir[SCSI_STAT_READ].ops, 2);
	assert_int_equal(s.dir[SCSI_STAT_READ].bytes, 4096 + 512);
	assert_int_equal(s.dir[SCSI_STAT_READ].latency_ns, 5000 + 7000);
	assert_int_equal(s.dir[SCSI_STAT_WRITE].ops, 2);
	assert_int_equal(s.dir[SCSI_STAT_WRITE].bytes, 4096 + 1024);
	assert_int_equal(s.dir[SCSI_STAT_WRITE].latency_ns, 9001);
	assert_int_equal(s.dir[SCSI_STAT_OTHER].ops, 4);
	assert_int_equal(s.dir[SCSI_STAT_OTHER].bytes, 36 + 512);
	assert_int_equal(s.flushes, 1);
	assert_int_equal(s.unmaps, 1);
	for (unsigned d = 0; d < SCSI_STAT_DIRS; d++)
		assert_int_equal(s.dir[d].errors, 0);
	assert_int_equal(s.refused + s.aborted + s.queue, 0);
	free(data);
	rig_shut(&r);
}

/* The edges of each bucket, and what lies beyond them all. */
static void latency_falls_into_its_bucket(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r, NULL);
	for (unsigned i = 0; i < SCSI_STAT_BUCKETS; i++) {
		uint64_t limit = (uint64_t)SCSI_STAT_FIRST_NS << i;
		struct scsi_stats before = stats_of(&r), after;
		bool last = i == SCSI_STAT_BUCKETS - 1;

		run(&r, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), NULL, 0, 512, limit - 1);
		run(&r, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), NULL, 0, 512, limit);
		after = stats_of(&r);
		for (unsigned k = 0; k < SCSI_STAT_BUCKETS; k++) {
			uint64_t more = (k == i) + (k == i + 1) + (last && k == i);

			assert_int_equal(after.dir[0].buckets[k] - before.dir[0].buckets[k], more);
		}
		assert_int_equal(after.dir[0].latency_ns - before.dir[0].latency_ns, 2 * limit - 1);
	}
	run(&r, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), NULL, 0, 512, UINT64_C(3600000000000));
	assert_int_equal(stats_of(&r).dir[0].buckets[SCSI_STAT_BUCKETS - 1], 4);
	assert_int_equal(stats_of(&r).dir[0].ops, 2 * SCSI_STAT_BUCKETS + 1);
	rig_shut(&r);
}

static void a_clock_that_stands_still_is_no_wonder(void **state)
{
	struct rig r;
	struct rig_cmd c;

	(void)state;
	rig_open(&r, NULL);
	rig_do(&r, &c, CDB(0x00), NULL, 0, 0);
	scsi_cmd_answered(&c.cmd, c.cmd.arrived_ns - 1); /* of another reactor's making */
	assert_int_equal(stats_of(&r).dir[SCSI_STAT_OTHER].buckets[0], 1);
	assert_int_equal(stats_of(&r).dir[SCSI_STAT_OTHER].latency_ns, 0);
	rig_free(&c);
	rig_shut(&r);
}

static void failures_are_errors(void **state)
{
	struct rig r;
	struct rig_cmd c;
	struct scsi_stats s;

	(void)state;
	rig_open(&r, NULL);
	/* beyond the end; no such operation; the disk fails */
	run(&r, 0, CDB(0x28, 0, 0xff, 0, 0, 0, 0, 0, 1, 0), NULL, 0, 512, 1);
	run(&r, 0, CDB(0x99), NULL, 0, 0, 1);
	assert_int_equal(
		rig_start(&r, &c, 0, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 512, 0), /* a write */
		SCSI_NEEDS_BUFFER);
	rig_run(&c, (const uint8_t[512]){ 0 });
	rig_complete(&r.bs, 0, -EIO);
	assert_true(c.done);
	scsi_cmd_answered(&c.cmd, 5000);
	rig_free(&c);
	s = stats_of(&r);
	assert_int_equal(s.dir[SCSI_STAT_READ].errors, 1);
	assert_int_equal(s.dir[SCSI_STAT_OTHER].errors, 1);
	assert_int_equal(s.dir[SCSI_STAT_WRITE].errors, 1);
	assert_int_equal(all_ops(&s), 3); /* among the operations, too */
	for (unsigned d = 0; d < SCSI_STAT_DIRS; d++)
		assert_int_equal(s.dir[d].bytes, 0);
	rig_shut(&r);
}

static void a_unit_attention_is_no_error(void **state)
{
	struct rig r;
	struct scsi_stats s;

	(void)state;
	rig_open(&r, NULL);
	scsi_lu_attention(r.lu, SCSI_UA_CAPACITY, NULL);
	run(&r, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), NULL, 0, 512, 1);
	s = stats_of(&r);
	assert_int_equal(s.dir[SCSI_STAT_READ].ops, 1);
	assert_int_equal(s.dir[SCSI_STAT_READ].errors, 0);
	assert_int_equal(s.dir[SCSI_STAT_READ].bytes, 0);
	rig_shut(&r);
}

static void the_refused_and_the_dropped_are_no_operations(void **state)
{
	static const uint8_t statuses[] = { SCSI_BUSY, SCSI_TASK_SET_FULL };
	struct rig r;
	struct rig_cmd c;
	struct scsi_stats s;

	(void)state;
	rig_open(&r, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(statuses); i++) {
		rig_start(&r, &c, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0, 512);
		assert_int_equal(stats_of(&r).queue, 1);
		c.cmd.status = statuses[i]; /* the transport has no buffer */
		scsi_cmd_answered(&c.cmd, 5000);
		scsi_cmd_answered(&c.cmd, 6000);
	}
	/* not even started, for the same reason */
	memset(&c, 0, sizeof(c));
	c.cmd.nexus = r.nexus;
	c.cmd.io = &r.io[0].io;
	scsi_cmd_arrived(&c.cmd);
	assert_int_equal(stats_of(&r).queue, 1);
	c.cmd.status = SCSI_BUSY;
	scsi_cmd_answered(&c.cmd, 5000);
	/* aborted while its data were still to come; and its session had no end yet */
	rig_start(&r, &c, 1, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0), 512, 0);
	scsi_cmd_dropped(&c.cmd);
	scsi_cmd_dropped(&c.cmd);
	scsi_cmd_answered(&c.cmd, 5000);
	s = stats_of(&r);
	assert_int_equal(s.refused, 3);
	assert_int_equal(s.aborted, 1);
	assert_int_equal(s.queue, 0);
	assert_int_equal(all_ops(&s), 0);
	rig_shut(&r);
}

static void where_there_is_no_unit_nothing_is_counted(void **state)
{
	struct rig r;
	struct rig_cmd c = { 0 };

	(void)state;
	rig_open(&r, NULL);
	c.cmd.nexus = r.nexus;
	c.cmd.io = &r.io[0].io;
	c.cmd.pool = r.pool;
	c.cmd.lun[1] = 9;
	c.cmd.cdb[0] = 0x28;
	assert_int_equal(scsi_cmd_start(&c.cmd), SCSI_ENDED);
	scsi_cmd_answered(&c.cmd, 5000);
	scsi_cmd_arrived(&c.cmd);
	scsi_cmd_dropped(&c.cmd);
	assert_int_equal(stats_of(&r).queue + stats_of(&r).aborted, 0);
	assert_int_equal(stats_of(&r).dir[SCSI_STAT_READ].ops, 0);
	rig_shut(&r);
}

/* A short buffer cuts what is counted, as it cuts what is moved. */
static void bytes_are_those_that_moved(void **state)
{
	struct rig r;
	void *data = blocks(8);

	(void)state;
	rig_open(&r, NULL);
	run(&r, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0), NULL, 0, 700, 1);
	assert_int_equal(stats_of(&r).dir[SCSI_STAT_READ].bytes, 700);
	run(&r, 0, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 8, 0), data, 1100, 0, 1);
	assert_int_equal(stats_of(&r).dir[SCSI_STAT_WRITE].bytes, 1024);
	free(data);
	rig_shut(&r);
}

static void *one_reactor(void *arg)
{
	struct rig_cmd c;
	struct rig *r = ((void **)arg)[0];
	unsigned io = (unsigned)(uintptr_t)((void **)arg)[1];

	for (unsigned i = 0; i < 2000; i++) {
		rig_start(r, &c, io, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0), 0, 512);
		c.cmd.in_bytes = 512;
		scsi_cmd_answered(&c.cmd, r->io[io].now_ns + i);
	}
	return NULL;
}

/* Nothing is lost between reactors, whoever looks on. */
static void reactors_do_not_meet(void **state)
{
	struct rig r;
	pthread_t t[2];
	void *args[2][2];
	struct scsi_stats s;

	(void)state;
	rig_open(&r, NULL);
	for (unsigned i = 0; i < 2; i++) {
		args[i][0] = &r;
		args[i][1] = (void *)(uintptr_t)i;
		assert_int_equal(pthread_create(&t[i], NULL, one_reactor, args[i]), 0);
	}
	for (uint64_t before = 0; before < 4000; before = s.dir[SCSI_STAT_READ].ops) {
		s = stats_of(&r);
		assert_true(s.dir[SCSI_STAT_READ].ops >= before && s.queue <= 2);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	s = stats_of(&r);
	assert_int_equal(s.dir[SCSI_STAT_READ].ops, 4000);
	assert_int_equal(s.dir[SCSI_STAT_READ].bytes, 4000 * 512);
	assert_int_equal(s.dir[SCSI_STAT_READ].latency_ns, 1999 * 2000);
	assert_int_equal(s.queue, 0);
	rig_shut(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_direction_counts_for_itself),
		cmocka_unit_test(latency_falls_into_its_bucket),
		cmocka_unit_test(a_clock_that_stands_still_is_no_wonder),
		cmocka_unit_test(failures_are_errors),
		cmocka_unit_test(a_unit_attention_is_no_error),
		cmocka_unit_test(the_refused_and_the_dropped_are_no_operations),
		cmocka_unit_test(where_there_is_no_unit_nothing_is_counted),
		cmocka_unit_test(bytes_are_those_that_moved),
		cmocka_unit_test(reactors_do_not_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
