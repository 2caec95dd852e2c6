/* Fences and waiters by the thousand, as after a stalled disk, and lists of blocks meant to be
 * slow to compare: all of it happens under a lock that other reactors want. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include <stdio.h>
#include <time.h>

enum {
	MANY = 8192,	    /* 64 sessions of 128 commands */
	EXTENTS = 1024,	    /* of an UNMAP, at most */
	UNMAPS = 128,	    /* of a session, at most */
	TURN_NS = 20000000, /* nothing may take the lock for longer; sanitizers included */
};

static struct scsi_cmd fences[MANY], waiters[MANY];
static uint64_t worst_ns;

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts); /* others may have the processor */
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#define TIMED(call)                                                                                \
	do {                                                                                       \
		uint64_t from_ = clock_ns();                                                       \
		call;                                                                              \
		worst_ns = MAX(worst_ns, clock_ns() - from_);                                      \
	} while (0)

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
	worst_ns = 0;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_shut(*state);
	free(*state);
	return 0;
}

static void make(struct rig *r, struct scsi_cmd *c, uint8_t opcode, uint64_t lba, uint64_t n)
{
	memset(c, 0, sizeof(*c));
	c->io = &r->io[0].io;
	c->lu = r->lu;
	c->op = &scsi_ops[opcode];
	c->lba = lba;
	c->nblocks = n;
}

/* Messages are not run here: who is posted is in cmd->posted. */
static void drop_messages(struct rig *r)
{
	r->io[0].msgs = NULL;
	r->io[0].msgs_tail = &r->io[0].msgs;
}

static void stalled_disk_wakes_up(void **state)
{
	struct rig *r = *state;
	uint64_t from, took;

	for (unsigned i = 0; i < MANY; i++) {
		make(r, &fences[i], 0x8a, 2 * i, 1);
		fence_set(&fences[i]);
	}
	from = clock_ns();
	for (unsigned i = 0; i < MANY; i++) {
		make(r, &waiters[i], 0x8a, 2 * (i * 4099u % MANY), 1);
		TIMED(assert_true(fence_wait_behind(&waiters[i])));
	}
	for (unsigned i = 0; i < MANY; i++)
		TIMED(fence_lift(&fences[MANY - 1 - i]));
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(waiters[i].posted);
		TIMED(assert_true(fence_try_leave(&waiters[i])));
	}
	took = clock_ns() - from;
	drop_messages(r);
	assert_int_equal(atomic_load(&r->lu->nfences), 0);
	print_message("[          ] %d fences, %d waiters: %.3f s, the longest %.2f ms\n", MANY,
		      MANY, (double)took / 1e9, (double)worst_ns / 1e6);
	assert_true(worst_ns < TURN_NS);
}

static void lists_that_interleave(void **state)
{
	static uint8_t list[UNMAPS + 1][8 + EXTENTS * 16];
	struct rig_cmd *c = calloc(UNMAPS, sizeof(*c)), zombie;
	struct rig *r = *state;

	/* the fence: odd blocks; the waiters: a block of it, and even ones, backwards */
	for (unsigned i = 0; i <= UNMAPS; i++) {
		put_be16(list[i], 6 + EXTENTS * 16);
		put_be16(list[i] + 2, EXTENTS * 16);
		for (unsigned j = 0; j < EXTENTS; j++) {
			uint64_t lba = i == UNMAPS ? 2 * j + 1 : 2 * (EXTENTS - 1 - j);

			put_be64(list[i] + 8 + 16 * j, i < UNMAPS && j == EXTENTS - 1 ? 1 : lba);
			put_be32(list[i] + 8 + 16 * j + 8, 1);
		}
	}
	rig_start(r, &zombie, 0, CDB(0x42, 0, 0, 0, 0, 0, 0, 0x40, 0x08), sizeof(list[0]), 0);
	rig_run(&zombie, list[UNMAPS]);
	assert_false(scsi_cmd_abort(&zombie.cmd));
	for (unsigned i = 0; i < UNMAPS; i++) {
		rig_start(r, &c[i], 1, CDB(0x42, 0, 0, 0, 0, 0, 0, 0x40, 0x08), sizeof(list[0]), 0);
		TIMED(rig_run(&c[i], list[i]));
		assert_int_equal(c[i].cmd.state, CMD_WAITING);
	}
	for (unsigned i = 0; i < UNMAPS; i++) {
		TIMED(assert_true(scsi_cmd_abort(&c[i].cmd)));
		rig_free(&c[i]);
	}
	print_message("[          ] %d lists of %d: the longest %.2f ms\n", UNMAPS, EXTENTS,
		      (double)worst_ns / 1e6);
	rig_complete(&r->bs, 0, 0);
	assert_true(zombie.done);
	rig_free(&zombie);
	free(c);
	assert_true(worst_ns < TURN_NS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stalled_disk_wakes_up, setup, teardown),
		cmocka_unit_test_setup_teardown(lists_that_interleave, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
