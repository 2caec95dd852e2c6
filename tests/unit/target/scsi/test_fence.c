/* Zombies and fences: an abort that was answered never lets the old write land on top
 * of a later one, whatever the disk does and wherever the later one comes from. */
#include "scsi_rig.h"

#include <errno.h>
#include <pthread.h>

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

/* --- slow writes --------------------------------------------------------------------- */

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
	scsi_lu_fence_slow(r->lu, &r->io[0].io, r->io[0].now_ns);
	scsi_lu_fence_slow(r->lu, &r->io[0].io, r->io[0].now_ns); /* again: no change */
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

/* --- chance ------------------------------------------------------------------------------ */

static uint64_t rng = 88172645463325252u;

static unsigned chance(unsigned n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (unsigned)(rng % n);
}

/* What the initiator knows of the write that carries one byte value. */
struct known {
	unsigned sent, ended; /* on its clock; ended: answered, or its abort answered */
	bool good;
	unsigned lba, n;
};

/* No block may hold the value of a write that was over before another, which succeeded
 * there, was even sent. */
static void check_blocks(const uint8_t *disk, const struct known k[256], unsigned nblocks)
{
	for (unsigned b = 0; b < nblocks; b++) {
		const struct known *last = &k[disk[b * 512]];

		if (!last->ended)
			continue;
		for (unsigned v = 1; v < 256; v++)
			if (k[v].good && k[v].sent > last->ended && k[v].lba <= b &&
			    b < k[v].lba + k[v].n)
				fail_msg("block %u: %u was sent after %u had ended", b, v,
					 disk[b * 512]);
	}
}

/* Writes of one value each over 16 blocks, from two reactors, to a disk that completes in
 * any order; some fail, some are aborted. */
static void chance_keeps_the_order(void **state)
{
	enum { SLOTS = 8, BLOCKS = 16 };
	struct rig *r = *state;
	struct rig_cmd c[SLOTS];
	uint8_t value[SLOTS] = { 0 }, data[BLOCKS * 512];
	bool used[SLOTS] = { false };
	struct known k[256];
	unsigned clock = 1, next = 1;

	memset(k, 0, sizeof(k));
	memset(r->bs.data, 0, sizeof(data));
	for (unsigned busy = 1; next < 256 || busy;) {
		unsigned s = chance(SLOTS), what = chance(10);
		struct known *mine = &k[value[s] * used[s]];

		if (what < 4 && !used[s] && next < 256) {
			value[s] = (uint8_t)next++;
			mine = &k[value[s]];
			mine->lba = chance(BLOCKS);
			mine->n = 1 + chance(MIN(BLOCKS - mine->lba, 4));
			mine->sent = clock++;
			memset(data, value[s], sizeof(data));
			used[s] = true;
			start_rw(r, &c[s], chance(2), 0x8a, mine->lba, mine->n, data);
		} else if (what < 5 && used[s] && !c[s].cmd.zombie) {
			if (scsi_cmd_abort(&c[s].cmd)) {
				used[s] = false;
				rig_free(&c[s]);
			}
			mine->ended = clock++;
		} else if (what < 7 && r->bs.nreqs) {
			rig_complete(&r->bs, (int)chance((unsigned)r->bs.nreqs),
				     chance(8) ? 0 : -EIO);
			check_blocks(r->bs.data, k, BLOCKS);
		} else {
			rig_turn(&r->io[chance(2)]);
		}
		busy = 0;
		for (s = 0; s < SLOTS; s++) {
			busy += used[s];
			if (!used[s] || !c[s].done)
				continue;
			mine = &k[value[s]];
			if (!c[s].cmd.zombie) {
				mine->ended = clock++;
				mine->good = c[s].cmd.status == SCSI_GOOD;
			}
			used[s] = false;
			rig_free(&c[s]);
		}
	}
	check_blocks(r->bs.data, k, BLOCKS);
}

static void chance_many_times(void **state)
{
	for (unsigned i = 0; i < 100; i++)
		chance_keeps_the_order(state);
}

/* Two reactors on threads of their own: for the sanitizers. Both set and lift fences on the same
 * blocks, wait for the other's, and post attentions to each other. */
struct racer {
	struct rig *rig;
	unsigned io;
};

static const uint8_t rig_cdb_write_2_at_4[16] = { 0x8a, [9] = 4, [13] = 2 };

static void *race(void *arg)
{
	struct racer *me = arg;
	struct scsi_nexus *nexus = me->io ? me->rig->other : me->rig->nexus;
	struct rig_cmd c;

	for (unsigned i = 0; i < 2000; i++) {
		memset(&c, 0, sizeof(c));
		c.cmd.nexus = nexus;
		c.cmd.io = &me->rig->io[me->io].io;
		c.cmd.done = rig_done;
		memcpy(c.cmd.cdb, rig_cdb_write_2_at_4, 16);
		c.cmd.out_offered = 1024;
		while (scsi_cmd_start(&c.cmd) == SCSI_ENDED)
			; /* an attention from the other one */
		/* on its way to the backstore, or waiting and giving up at once */
		if (fence_wait(&c.cmd) && !fence_give_up(&c.cmd))
			c.cmd.posted = false; /* its message is on nobody's queue but ours */
		fence_set(&c.cmd);
		scsi_lu_attention(me->rig->lu, SCSI_UA_CAPACITY, nexus);
		fence_lift(&c.cmd);
	}
	return NULL;
}

/* Messages go nowhere: no waiter stays long enough to be resumed. */
static void post_nowhere(struct io *io, struct io_msg *m)
{
	(void)io;
	(void)m;
}

static void threads_agree(void **state)
{
	struct racer racers[2] = { { *state, 0 }, { *state, 1 } };
	struct io_ops ops = rig_io_ops;
	struct rig *r = *state;
	pthread_t t[2];

	ops.post = post_nowhere;
	r->io[0].io.ops = r->io[1].io.ops = &ops;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, race, &racers[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&r->lu->nfences), 0);
	assert_true(list_empty(&r->lu->fences));
	assert_true(list_empty(&r->lu->waiters));
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
		T(slow_writes_are_fenced_as_they_are),
		T(slow_write_still_answers),
		T(slow_unmap_goes_on),
		T(chance_many_times),
		T(threads_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
