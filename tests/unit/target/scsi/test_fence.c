/* Zombies and fences: an abort that was answered never lets the old write land on top
 * of a later one, whatever the disk does and wherever the later one comes from. */
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

static void turn_all(struct rig *r)
{
	for (int i = 0; i < 4; i++) {
		rig_turn(&r->io[0]);
		rig_turn(&r->io[1]);
	}
}

/* The one that all is about. Without the fence, it fails on its last line. */
static void aborted_write_never_lands_over_a_later_one(void **state)
{
	for (unsigned later_io = 0; later_io < 2; later_io++) {
		struct rig *r = *state;
		struct rig_cmd old, later;

		start_rw(r, &old, 0, 0x8a, 10, 1, old_data);
		assert_int_equal(r->bs.nreqs, 1);
		assert_false(scsi_cmd_abort(&old.cmd)); /* the disk has it: a zombie */
		/* the answer to the abort goes out; the initiator writes again */
		start_rw(r, &later, later_io, 0x8a, 10, 1, new_data);
		turn_all(r);
		/* if the later one got through, it is done before the zombie wakes up */
		if (r->bs.nreqs == 2)
			rig_complete(&r->bs, 1, 0);
		assert_false(later.done);
		rig_complete(&r->bs, 0, 0); /* the disk wakes up */
		assert_true(old.done);
		rig_finish(r, &later);
		rig_expect_good(&later);
		rig_free(&old);
		rig_free(&later);
		assert_memory_equal(r->bs.data + 10 * 512, new_data, 512);
	}
}

/* Each kind of command, each position, against a zombie of [10, 20). */
static void who_waits(void **state)
{
	static const struct {
		uint8_t opcode;
		uint64_t lba;
		uint32_t n;
		bool waits;
	} t[] = {
		{ 0x8a, 9, 1, false },	{ 0x8a, 9, 2, true },	{ 0x8a, 10, 1, true },
		{ 0x8a, 19, 5, true },	{ 0x8a, 20, 1, false }, { 0x8a, 0, 100, true },
		{ 0x88, 15, 1, true },	{ 0x88, 20, 1, false }, { 0x88, 0, 10, false },
		{ 0x88, 15, 0, false }, { 0x91, 15, 1, false },
	};
	struct rig *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct rig_cmd zombie, c;
		static uint8_t data[100 * 512];
		int before;

		start_rw(r, &zombie, 0, 0x8a, 10, 10, old_data);
		assert_false(scsi_cmd_abort(&zombie.cmd));
		before = r->bs.nreqs;
		rig_start(r, &c, 1, rig_rw16(t[i].opcode, 0, t[i].lba, t[i].n), 16,
			  t[i].opcode == 0x8a ? t[i].n * 512 : 0,
			  t[i].opcode == 0x88 ? t[i].n * 512 : 0);
		rig_run(&c, data);
		turn_all(r);
		assert_int_equal(c.cmd.state == CMD_WAITING, t[i].waits);
		assert_int_equal(r->bs.nreqs - before, t[i].waits || !t[i].n ? 0 : 1);
		rig_complete(&r->bs, 0, 0);
		rig_finish(r, &c);
		rig_expect_good(&c);
		assert_true(zombie.done);
		rig_free(&zombie);
		rig_free(&c);
	}
}

static void aborted_read_fences_nothing(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, c;

	start_rw(r, &zombie, 0, 0x88, 10, 1, NULL);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	assert_int_equal(atomic_load(&r->lu->nfences), 0);
	start_rw(r, &c, 1, 0x8a, 10, 1, new_data);
	assert_int_equal(r->bs.nreqs, 2);
	rig_complete(&r->bs, 1, 0);
	rig_expect_good(&c);
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	rig_free(&zombie);
	rig_free(&c);
}

