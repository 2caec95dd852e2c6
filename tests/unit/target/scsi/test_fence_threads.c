/* Fences with real threads, real engines and a real file: what one thread aborts and another
 * writes again must stay, whatever the disk does with the first. Meant for ThreadSanitizer; the
 * bytes have to be right without it, too. */
#include "backstore/base/bytes.h"
#include "target/scsi/scsi.h"
#include "tests/unit/backstore/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

/* A slot has blocks of its own, and one region is everybody's. What is aborted is long and what
 * comes after it short, so that without fences the old bytes would often land last. */
enum {
	SLOTS = 4,
	ROUNDS = 60,
	BLOCK = 4096,
	LONG = 64,
	COMMON = 16, /* blocks, at the beginning */
	FILE_BYTES = (COMMON + CREW * SLOTS * LONG) * BLOCK,
};

static char dir[] = "/var/tmp/ringlun-fence-XXXXXX", path[128], why[512];
static struct crew crew;
static struct scsi_lu *lu;
static struct scsi_target *target;
static struct scsi_nexus *nexuses[CREW];
static struct list busy[CREW]; /* of each worker */
static atomic_uint aborted, zombies, ended;

struct io_cmd {
	struct scsi_cmd cmd;
	struct iovec iov;
	uint8_t *buf;
	void (*then)(struct io_cmd *c);
	struct slot *slot;
};

static _Alignas(BLOCK) uint8_t memory[CREW * SLOTS][LONG + 2][BLOCK];

/* One round:  owner: write old, abort it, pass on ─▶ other: write new, read it, pass back ─▶
 * owner: is the old one over, too? read once more. In between, a write where all write. */
static struct slot {
	struct worker *owner, *other;
	unsigned number, left;
	unsigned pending; /* the owner's: what is still under way for it */
	struct io_cmd old, new, common;
	struct io_msg msg;
} slots[CREW * SLOTS];

static void cmd_done(struct scsi_cmd *cmd)
{
	struct io_cmd *c = container_of(cmd, struct io_cmd, cmd);

	if (!cmd->zombie)
		CHECK(cmd->status == SCSI_GOOD);
	atomic_fetch_add(&ended, 1);
	c->then(c);
}

static void cmd_start(struct io_cmd *c, struct worker *w, uint8_t opcode, uint64_t lba,
		      unsigned blocks, void (*then)(struct io_cmd *c))
{
	bool out = opcode == 0x8a;

	memset(&c->cmd, 0, sizeof(c->cmd));
	c->then = then;
	c->cmd.nexus = nexuses[w->index];
	c->cmd.io = w->io;
	c->cmd.busy = &busy[w->index];
	c->cmd.done = cmd_done;
	c->cmd.cdb[0] = opcode;
	c->cmd.cdb[1] = out && w->rng % 4 == 0 ? 0x08 : 0; /* FUA */
	put_be64(c->cmd.cdb + 2, lba);
	put_be32(c->cmd.cdb + 10, blocks);
	*(out ? &c->cmd.out_offered : &c->cmd.in_room) = blocks * BLOCK;
	CHECK(scsi_cmd_start(&c->cmd) == SCSI_NEEDS_BUFFER);
	c->iov = (struct iovec){ c->buf, blocks * BLOCK };
	c->cmd.iov = &c->iov;
	c->cmd.iovcnt = 1;
	scsi_cmd_run(&c->cmd);
}

/* True: done() comes. */
static bool cmd_abort(struct io_cmd *c)
{
	atomic_fetch_add(&aborted, 1);
	if (scsi_cmd_abort(&c->cmd))
		return false;
	atomic_fetch_add(&zombies, 1);
	return true;
}

static uint64_t lba_of(const struct slot *s)
{
	return COMMON + (uint64_t)s->number * LONG;
}

/* The last of what the long one writes. */
static uint64_t lba_new(const struct slot *s)
{
	return lba_of(s) + LONG - 1;
}

static void check_new(const struct slot *s, const struct io_cmd *c)
{
	uint8_t want = (uint8_t)(0x80 | s->left);

	for (unsigned i = 0; i < BLOCK; i++)
		CHECK(c->buf[i] == want);
}

static void round_begin(struct slot *s);

/* ── on the owner's thread ── */

static void read_again(struct io_cmd *c)
{
	struct slot *s = c->slot;

	check_new(s, c);
	if (s->left--)
		round_begin(s);
	else
		crew_done(&crew);
}

static void one_less(struct slot *s)
{
	if (--s->pending)
		return;
	memset(s->new.buf, 0, BLOCK);
	cmd_start(&s->new, s->owner, 0x88, lba_new(s), 1, read_again);
}

static void owners_done(struct io_cmd *c)
{
	one_less(c->slot);
}

static void passed_back(struct io_msg *m)
{
	one_less(container_of(m, struct slot, msg));
}

