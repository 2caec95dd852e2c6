/* Documents: what is read comes out again, and what is wrong is refused with its place. */
#include "tests/unit/target/control/random_doc.h"

#include <errno.h>

/* JSON with ' for " is easier to read in C */
static json_t *load(const char *text)
{
	char *copy = strdup(text);
	json_t *j;

	for (char *s = copy; *s; s++)
		if (*s == '\'')
			*s = '"';
	j = json_loads(copy, JSON_REJECT_DUPLICATES, NULL);
	if (!j)
		fail_msg("the test's own JSON is wrong: %s", copy);
	free(copy);
	return j;
}

static void what_is_read_comes_out_again(void **state)
{
	struct dice d = { 7 };

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct model m, again;
		json_t *first, *second;

		random_model(&m, &d);
		first = whole_json(&m);
		read_model(&again, first, MODEL_SHOWN);
		second = whole_json(&again);
		assert_true(json_equal(first, second));
		json_decref(first);
		json_decref(second);
		model_fini(&m);
		model_fini(&again);
	}
}

static void what_is_kept_comes_out_again(void **state)
{
	struct dice d = { 9 };

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct model m, again;
		json_t *first, *second;

		random_model(&m, &d);
		m.intents = calloc(2, sizeof(*m.intents));
		m.nintents = 2;
		m.intents[0] = (struct model_intent){ .is_delete = true,
						      .id = { 1, 2, 3 },
						      .pool = strdup("default"),
						      .volume = strdup("v9") };
		m.intents[1] = (struct model_intent){ .id = { 4 },
						      .pool = strdup("fast"),
						      .volume = strdup("v8"),
						      .target = strdup("iqn.2026-11.io.ringlun:x"),
						      .lun = 16383 };
		first = model_to_json(&m, MODEL_KEPT);
		assert_null(json_object_get(first, "volumes"));
		read_model(&again, first, MODEL_KEPT);
		assert_true(again.has_pools && again.has_targets && again.has_portals &&
			    again.has_discovery && !again.has_volumes);
		second = model_to_json(&again, MODEL_KEPT);
		assert_true(json_equal(first, second));
		json_decref(first);
		json_decref(second);
		model_fini(&m);
		model_fini(&again);
	}
}

static void shown_documents_have_no_secrets(void **state)
{
	struct dice d = { 11 };
	bool some = false;

	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		struct model m;
		char *kept, *shown;
		json_t *j;

		random_model(&m, &d);
		j = model_to_json(&m, MODEL_KEPT);
		kept = json_dumps(j, 0);
		json_decref(j);
		j = model_to_json(&m, MODEL_SHOWN);
		shown = json_dumps(j, 0);
		json_decref(j);
		some |= strstr(kept, "secret-") != NULL;
		assert_null(strstr(shown, "secret"));
		free(kept);
		free(shown);
		model_fini(&m);
	}
	assert_true(some);
}

#define T   "'targets':[{'name':'iqn.2026-11.io.ringlun:t'"
#define DOC "{'ringlun':1,"
#define V   "'volumes':[{'name':'a','size':4096"

