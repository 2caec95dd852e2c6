/* A file, or device, that was made smaller while it is served: what is lost never reads as
 * zeros with GOOD once anybody has met the end, and nobody makes it long again. */
#include "backstore/kinds.h"
#include "tests/fakes/bs_rig.h"
#include "tests/fakes/real_engine.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1 << 20, END = 65536 };

static _Alignas(4096) uint8_t buf[SIZE], back[SIZE];

/* ── on the fake ── */

static struct fake_file *asked; /* whose size fake_size tells */
static unsigned asked_count;

static int64_t fake_size(int fd)
{
	(void)fd;
	asked_count++;
	return (int64_t)asked->size_bytes;
}

struct rig {
	struct bs_rig g;
	struct fake_file *f;
	struct backstore *bs;
};

static void make(struct rig *r, bool buffered, bool writethrough, bool asks)
{
	struct disk_params p;

	bs_rig_init(&r->g, 1, 2);
	r->f = asked = fake_file_new(r->g.w, SIZE);
	r->f->dio_align = 512;
	p = bs_rig_params(r->f);
	p.buffered = buffered;
	p.writethrough = writethrough;
	p.size_now = asks ? fake_size : NULL;
	asked_count = 0;
	assert_int_equal(disk_new(&r->bs, &p), 0);
}

static void end(struct rig *r)
{
	bs_close(r->bs);
	bs_rig_fini(&r->g);
}

static int call(struct rig *r, enum bs_kind kind, unsigned flags, uint64_t off, uint64_t len)
{
	bool data = kind == BS_READ || kind == BS_WRITE;

	return bs_call(&r->g, r->bs, kind, flags, off, data ? buf : NULL, len);
}

/* All that must fail does, and touches nothing; what is left is read. */
static void check_shrunken(struct rig *r)
{
	uint64_t size = r->f->size_bytes, writes = r->f->writes, syncs = r->f->syncs;
	uint64_t space = r->f->punches + r->f->zeroes;

	for (unsigned at = 0; at < 2; at++) {
		uint64_t off = at ? SIZE - 4096 : 0;

		assert_int_equal(call(r, BS_WRITE, 0, off, 4096), -EIO);
		assert_int_equal(call(r, BS_WRITE, BS_FUA, off, 4096), -EIO);
		assert_int_equal(call(r, BS_DISCARD, 0, off, 4096), -EIO);
		assert_int_equal(call(r, BS_WRITE_ZEROES, 0, off, 4096), -EIO);
	}
	assert_int_equal(r->f->writes, writes);
	assert_int_equal(r->f->punches + r->f->zeroes, space);
	assert_int_equal(r->f->size_bytes, size);
	/* what is left is made durable, but it is not all that was promised */
	assert_int_equal(call(r, BS_FLUSH, 0, 0, 0), -EIO);
	assert_int_equal(r->f->syncs, syncs + 1);
	assert_int_equal(call(r, BS_READ, 0, 0, END), 0);
	assert_int_equal(call(r, BS_READ, 0, END - 4096, 8192), -EIO);
	assert_int_equal(call(r, BS_READ, 0, SIZE - 512, 512), -EIO);
	/* made long again by others: the hole must not look valid */
	r->f->size_bytes = SIZE;
	assert_int_equal(call(r, BS_READ, 0, END, 4096), -EIO);
	assert_int_equal(call(r, BS_READ, 0, SIZE - 512, 512), -EIO);
	assert_int_equal(call(r, BS_WRITE, 0, 0, 4096), -EIO);
	assert_int_equal(call(r, BS_FLUSH, 0, 0, 0), -EIO);
	assert_int_equal(call(r, BS_READ, 0, END - 4096, 4096), 0);
}

static void a_read_that_meets_the_end_ends_writing(void **state)
{
	static const struct {
		uint64_t cut, off, len;
	} t[] = { { END, END - 4096, 8192 },
		  { END, END, 512 },
		  { END + 100, END, 4096 },
		  { END + 100, END - 4096, 8192 } };

	(void)state;
	for (unsigned mode = 0; mode < 4; mode++) {
		for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
			struct rig r;

			if (mode & 1 && t[i].cut % 512)
				continue; /* the fake has no half sectors */
			make(&r, mode & 1, mode & 2, false);
			assert_int_equal(call(&r, BS_WRITE, 0, 0, SIZE), 0);
			r.f->size_bytes = t[i].cut;
			assert_int_equal(call(&r, BS_READ, 0, t[i].off, t[i].len), -EIO);
			check_shrunken(&r);
			end(&r);
		}
	}
}

