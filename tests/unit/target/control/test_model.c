/* Plain data: copies, places, inheritance. */
#include "tests/unit/target/control/random_doc.h"

#include <errno.h>

static void copies_are_equal_and_apart(void **state)
{
	struct dice d = { 1 };

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		struct model m, copy;
		json_t *before, *after;

		random_model(&m, &d);
		before = whole_json(&m);
		assert_int_equal(model_copy(&copy, &m), 0);
		model_fini(&m); /* what they shared would be gone: ASan */
		after = whole_json(&copy);
		assert_true(json_equal(before, after));
		json_decref(before);
		json_decref(after);
		model_fini(&copy);
	}
}

static struct model_target *target_of(const char *name)
{
	static struct model_target t;

	t = (struct model_target){ .name = strdup(name) };
	return &t;
}

static void targets_are_found_put_and_removed(void **state)
{
	struct model m = { .has_targets = true };

	(void)state;
	assert_int_equal(model_put_target(&m, target_of("iqn.2026-11.io.ringlun:a")), 0);
	assert_int_equal(model_put_target(&m, target_of("iqn.2026-11.io.ringlun:b")), 0);
	assert_int_equal(model_put_target(&m, target_of("iqn.2026-11.io.ringlun:c")), 0);
	assert_int_equal(model_put_target(&m, target_of("IQN.2026-11.io.ringlun:B")), 0);
	assert_int_equal(m.ntargets, 3);
	assert_ptr_equal(model_find_target(&m, "iqn.2026-11.IO.ringlun:b"), &m.targets[1]);
	model_remove_target(&m, "iqn.2026-11.io.ringlun:a");
	model_remove_target(&m, "iqn.2026-11.io.ringlun:nobody");
	assert_int_equal(m.ntargets, 2);
	assert_null(model_find_target(&m, "iqn.2026-11.io.ringlun:a"));
	assert_string_equal(m.targets[1].name, "iqn.2026-11.io.ringlun:c");
	model_fini(&m);
}

static void from_text(struct model *m, const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	read_model(m, j, MODEL_SHOWN);
	json_decref(j);
}

#define T "iqn.2026-11.io.ringlun:t"
#define NOW                                                                                        \
	"{'ringlun':1,'volumes':[{'name':'v','size':4096,'block_size':4096,'cache':'buffered',"    \
	"'writethrough':true,'read_only':true,'id':'01234567-89ab-4def-8123-456789abcdef'}],"      \
	"'targets':[{'name':'" T "','luns':[{'lun':3,'volume':'v'}],'shared':true,"                \
	"'allow':[{'address':'10.0.0.0/8'}],'portals':['192.0.2.1:3260'],"                         \
	"'redirect':{'address':'192.0.2.2','permanent':true},"                                     \
	"'chap':{'users':[{'user':'a','secret':'aaaaaaaaaaaa'},"                                   \
	"{'user':'b','secret':'bbbbbbbbbbbb'}],'mutual':{'user':'t','secret':'tttttttttttt'}}}],"  \
	"'discovery':{'chap':{'users':[{'user':'d','secret':'dddddddddddd'}]}}}"

/* JSON with ' for " is easier to read in C */
static char *quoted(const char *text)
{
	char *copy = strdup(text);

	for (char *s = copy; *s; s++)
		if (*s == '\'')
			*s = '"';
	return copy;
}

static int inherit(struct model *m, const char *now, const char *wanted, char why[static 960])
{
	char *a = quoted(now), *b = quoted(wanted);
	struct model old;
	int rc;

	from_text(&old, a);
	from_text(m, b);
	rc = model_inherit(m, &old, why, 960);
	model_fini(&old);
	free(a);
	free(b);
	return rc;
}

