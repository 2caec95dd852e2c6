/* URLs and command lines of bench/load: tables of what is taken and what is refused. */
#include "bench/src/options.h"
#include "tests/unit/backstore/base/unit.h"

#include <getopt.h>
#include <string.h>

static const struct {
	const char *url, *host, *port, *iqn; /* iqn NULL: tcp; host NULL: refused, for @port */
	unsigned lun;
} urls[] = {
	{ "iscsi://127.0.0.1:3261/iqn.2026-11.io.ringlun:a/0", "127.0.0.1", "3261",
	  "iqn.2026-11.io.ringlun:a", 0 },
	{ "iscsi://host/iqn.x:y", "host", "3260", "iqn.x:y", 0 },
	{ "iscsi://[::1]:99/iqn.x:y/300", "::1", "99", "iqn.x:y", 300 },
	{ "tcp://127.0.0.1:80", "127.0.0.1", "80", NULL, 0 },
	{ "tcp://[::1]:80/", "::1", "80", NULL, 0 },
	{ "tcp://127.0.0.1", NULL, "PORT from 1", NULL, 0 },
	{ "tcp://127.0.0.1:80/x", NULL, "tcp://", NULL, 0 },
	{ "http://127.0.0.1:80", NULL, "iscsi://", NULL, 0 },
	{ "iscsi://127.0.0.1:3261", NULL, "IQN", NULL, 0 },
	{ "iscsi://127.0.0.1:3261/", NULL, "IQN", NULL, 0 },
	{ "iscsi://127.0.0.1:0/iqn.x:y", NULL, "PORT from 1", NULL, 0 },
	{ "iscsi://127.0.0.1:65536/iqn.x:y", NULL, "65535", NULL, 0 },
	{ "iscsi:///iqn.x:y/0", NULL, "a HOST", NULL, 0 },
	{ "iscsi://[::1/iqn.x:y/0", NULL, "a HOST", NULL, 0 },
	{ "iscsi://h/iqn.x:y/x", NULL, "a LUN", NULL, 0 },
	{ "iscsi://h/iqn.x:y/16384", NULL, "16383", NULL, 0 },
	{ "iscsi://h/iqn.x:y/1/2", NULL, "a LUN", NULL, 0 },
	{ "iscsi://h/iqn.x:y/", NULL, "a LUN", NULL, 0 },
	{ "", NULL, "iscsi://", NULL, 0 },
};

static void test_urls(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(urls); i++) {
		struct options o = { .lun = 77 };
		const char *wanted = options_parse_url(&o, urls[i].url);

		if ((wanted == NULL) != (urls[i].host != NULL))
			fail_msg("\"%s\": %s", urls[i].url, wanted ? wanted : "taken");
		if (wanted && !strstr(wanted, urls[i].port))
			fail_msg("\"%s\": expected %s", urls[i].url, wanted);
		if (wanted)
			continue;
		assert_string_equal(o.host, urls[i].host);
		assert_string_equal(o.port, urls[i].port);
		assert_int_equal(o.is_tcp, urls[i].iqn == NULL);
		if (o.is_tcp)
			continue;
		assert_string_equal(o.iqn, urls[i].iqn);
		assert_int_equal(o.lun, urls[i].lun);
	}
}

/* "iscsi://h/iqn.x:y" is put in front. */
static int parse(struct options *o, const char *words)
{
	char text[256], *rest = text, *argv[32] = { (char *)"load", (char *)"iscsi://h/iqn.x:y" };
	int argc = 2;

	snprintf(text, sizeof(text), "%s", words);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			argv[argc++] = word;
	optind = 0; /* begin anew */
	return options_parse(o, argc, argv);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"--connections 0", "--connections x", "--connections 1x", "--depth 5000",
		"--op wrote",	   "--op mix:101",    "--op mix:",	  "--pattern linear",
		"--bs 0",	   "--bs 513",	      "--bs 32M",	  "--bs 4KB",
		"--seconds 0",	   "--seconds -1",    "--seconds nan",	  "--warmup 1x",
		"--range 100",	   "--cpus 1-",	      "--cpus 3-1",	  "--cpus a",
		"--cpus 99999",	   "--digests crc",   "--bogus",	  "tcp://h:1",
		"--initiator",	   "--threads 0",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
		struct options o;
		int ret = parse(&o, lines[i]);

		options_fini(&o);
		if (ret == 0)
			fail_msg("\"%s\" is taken", lines[i]);
	}
}

static void test_taken(void **state)
{
	struct options o;

	(void)state;
	assert_int_equal(parse(&o, "--connections 4 --depth 8 --op mix:70 --pattern seq --bs 64K "
				   "--seconds 0.5 --warmup 0 --range 1G --threads 9 --cpus 1,3-5 "
				   "--digests header --verify --json --spin"),
			 0);
	assert_int_equal(o.connections, 4);
	assert_int_equal(o.depth, 8);
	assert_int_equal(o.read_percent, 70);
	assert_false(o.random);
	assert_int_equal(o.block_bytes, 65536);
	assert_true(o.seconds > 0.49 && o.seconds < 0.51 && o.warmup_seconds == 0);
	assert_int_equal(o.range_bytes, 1 << 30);
	assert_int_equal(o.threads, 4); /* no more than connections */
	assert_int_equal(o.cpu_count, 4);
	assert_int_equal(o.cpus[0], 1);
	assert_int_equal(o.cpus[3], 5);
	assert_true(o.header_digest && !o.data_digest && o.verify && o.json && o.spin);
	options_fini(&o);
	assert_int_equal(parse(&o, ""), 0);
	assert_int_equal(o.read_percent, 100);
	assert_true(o.random && !o.verify);
	options_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
