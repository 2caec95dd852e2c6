/* One file, four threads with a real engine each: messages, shared flushes, sectors that share
 * blocks, the latch, and a file cut off meanwhile. Meant for ThreadSanitizer; without it, the
 * counts and the bytes still have to be right. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"
#include "tests/unit/backstore/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/var/tmp/ringlun-threads-XXXXXX", path[128], why[512];
static struct crew crew;

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

static void run(unsigned units, void (*begin)(struct worker *w), void (*besides)(void))
{
	if (!crew_run(&crew, units, begin, besides)) {
		print_message("no engine here\n");
		skip();
	}
}

/* ── messages ── */

enum { MAILS = 32, HOPS = 5000 };

static struct mail {
	struct io_msg msg;
	unsigned left, seen[CREW];
	unsigned at;
} mails[MAILS];

static void mail_send(struct mail *m);

static void mail_run(struct io_msg *msg)
{
	struct mail *m = container_of(msg, struct mail, msg);

	m->seen[m->at]++;
	if (m->left)
		mail_send(m);
	else
		crew_done(&crew);
}

static void mail_send(struct mail *m)
{
	m->left--;
	m->at = worker_random(&crew.w[m->at], CREW);
	m->msg.run = mail_run;
	io_post(crew.w[m->at].io, &m->msg);
}

static void mail_begin(struct worker *w)
{
	for (unsigned i = w->index; i < MAILS; i += CREW) {
		mails[i] = (struct mail){ .left = HOPS, .at = w->index };
		mail_send(&mails[i]);
	}
}

static void messages_go_round(void **state)
{
	(void)state;
	run(MAILS, mail_begin, NULL);
	for (unsigned i = 0; i < MAILS; i++) {
		unsigned seen = 0;

		for (unsigned at = 0; at < CREW; at++) {
			assert_true(mails[i].seen[at] > HOPS / CREW / 2);
			seen += mails[i].seen[at];
		}
		assert_int_equal(seen, HOPS);
	}
}

/* ── sectors that share blocks, and flushes ── */

/* A slot owns stripes of three sectors, which lie between those of the others. */
enum {
	SLOTS = 8,
	STRIPES = 16,
	STRIPE_BYTES = 3 * 512,
	FILE_BYTES = CREW * SLOTS * STRIPES * STRIPE_BYTES / 4096 * 4096,
	OPS = 150,
};

static struct backstore *shared;

static struct slot {
	struct bs_call c;
	struct worker *w;
	unsigned number, left, stripe;
	uint8_t stamp[STRIPES];
	uint8_t data[STRIPE_BYTES], want[STRIPE_BYTES];
	unsigned writes, flushes;
} slots[CREW * SLOTS];

static uint64_t stripe_off(const struct slot *s, unsigned stripe)
{
	return (uint64_t)(stripe * CREW * SLOTS + s->number) * STRIPE_BYTES;
}

static void slot_next(struct slot *s);

static void slot_done(struct bs_call *c)
{
	struct slot *s = c->arg;

	CHECK(c->res == 0);
	if (c->req.kind == BS_READ)
		CHECK(!memcmp(s->data, s->want, sizeof(s->data)));
	slot_next(s);
}

static void slot_write(struct slot *s, unsigned flags)
{
	s->stamp[s->stripe] = (uint8_t)(1 + worker_random(s->w, 255));
	memset(s->data, s->stamp[s->stripe], sizeof(s->data));
	s->writes++;
	bs_call_start(&s->c, shared, s->w->io, BS_WRITE, flags, stripe_off(s, s->stripe), s->data,
		      sizeof(s->data));
}