/* A zombie's failure lifts its fence as its success does. */
static void failed_zombie_lifts_its_fence(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, c;

	start_rw(r, &zombie, 0, 0x8a, 10, 1, old_data);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	start_rw(r, &c, 1, 0x8a, 10, 1, new_data);
	rig_complete(&r->bs, 0, -EIO);
	assert_true(zombie.done);
	rig_finish(r, &c);
	rig_expect_good(&c);
	rig_free(&zombie);
	rig_free(&c);
}

static void two_zombies_both_have_to_go(void **state)
{
	struct rig *r = *state;
	struct rig_cmd z1, z2, c;

	start_rw(r, &z1, 0, 0x8a, 10, 2, old_data);
	start_rw(r, &z2, 1, 0x8a, 11, 2, old_data);
	assert_false(scsi_cmd_abort(&z1.cmd));
	assert_false(scsi_cmd_abort(&z2.cmd));
	start_rw(r, &c, 0, 0x8a, 11, 1, new_data);
	rig_complete(&r->bs, 1, 0);
	turn_all(r);
	assert_int_equal(c.cmd.state, CMD_WAITING);
	rig_complete(&r->bs, 0, 0);
	rig_finish(r, &c);
	rig_expect_good(&c);
	assert_memory_equal(r->bs.data + 11 * 512, new_data, 512);
	rig_free(&z1);
	rig_free(&z2);
	rig_free(&c);
}

/* Those that conflict enter in the order in which they came, over both reactors; those
 * that do not, at once. */
static void waiters_keep_their_order(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, w[5];

	start_rw(r, &zombie, 0, 0x8a, 10, 1, old_data);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	start_rw(r, &w[0], 1, 0x8a, 9, 3, new_data);  /* overlaps the zombie */
	start_rw(r, &w[1], 0, 0x8a, 11, 2, old_data); /* overlaps only w[0] */
	start_rw(r, &w[2], 1, 0x88, 12, 1, NULL);     /* reads what w[1] writes */
	start_rw(r, &w[3], 0, 0x88, 12, 1, NULL);     /* another reader of the same */
	start_rw(r, &w[4], 0, 0x8a, 13, 1, new_data); /* overlaps nobody */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(w[i].cmd.state, CMD_WAITING);
	assert_int_equal(w[4].cmd.state, CMD_RUNNING);
	rig_complete(&r->bs, 1, 0);
	assert_true(w[4].done);
	rig_complete(&r->bs, 0, 0); /* the zombie */
	assert_int_equal(r->bs.nreqs, 0);
	rig_turn(&r->io[0]); /* not its turn: w[0] is on the other reactor */
	assert_int_equal(r->bs.nreqs, 0);
	rig_turn(&r->io[1]);
	assert_int_equal(r->bs.nreqs, 1);
	assert_ptr_equal(r->bs.reqs[0], &w[0].cmd.req);
	turn_all(r);
	assert_int_equal(r->bs.nreqs, 4);
	assert_ptr_equal(r->bs.reqs[1], &w[1].cmd.req);
	for (unsigned i = 0; i < 4; i++)
		rig_finish(r, &w[i]);
	assert_memory_equal(w[2].buf, old_data, 512);
	assert_memory_equal(w[3].buf, old_data, 512);
	for (unsigned i = 0; i < 5; i++) {
		rig_expect_good(&w[i]);
		rig_free(&w[i]);
	}
	rig_free(&zombie);
}

static void readers_do_not_wait_for_readers(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, w[2];

	start_rw(r, &zombie, 0, 0x8a, 10, 1, old_data);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	start_rw(r, &w[0], 0, 0x88, 10, 2, NULL);
	start_rw(r, &w[1], 1, 0x88, 11, 2, NULL);
	assert_int_equal(w[0].cmd.state, CMD_WAITING);
	assert_int_equal(w[1].cmd.state, CMD_RUNNING);
	rig_complete(&r->bs, 0, 0);
	for (unsigned i = 0; i < 2; i++) {
		rig_finish(r, &w[i]);
		rig_free(&w[i]);
	}
	rig_free(&zombie);
}

