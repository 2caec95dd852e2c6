/* The identity beside the data: made once, kept, never guessed. */
#include "backstore/base/uuid.h"
#include "backstore/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/ringlun-identity-XXXXXX", path[128], why[512];

#define UUID "uuid=12345678-1234-1234-1234-1234567890ab\n"

static unsigned directory_syncs, file_syncs;

/* in place of libc's: what no test could see otherwise without cutting the power */
int fsync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		directory_syncs++;
	else
		file_syncs++;
	return (int)syscall(SYS_fsync, fd);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/v.img.ringlun", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir); /* fails where a temporary file was left */
}

static void put(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void made_once_and_kept(void **state)
{
	struct identity first, again;
	uint8_t zero[16] = { 0 };
	struct stat st;

	(void)state;
	unlink(path);
	directory_syncs = file_syncs = 0;
	assert_int_equal(identity_load(path, NULL, &first, why, sizeof(why)), 0);
	assert_true(directory_syncs == 1 && file_syncs == 1);
	assert_memory_not_equal(first.uuid, zero, 16);
	assert_int_equal(identity_load(path, NULL, &again, why, sizeof(why)), 0);
	assert_memory_equal(first.uuid, again.uuid, 16);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* another volume's is another one */
	unlink(path);
	assert_int_equal(identity_load(path, NULL, &again, why, sizeof(why)), 0);
	assert_memory_not_equal(first.uuid, again.uuid, 16);
}

static void a_given_one_is_stored_or_must_agree(void **state)
{
	uint8_t given[16], other[16];
	struct identity out;

	(void)state;
	unlink(path);
	assert_int_equal(uuid_generate(given), 0);
	assert_int_equal(uuid_generate(other), 0);
	assert_int_equal(identity_load(path, given, &out, why, sizeof(why)), 0);
	assert_memory_equal(given, out.uuid, 16);
	assert_int_equal(identity_load(path, NULL, &out, why, sizeof(why)), 0);
	assert_memory_equal(given, out.uuid, 16);
	assert_int_equal(identity_load(path, given, &out, why, sizeof(why)), 0);
	assert_int_equal(identity_load(path, other, &out, why, sizeof(why)), -EEXIST);
	assert_non_null(strstr(why, path));
	assert_int_equal(identity_load(path, NULL, &out, why, sizeof(why)), 0);
	assert_memory_equal(given, out.uuid, 16);
}

static void a_damaged_sidecar_is_refused_and_left_alone(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"uuid=\n",
		"uuid=12345678-1234-1234-1234-12345678901\n",
		"uuid=12345678-1234-1234-1234-1234567890123\n",
		"uuid=12345678-1234-1234-1234-12345678901g\n",
		("uuid=12345678-1234-1234-1234-123456789012\n"
		 "uuid=12345678-1234-1234-1234-123456789012\n"),
		"garbage\nuuid=12345678-1234-1234-1234-123456789012\n",
		"# only a comment\n",
		UUID "size=\n",
		UUID "size=0\n",
		UUID "size=-1\n",
		UUID "size=1 \n",
		UUID "size=99999999999999999999999\n",
		UUID "size=1048576\nsize=1048576\n",
		UUID "block-size=\n",
		UUID "block-size=513\n",
		UUID "block-size=512\nblock-size=512\n",
		UUID "device=\n",
		UUID "device=a\ndevice=a\n",
	};
	char now[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct identity out;
		int fd;

		put(bad[i], strlen(bad[i]));
		assert_int_equal(identity_load(path, NULL, &out, why, sizeof(why)), -EBADMSG);
		assert_non_null(strstr(why, path));
		fd = open(path, O_RDONLY);
		assert_int_equal(read(fd, now, sizeof(now)), strlen(bad[i]));
		close(fd);
	}
}

