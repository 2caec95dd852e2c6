/* The command line: what is taken, and for each mistake a line that names the thing, the
 * value and the way out. */
#include "target/config.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_WORDS = 20 };

/* Splits at blanks: none of our words has any. */
static enum config_result parse(struct config *cfg, const char *line, char *why, size_t cap)
{
	static char words[4096], program[] = "ringlund";
	char *argv[MAX_WORDS + 2] = { program }, *rest = words, *word;
	int argc = 1;

	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	memset(why, 0, cap);
	while ((word = strsep(&rest, " ")) && argc <= MAX_WORDS)
		if (*word)
			argv[argc++] = strcmp(word, "''") ? word : word + 2;
	return config_parse(cfg, argc, argv, why, cap);
}

static const struct mistake {
	const char *line, *says;
} mistakes[] = {
	{ "--nonsense", "'--nonsense' is no option" },
	{ "-v", "'-v' is no option" },
	{ "word", "'word' is no option" },
	{ "--volume", "--volume needs a value" },
	{ "--open=yes", "--open=yes: this option takes no value" },

	{ "--volume ''", "--volume '': a volume begins with its name" },
	{ "--volume A,path=null:,size=1M", "--volume 'A': a volume begins with its name" },
	{ "--volume a_b,path=null:,size=1M", "up to 127 of a-z, 0-9" },
	{ "--volume path=null:,size=1M", "--volume 'path=null:'" },
	{ "--volume a", "--volume a: path= is missing" },
	{ "--volume a,path", "'path' needs a value" },
	{ "--volume a,path=", "path= is not right" },
	{ "--volume a,path=/x,y", "unknown key 'y'; there are path, size" },
	{ "--volume a,path=/x,", "unknown key ''" },
	{ "--volume a,path=/x,readonly=1", "'readonly' takes no value" },
	{ "--volume a,path=/x,path=/y", "'path' is given twice" },
	{ "--volume a,path=/x,shared,shared", "'shared' is given twice" },
	{ "--volume a,path=null:", "path=null: needs a size" },
	{ "--volume a,path=memory:", "path=memory: needs a size" },
	{ "--volume a,path=/x,size=0", "size=0 is not right: give a number of bytes" },
	{ "--volume a,path=/x,size=-1", "size=-1 is not right" },
	{ "--volume a,path=/x,size=8E", "size=8E is not right" },
	{ "--volume a,path=/x,size=16E", "size=16E is not right" },
	{ "--volume a,path=/x,size=1000", "size=1000 is no multiple of the block size 512" },
	{ "--volume a,path=/x,size=4608,block-size=4096",
	  "size=4608 is no multiple of the block size 4096" },
	{ "--volume a,path=/x,block-size=4608", "block-size=4608 is not right: give 512 or 4096" },
	{ "--volume a,path=/x,cache=none", "cache=none is not right: give direct or buffered" },
	{ "--volume a,path=/x,id=1", "id=1 is not right: give a UUID" },
	{ "--volume a,path=/x,id=00000000-0000-0000-0000-000000000000", "give a UUID of its own" },
	{ "--volume a,path=/x --volume a,path=/y", "--volume a: there are two volumes" },

	{ "--volume a,path=/x,target=", "target= is not right: give the end of the target's name" },
	{ "--volume a,path=/x,target=A", "target=A is not right" },
	{ "--volume a,path=/x,target=iqn.2026-11.io.ringlun:t",
	  "give the end of the target's name alone, what follows iqn.2026-11.io.ringlun:" },
	{ "--volume a,path=/x,lun=16384", "lun=16384 is not right: give a number from 0 to 16383" },
	{ "--volume a,path=/x,lun=", "lun= is not right" },
	{ "--volume a,path=/x,lun=-1", "lun=-1 is not right" },
	{ "--volume a,path=/x,lun=1x", "lun=1x is not right" },
	{ "--volume a,path=/x,target=t --volume b,path=/y,target=t",
	  "both are behind target t; give each its number, lun=0 to lun=16383" },
	{ "--volume a,path=/x --volume b,path=/y,target=a,lun=1", "both are behind target a" },
	{ "--volume a,path=/x,lun=1 --volume b,path=/y,target=a", "both are behind target a" },
	{ "--volume a,path=/x,target=t,lun=3 --volume c,path=/z --volume b,path=/y,target=t,lun=3",
	  "both are lun=3 of target t; change one" },
	{ "--volume a,path=/x,lun=0 --volume b,path=/y,target=a,lun=9,shared",
	  "--volume b is 'shared' and --volume a is not" },

	{ "--listen host", "--listen 'host': not an address" },
	{ "--listen ''", "--listen '': not an address" },
	{ "--listen [::1", "not an address" },
	{ "--listen [::1]x", "not an address" },
	{ "--listen fe80::1%eth0", "not an address" },
	{ "--listen ::ffff:127.0.0.1", "not an address" },
	{ "--listen 127.0.0.1:", "'' is no port; give 0 to 65535" },
	{ "--listen 127.0.0.1:65536", "'65536' is no port" },
	{ "--listen [::1]:-1", "'-1' is no port" },
	{ "--listen 127.0.0.1 --listen 127.0.0.1:3260", "leave one out" },
	{ "--listen 0.0.0.0:7 --listen 127.0.0.1:7", "leave one out" },
	{ "--listen [::1]:7 --listen [::]:7", "leave one out" },
	{ "--volume a,path=/x --listen 0.0.0.0", "--listen 0.0.0.0 is not loopback" },
	{ "--volume a,path=/x --listen 192.0.2.1", "--allow INITIATOR, or give --open" },
	{ "--volume a,path=/x --listen 127.0.0.1 --listen ::", "--listen :: is not loopback" },

	{ "--allow ''", "not an initiator's name" },
	{ "--allow 10.0.0.1", "--allow '10.0.0.1': not an initiator's name" },
	{ "--reactors 0", "--reactors 0: give a number from 1 to 128" },
	{ "--reactors 129", "--reactors 129: give a number from 1 to 128" },
	{ "--reactors -1", "from 1 to 128" },
	{ "--reactors 2x", "from 1 to 128" },
	{ "--reactors 4294967297", "from 1 to 128" },
	{ "--max-sessions 0", "--max-sessions 0: give a number from 1 to 65535" },
	{ "--max-sessions 65536", "--max-sessions 65536: give a number from 1 to 65535" },
	{ "--max-logins-per-address 0",
	  "--max-logins-per-address 0: give a number from 1 to 65535" },
	{ "--max-logins-per-address x", "--max-logins-per-address x: give a number" },
	{ "--memory 0", "--memory 0: give a size" },
	{ "--memory x", "--memory x: give a size" },
	{ "--volume a,path=/x --reactors 3 --memory 47M",
	  "--memory 47M is too little for 3 reactors: give at least 48M" },
	{ "--volume a,path=/x --memory 7E", "--memory 7E is more than this machine has" },
	{ "--state ''", "--state '': give a folder" },
	{ "--runtime ''", "--runtime '': give a folder" },
	{ "--api 127.0.0.1", "--api 127.0.0.1: give an address in numbers and a port" },
	{ "--api ::1", "--api ::1: give an address in numbers and a port" },
	{ "--api [::1]", "--api [::1]: give an address in numbers and a port" },
	{ "--api host:80", "--api host:80: give an address in numbers and a port" },
	{ "--api 127.0.0.1:80", "--api needs --api-token FILE" },
	{ "--api-token /x", "--api-token needs --api ADDR:PORT" },
	{ "--log-level loud", "--log-level loud: give error, warn, info or debug" },
};

