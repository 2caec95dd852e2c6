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
	uint8_t first[16], again[16], zero[16] = { 0 };
	struct stat st;

	(void)state;
	unlink(path);
	directory_syncs = file_syncs = 0;
	assert_int_equal(identity_load(path, NULL, first, why, sizeof(why)), 0);
	assert_true(directory_syncs == 1 && file_syncs == 1);
	assert_memory_not_equal(first, zero, 16);
	assert_int_equal(identity_load(path, NULL, again, why, sizeof(why)), 0);
	assert_memory_equal(first, again, 16);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* another volume's is another one */
	unlink(path);
	assert_int_equal(identity_load(path, NULL, again, why, sizeof(why)), 0);
	assert_memory_not_equal(first, again, 16);
}

static void a_given_one_is_stored_or_must_agree(void **state)
{
	uint8_t given[16], other[16], out[16];

	(void)state;
	unlink(path);
	assert_int_equal(uuid_generate(given), 0);
	assert_int_equal(uuid_generate(other), 0);
	assert_int_equal(identity_load(path, given, out, why, sizeof(why)), 0);
	assert_memory_equal(given, out, 16);
	assert_int_equal(identity_load(path, NULL, out, why, sizeof(why)), 0);
	assert_memory_equal(given, out, 16);
	assert_int_equal(identity_load(path, given, out, why, sizeof(why)), 0);
	assert_int_equal(identity_load(path, other, out, why, sizeof(why)), -EEXIST);
	assert_non_null(strstr(why, path));
	assert_int_equal(identity_load(path, NULL, out, why, sizeof(why)), 0);
	assert_memory_equal(given, out, 16);
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
	};
	char now[4096];

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t out[16];
		int fd;

		put(bad[i], strlen(bad[i]));
		assert_int_equal(identity_load(path, NULL, out, why, sizeof(why)), -EBADMSG);
		assert_non_null(strstr(why, path));
		fd = open(path, O_RDONLY);
		assert_int_equal(read(fd, now, sizeof(now)), strlen(bad[i]));
		close(fd);
	}
}

static void binary_and_huge_ones_are_damaged_too(void **state)
{
	static char big[5000];
	uint8_t out[16];

	(void)state;
	memset(big, '#', sizeof(big));
	put(big, sizeof(big));
	assert_int_equal(identity_load(path, NULL, out, why, sizeof(why)), -EBADMSG);
	put("uuid=12345678-1234-1234-1234-123456789012\n\0x", 44);
	assert_int_equal(identity_load(path, NULL, out, why, sizeof(why)), -EBADMSG);
}

static void unknown_keys_and_comments_are_let_be(void **state)
{
	static const uint8_t want[16] = { 0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0x12, 0x34,
					  0x12, 0x34, 0x12, 0x34, 0x56, 0x78, 0x90, 0xab };
	static const char text[] = "# mine\n\nfuture=1\nuuid=12345678-1234-1234-1234-1234567890AB";
	uint8_t out[16];

	(void)state;
	put(text, sizeof(text) - 1);
	assert_int_equal(identity_load(path, NULL, out, why, sizeof(why)), 0);
	assert_memory_equal(out, want, 16);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
	uint8_t out[16];

	(void)state;
	assert_int_equal(identity_load("/nonexistent/x.ringlun", NULL, out, why, sizeof(why)),
			 -ENOENT);
	assert_non_null(strstr(why, "/nonexistent/x.ringlun"));
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
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
