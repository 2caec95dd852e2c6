/* One volume's words on the command line. */
#include "target/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(struct volume_config *v, const char *spec, char why[static CONFIG_WHY_BYTES])
{
	memset(why, 0, CONFIG_WHY_BYTES);
	return volume_config_parse(v, spec, why, CONFIG_WHY_BYTES);
}

static void what_is_not_said(void **state)
{
	char why[CONFIG_WHY_BYTES];
	struct volume_config v;

	(void)state;
	assert_int_equal(parse(&v, "a,path=/srv/a.img", why), 0);
	assert_string_equal(v.name, "a");
	assert_string_equal(v.path, "/srv/a.img");
	assert_int_equal(v.size_bytes, 0);
	assert_int_equal(v.block_bytes, 512);
	assert_int_equal(v.cache, BS_CACHE_DIRECT);
	assert_false(v.writethrough || v.read_only || v.shared || v.recover || v.has_id);
	free(v.path);
}

static void what_is_said(void **state)
{
	static const uint8_t id[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
					0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	char why[CONFIG_WHY_BYTES];
	struct volume_config v;

	(void)state;
	assert_int_equal(parse(&v,
			       "db-1.x:y,block-size=4096,shared,recover,readonly,writethrough,"
			       "id=01234567-89AB-cdef-0123-456789abcdef,cache=buffered,"
			       "size=3MiB,path=/a b=c",
			       why),
			 0);
	assert_string_equal(v.name, "db-1.x:y");
	assert_string_equal(v.path, "/a b=c"); /* only the first = counts */
	assert_int_equal(v.size_bytes, 3 << 20);
	assert_int_equal(v.block_bytes, 4096);
	assert_int_equal(v.cache, BS_CACHE_BUFFERED);
	assert_true(v.writethrough && v.read_only && v.shared && v.recover && v.has_id);
	assert_memory_equal(v.id, id, sizeof(id));
	free(v.path);
}

static void sizes(void **state)
{
	static const struct {
		const char *spec;
		uint64_t bytes; /* 0: refused */
	} t[] = {
		{ "a,path=/x,size=512", 512 },
		{ "a,path=/x,size=1k", 1024 },
		{ "a,path=/x,size=100G", UINT64_C(100) << 30 },
		{ "a,path=/x,size=2TiB", UINT64_C(2) << 40 },
		{ "a,path=/x,size=7E", UINT64_C(7) << 60 },
		{ "a,path=/x,size=511", 0 },
		{ "a,path=/x,size=512,block-size=4096", 0 },
		{ "a,block-size=4096,path=/x,size=4096", 4096 },
		{ "a,path=/x,size=", 0 },
		{ "a,path=/x,size=1.5G", 0 },
		{ "a,path=/x,size= 1G", 0 },
		{ "a,path=/x,size=0x1000", 0 },
		{ "a,path=/x,size=99999999999999999999", 0 },
		{ "a,path=/x,size=18446744073709551616", 0 },
	};
	char why[CONFIG_WHY_BYTES];
	struct volume_config v;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(parse(&v, t[i].spec, why), t[i].bytes ? 0 : -EINVAL);
		if (t[i].bytes)
			assert_int_equal(v.size_bytes, t[i].bytes);
		else
			assert_non_null(strstr(why, "size="));
		free(v.path);
	}
}

/* The path is freed by who asked, whatever comes after it. */
static void what_is_left_behind_can_be_freed(void **state)
{
	static const char *const t[] = { "",
					 ",",
					 ",path=/x",
					 "a,,path=/x",
					 "a,path=/x,nonsense",
					 "a,path=/x,cache",
					 "a,path=/x,id=",
					 "a,path=/x,size=1,size=2",
					 "A,path=/x",
					 "a b,path=/x",
					 "a/b,path=/x",
					 "a" };
	char why[CONFIG_WHY_BYTES], name[200] = "";
	struct volume_config v;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		if (parse(&v, t[i], why) != -EINVAL)
			fail_msg("'%s' is taken", t[i]);
		assert_non_null(strstr(why, "--volume"));
		free(v.path);
	}
	memset(name, 'n', CONFIG_NAME_BYTES - 1);
	strcat(name, ",path=/x");
	assert_int_equal(parse(&v, name, why), 0);
	free(v.path);
	memset(name, 'n', CONFIG_NAME_BYTES); /* one more */
	strcpy(name + CONFIG_NAME_BYTES, ",path=/x");
	assert_int_equal(parse(&v, name, why), -EINVAL);
	free(v.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said),
		cmocka_unit_test(what_is_said),
		cmocka_unit_test(sizes),
		cmocka_unit_test(what_is_left_behind_can_be_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