/* ── on the other's ── */

static void new_read(struct io_cmd *c)
{
	struct slot *s = c->slot;

	check_new(s, c);
	s->msg.run = passed_back;
	io_post(s->owner->io, &s->msg);
}

static void new_written(struct io_cmd *c)
{
	memset(c->buf, 0, BLOCK);
	cmd_start(c, c->slot->other, 0x88, lba_new(c->slot), 1, new_read);
}

static void passed_on(struct io_msg *m)
{
	struct slot *s = container_of(m, struct slot, msg);

	memset(s->new.buf, 0x80 | (int)s->left, BLOCK);
	cmd_start(&s->new, s->other, 0x8a, lba_new(s), 1, new_written);
}

/* ── */

static void round_begin(struct slot *s)
{
	struct worker *w = s->owner;
	unsigned what = worker_random(w, 4);

	s->pending = 1; /* the message comes back */
	if (what < 2) { /* in everybody's way */
		cmd_start(&s->common, w, what ? 0x8a : 0x88, worker_random(w, COMMON), 1,
			  owners_done);
		s->pending += worker_random(w, 2) || cmd_abort(&s->common);
	}
	memset(s->old.buf, 0x7f & (int)s->left, (size_t)LONG * BLOCK);
	cmd_start(&s->old, w, 0x8a, lba_of(s), LONG, owners_done);
	if (worker_random(w, 8) == 0) /* as if the disk had it for long */
		scsi_fence_slow(&busy[w->index], w->io, io_now_ns(w->io) + UINT64_C(2000000000));
	s->pending += cmd_abort(&s->old);
	s->other = &crew.w[worker_random(w, CREW)];
	s->msg.run = passed_on;
	io_post(s->other->io, &s->msg);
}

static void begin(struct worker *w)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i * CREW + w->index];

		*s = (struct slot){ .owner = w, .number = i * CREW + w->index, .left = ROUNDS };
		s->old.slot = s->new.slot = s->common.slot = s;
		s->old.buf = memory[s->number][0];
		s->new.buf = memory[s->number][LONG];
		s->common.buf = memory[s->number][LONG + 1];
		round_begin(s);
	}
}

static uint64_t no_time(struct io *io)
{
	(void)io;
	return 0;
}

/* The first command of a nexus is told of the power-on (SPC-4 5.14). */
static void nexus_open(unsigned i)
{
	static const struct io_ops ops = { .now_ns = no_time };
	struct io io = { .ops = &ops, .index = i };
	struct scsi_cmd cmd = { .io = &io };

	assert_int_equal(scsi_nexus_new(&nexuses[i], target), 0);
	cmd.nexus = nexuses[i];
	assert_int_equal(scsi_cmd_start(&cmd), SCSI_ENDED);
	assert_int_equal(cmd.status, SCSI_CHECK_CONDITION);
}

static void lu_open(enum bs_cache cache)
{
	struct bs_spec spec = { .path = path,
				.size_bytes = FILE_BYTES,
				.block_bytes = BLOCK,
				.cache = cache,
				.reactors = CREW };
	struct scsi_lu_config cfg = { .name = "threads", .reactors = CREW };

	unlink(path);
	if (backstore_open(&cfg.bs, &spec, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(scsi_lu_new(&lu, &cfg), 0);
	assert_int_equal(scsi_target_new(&target), 0);
	assert_int_equal(scsi_target_add(target, 0, lu), 0);
	for (unsigned i = 0; i < CREW; i++)
		nexus_open(i);
}

static void lu_close(void)
{
	for (unsigned i = 0; i < CREW; i++)
		scsi_nexus_free(nexuses[i]);
	scsi_target_free(target);
	scsi_lu_free(lu);
}

static void what_others_wrote_after_an_abort_stays(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 2; mode++) {
		atomic_store(&aborted, 0);
		atomic_store(&zombies, 0);
		atomic_store(&ended, 0);
		for (unsigned i = 0; i < CREW; i++)
			list_init(&busy[i]);
		lu_open(mode ? BS_CACHE_BUFFERED : BS_CACHE_DIRECT);
		if (!crew_run(&crew, CREW * SLOTS, begin, NULL)) {
			lu_close();
			print_message("no engine here\n");
			skip();
		}
		lu_close();
		/* all came to their end, and many of the aborts came too late */
		assert_true(atomic_load(&aborted) >= CREW * SLOTS * ROUNDS);
		assert_true(atomic_load(&zombies) > atomic_load(&aborted) / 2);
		assert_true(atomic_load(&ended) >= CREW * SLOTS * ROUNDS * 3);
		for (unsigned i = 0; i < CREW * SLOTS; i++)
			assert_int_equal(slots[i].left, UINT32_MAX);
	}
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/v.img", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_others_wrote_after_an_abort_stays),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
