/* Writes that the disk has held for long: fenced before anybody aborts them. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include <errno.h>

static uint8_t old_data[8192], new_data[8192];

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	memset(old_data, 'o', sizeof(old_data));
	memset(new_data, 'n', sizeof(new_data));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

static void start_rw(struct rig *r, struct rig_cmd *c, unsigned io, uint8_t opcode, uint64_t lba,
		     uint32_t n, const void *data)
{
	bool out = opcode == 0x8a;

	rig_start(r, c, io, rig_rw16(opcode, 0, lba, n), 16, out ? n * 512 : 0, out ? 0 : n * 512);
	rig_run(c, data);
}

static void put_descriptor(uint8_t *at, uint64_t lba, uint32_t n)
{
	memset(at, 0, 16);
	put_be64(at, lba);
	put_be32(at + 8, n);
}

static void start_unmap(struct rig *r, struct rig_cmd *c)
{
	uint8_t list[8 + 3 * 16] = { 0, 6 + 48, 0, 48 };

	put_descriptor(list + 8, 10, 1);
	put_descriptor(list + 24, 100, 2);
	put_descriptor(list + 40, 50, 1);
	rig_start(r, c, 0, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, sizeof(list)), sizeof(list), 0);
	rig_run(c, list);
}

static void slow_writes_are_fenced_as_they_are(void **state)
{
	struct rig *r = *state;
	struct rig_cmd slow, young, c;
	uint64_t second = 1000000000;

	start_rw(r, &slow, 0, 0x8a, 10, 1, old_data);
	r->io[0].now_ns += second / 2;
	start_rw(r, &young, 0, 0x8a, 20, 1, old_data);
	assert_true(scsi_lu_is_busy(r->lu, &r->io[0].io));
	assert_false(scsi_lu_is_busy(r->lu, &r->io[1].io));
	scsi_lu_fence_slow(r->lu, &r->io[0].io, r->io[0].now_ns);
	assert_int_equal(atomic_load(&r->lu->nfences), 0);
	r->io[0].now_ns += second / 2;
	scsi_fence_slow(&r->busy[1], &r->io[1].io, r->io[0].now_ns); /* none of its */
	assert_int_equal(atomic_load(&r->lu->nfences), 0);
	scsi_fence_slow(&r->busy[0], &r->io[0].io, r->io[0].now_ns);
	scsi_fence_slow(&r->busy[0], &r->io[0].io, r->io[0].now_ns); /* again: no change */
	assert_int_equal(atomic_load(&r->lu->nfences), 1);
	assert_true(slow.cmd.fenced);
	assert_false(young.cmd.fenced);

	start_rw(r, &c, 1, 0x8a, 10, 1, new_data);
	assert_int_equal(c.cmd.state, CMD_WAITING);
	/* aborted on top of it: one fence, lifted once */
	assert_false(scsi_cmd_abort(&slow.cmd));
	assert_int_equal(atomic_load(&r->lu->nfences), 2);
	rig_complete(&r->bs, 0, 0);
	assert_true(slow.done);
	rig_finish(r, &c);
	rig_finish(r, &young);
	rig_expect_good(&c);
	rig_expect_good(&young);
	assert_memory_equal(r->bs.data + 10 * 512, new_data, 512);
	rig_free(&slow);
	rig_free(&young);
	rig_free(&c);
}

/* Looking for slow writes costs what is busy, not what is served. */
static void only_busy_units_are_looked_at(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	start_rw(r, &c, 0, 0x88, 10, 1, NULL);
	assert_true(list_empty(&r->busy[0])); /* a read is nobody's danger */
	rig_finish(r, &c);
	rig_free(&c);
	for (unsigned i = 0; i < 2; i++) {
		start_rw(r, &c, 0, 0x8a, 10, 1, old_data);
		assert_ptr_equal(r->busy[0].next->next, &r->busy[0]); /* once */
		assert_false(list_empty(&r->busy[0]));
		assert_true(list_empty(&r->busy[1]));
		rig_finish(r, &c);
		rig_free(&c);
	}
	start_rw(r, &c, 0, 0x8a, 10, 1, old_data);
	scsi_fence_slow(&r->busy[0], &r->io[0].io, r->io[0].now_ns);
	assert_false(list_empty(&r->busy[0]));
	rig_finish(r, &c);
	rig_free(&c);
	scsi_fence_slow(&r->busy[0], &r->io[0].io, r->io[0].now_ns);
	assert_true(list_empty(&r->busy[0]));
}

static void slow_write_still_answers(void **state)
{
	struct rig *r = *state;
	struct rig_cmd slow, reads;

	start_rw(r, &slow, 0, 0x8a, 10, 1, old_data);
	start_rw(r, &reads, 0, 0x88, 10, 1, NULL);
	scsi_lu_fence_slow(r->lu, &r->io[0].io, r->io[0].now_ns + 2000000000);
	assert_int_equal(atomic_load(&r->lu->nfences), 1); /* the write; not the read */
	rig_complete(&r->bs, 0, 0);
	rig_expect_good(&slow);
	rig_finish(r, &reads);
	rig_free(&slow);
	rig_free(&reads);
}

/* All of a slow command's steps are under its fence, those to come, too. */
static void slow_unmap_goes_on(void **state)
{
	struct rig *r = *state;
	struct rig_cmd slow, c;

	memset(r->bs.data, 'a', r->bs.bs.size_bytes);
	start_unmap(r, &slow);
	scsi_lu_fence_slow(r->lu, &r->io[0].io, r->io[0].now_ns + 2000000000);
	start_rw(r, &c, 1, 0x8a, 50, 1, new_data);
	assert_int_equal(c.cmd.state, CMD_WAITING);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(slow.done);
		rig_complete(&r->bs, 0, 0);
	}
	rig_expect_good(&slow);
	rig_finish(r, &c);
	assert_memory_equal(r->bs.data + 50 * 512, new_data, 512);
	rig_free(&slow);
	rig_free(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(slow_writes_are_fenced_as_they_are),
		T(only_busy_units_are_looked_at),
		T(slow_write_still_answers),
		T(slow_unmap_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