static void each_mistake_is_named(void **state)
{
	char why[CONFIG_WHY_BYTES];
	struct config cfg;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		const struct mistake *m = &mistakes[i];

		if (parse(&cfg, m->line, why, sizeof(why)) != CONFIG_BAD || !strstr(why, m->says))
			fail_msg("%s: says '%s', not '%s'", m->line, why, m->says);
		config_fini(&cfg);
	}
}

static void long_values_leave_room_for_the_way_out(void **state)
{
	char line[2048], why[CONFIG_WHY_BYTES];
	struct config cfg;

	(void)state;
	strcpy(line, "--volume ");
	memset(line + 9, 'a', 1000);
	strcpy(line + 1009, ",path=/x");
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_BAD);
	assert_non_null(strstr(why, "up to 127"));
	config_fini(&cfg);
	strcpy(line, "--volume a,path=/x,lun=");
	memset(line + 23, '9', 1500);
	line[1523] = '\0';
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_BAD);
	assert_non_null(strstr(why, "give a number from 0 to 16383"));
	config_fini(&cfg);
	strcpy(line, "--max-sessions ");
	memset(line + 15, '9', 1500);
	line[1515] = '\0';
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_BAD);
	assert_non_null(strstr(why, "give a number from 1 to 65535"));
	config_fini(&cfg);
	/* names of 127 each */
	snprintf(line, sizeof(line),
		 "--volume %0127d,path=/x,target=%0127d,lun=1,shared "
		 "--volume %0127d,path=/y,target=%0127d,lun=2",
		 1, 9, 2, 9);
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_BAD);
	assert_non_null(strstr(why, "to all its volumes or to none"));
	config_fini(&cfg);
}