static void waiter_can_be_aborted(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, w[2];

	start_rw(r, &zombie, 0, 0x8a, 10, 1, old_data);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	start_rw(r, &w[0], 0, 0x8a, 10, 2, new_data);
	start_rw(r, &w[1], 1, 0x8a, 11, 1, new_data); /* waits for w[0] only */
	assert_true(scsi_cmd_abort(&w[0].cmd));	      /* over at once */
	turn_all(r);
	assert_int_equal(w[1].cmd.state, CMD_RUNNING);
	assert_false(w[0].done);
	rig_complete(&r->bs, 1, 0);
	rig_expect_good(&w[1]);
	rig_complete(&r->bs, 0, 0);
	turn_all(r);
	assert_false(w[0].done); /* never */
	assert_int_equal(r->bs.submitted, 2);
	rig_free(&zombie);
	rig_free(&w[0]);
	rig_free(&w[1]);
}

/* The message that its turn has come is on its way while it is aborted. */
static void waiter_aborted_when_its_turn_came(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, w[2];

	start_rw(r, &zombie, 0, 0x8a, 10, 1, old_data);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	start_rw(r, &w[0], 1, 0x8a, 10, 2, new_data);
	start_rw(r, &w[1], 0, 0x8a, 11, 1, new_data);
	rig_complete(&r->bs, 0, 0);
	assert_false(scsi_cmd_abort(&w[0].cmd)); /* the message still points at it */
	assert_false(w[0].done);
	turn_all(r);
	assert_true(w[0].done);
	rig_finish(r, &w[1]);
	rig_expect_good(&w[1]);
	assert_int_equal(r->bs.submitted, 2); /* w[0] never reached the disk */
	rig_free(&zombie);
	rig_free(&w[0]);
	rig_free(&w[1]);
}

/* Between the message and its arrival another fence comes up. */
static void waiter_looks_again(void **state)
{
	struct rig *r = *state;
	struct rig_cmd z1, z2, w;

	start_rw(r, &z1, 0, 0x8a, 10, 1, old_data);
	start_rw(r, &z2, 0, 0x8a, 10, 1, old_data);
	assert_false(scsi_cmd_abort(&z1.cmd));
	start_rw(r, &w, 1, 0x8a, 10, 1, new_data);
	rig_complete(&r->bs, 0, 0);
	assert_true(w.cmd.posted);
	assert_false(scsi_cmd_abort(&z2.cmd));
	rig_turn(&r->io[1]);
	assert_int_equal(w.cmd.state, CMD_WAITING);
	rig_complete(&r->bs, 0, 0);
	rig_finish(r, &w);
	rig_expect_good(&w);
	assert_memory_equal(r->bs.data + 10 * 512, new_data, 512);
	rig_free(&z1);
	rig_free(&z2);
	rig_free(&w);
}

/* --- commands of several steps ---------------------------------------------------- */

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

/* No further step, and only the blocks it names are fenced, not those between. */
static void aborted_unmap_stops_and_fences_its_blocks(void **state)
{
	static const struct {
		uint64_t lba;
		bool waits;
	} t[] = { { 10, true }, { 11, false }, { 49, false }, { 50, true }, { 101, true } };
	struct rig *r = *state;
	struct rig_cmd zombie, w[5];
	int waiting = 0;

	memset(r->bs.data, 'a', r->bs.bs.size_bytes);
	start_unmap(r, &zombie);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	for (unsigned i = 0; i < 5; i++) {
		start_rw(r, &w[i], i & 1, 0x8a, t[i].lba, 1, new_data);
		assert_int_equal(w[i].cmd.state, t[i].waits ? CMD_WAITING : CMD_RUNNING);
		waiting += t[i].waits;
	}
	assert_int_equal(waiting, 3);
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	assert_null(zombie.cmd.scratch);
	assert_int_equal(r->bs.kinds[BS_DISCARD], 1);
	for (unsigned i = 0; i < 5; i++) {
		rig_finish(r, &w[i]);
		rig_expect_good(&w[i]);
		assert_memory_equal(r->bs.data + t[i].lba * 512, new_data, 512);
		rig_free(&w[i]);
	}
	rig_free(&zombie);
}

