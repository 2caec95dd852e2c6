/* Secrets from files. */
#include "tools/ringlun/secret.h"

#include "tools/ringlun/document.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void make(const char *path, const void *data, size_t len, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static int read_one(const char *data, size_t len, mode_t mode, char out[static SECRET_BYTES])
{
	char path[] = "/tmp/ringlun-secret-XXXXXX", why[300] = "";
	int rc;

	close(mkstemp(path));
	make(path, data, len, mode);
	memset(out, 'x', SECRET_BYTES);
	rc = secret_read(out, path, "token", why, sizeof(why));
	unlink(path);
	if (rc) {
		assert_non_null(
			strstr(why, path)); /* names the file, and says nothing of what is in it */
		assert_null(strstr(why, "secret word"));
		for (int i = 0; i < SECRET_BYTES; i++)
			assert_int_equal(out[i], 0); /* wiped */
	}
	return rc;
}

static void files(void **state)
{
	char out[SECRET_BYTES], longest[SECRET_BYTES + 1];

	(void)state;
	assert_int_equal(read_one("secret word\n", 12, 0600, out), 0);
	assert_string_equal(out, "secret word");
	assert_int_equal(read_one("secret word", 11, 0400, out), 0);
	assert_string_equal(out, "secret word");
	assert_int_equal(read_one("secret word\r\n", 13, 0600, out), 0);
	assert_string_equal(out, "secret word");
	assert_int_equal(read_one(" blanks stay \n", 14, 0600, out), 0);
	assert_string_equal(out, " blanks stay ");
	assert_int_equal(read_one("secret word\n", 12, 0640, out), -EPERM);
	assert_int_equal(read_one("secret word\n", 12, 0601, out), -EPERM);
	assert_int_equal(read_one("secret word\n\n", 13, 0600, out), -EINVAL);
	assert_int_equal(read_one("", 0, 0600, out), -EINVAL);
	assert_int_equal(read_one("\nsecret word\n", 13, 0600, out), -EINVAL);
	assert_int_equal(read_one("secret\0word\n", 12, 0600, out), -EILSEQ);
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(read_one(longest, SECRET_BYTES - 1, 0600, out), 0);
	assert_int_equal(strlen(out), SECRET_BYTES - 1);
	assert_int_equal(read_one(longest, SECRET_BYTES, 0600, out), -EMSGSIZE);
}

static void documents(void **state)
{
	char dir[] = "/tmp/ringlun-document-XXXXXX", path[100], secret[100], why[900];
	const char text[] = "{\"a\": [{\"user\": \"u\", \"secret_file\": \"s\"}]}";
	json_t *j, *user;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/doc", dir);
	snprintf(secret, sizeof(secret), "%s/s", dir);
	make(path, text, sizeof(text) - 1, 0644);
	assert_int_equal(document_read(&j, path, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "$.a[0].secret_file"));
	make(secret, "secret word\n", 12, 0600);
	assert_int_equal(document_read(&j, path, why, sizeof(why)), 0);
	user = json_array_get(json_object_get(j, "a"), 0);
	assert_string_equal(json_string_value(json_object_get(user, "secret")), "secret word");
	assert_null(json_object_get(user, "secret_file"));
	json_decref(j);
	unlink(secret);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