static void binary_and_huge_ones_are_damaged_too(void **state)
{
	static char big[5000];
	struct identity out;

	(void)state;
	memset(big, '#', sizeof(big));
	put(big, sizeof(big));
	assert_int_equal(identity_load(path, NULL, &out, why, sizeof(why)), -EBADMSG);
	put("uuid=12345678-1234-1234-1234-123456789012\n\0x", 44);
	assert_int_equal(identity_load(path, NULL, &out, why, sizeof(why)), -EBADMSG);
}

static void unknown_keys_and_comments_are_let_be(void **state)
{
	static const uint8_t want[16] = { 0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x12, 0x34,
					  0x12, 0x34, 0x12, 0x34, 0x56, 0x78, 0x90, 0xab };
	static const char text[] = "# mine\n\nfuture=1\nuuid=12345678-1234-1234-1234-1234567890AB";
	struct identity out;

	(void)state;
	put(text, sizeof(text) - 1);
	assert_int_equal(identity_load(path, NULL, &out, why, sizeof(why)), 0);
	assert_memory_equal(out.uuid, want, 16);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
	struct identity out;

	(void)state;
	assert_int_equal(identity_load("/nonexistent/x.ringlun", NULL, &out, why, sizeof(why)),
			 -ENOENT);
	assert_non_null(strstr(why, "/nonexistent/x.ringlun"));
}

static void assert_says(const char *what)
{
	if (!strstr(why, what))
		fail_msg("'%s' does not say '%s'", why, what);
}

static void assert_text(const char *want)
{
	char now[4096] = { 0 };
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, now, sizeof(now) - 1) >= 0);
	close(fd);
	assert_string_equal(now, want);
}

static struct identity loaded(void)
{
	struct identity id;

	if (identity_load(path, NULL, &id, why, sizeof(why)))
		fail_msg("%s", why);
	return id;
}