static void aborted_write_same_stops(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie, w;

	rig_start(r, &zombie, 0, rig_rw16(0x93, 0, 0, 10000), 16, 512, 0);
	rig_run(&zombie, old_data);
	rig_complete(&r->bs, 0, 0); /* the first MiB */
	assert_int_equal(r->bs.nreqs, 1);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	start_rw(r, &w, 1, 0x8a, 2048, 1, new_data);
	assert_int_equal(w.cmd.state, CMD_WAITING);
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	assert_int_equal(r->bs.kinds[BS_WRITE], 2);
	rig_finish(r, &w);
	assert_memory_equal(r->bs.data + 2048 * 512, new_data, 512);
	rig_free(&zombie);
	rig_free(&w);
}

static void aborted_fua_read_does_not_read(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie;

	rig_start(r, &zombie, 0, rig_rw16(0x88, 0x08, 0, 1), 16, 0, 512);
	rig_run(&zombie, NULL);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	assert_int_equal(r->bs.kinds[BS_READ], 0);
	rig_free(&zombie);
}

static void aborted_stop_does_not_stop(void **state)
{
	struct rig *r = *state;
	struct rig_cmd zombie;

	rig_start(r, &zombie, 0, CDB(0x1b, 0, 0, 0, 0), 0, 0);
	rig_run(&zombie, NULL);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	assert_false(atomic_load(&r->lu->stopped));
	rig_free(&zombie);
}

/* It has no I/O, but its end is on its way already. */
static void abort_of_what_is_over(void **state)
{
	struct rig *r = *state;
	struct rig_cmd c;

	rig_start(r, &c, 0, CDB(0x12, 0, 0, 0, 96), 0, 96);
	rig_run(&c, NULL);
	assert_false(scsi_cmd_abort(&c.cmd));
	assert_false(c.done);
	rig_turn(&r->io[0]);
	assert_true(c.done);
	rig_free(&c);
}

/* A nexus may go while its zombies are still out. */
static void zombie_outlives_its_nexus(void **state)
{
	struct rig *r = *state;
	struct scsi_nexus *brief;
	struct rig_cmd zombie;

	assert_int_equal(scsi_nexus_new(&brief, r->target), 0);
	scsi_nexus_clear_ua(brief, ~0u);
	memset(&zombie, 0, sizeof(zombie));
	zombie.cmd.nexus = brief;
	zombie.cmd.io = &r->io[0].io;
	zombie.cmd.busy = &r->busy[0];
	zombie.cmd.done = rig_done;
	memcpy(zombie.cmd.cdb, rig_rw16(0x8a, 0, 0, 1), 16);
	zombie.cmd.out_offered = 512;
	assert_int_equal(scsi_cmd_start(&zombie.cmd), SCSI_NEEDS_BUFFER);
	rig_run(&zombie, old_data);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	scsi_nexus_free(brief);
	rig_complete(&r->bs, 0, -EIO);
	assert_true(zombie.done);
	rig_free(&zombie);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(aborted_write_never_lands_over_a_later_one),
		T(who_waits),
		T(aborted_read_fences_nothing),
		T(failed_zombie_lifts_its_fence),
		T(two_zombies_both_have_to_go),
		T(waiters_keep_their_order),
		T(readers_do_not_wait_for_readers),
		T(waiter_can_be_aborted),
		T(waiter_aborted_when_its_turn_came),
		T(waiter_looks_again),
		T(aborted_unmap_stops_and_fences_its_blocks),
		T(aborted_write_same_stops),
		T(aborted_fua_read_does_not_read),
		T(aborted_stop_does_not_stop),
		T(abort_of_what_is_over),
		T(zombie_outlives_its_nexus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