/* Each with words that its sentence must have. */
static const struct {
	const char *doc, *place, *words;
} refused[] = {
	{ "[]", "the document: ", "this is a list; give an object" },
	{ "{}", "the document: ", "\"ringlun\" is missing" },
	{ "{'ringlun':'1'}", "ringlun: ", "give 1" },
	{ DOC "'target':[]}", "the document: ", "did you mean \"targets\"?" },
	{ DOC "'xyzzy':[]}", "the document: ", "there are ringlun, portals," },
	{ DOC "'intents':[]}", "the document: ", "there is no \"intents\"" },
	{ DOC "'targets':{}}", "targets: ", "this is an object; give a list" },
	{ DOC "'targets':null}", "targets: ", "this is null" },
	{ DOC "'targets':[7]}", "targets[0]: ", "this is a number; give an object" },
	{ DOC "'targets':[{}]}", "targets[0]: ", "\"name\" is missing" },
	{ DOC "'targets':[{'name':'t'}]}", "targets[0].name: ", "iqn.2026-11.io.ringlun:disk1" },
	{ DOC T ",'shared':'yes'}]}", "targets[0].shared: ", "a text; give true or false" },
	{ DOC T ",'chp':null}]}", "targets[0]: ", "did you mean \"chap\"?" },
	{ DOC T "},{'name':'iqn.2026-11.IO.ringlun:T'}]}", "targets[1].name: ", "that of [0]" },
	{ DOC T ",'luns':[{'lun':16384,'volume':'a'}]}]}",
	  "targets[0].luns[0].lun: ", "16384 is too large; give 0 to 16383" },
	{ DOC T ",'luns':[{'lun':-1,'volume':'a'}]}]}",
	  "targets[0].luns[0].lun: ", "-1 is negative" },
	{ DOC T ",'luns':[{'lun':1.0,'volume':'a'}]}]}", "targets[0].luns[0].lun: ", "fraction" },
	{ DOC T ",'luns':[{'lun':1}]}]}", "targets[0].luns[0]: ", "\"volume\" is missing" },
	{ DOC T ",'luns':[{'lun':1,'volume':'A b'}]}]}",
	  "targets[0].luns[0].volume: ", "'A b' is no name" },
	{ DOC T ",'luns':[{'lun':5,'volume':'a'},{'lun':5,'volume':'b'}]}]}",
	  "targets[0].luns: ", "LUN 5 is there twice" },
	{ DOC V "}]," T ",'luns':[{'lun':0,'volume':'b'}]}]}",
	  "targets[0].luns: ", "volume 'b', which is not in \"volumes\"" },
	{ DOC T ",'allow':[{}]}]}", "targets[0].allow[0]: ", "names nobody" },
	{ DOC T ",'allow':[{'initiator':'host1'}]}]}",
	  "targets[0].allow[0].initiator: ", "'host1' is no initiator's name" },
	{ DOC T ",'allow':[{'address':'10.0.0.1/8'}]}]}",
	  "targets[0].allow[0].address: ", "bits beyond" },
	{ DOC T ",'allow':[{'address':'::ffff:10.0.0.1'},{'address':'10.0.0.1/32'}]}]}",
	  "targets[0].allow[1]: ", "same is there at [0]" },
	{ DOC T ",'allow':[{'initiator':'IQN.a'},{'initiator':'iqn.A'}]}]}",
	  "targets[0].allow[1]: ", "same" },
	{ DOC T ",'portals':['a.example:3260']}]}", "targets[0].portals[0]: ", "no address" },
	{ DOC T ",'portals':['10.0.0.1','10.0.0.1:3260']}]}",
	  "targets[0].portals[1]: ", "there twice" },
	{ DOC T ",'portals':['10.0.0.1:0']}]}", "targets[0].portals[0]: ", "a port from 1" },
	{ DOC T ",'portals':[1]}]}", "targets[0].portals[0]: ", "this is no text" },
	{ DOC T ",'redirect':{}}]}", "targets[0].redirect: ", "\"address\" is missing" },
	{ DOC T ",'redirect':{'address':'0.0.0.0'}}]}",
	  "targets[0].redirect.address: ", "no place to go to" },
	{ DOC T ",'chap':{}}]}", "targets[0].chap: ", "\"users\" is missing" },
	{ DOC T ",'chap':{'users':[]}}]}", "targets[0].chap.users: ", "no user could log in" },
	{ DOC T ",'chap':{'users':[{'user':''}]}}]}",
	  "targets[0].chap.users[0].user: ", "no name of a CHAP user" },
	{ DOC T ",'chap':{'users':[{'user':'a','secret':'hush-hush-1'}]}}]}",
	  "targets[0].chap.users[0].secret: ", "has 11 bytes" },
	{ DOC T ",'chap':{'users':[{'user':'a','secret':'hush-hush-hush\\n'}]}}]}",
	  "targets[0].chap.users[0].secret: ", "control character" },
	{ DOC T ",'chap':{'users':[{'user':'a'},{'user':'a'}]}}]}",
	  "targets[0].chap.users[1]: ", "'a' is there twice" },
	{ DOC T ",'chap':{'users':[{'user':'a','secret':'hush-hush-hush'}],"
		"'mutual':{'user':'b','secret':'hush-hush-hush'}}}]}",
	  "targets[0].chap.mutual: ", "'a' has the same secret" },
	{ DOC "'discovery':{'users':[]}}", "discovery: ", "there is no \"users\"" },
	{ DOC "'portals':['10.0.0.256']}", "portals[0]: ", "'10.0.0.256' is no address" },
	{ DOC "'pools':[{'name':'p'}]}", "pools[0]: ", "\"path\" is missing" },
	{ DOC "'pools':[{'name':'p','path':'srv'}]}", "pools[0].path: ", "no path from the root" },
	{ DOC "'pools':[{'name':'p','path':'/srv/../etc'}]}", "pools[0].path: ", "'..'" },
	{ DOC "'pools':[{'name':'p','path':'/srv/p','volume_group':'-vg'}]}",
	  "pools[0].volume_group: ", "vgs(8)" },
	{ DOC "'pools':[{'name':'p','path':'/a'},{'name':'p','path':'/b'}]}",
	  "pools[1].name: ", "'p' is that of [0]" },
	{ DOC "'pools':[{'name':'p','path':'/a'},{'name':'q','path':'/a/'}]}",
	  "pools[1].path: ", "'/a' is that of [0]" },
	{ DOC V ",'sise':1}]}", "volumes[0]: ", "did you mean \"size\"?" },
	{ DOC "'volumes':[{'name':'a','size':'100G'}]}", "volumes[0].size: ", "107374182400" },
	{ DOC "'volumes':[{'name':'a','size':'big'}]}", "volumes[0].size: ", "a number of bytes" },
	{ DOC "'volumes':[{'name':'a','size':1e9}]}", "volumes[0].size: ", "exponent" },
	{ DOC "'volumes':[{'name':'a','size':0}]}", "volumes[0].size: ", "0 bytes" },
	{ DOC "'volumes':[{'name':'a','size':511}]}", "volumes[0].size: ", "multiple" },
	{ DOC V ",'block_size':1024}]}", "volumes[0].block_size: ", "give 512 or 4096" },
	{ DOC V ",'block_size':0}]}", "volumes[0].block_size: ", "give 512 or 4096" },
	{ DOC V ",'cache':'none'}]}", "volumes[0].cache: ", "\"direct\" or \"buffered\"" },
	{ DOC V ",'id':'1'}]}", "volumes[0].id: ", "no UUID" },
	{ DOC V ",'id':'00000000-0000-0000-0000-000000000000'}]}", "volumes[0].id: ", "no UUID" },
	{ DOC V ",'id':'01234567-89ab-4def-8123-456789abcdef'},{'name':'b','size':512,"
		"'id':'01234567-89AB-4DEF-8123-456789ABCDEF'}]}",
	  "volumes[1].id: ", "that of [0]" },
	{ DOC V "},"
		"{'name':'a','size':512}]}",
	  "volumes[1].name: ", "'a' is that of [0]" },
	{ DOC V ",'pool':'p'}],'pools':[]}", "volumes[0].pool: ", "no pool 'p'" },
	{ DOC V ",'path':'disk'}]}", "volumes[0].path: ", "no path from the root" },
	{ DOC V ",'path':'/dev/sdb','preallocate':true}]}", "volumes[0]: ", "\"preallocate\"" },
};