static void what_the_data_was_like_is_kept(void **state)
{
	static const char text[] = "# mine\n" UUID "future=1\n";
	struct identity kept, now = { .size_bytes = 1048576, .block_bytes = 512 };
	struct stat st;

	(void)state;
	put(text, sizeof(text) - 1);
	assert_int_equal(chmod(path, 0640), 0);
	kept = loaded();
	assert_true(!kept.size_bytes && !kept.block_bytes && !kept.device[0]);
	directory_syncs = file_syncs = 0;
	assert_int_equal(identity_keep(path, &kept, &now), 0);
	assert_true(directory_syncs == 1 && file_syncs == 1);
	assert_text("# mine\n" UUID "future=1\nsize=1048576\nblock-size=512\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	/* as it is: nothing is written */
	kept = loaded();
	assert_true(kept.size_bytes == 1048576 && kept.block_bytes == 512);
	assert_int_equal(identity_keep(path, &kept, &now), 0);
	assert_int_equal(file_syncs, 1);
	/* grown, and on a device */
	now.size_bytes = 2097152;
	strcpy(now.device, "wwid:naa.5 part:1");
	assert_int_equal(identity_keep(path, &kept, &now), 0);
	assert_text("# mine\n" UUID "future=1\nsize=2097152\nblock-size=512\n"
		    "device=wwid:naa.5 part:1\n");
	kept = loaded();
	assert_int_equal(kept.size_bytes, 2097152);
	assert_string_equal(kept.device, "wwid:naa.5 part:1");
}

/* An operator may write sizes as on the command line. */
static void sizes_may_have_units(void **state)
{
	static const char text[] = UUID "size=1G\nblock-size=4K";

	(void)state;
	put(text, sizeof(text) - 1);
	assert_true(loaded().size_bytes == 1 << 30 && loaded().block_bytes == 4096);
}

static void a_link_is_followed_and_stays(void **state)
{
	struct identity kept, now = { .size_bytes = 512, .block_bytes = 512 };
	char link[160];
	struct stat st;

	(void)state;
	put(UUID, sizeof(UUID) - 1);
	snprintf(link, sizeof(link), "%s.link", path);
	assert_int_equal(symlink(path, link), 0);
	kept = loaded();
	assert_int_equal(identity_keep(link, &kept, &now), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_text(UUID "size=512\nblock-size=512\n");
	unlink(link);
}

static void a_sidecar_too_full_is_left_as_it_is(void **state)
{
	static char text[4090];
	struct identity kept, now = { .size_bytes = 512, .block_bytes = 512 };

	(void)state;
	memset(text, '#', sizeof(text));
	memcpy(text, UUID, sizeof(UUID) - 1);
	text[sizeof(text) - 1] = '\0';
	put(text, sizeof(text) - 1);
	kept = loaded();
	assert_int_equal(identity_keep(path, &kept, &now), -EFBIG);
	assert_text(text);
	unlink(path);
	assert_int_equal(identity_keep(path, &kept, &now), -ENOENT);
}

static void less_than_there_was_is_refused(void **state)
{
	struct identity kept = { .size_bytes = 1048576 }, silent = { .size_bytes = 0 };

	(void)state;
	assert_int_equal(identity_check_size(&kept, path, "x.img", 1048576, why, sizeof(why)), 0);
	assert_int_equal(identity_check_size(&kept, path, "x.img", 2097152, why, sizeof(why)), 0);
	assert_int_equal(identity_check_size(&silent, path, "x.img", 0, why, sizeof(why)), 0);
	assert_int_equal(identity_check_size(&kept, path, "x.img", 1048575, why, sizeof(why)),
			 -ENODATA);
	assert_says("x.img has 1048575 bytes, and had 1048576");
	assert_says("remove the line size= from ");
	assert_says(path);
	assert_int_equal(identity_check_size(&kept, path, "x.img", 0, why, sizeof(why)), -ENODATA);
	assert_says("is empty or not there, and had 1048576 bytes");
	assert_says(path);
}

static void another_block_size_is_refused(void **state)
{
	struct identity kept = { .block_bytes = 4096 }, silent = { .block_bytes = 0 };

	(void)state;
	assert_int_equal(identity_check_block(&kept, path, "x.img", 4096, why, sizeof(why)), 0);
	assert_int_equal(identity_check_block(&silent, path, "x.img", 512, why, sizeof(why)), 0);
	assert_int_equal(identity_check_block(&kept, path, "x.img", 512, why, sizeof(why)),
			 -EINVAL);
	assert_says("x.img was served with blocks of 4096 bytes, not 512");
	assert_says("give block-size=4096");
	assert_says(path);
}

static void another_device_is_refused(void **state)
{
	static const char data[] = "/dev/sdx";
	struct identity kept = { .device = "wwid:naa.5" }, silent = { .device = "" };

	(void)state;
	assert_int_equal(identity_check_device(&kept, path, data, "wwid:naa.5", why, sizeof(why)),
			 0);
	assert_int_equal(identity_check_device(&silent, path, data, "wwid:naa.5", why, sizeof(why)),
			 0);
	assert_int_equal(identity_check_device(&kept, path, data, "unknown", why, sizeof(why)),
			 -EXDEV);
	assert_says("/dev/sdx is another device (unknown) than was served by this name "
		    "(wwid:naa.5)");
	assert_says("--state");
	assert_says("id=00000000-0000-0000-0000-000000000000");
	assert_says(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_once_and_kept),
		cmocka_unit_test(a_given_one_is_stored_or_must_agree),
		cmocka_unit_test(a_damaged_sidecar_is_refused_and_left_alone),
		cmocka_unit_test(binary_and_huge_ones_are_damaged_too),
		cmocka_unit_test(unknown_keys_and_comments_are_let_be),
		cmocka_unit_test(a_directory_that_is_not_there_is_named),
		cmocka_unit_test(what_the_data_was_like_is_kept),
		cmocka_unit_test(sizes_may_have_units),
		cmocka_unit_test(a_link_is_followed_and_stays),
		cmocka_unit_test(a_sidecar_too_full_is_left_as_it_is),
		cmocka_unit_test(less_than_there_was_is_refused),
		cmocka_unit_test(another_block_size_is_refused),
		cmocka_unit_test(another_device_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