/* Read at the very end only: the bound falls as more is found missing. */
static void the_end_is_found_step_by_step(void **state)
{
	struct rig r;

	(void)state;
	make(&r, false, false, false);
	r.f->size_bytes = END;
	assert_int_equal(call(&r, BS_READ, 0, SIZE - 512, 512), -EIO);
	assert_int_equal(call(&r, BS_READ, 0, SIZE / 2, 512), -EIO);
	assert_int_equal(call(&r, BS_READ, 0, 0, 512), 0);
	r.f->size_bytes = SIZE;
	assert_int_equal(call(&r, BS_READ, 0, SIZE / 2, 512), -EIO);
	assert_int_equal(call(&r, BS_READ, 0, 0, 512), 0);
	end(&r);
}

static void a_flush_finds_the_file_too_short(void **state)
{
	(void)state;
	for (unsigned buffered = 0; buffered < 2; buffered++) {
		struct rig r;

		make(&r, buffered, false, true);
		assert_int_equal(call(&r, BS_WRITE, 0, 0, SIZE), 0);
		assert_int_equal(call(&r, BS_FLUSH, 0, 0, 0), 0);
		assert_int_equal(asked_count, 1);
		r.f->size_bytes = SIZE * 2; /* longer does no harm */
		assert_int_equal(call(&r, BS_FLUSH, 0, 0, 0), 0);
		r.f->size_bytes = END;
		assert_int_equal(call(&r, BS_FLUSH, 0, 0, 0), -EIO);
		check_shrunken(&r);
		end(&r);
	}
}

/* Through the page cache FUA is a flush; with direct I/O it asks only where nobody flushes. */
static void a_durable_write_finds_the_file_too_short(void **state)
{
	struct rig r;

	(void)state;
	make(&r, true, false, true);
	r.f->size_bytes = END;
	assert_int_equal(call(&r, BS_WRITE, BS_FUA, 0, 4096), -EIO);
	check_shrunken(&r);
	end(&r);

	make(&r, false, true, true);
	r.f->size_bytes = END;
	assert_int_equal(call(&r, BS_WRITE, 0, 0, 4096), 0); /* that one is durable */
	check_shrunken(&r);
	end(&r);
}

static void a_device_without_room_is_asked_for_its_size(void **state)
{
	struct rig r;

	(void)state;
	make(&r, false, false, true);
	r.f->write_errno = ENOSPC;
	assert_int_equal(call(&r, BS_WRITE, 0, SIZE - 4096, 4096), -ENOSPC); /* it is just full */
	r.f->size_bytes = END;
	assert_int_equal(call(&r, BS_WRITE, 0, SIZE - 4096, 4096), -EIO);
	r.f->write_errno = 0;
	check_shrunken(&r);
	end(&r);
}

/* Those that wait in their lanes, or are at the disk, when another reactor meets the end. */
static void what_is_under_way_is_not_answered_with_zeros(void **state)
{
	enum { CALLS = 2 * DISK_DIRECT_WRITE_LANE };
	static struct bs_call writes[CALLS], reads[CALLS], meets;
	unsigned refused = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct rig r;

		make(&r, true, false, false);
		r.f->nowait = FAKE_NOWAIT_EAGAIN;
		assert_int_equal(call(&r, BS_WRITE, 0, 0, SIZE), 0);
		r.f->size_bytes = END;
		bs_call_start(&meets, r.bs, r.g.io[1], BS_READ, 0, END, back, 512);
		for (unsigned i = 0; i < CALLS; i++) {
			uint64_t off = END + (1 + i) * 8192;

			bs_call_start(&writes[i], r.bs, r.g.io[0], BS_WRITE, 0, off, buf, 4096);
			bs_call_start(&reads[i], r.bs, r.g.io[0], BS_READ, 0, off, back, 4096);
		}
		fake_world_run(r.g.w);
		for (unsigned i = 0; i < CALLS; i++) {
			assert_true(writes[i].done && reads[i].done);
			refused += writes[i].res == -EIO;
		}
		if (meets.res == -EIO) /* no write that overtook it has filled its gap */
			assert_int_equal(call(&r, BS_READ, 0, END, 512), -EIO);
		end(&r);
	}
	assert_true(refused > 50 * 10);
}