static void defaults(void **state)
{
	char why[CONFIG_WHY_BYTES];
	const struct volume_config *v;
	struct config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, "--volume a,path=/x --reactors 2", why, sizeof(why)),
			 CONFIG_RUN);
	assert_int_equal(cfg.nvolumes, 1);
	v = &cfg.volumes[0];
	assert_string_equal(v->name, "a");
	assert_string_equal(v->path, "/x");
	assert_int_equal(v->size_bytes, 0);
	assert_int_equal(v->block_bytes, 512);
	assert_int_equal(v->cache, BS_CACHE_DIRECT);
	assert_false(v->writethrough || v->read_only || v->shared || v->recover || v->has_id);
	assert_string_equal(v->target, "a");
	assert_int_equal(v->lun, 0);
	assert_false(v->has_lun);
	assert_int_equal(cfg.max_sessions, 4096);
	assert_int_equal(cfg.max_logins, 512);
	assert_int_equal(cfg.nlisten, 1);
	assert_string_equal(cfg.listen[0].text, "127.0.0.1:3260");
	assert_true(listen_config_is_loopback(&cfg.listen[0]));
	assert_int_equal(cfg.memory_bytes, 256 << 20);
	assert_int_equal(cfg.log_level, LOG_INFO);
	assert_false(cfg.open);
	assert_int_equal(cfg.nallow, 0);
	config_fini(&cfg);
}

static void what_to_serve_may_come_later(void **state)
{
	char why[CONFIG_WHY_BYTES];
	struct config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, "", why, sizeof(why)), CONFIG_RUN);
	assert_int_equal(cfg.nvolumes, 0);
	assert_string_equal(cfg.state_dir, "/var/lib/ringlun");
	assert_null(cfg.api);
	config_fini(&cfg);
	assert_int_equal(parse(&cfg, "--api [::1]:80 --api-token /t", why, sizeof(why)),
			 CONFIG_RUN);
	assert_string_equal(cfg.api, "[::1]:80");
	assert_string_equal(cfg.api_token, "/t");
	config_fini(&cfg);
}

