/* What a device is, read from a sysfs that the test makes, and from the real one. */
#include "backstore/device_id.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

static char sys[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	(void)state;
	strcpy(sys, "/tmp/ringlun-sys.XXXXXX");
	return mkdtemp(sys) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return nftw(sys, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* With the folders on the way. */
static void put_bytes(const char *name, const char *text, size_t len)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", sys, name);
	for (char *at = path + strlen(sys) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		assert_true(!mkdir(path, 0755) || errno == EEXIST);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

static void assert_is(unsigned maj, unsigned min, const char *want)
{
	char id[DEVICE_ID_BYTES];

	device_id_read(id, sys, makedev(maj, min));
	assert_string_equal(id, want);
}

static void each_kind_tells_what_it_is(void **state)
{
	static const struct {
		const char *name, *text, *is;
	} t[] = {
		{ "dm/uuid", "LVM-abcDEF\n", "dm:LVM-abcDEF" },
		{ "wwid", "eui.0025385b71b0f3c1\n", "wwid:eui.0025385b71b0f3c1" },
		{ "device/wwid", "naa.5000c500a1b2c3d4\n", "wwid:naa.5000c500a1b2c3d4" },
		{ "device/wwid", "t10.ATA     A DISK   7   \n", "wwid:t10.ATA     A DISK   7" },
		{ "device/serial", "S3R1\n", "serial:S3R1" },
		{ "serial", "  v 1", "serial:v 1" },
		{ "device/cid", "0353445355\n", "cid:0353445355" },
		{ "wwid", "a\nb\tc\177\n", "wwid:a_b_c_" },
		{ "dm/uuid", "\n", "unknown" },
		{ "serial", "", "unknown" },
		{ "size", "77\n", "unknown" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		char name[128];

		snprintf(name, sizeof(name), "dev/block/8:%u/%s", i, t[i].name);
		put(name, t[i].text);
		assert_is(8, i, t[i].is);
	}
	assert_is(9, 9, "unknown");
	/* device mapper's is nearest: what is below may be many, or move */
	put("dev/block/8:100/dm/uuid", "mpath-3600");
	put("dev/block/8:100/wwid", "naa.3600");
	assert_is(8, 100, "dm:mpath-3600");
}

static void a_loop_device_is_its_file(void **state)
{
	char want[DEVICE_ID_BYTES], id[DEVICE_ID_BYTES], path[900];

	(void)state;
	put("dev/block/7:0/loop/backing_file", "/srv/a b.img\n");
	put("dev/block/7:0/loop/offset", "1048576\n");
	assert_is(7, 0, "loop:/srv/a b.img@1048576");
	/* long ones are cut in front: they differ behind */
	memset(path, 'd', sizeof(path));
	memcpy(path + sizeof(path) - 7, "/x.img", 7);
	put("dev/block/7:1/loop/backing_file", path);
	put("dev/block/7:1/loop/offset", "0\n");
	snprintf(want, sizeof(want), "loop:%s@0", path + strlen(path) - 300);
	assert_is(7, 1, want);
	/* not set up */
	put("dev/block/7:2/size", "0\n");
	device_id_read(id, sys, makedev(7, 2));
	assert_string_equal(id, "unknown");
}

static void a_partition_is_its_disk_and_number(void **state)
{
	char link[128];

	(void)state;
	put("devices/sda/device/wwid", "naa.7\n");
	put("devices/sda/sda2/partition", "2\n");
	put("devices/sda/sda2/uevent", "MAJOR=8\nMINOR=2\nPARTN=2\n");
	put("devices/sda/sda3/partition", "3\n");
	put("devices/sda/sda3/uevent", "MAJOR=8\nPARTUUID=0b1c-02\nPARTNAME=x\n");
	put("dev/block/x", "");
	snprintf(link, sizeof(link), "%s/dev/block/8:2", sys);
	assert_int_equal(symlink("../../devices/sda/sda2", link), 0);
	snprintf(link, sizeof(link), "%s/dev/block/8:3", sys);
	assert_int_equal(symlink("../../devices/sda/sda3", link), 0);
	assert_is(8, 2, "wwid:naa.7 part:2");
	assert_is(8, 3, "wwid:naa.7 part:3 partuuid:0b1c-02");
}

static void what_cannot_be_in_a_line_is_not(void **state)
{
	static char big[3000];
	char id[DEVICE_ID_BYTES];

	(void)state;
	memset(big, 'x', sizeof(big));
	put_bytes("dev/block/8:7/wwid", big, sizeof(big));
	device_id_read(id, sys, makedev(8, 7));
	assert_true(strlen(id) < DEVICE_ID_BYTES);
	put_bytes("dev/block/8:8/wwid", "\0\0\0", 3);
	assert_is(8, 8, "unknown");
}

static void which_are_the_same(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} t[] = {
		{ "wwid:1", "wwid:1", true },
		{ "wwid:1", "wwid:12", false },
		{ "wwid:1", "serial:1", false },
		{ "wwid:1", "unknown", false },
		{ "unknown", "unknown", true },
		{ "wwid:1 part:2", "wwid:1", false },
		{ "wwid:1 part:2", "wwid:1 part:3", false },
		{ "wwid:1 part:2", "wwid:1 part:2 partuuid:a", true },
		{ "wwid:1 part:2 partuuid:b", "wwid:1 part:2 partuuid:a", false },
		{ "wwid:1 part:2 partuuid:a", "wwid:1 part:2 partuuid:a", true },
		{ "wwid:1 part:2 partuuid:a", "wwid:1 part:2 partuuid:ab", false },
		{ "wwid:1 part:1 partuuid:a", "wwid:1 part:2 partuuid:a", false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(device_id_is_same(t[i].a, t[i].b), t[i].same);
		assert_int_equal(device_id_is_same(t[i].b, t[i].a), t[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_kind_tells_what_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(a_loop_device_is_its_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_partition_is_its_disk_and_number, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_in_a_line_is_not, setup, teardown),
		cmocka_unit_test(which_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