static void slot_next(struct slot *s)
{
	unsigned what = worker_random(s->w, 10);

	if (!s->left--) {
		crew_done(&crew);
		return;
	}
	s->stripe = worker_random(s->w, STRIPES);
	if (what < 4) {
		slot_write(s, 0);
	} else if (what < 6) {
		slot_write(s, BS_FUA);
	} else if (what < 7) {
		s->flushes++;
		bs_call_start(&s->c, shared, s->w->io, BS_FLUSH, 0, 0, NULL, 0);
	} else if (what < 8) {
		s->stamp[s->stripe] = 0;
		s->writes++;
		bs_call_start(&s->c, shared, s->w->io, s->left % 2 ? BS_DISCARD : BS_WRITE_ZEROES,
			      0, stripe_off(s, s->stripe), NULL, STRIPE_BYTES);
	} else {
		memset(s->want, s->stamp[s->stripe], sizeof(s->want));
		bs_call_start(&s->c, shared, s->w->io, BS_READ, 0, stripe_off(s, s->stripe),
			      s->data, sizeof(s->data));
	}
}

static void slots_begin(struct worker *w)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &slots[i * CREW + w->index]; /* neighbours: other threads' */

		*s = (struct slot){ .w = w, .number = i * CREW + w->index, .left = OPS };
		s->c.then = slot_done;
		s->c.arg = s;
		slot_next(s);
	}
}

static void check_file(void)
{
	static uint8_t back[FILE_BYTES];
	int fd = open(path, O_RDONLY);
	unsigned writes = 0, flushes = 0;

	assert_true(fd >= 0);
	assert_int_equal(read(fd, back, sizeof(back)), sizeof(back));
	close(fd);
	for (unsigned i = 0; i < CREW * SLOTS; i++) {
		writes += slots[i].writes;
		flushes += slots[i].flushes;
		assert_int_equal(slots[i].left, UINT32_MAX);
		for (unsigned k = 0; k < STRIPES * STRIPE_BYTES; k++) {
			unsigned stripe = k / STRIPE_BYTES;

			assert_int_equal(back[stripe_off(&slots[i], stripe) + k % STRIPE_BYTES],
					 slots[i].stamp[stripe]);
		}
	}
	assert_in_range(writes, CREW * SLOTS * OPS / 2, CREW * SLOTS * OPS);
	assert_in_range(flushes, CREW * SLOTS * OPS / 20, CREW * SLOTS * OPS);
}

static void neighbours_on_four_threads_all_land(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 3; mode++) {
		struct bs_spec spec = { .path = path,
					.size_bytes = FILE_BYTES,
					.block_bytes = 4096,
					.cache = mode == 1 ? BS_CACHE_BUFFERED : BS_CACHE_DIRECT,
					.writethrough = mode == 2,
					.reactors = CREW };
		struct backstore *bs;

		unlink(path);
		if (backstore_open(&bs, &spec, why, sizeof(why)))
			fail_msg("%s", why);
		assert_int_equal(bounce_new(&shared, bs, 512), 0);
		run(CREW * SLOTS, slots_begin, NULL);
		check_file();
		bs_close(shared);
	}
}

/* ── the latch ── */

static _Alignas(4096) uint8_t page[CREW][4096];

static struct latcher {
	struct bs_call c;
	struct worker *w;
	bool failed;
	unsigned after;
} latchers[CREW];

static void latcher_next(struct bs_call *c)
{
	struct latcher *l = c->arg;
	bool flush = c->req.kind == BS_FLUSH;

	if (flush)
		CHECK(c->res == -EIO); /* this file can be synced by nobody */
	if (l->failed)
		CHECK(c->res == -EIO); /* once anybody was told, nothing is taken */
	l->failed |= c->res != 0;
	l->after += l->failed;
	if (l->after == 20)
		crew_done(&crew);
	else if (!flush && worker_random(l->w, 3) == 0)
		bs_call_start(c, shared, l->w->io, BS_FLUSH, 0, 0, NULL, 0);
	else
		bs_call_start(c, shared, l->w->io, BS_WRITE, 0, 0, page[l->w->index], 4096);
}