static void all_that_can_be_said(void **state)
{
	static const char line[] =
		"--volume db.1:x-y,path=/dev/vg/db,size=1GiB,cache=buffered,writethrough,"
		"block-size=4096,readonly,shared,recover,id=6F1C2D3E-4a5b-4c6d-8e7f-012345678901 "
		"--volume b,path=memory:,size=4k --listen 192.0.2.1 --listen [2001:db8::1]:0 "
		"--listen ::1 --allow iqn.2004-10.com.example:* --reactors 128 --log-level debug "
		"--max-sessions 65535 --max-logins-per-address 1";
	char why[CONFIG_WHY_BYTES];
	const struct volume_config *v;
	struct config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_RUN);
	assert_int_equal(cfg.nvolumes, 2);
	v = &cfg.volumes[0];
	assert_string_equal(v->name, "db.1:x-y");
	assert_int_equal(v->size_bytes, 1 << 30);
	assert_int_equal(v->block_bytes, 4096);
	assert_int_equal(v->cache, BS_CACHE_BUFFERED);
	assert_true(v->writethrough && v->read_only && v->shared && v->recover && v->has_id);
	assert_int_equal(v->id[0], 0x6f);
	assert_int_equal(v->id[15], 0x01);
	assert_int_equal(cfg.max_sessions, 65535);
	assert_int_equal(cfg.max_logins, 1);
	assert_int_equal(cfg.nlisten, 3);
	assert_int_equal(((struct sockaddr_in *)&cfg.listen[0].addr)->sin_port, htons(3260));
	assert_int_equal(((struct sockaddr_in6 *)&cfg.listen[1].addr)->sin6_port, 0);
	assert_false(listen_config_is_loopback(&cfg.listen[1]));
	assert_true(listen_config_is_loopback(&cfg.listen[2]));
	assert_int_equal(cfg.nallow, 1);
	/* 16M each, more than the default of few */
	assert_int_equal(cfg.memory_bytes, UINT64_C(2) << 30);
	config_fini(&cfg);
}

static void the_same_port_in_two_families_is_no_overlap(void **state)
{
	static const char line[] = "--volume a,path=/x --open --listen 0.0.0.0 --listen :: "
				   "--listen 127.0.0.1:0 --listen 127.0.0.1:0";
	char why[CONFIG_WHY_BYTES];
	struct config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_RUN);
	assert_int_equal(cfg.nlisten, 4);
	config_fini(&cfg);
}

/* In whatever order they are given. */
static void volumes_that_share_a_target(void **state)
{
	static const char line[] =
		"--volume b,path=/y,target=t,lun=16383,shared --volume t,path=/x "
		"--volume a,path=/z,lun=0,target=u --volume c,path=/w,target=u,"
		"lun=1";
	static const char again[] = "--volume b,path=/y,target=t,lun=16383,shared "
				    "--volume t,path=/x,lun=7,shared --volume u,lun=3,path=/z";
	char why[CONFIG_WHY_BYTES];
	struct config cfg;

	(void)state;
	assert_int_equal(parse(&cfg, line, why, sizeof(why)), CONFIG_BAD); /* t has no lun= */
	assert_non_null(strstr(why, "behind target t"));
	config_fini(&cfg);
	assert_int_equal(parse(&cfg, again, why, sizeof(why)), CONFIG_RUN);
	assert_string_equal(cfg.volumes[0].name, "b");
	assert_string_equal(cfg.volumes[0].target, "t");
	assert_int_equal(cfg.volumes[0].lun, 16383);
	assert_string_equal(cfg.volumes[1].target, "t");
	assert_int_equal(cfg.volumes[1].lun, 7);
	assert_string_equal(cfg.volumes[2].target, "u"); /* alone, and with a number all the same */
	assert_int_equal(cfg.volumes[2].lun, 3);
	config_fini(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_is_named),
		cmocka_unit_test(long_values_leave_room_for_the_way_out),
		cmocka_unit_test(defaults),
		cmocka_unit_test(what_to_serve_may_come_later),
		cmocka_unit_test(all_that_can_be_said),
		cmocka_unit_test(volumes_that_share_a_target),
		cmocka_unit_test(the_same_port_in_two_families_is_no_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
