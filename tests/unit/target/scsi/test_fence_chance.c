/* Fences by chance and by race: a disk that completes in any order against what the initiator
 * knows, and two threads for the sanitizers. */
#include "tests/unit/target/scsi/scsi_rig.h"

#include <errno.h>
#include <pthread.h>

static int setup(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	rig_open(r, NULL);
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
		c.cmd.busy = &me->rig->busy[me->io];
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
		T(chance_many_times),
		T(threads_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