static void latch_begin(struct worker *w)
{
	struct latcher *l = &latchers[w->index];

	*l = (struct latcher){ .w = w, .c.then = latcher_next, .c.arg = l };
	bs_call_start(&l->c, shared, w->io, BS_WRITE, 0, 0, page[w->index], 4096);
}

/* /dev/zero takes writes, but no fdatasync. */
static void a_sync_that_fails_is_known_to_all_threads(void **state)
{
	static const uint8_t uuid[16] = { 7 };

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct disk_params p = { .type = "file",
					 .name = "a file that cannot be synced",
					 .fd = open("/dev/zero", O_RDWR),
					 .size_bytes = 1 << 20,
					 .block_bytes = 512,
					 .keeps_nowait = i % 2,
					 .buffered = true,
					 .reactors = CREW };
		char latch[256];
		bool was_set;
		struct stat st;

		assert_true(p.fd >= 0);
		assert_int_equal(latch_open(&p.latch, dir, uuid, true, &was_set, why, sizeof(why)),
				 0);
		assert_int_equal(was_set, i > 0);
		assert_int_equal(disk_new(&shared, &p), 0);
		run(CREW, latch_begin, NULL);
		bs_close(shared);
		snprintf(latch, sizeof(latch), "%s/07000000000000000000000000000000.latch", dir);
		assert_int_equal(stat(latch, &st), 0);
		if (i == 19)
			unlink(latch);
	}
}

/* ── a file cut off meanwhile ── */

enum { LONG_BYTES = 1 << 20, CUT_BYTES = LONG_BYTES / 2 };

static struct reader {
	struct bs_call c;
	struct worker *w;
	bool seen;
	unsigned after;
} readers[CREW];

static void reader_next(struct bs_call *c)
{
	struct reader *r = c->arg;
	struct io *io = r->w->io;
	uint64_t off = (uint64_t)worker_random(r->w, LONG_BYTES / 4096) * 4096;

	if (r->seen) {
		bool reads = c->req.kind == BS_READ;

		CHECK(c->res == (reads && c->req.off_bytes < CUT_BYTES ? 0 : -EIO));
		r->after++;
	} else if (c->res) {
		CHECK(c->res == -EIO);
		r->seen = true;
	}
	if (r->after == 20)
		crew_done(&crew);
	else if (worker_random(r->w, 20) == 0)
		bs_call_start(c, shared, io, BS_FLUSH, 0, 0, NULL, 0);
	else if (worker_random(r->w, 2)) /* only where there is a file: it must not be mended */
		bs_call_start(c, shared, io, BS_WRITE, 0, off / 8192 * 4096, page[r->w->index],
			      4096);
	else
		bs_call_start(c, shared, io, BS_READ, 0, off, page[r->w->index], 4096);
}

static void readers_begin(struct worker *w)
{
	struct reader *r = &readers[w->index];

	*r = (struct reader){ .w = w, .c.then = reader_next, .c.arg = r };
	bs_call_start(&r->c, shared, w->io, BS_READ, 0, 0, page[w->index], 4096);
}

static void cut(void)
{
	usleep(20000);
	CHECK(truncate(path, CUT_BYTES) == 0);
}

static void a_file_cut_off_is_known_to_all_threads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct bs_spec spec = { .path = path,
					.size_bytes = LONG_BYTES,
					.block_bytes = 4096,
					.cache = i % 2 ? BS_CACHE_BUFFERED : BS_CACHE_DIRECT,
					.reactors = CREW };

		unlink(path);
		if (backstore_open(&shared, &spec, why, sizeof(why)))
			fail_msg("%s", why);
		run(CREW, readers_begin, cut);
		bs_close(shared);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_round),
		cmocka_unit_test(neighbours_on_four_threads_all_land),
		cmocka_unit_test(a_sync_that_fails_is_known_to_all_threads),
		cmocka_unit_test(a_file_cut_off_is_known_to_all_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
