/* Block devices through the real engine: loop devices with 4 KiB and 512-byte
 * sectors. Skipped (77) where there are none to be had. */
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 8 << 20 };

static char dir[] = "/var/tmp/ringlun-block-XXXXXX", image[128], loop4k[64], loop512[64];
static char why[512];
static _Alignas(4096) uint8_t buf[1 << 18], back[1 << 18], zeros[1 << 18];

/* Returns 0 where a loop device was made. */
static int loop_make(char *name, size_t cap, const char *file, unsigned sector)
{
	char cmd[512];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "truncate -s %d %s && losetup --sector-size %u -f --show %s",
		 SIZE, file, sector, file);
	f = popen(cmd, "re");
	if (!f)
		return -1;
	name[0] = '\0';
	if (fgets(name, (int)cap, f))
		name[strcspn(name, "\n")] = '\0';
	return pclose(f) == 0 && !strncmp(name, "/dev/", 5) ? 0 : -1;
}

static void loop_drop(const char *name)
{
	char cmd[128];

	if (!name[0])
		return;
	snprintf(cmd, sizeof(cmd), "losetup -d %s", name);
	if (system(cmd))
		print_message("%s is left\n", name);
}

static struct backstore *opened(const char *path, uint32_t block)
{
	struct bs_spec spec = { .path = path, .block_bytes = block, .reactors = 1 };
	struct backstore *bs = NULL;

	if (backstore_open(&bs, &spec, why, sizeof(why)))
		fail_msg("%s", why);
	return bs;
}

static int call(struct io *io, struct backstore *bs, enum bs_kind kind, unsigned flags,
		uint64_t off, void *data, uint64_t len)
{
	struct bs_call c = { .then = NULL };

	bs_call_start(&c, bs, io, kind, flags, off, data, len);
	while (!c.done)
		assert_int_equal(io_turn(io, true), 0);
	return c.res;
}

