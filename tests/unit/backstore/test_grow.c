/* A file, or device, that has grown while it is served: its new end is there at once, on every
 * reactor, and nobody takes the growing for shrinking. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"
#include "tests/fakes/real_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1 << 20, BEFORE = 512 << 10, STEPS = 2000 };

static _Alignas(4096) uint8_t buf[8192], back[8192];
static char why[512];

static struct fake_file *asked;

static int64_t fake_size(int fd)
{
	(void)fd;
	return (int64_t)asked->size_bytes;
}

/* A disk on the first half of a file that is as long as it can get. */
static struct backstore *half(struct bs_rig *g, struct fake_file **f, uint32_t unit)
{
	struct disk_params p;
	struct backstore *bs;

	bs_rig_init(g, 1, 2);
	*f = asked = fake_file_new(g->w, SIZE);
	(*f)->dio_align = unit;
	p = bs_rig_params(*f);
	p.block_bytes = p.align_bytes = unit;
	p.size_bytes = (*f)->size_bytes = BEFORE;
	p.size_now = fake_size;
	assert_int_equal(disk_new(&bs, &p), 0);
	return bs;
}

static void the_new_end_is_served(void **state)
{
	(void)state;
	for (unsigned bounced = 0; bounced < 2; bounced++) {
		struct fake_file *f;
		struct bs_rig g;
		struct backstore *bs = half(&g, &f, bounced ? 4096 : 512);

		if (bounced)
			assert_int_equal(bounce_new(&bs, bs, 512), 0);
		memset(buf, 7, sizeof(buf));
		assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, BEFORE - 512, buf, 1024), -ERANGE);
		assert_int_equal(bs_grow(bs, why, sizeof(why)), 0);
		assert_int_equal(bs->size_bytes, BEFORE); /* it has not */
		f->size_bytes = SIZE;
		assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, BEFORE - 512, buf, 1024), -ERANGE);
		assert_int_equal(bs_grow(bs, why, sizeof(why)), 0);
		assert_int_equal(bs->size_bytes, SIZE);
		assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, BEFORE - 512, buf, 1024), 0);
		assert_int_equal(bs_call(&g, bs, BS_WRITE, BS_FUA, SIZE - 512, buf, 512), 0);
		assert_int_equal(bs_call(&g, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, SIZE - 512, back, 512), 0);
		assert_memory_equal(buf, back, 512);
		assert_int_equal(bs_call(&g, bs, BS_READ, 0, SIZE, back, 512), -ERANGE);
		bs_close(bs);
		bs_rig_fini(&g);
	}
}

/* What hangs over is not served; the end is where the last whole block ends. */
static void half_a_block_is_none(void **state)
{
	struct fake_file *f;
	struct bs_rig g;
	struct backstore *bs = half(&g, &f, 512);

	(void)state;
	f->size_bytes = BEFORE + 1000;
	assert_int_equal(bs_grow(bs, why, sizeof(why)), 0);
	assert_int_equal(bs->size_bytes, BEFORE + 512);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void it_never_shrinks(void **state)
{
	struct fake_file *f;
	struct bs_rig g;
	struct backstore *bs = half(&g, &f, 512);

	(void)state;
	f->size_bytes = BEFORE / 2;
	assert_int_equal(bs_grow(bs, why, sizeof(why)), -EIO);
	assert_non_null(strstr(why, "smaller"));
	assert_int_equal(bs->size_bytes, BEFORE);
	/* made long again, it is a hole where there was data */
	f->size_bytes = SIZE;
	assert_int_equal(bs_grow(bs, why, sizeof(why)), -EIO);
	assert_int_equal(bs->size_bytes, BEFORE);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, BEFORE - 512, back, 512), -EIO);
	assert_int_equal(bs_call(&g, bs, BS_WRITE, 0, 0, buf, 512), -EIO);
	bs_close(bs);
	bs_rig_fini(&g);
}