static void what_is_wrong_is_refused_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		json_t *j = load(refused[i].doc);
		char why[960] = "";
		struct model m;

		if (model_from_json(&m, j, MODEL_SHOWN, why, sizeof(why)) != -EINVAL)
			fail_msg("was taken: %s", refused[i].doc);
		if (strncmp(why, refused[i].place, strlen(refused[i].place)) != 0 ||
		    !strstr(why, refused[i].words) || strstr(why, "hush"))
			fail_msg("%s\n gave: %s\n and not: %s... %s", refused[i].doc, why,
				 refused[i].place, refused[i].words);
		json_decref(j);
	}
}

static void lengths_of_secrets(void **state)
{
	static const struct {
		size_t len;
		bool good;
	} t[] = { { 0, false }, { 11, false }, { 12, true }, { 255, true }, { 256, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct model_chap chap;
		char secret[257] = "", why[960] = "";
		json_t *j;

		memset(secret, 's', t[i].len);
		j = json_pack("{s:[{s:s, s:s}]}", "users", "user", "a", "secret", secret);
		assert_int_equal(model_chap_from_json(&chap, j, "chap", why, sizeof(why)),
				 t[i].good ? 0 : -EINVAL);
		assert_true(t[i].good || strstr(why, "chap.users[0].secret: the secret has "));
		model_chap_fini(&chap);
		json_decref(j);
	}
}

static void a_newer_format(void **state)
{
	json_t *j = load("{'ringlun':2,'whatever':[]}");
	char why[960] = "";
	struct model m;

	(void)state;
	assert_int_equal(model_from_json(&m, j, MODEL_SHOWN, why, sizeof(why)), -ENOTSUP);
	assert_non_null(strstr(why, "format 2 is newer than this ringlun, which knows 1"));
	json_decref(j);
}

static void parts_that_are_not_said(void **state)
{
	json_t *j = load("{'ringlun':1,'discovery':{},'portals':[]}");
	struct model m;

	(void)state;
	read_model(&m, j, MODEL_SHOWN);
	assert_false(m.has_pools || m.has_volumes || m.has_targets || m.has_discovery);
	assert_true(m.has_portals);
	json_decref(j);
	j = model_to_json(&m, MODEL_SHOWN);
	assert_int_equal(json_object_size(j), 2);
	json_decref(j);
	model_fini(&m);
}

/* A state file that has lost a part would lose it for good at the next change. */
static void kept_documents_have_all_parts(void **state)
{
	struct dice d = { 3 };
	static const char *const parts[] = { "pools", "targets", "portals", "discovery" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char why[960] = "";
		struct model m, again;
		json_t *j;

		random_model(&m, &d);
		j = model_to_json(&m, MODEL_KEPT);
		json_object_del(j, parts[i]);
		assert_int_equal(model_from_json(&again, j, MODEL_KEPT, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, parts[i]));
		json_decref(j);
		model_fini(&m);
	}
}

static void kept_targets_have_all_fields(void **state)
{
	static const char *const fields[] = { "luns", "shared",	 "allow",
					      "chap", "portals", "redirect" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		json_t *j = load("{'ringlun':1,'pools':[],'portals':[],'discovery':{'chap':null},"
				 "'targets':[{'name':'iqn.2026-11.io.ringlun:t','luns':[],"
				 "'shared':false,'allow':null,'chap':null,'portals':[],"
				 "'redirect':null}]}");
		json_t *target = json_array_get(json_object_get(j, "targets"), 0);
		char why[960] = "";
		struct model m;

		read_model(&m, j, MODEL_KEPT);
		model_fini(&m);
		json_object_del(target, fields[i]);
		assert_int_equal(model_from_json(&m, j, MODEL_KEPT, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, "targets[0]: a part is missing"));
		json_decref(j);
	}
}

static void one_spelling(void **state)
{
	json_t *j = load(DOC V "}]," T ",'portals':['192.0.2.1','2001:DB8::1'],"
			       "'allow':[{'initiator':'IQN.2004-10.com.Example:*',"
			       "'address':'::ffff:10.0.0.0/104'},{'address':'2001:DB8:0::/32'}],"
			       "'luns':[{'lun':7,'volume':'a'},{'lun':0,'volume':'a'}]}]}");
	struct model_target *t;
	struct model m;

	(void)state;
	read_model(&m, j, MODEL_SHOWN);
	t = m.targets;
	assert_string_equal(m.volumes[0].pool, "default");
	assert_string_equal(t->portals[0], "192.0.2.1:3260");
	assert_string_equal(t->portals[1], "[2001:db8::1]:3260");
	assert_string_equal(t->allow[0].initiator, "iqn.2004-10.com.example:*");
	assert_string_equal(t->allow[0].address, "10.0.0.0/8");
	assert_string_equal(t->allow[1].address, "2001:db8::/32");
	assert_int_equal(t->luns[0].lun, 0);
	assert_int_equal(t->luns[1].lun, 7);
	json_decref(j);
	model_fini(&m);
}

static void names_of_targets_alone(void **state)
{
	char why[960], *name;

	(void)state;
	assert_int_equal(model_target_name_parse(&name, "disk1", why, sizeof(why)), 0);
	assert_string_equal(name, "iqn.2026-11.io.ringlun:disk1");
	free(name);
	assert_int_equal(model_target_name_parse(&name, "IQN.2004-10.com.Example:x", why, 960), 0);
	assert_string_equal(name, "iqn.2004-10.com.example:x");
	free(name);
	assert_int_equal(model_target_name_parse(&name, "a b", why, sizeof(why)), -EINVAL);
	assert_int_equal(model_target_name_parse(&name, "", why, sizeof(why)), -EINVAL);
	assert_int_equal(model_target_name_parse(&name, "iqn.x", why, sizeof(why)), -EINVAL);
	assert_int_equal(model_portal_parse(&name, "::1", why, sizeof(why)), 0);
	assert_string_equal(name, "[::1]:3260");
	free(name);
}

/* A sentence never goes past its room, wherever it ends. */
static void sentences_fit(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		json_t *j = load(refused[i].doc);

		for (size_t cap = 1; cap < 64; cap += 7) {
			char *why = malloc(cap); /* of the exact size: ASan */
			struct model m;

			assert_int_equal(model_from_json(&m, j, MODEL_SHOWN, why, cap), -EINVAL);
			assert_true(strlen(why) < cap);
			free(why);
		}
		json_decref(j);
	}
}

static void wiped(void **state)
{
	json_t *j = load("{'a':['hush'],'b':{'c':'hush-hush'},'d':1}"), *a, *c;

	(void)state;
	a = json_array_get(json_object_get(j, "a"), 0);
	c = json_object_get(json_object_get(j, "b"), "c");
	json_wipe(j);
	json_wipe(NULL);
	assert_memory_equal(json_string_value(a), "\0\0\0\0", 4);
	assert_memory_equal(json_string_value(c), "\0\0\0\0\0\0\0\0\0", 9);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_read_comes_out_again),
		cmocka_unit_test(what_is_kept_comes_out_again),
		cmocka_unit_test(shown_documents_have_no_secrets),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
		cmocka_unit_test(lengths_of_secrets),
		cmocka_unit_test(a_newer_format),
		cmocka_unit_test(parts_that_are_not_said),
		cmocka_unit_test(kept_documents_have_all_parts),
		cmocka_unit_test(kept_targets_have_all_fields),
		cmocka_unit_test(one_spelling),
		cmocka_unit_test(names_of_targets_alone),
		cmocka_unit_test(sentences_fit),
		cmocka_unit_test(wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