static void write_discard_and_check(struct io *io, struct backstore *bs)
{
	uint64_t off = bs->block_bytes, len = 40 * 4096 + bs->block_bytes;

	assert_int_equal(call(io, bs, BS_WRITE, 0, off, buf, len), 0);
	assert_int_equal(call(io, bs, BS_WRITE, BS_FUA, off, buf, bs->block_bytes), 0);
	assert_int_equal(call(io, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(call(io, bs, BS_READ, 0, off, back, len), 0);
	assert_memory_equal(back, buf, len);
	assert_int_equal(call(io, bs, BS_DISCARD, 0, 2 * off, NULL, len - 2 * off), 0);
	assert_int_equal(call(io, bs, BS_READ, 0, off, back, len), 0);
	assert_memory_equal(back, buf, off);
	assert_memory_equal(back + off, zeros, len - 2 * off);
	assert_memory_equal(back + len - off, buf + len - off, off);
	memset(buf, 0x11, 65536);
	assert_int_equal(call(io, bs, BS_WRITE, 0, 1 << 20, buf, 65536), 0);
	assert_int_equal(call(io, bs, BS_WRITE_ZEROES, 0, 1 << 20, NULL, 65536 - off), 0);
	assert_int_equal(call(io, bs, BS_READ, 0, 1 << 20, back, 65536), 0);
	assert_memory_equal(back, zeros, 65536 - off);
	assert_memory_equal(back + 65536 - off, buf, off);
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

static void blocks_of_4096_go_straight(void **state)
{
	struct backstore *bs = opened(loop4k, 4096);
	struct io *io = engine();

	(void)state;
	assert_string_equal(bs->ops->type, "block");
	assert_int_equal(bs->size_bytes, SIZE);
	assert_int_equal(bs->block_bytes, 4096);
	write_discard_and_check(io, bs);
	bs_close(bs);
	io_free(io);
}

static void blocks_of_512_bounce_above_4096(void **state)
{
	struct backstore *bs = opened(loop4k, 512);
	struct io *io = engine();

	(void)state;
	assert_string_equal(bs->ops->type, "bounce");
	assert_int_equal(bs->block_bytes, 512);
	assert_int_equal(bs->physical_bytes, 4096);
	write_discard_and_check(io, bs);
	bs_close(bs);
	io_free(io);
}

static void blocks_of_512_on_512_go_straight(void **state)
{
	struct backstore *bs = opened(loop512, 512);
	struct io *io = engine();

	(void)state;
	assert_string_equal(bs->ops->type, "block");
	write_discard_and_check(io, bs);
	bs_close(bs);
	io_free(io);
}

static void space_comes_back(void **state)
{
	struct backstore *bs = opened(loop4k, 4096);
	struct io *io = engine();
	struct stat st;

	(void)state;
	assert_int_equal(call(io, bs, BS_WRITE, 0, 0, buf, sizeof(buf)), 0);
	assert_int_equal(call(io, bs, BS_DISCARD, 0, 0, NULL, SIZE), 0);
	assert_int_equal(call(io, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
	assert_int_equal(stat(image, &st), 0);
	if (bs->discard_bytes)
		assert_int_equal(st.st_blocks, 0);
	bs_close(bs);
	io_free(io);
}

static void a_device_in_use_is_refused(void **state)
{
	struct bs_spec spec = { .path = loop4k, .block_bytes = 4096, .reactors = 1 };
	struct backstore *bs = opened(loop4k, 4096), *second;

	(void)state;
	assert_int_equal(block_open(&second, &spec, 200, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, loop4k));
	bs_close(bs);
	spec.size_bytes = SIZE * 2;
	assert_int_equal(block_open(&second, &spec, 200, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "less than"));
}

/* As lvreduce does it behind our back. */
static void loop_resize(off_t size)
{
	char cmd[128];

	assert_int_equal(truncate(image, size), 0);
	snprintf(cmd, sizeof(cmd), "losetup -c %s", loop4k);
	assert_int_equal(system(cmd), 0);
}

static void a_device_made_smaller_takes_no_more_writes(void **state)
{
	struct io *io = engine();

	(void)state;
	for (unsigned how = 0; how < 3; how++) {
		struct backstore *bs = opened(loop4k, 4096);

		assert_int_equal(call(io, bs, BS_WRITE, 0, SIZE / 2, buf, 65536), 0);
		assert_int_equal(call(io, bs, BS_FLUSH, 0, 0, NULL, 0), 0);
		loop_resize(SIZE / 2);
		/* who meets it first: a flush, a write, a read */
		if (how == 0)
			assert_int_equal(call(io, bs, BS_FLUSH, 0, 0, NULL, 0), -EIO);
		else if (how == 1)
			assert_int_equal(call(io, bs, BS_WRITE, 0, SIZE / 2, buf, 65536), -EIO);
		else
			assert_int_equal(call(io, bs, BS_READ, 0, SIZE / 2, back, 4096), -EIO);
		loop_resize(SIZE);
		assert_int_equal(call(io, bs, BS_READ, 0, SIZE / 2, back, 4096), -EIO);
		assert_int_equal(call(io, bs, BS_WRITE, 0, 0, buf, 4096), -EIO);
		assert_int_equal(call(io, bs, BS_FLUSH, 0, 0, NULL, 0), -EIO);
		assert_int_equal(call(io, bs, BS_READ, 0, SIZE / 2 - 4096, back, 4096), 0);
		bs_close(bs);
	}
	io_free(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_of_4096_go_straight),
		cmocka_unit_test(blocks_of_512_bounce_above_4096),
		cmocka_unit_test(blocks_of_512_on_512_go_straight),
		cmocka_unit_test(space_comes_back),
		cmocka_unit_test(a_device_in_use_is_refused),
		cmocka_unit_test(a_device_made_smaller_takes_no_more_writes),
	};
	char image512[160];
	int rc = 77;

	if (!mkdtemp(dir))
		return 1;
	snprintf(image, sizeof(image), "%s/4k.img", dir);
	snprintf(image512, sizeof(image512), "%s/512.img", dir);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 13 + i / 512 + 1);
	if (loop_make(loop4k, sizeof(loop4k), image, 4096) == 0 &&
	    loop_make(loop512, sizeof(loop512), image512, 512) == 0)
		rc = cmocka_run_group_tests(tests, NULL, NULL);
	else
		print_message("skipped: losetup cannot make loop devices here\n");
	loop_drop(loop4k);
	loop_drop(loop512);
	unlink(image);
	unlink(image512);
	return rmdir(dir) && !rc ? 1 : rc;
}