static void what_is_left_out_stays(void **state)
{
	char why[960] = "";
	struct model m;

	(void)state;
	assert_int_equal(
		inherit(&m, NOW,
			"{'ringlun':1,'volumes':[{'name':'v'}],'targets':[{'name':'" T "'}]}", why),
		0);
	assert_int_equal(m.volumes[0].size_bytes, 4096);
	assert_int_equal(m.volumes[0].block_bytes, 4096);
	assert_true(m.volumes[0].buffered && m.volumes[0].writethrough && m.volumes[0].read_only);
	assert_true(m.volumes[0].has_id && m.volumes[0].id[15] == 0xef);
	assert_int_equal(m.targets[0].nluns, 1);
	assert_int_equal(m.targets[0].luns[0].lun, 3);
	assert_true(m.targets[0].shared && m.targets[0].has_allow);
	assert_int_equal(m.targets[0].nallow, 1);
	assert_int_equal(m.targets[0].nportals, 1);
	assert_string_equal(m.targets[0].redirect, "192.0.2.2:3260");
	assert_true(m.targets[0].redirect_forever);
	assert_int_equal(m.targets[0].chap.nusers, 2);
	assert_string_equal(m.targets[0].chap.mutual.secret, "tttttttttttt");
	model_fini(&m);
}

static void what_is_said_counts(void **state)
{
	char why[960] = "";
	struct model m;

	(void)state;
	assert_int_equal(inherit(&m, NOW,
				 "{'ringlun':1,'volumes':[{'name':'v','size':8192}],'targets':["
				 "{'name':'" T "','luns':[],'shared':false,'allow':null,"
				 "'chap':null,'portals':[],'redirect':null}],"
				 "'discovery':{'chap':null}}",
				 why),
			 0);
	assert_int_equal(m.volumes[0].size_bytes, 8192);
	assert_int_equal(m.targets[0].nluns, 0);
	assert_false(m.targets[0].shared || m.targets[0].has_allow);
	assert_int_equal(m.targets[0].chap.nusers, 0);
	assert_int_equal(m.targets[0].nportals, 0);
	assert_null(m.targets[0].redirect);
	assert_int_equal(m.discovery.nusers, 0);
	model_fini(&m);
}

static void secrets_are_inherited(void **state)
{
	char why[960] = "";
	struct model m;

	(void)state;
	assert_int_equal(inherit(&m, NOW,
				 "{'ringlun':1,'targets':[{'name':'" T "','chap':{'users':["
				 "{'user':'b'},{'user':'c','secret':'cccccccccccc'}],"
				 "'mutual':{'user':'t'}}}],"
				 "'discovery':{'chap':{'users':[{'user':'d'}]}}}",
				 why),
			 0);
	assert_string_equal(m.targets[0].chap.users[0].secret, "bbbbbbbbbbbb");
	assert_string_equal(m.targets[0].chap.users[1].secret, "cccccccccccc");
	assert_string_equal(m.targets[0].chap.mutual.secret, "tttttttttttt");
	assert_string_equal(m.discovery.users[0].secret, "dddddddddddd");
	model_fini(&m);
}

static void secrets_that_are_nowhere(void **state)
{
	static const char *const wanted[] = {
		"{'ringlun':1,'targets':[{'name':'" T "','chap':{'users':[{'user':'c'}]}}]}",
		"{'ringlun':1,'targets':[{'name':'" T "2','chap':{'users':[{'user':'a'}]}}]}",
		"{'ringlun':1,'targets':[{'name':'" T "','chap':{'users':[{'user':'a'}],"
		"'mutual':{'user':'other'}}}]}",
		"{'ringlun':1,'discovery':{'chap':{'users':[{'user':'a'}]}}}",
	};
	char why[960];
	struct model m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		assert_int_equal(inherit(&m, NOW, wanted[i], why), -ENOKEY);
		assert_non_null(strstr(why, "has no secret yet"));
		model_fini(&m);
	}
}

/* The secret of a user may become equal to the inherited one of the other direction. */
static void one_secret_for_both_directions(void **state)
{
	char why[960];
	struct model m;

	(void)state;
	assert_int_equal(inherit(&m, NOW,
				 "{'ringlun':1,'targets':[{'name':'" T "','chap':{'users':["
				 "{'user':'a','secret':'tttttttttttt'}],'mutual':{'user':'t'}}}]}",
				 why),
			 -EINVAL);
	assert_non_null(strstr(why, "'a' and mutual have the same secret"));
	assert_null(strstr(why, "tttt"));
	model_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies_are_equal_and_apart),
		cmocka_unit_test(targets_are_found_put_and_removed),
		cmocka_unit_test(what_is_left_out_stays),
		cmocka_unit_test(what_is_said_counts),
		cmocka_unit_test(secrets_are_inherited),
		cmocka_unit_test(secrets_that_are_nowhere),
		cmocka_unit_test(one_secret_for_both_directions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