/* ── through the kernel ── */

static char dir[] = "/var/tmp/ringlun-shrink-XXXXXX", path[128], why[512];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/v.img", dir);
	memset(buf, 0x5a, sizeof(buf));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static int real(struct io *io, struct backstore *bs, enum bs_kind kind, uint64_t off, uint64_t len)
{
	bool data = kind == BS_READ || kind == BS_WRITE;
	struct bs_call c = { .then = NULL };

	bs_call_start(&c, bs, io, kind, 0, off, data ? buf : NULL, len);
	while (!c.done)
		assert_int_equal(io_turn(io, true), 0);
	return c.res;
}

static void check_real(struct io *io, struct backstore *bs)
{
	assert_int_equal(real(io, bs, BS_WRITE, SIZE - 4096, 4096), -EIO);
	assert_int_equal(real(io, bs, BS_WRITE, 0, 4096), -EIO);
	assert_int_equal(real(io, bs, BS_DISCARD, 0, SIZE), -EIO);
	assert_int_equal(real(io, bs, BS_WRITE_ZEROES, 0, SIZE), -EIO);
	assert_int_equal(real(io, bs, BS_FLUSH, 0, 0), -EIO);
	assert_int_equal(real(io, bs, BS_READ, 0, END), 0);
	assert_int_equal(real(io, bs, BS_READ, END, 4096), -EIO);
}

static struct io *engine(void)
{
	struct io *io;
	int rc = real_engine_new(&io, 0);

	if (rc) {
		print_message("no engine here: %s\n", strerror(-rc));
		skip();
	}
	return io;
}

static void a_real_file_cut_off(void **state)
{
	struct io *io = engine();

	(void)state;
	for (unsigned mode = 0; mode < 16; mode++) {
		struct bs_spec spec = { .path = path,
					.size_bytes = SIZE,
					.block_bytes = 512,
					.reactors = 1,
					.cache = mode & 1 ? BS_CACHE_BUFFERED : BS_CACHE_DIRECT,
					.writethrough = mode & 2 };
		struct backstore *bs;

		unlink(path);
		assert_int_equal(backstore_open(&bs, &spec, why, sizeof(why)), 0);
		assert_int_equal(real(io, bs, BS_WRITE, 0, SIZE), 0);
		assert_int_equal(real(io, bs, BS_FLUSH, 0, 0), 0);
		assert_int_equal(truncate(path, END + (mode & 8 ? 100 : 0)), 0);
		if (mode & 4) /* a read meets the end, or a flush (/var/tmp may not tell) */
			assert_int_equal(real(io, bs, BS_READ, SIZE - 4096, 4096), -EIO);
		else if (real(io, bs, BS_FLUSH, 0, 0) == 0)
			assert_int_equal(real(io, bs, BS_READ, END - 4096, 8192), -EIO);
		check_real(io, bs);
		assert_int_equal(truncate(path, SIZE), 0);
		check_real(io, bs);
		bs_close(bs);
	}
	io_free(io);
}

static void the_size_is_asked_where_it_is_known(void **state)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	(void)state;
	assert_int_equal(ftruncate(fd, END), 0);
	assert_int_equal(shrink_file_size(fd), END);
	assert_int_equal(shrink_device_size(fd), -ENOTTY);
	assert_int_equal(shrink_file_size(-1), -EBADF);
	close(fd);
}

#define test(f) cmocka_unit_test(f)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_read_that_meets_the_end_ends_writing),
		test(the_end_is_found_step_by_step),
		test(a_flush_finds_the_file_too_short),
		test(a_durable_write_finds_the_file_too_short),
		test(a_device_without_room_is_asked_for_its_size),
		test(what_is_under_way_is_not_answered_with_zeros),
		test(a_real_file_cut_off),
		test(the_size_is_asked_where_it_is_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