/* A cut of what was grown is noticed as one of the rest would be. */
static void the_new_part_is_guarded_too(void **state)
{
	struct fake_file *f;
	struct bs_rig g;
	struct backstore *bs = half(&g, &f, 512);

	(void)state;
	f->size_bytes = SIZE;
	assert_int_equal(bs_grow(bs, why, sizeof(why)), 0);
	f->size_bytes = SIZE - 4096;
	assert_int_equal(bs_call(&g, bs, BS_FLUSH, 0, 0, NULL, 0), -EIO);
	assert_int_equal(bs_call(&g, bs, BS_READ, 0, SIZE - 512, back, 512), -EIO);
	bs_close(bs);
	bs_rig_fini(&g);
}

static void kinds_without_a_size_of_their_own(void **state)
{
	static const char *const paths[] = { "memory:", "null:" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		struct bs_spec spec = {
			.path = paths[i], .size_bytes = SIZE, .block_bytes = 512, .reactors = 1
		};
		struct backstore *bs;

		assert_int_equal(backstore_open(&bs, &spec, why, sizeof(why)), 0);
		assert_int_equal(bs_grow(bs, why, sizeof(why)), 0);
		assert_int_equal(bs->size_bytes, SIZE);
		bs_close(bs);
	}
}

/* ── threads: others grow it and ask, while one flushes a real file ── */

struct race {
	struct backstore *bs;
	char path[64];
};

static void *grow_in_steps(void *arg)
{
	struct race *r = arg;
	char text[512];

	for (unsigned i = 1; i <= STEPS; i++) {
		assert_int_equal(truncate(r->path, SIZE + (off_t)i * 4096), 0);
		assert_int_equal(bs_grow(r->bs, text, sizeof(text)), 0);
		assert_true(r->bs->size_bytes >= SIZE + (uint64_t)i * 4096);
	}
	return NULL;
}

static void *grow_beside(void *arg)
{
	struct race *r = arg;
	uint64_t was = 0;
	char text[512];

	while (was < SIZE + (uint64_t)STEPS * 4096) {
		uint64_t now;

		assert_int_equal(bs_grow(r->bs, text, sizeof(text)), 0);
		now = r->bs->size_bytes;
		assert_true(now >= was);
		was = now;
	}
	return NULL;
}

static int call(struct io *io, struct backstore *bs, enum bs_kind kind, uint64_t off, uint64_t len)
{
	struct bs_call c = { .then = NULL };

	bs_call_start(&c, bs, io, kind, 0, off, len ? buf : NULL, len);
	while (!c.done)
		assert_int_equal(io_turn(io, true), 0);
	return c.res;
}

static void flushes_while_it_grows_do_not_take_it_for_cut(void **state)
{
	struct bs_spec spec = { .size_bytes = SIZE, .block_bytes = 512, .reactors = 1 };
	struct race r = { .path = "/var/tmp/ringlun-grow-XXXXXX" };
	pthread_t t[2];
	struct io *io;
	int fd;

	(void)state;
	if (real_engine_new(&io, 0))
		skip();
	fd = mkstemp(r.path);
	assert_true(fd >= 0);
	close(fd);
	spec.path = r.path;
	if (backstore_open(&r.bs, &spec, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(pthread_create(&t[0], NULL, grow_in_steps, &r), 0);
	assert_int_equal(pthread_create(&t[1], NULL, grow_beside, &r), 0);
	while (r.bs->size_bytes < SIZE + (uint64_t)STEPS * 4096) {
		assert_int_equal(call(io, r.bs, BS_FLUSH, 0, 0), 0);
		assert_int_equal(call(io, r.bs, BS_WRITE, r.bs->size_bytes - 4096, 4096), 0);
	}
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	bs_close(r.bs);
	io_free(io);
	unlink(r.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_new_end_is_served),
		cmocka_unit_test(half_a_block_is_none),
		cmocka_unit_test(it_never_shrinks),
		cmocka_unit_test(the_new_part_is_guarded_too),
		cmocka_unit_test(kinds_without_a_size_of_their_own),
		cmocka_unit_test(flushes_while_it_grows_do_not_take_it_for_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
