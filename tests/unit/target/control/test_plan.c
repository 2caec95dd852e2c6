/* Steps that are taken one after the other lead from any document to any other, and what is on the
 * way always holds together. */
#include "tests/unit/target/control/random_doc.h"

#include "target/control/plan_priv.h"

#include <errno.h>

/* --- a server that only writes down --------------------------------------------------- */

static const char *list_of(enum plan_kind kind)
{
	switch (kind) {
	case PLAN_POOL:
		return "pools";
	case PLAN_VOLUME:
		return "volumes";
	case PLAN_TARGET:
		return "targets";
	case PLAN_PORTAL:
		return "portals";
	case PLAN_DISCOVERY:
		break;
	}
	return "discovery";
}

static json_t *form_of(const struct plan_step *s)
{
	switch (s->kind) {
	case PLAN_POOL:
		return model_pool_to_json(s->wanted);
	case PLAN_VOLUME:
		return model_volume_to_json(s->wanted);
	case PLAN_TARGET:
		return model_target_to_json(s->wanted, MODEL_KEPT);
	case PLAN_PORTAL:
		return json_string(s->wanted);
	case PLAN_DISCOVERY:
		break;
	}
	return json_pack("{s:o}", "chap", model_chap_to_json(s->wanted, MODEL_KEPT));
}

static const char *name_of(const json_t *j)
{
	return json_is_string(j) ? json_string_value(j)
				 : json_string_value(json_object_get(j, "name"));
}

static void take(json_t *server, const struct plan_step *s)
{
	json_t *list = json_object_get(server, list_of(s->kind)), *element;
	size_t at = SIZE_MAX, i;

	if (s->kind == PLAN_DISCOVERY) {
		assert_int_equal(s->action, PLAN_CHANGE);
		json_object_set_new(server, "discovery", form_of(s));
		return;
	}
	json_array_foreach(list, i, element)
	{
		if (!strcmp(name_of(element), s->name))
			at = i;
	}
	assert_true((at == SIZE_MAX) == (s->action == PLAN_CREATE));
	assert_true((s->now == NULL) == (s->action == PLAN_CREATE));
	assert_true((s->wanted == NULL) == (s->action == PLAN_DELETE));
	if (s->action == PLAN_CREATE)
		json_array_append_new(list, form_of(s));
	else if (s->action == PLAN_CHANGE)
		json_array_set_new(list, at, form_of(s));
	else
		json_array_remove(list, at);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Lists whose order means nothing, in one order. */
static json_t *sorted(const json_t *j)
{
	size_t n = json_array_size(j), i;
	char **texts = calloc(n + 1, sizeof(*texts));
	json_t *out = json_array(), *element;

	json_array_foreach(j, i, element)
	{
		texts[i] = json_dumps(element, JSON_SORT_KEYS | JSON_ENCODE_ANY);
	}
	qsort(texts, n, sizeof(*texts), by_text);
	for (i = 0; i < n; i++) {
		json_array_append_new(out, json_loads(texts[i], JSON_DECODE_ANY, NULL));
		free(texts[i]);
	}
	free(texts);
	return out;
}

static void sort_in(json_t *object, const char *key)
{
	if (json_is_array(json_object_get(object, key)))
		json_object_set_new(object, key, sorted(json_object_get(object, key)));
}

/* Sorted, and without ids, which a document may leave out. */
static json_t *normal(json_t *j)
{
	json_t *element;
	size_t i;

	json_array_foreach(json_object_get(j, "targets"), i, element)
	{
		sort_in(element, "portals");
		sort_in(element, "allow");
		sort_in(json_object_get(element, "chap"), "users");
	}
	json_array_foreach(json_object_get(j, "volumes"), i, element)
	{
		json_object_del(element, "id");
	}
	sort_in(json_object_get(json_object_get(j, "discovery"), "chap"), "users");
	sort_in(j, "targets");
	sort_in(j, "volumes");
	sort_in(j, "portals");
	sort_in(j, "pools");
	return j;
}

static void assert_holds_together(const json_t *server)
{
	struct model m;

	read_model(&m, server, MODEL_SHOWN);
	model_fini(&m);
}

/* --- documents that fit ------------------------------------------------------------------ */

/* Volumes of @wanted are none smaller than in @now, and where both have an id it is the same. */
static void make_possible(struct model *wanted, const struct model *now)
{
	for (unsigned i = 0; i < wanted->nvolumes; i++) {
		struct model_volume *v = &wanted->volumes[i];
		const struct model_volume *was = model_find_volume(now, v->name);

		if (was && v->size_bytes < was->size_bytes)
			v->size_bytes = was->size_bytes;
		if (was && !was->has_id)
			v->has_id = false;
	}
}

static void leave_out(struct model *m, struct dice *d)
{
	if (!roll(d, 4))
		m->has_portals = false;
	if (!roll(d, 4))
		m->has_discovery = false;
	if (!roll(d, 4))
		m->has_pools = false;
	if (!roll(d, 4))
		m->has_targets = false;
}

/* What @wanted says, and the rest as @now has it. */
static json_t *expected(const struct model *now, const struct model *wanted)
{
	json_t *j = whole_json(wanted), *old = whole_json(now);

	json_object_update_missing(j, old);
	json_decref(old);
	return normal(j);
}

static void make(struct plan *p, const struct model *now, const struct model *wanted)
{
	char why[960] = "";

	if (plan_make(p, now, wanted, why, sizeof(why)))
		fail_msg("%s", why);
}

static void steps_lead_to_what_is_wanted(void **state)
{
	struct dice d = { 42 };
	unsigned steps = 0, refused = 0;

	(void)state;
	for (unsigned i = 0; i < 1500; i++) {
		struct model now, wanted;
		json_t *server, *after;
		struct plan p;
		char why[960];

		random_model(&now, &d);
		random_model(&wanted, &d);
		make_possible(&wanted, &now);
		leave_out(&wanted, &d);
		assert_int_equal(model_inherit(&wanted, &now, why, sizeof(why)), 0);
		if (plan_make(&p, &now, &wanted, why, sizeof(why))) {
			/* targets that stay hold on to a volume that is to go */
			assert_non_null(strstr(why, "is to go, and is LUN"));
			assert_false(wanted.has_targets);
			refused++;
			goto next;
		}
		server = whole_json(&now);
		for (unsigned k = 0; k < p.n; k++) {
			take(server, &p.steps[k]);
			assert_holds_together(server);
		}
		steps += p.n;
		after = expected(&now, &wanted);
		normal(server);
		if (!json_equal(server, after))
			fail_msg("%s\nis not\n%s", json_dumps(server, JSON_SORT_KEYS),
				 json_dumps(after, JSON_SORT_KEYS));
		json_decref(server);
		json_decref(after);
		plan_fini(&p);
	next:
		model_fini(&now);
		model_fini(&wanted);
	}
	assert_true(steps > 5000 && refused > 50 && refused < 500);
}

static void what_is_there_already_changes_nothing(void **state)
{
	struct dice d = { 5 };

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct model now, same;
		json_t *j;
		struct plan p;

		random_model(&now, &d);
		make(&p, &now, &now);
		assert_int_equal(p.n, 0);
		plan_fini(&p);
		j = whole_json(&now);
		read_model(&same, j, MODEL_SHOWN);
		make(&p, &now, &same);
		assert_int_equal(p.n, 0);
		plan_fini(&p);
		model_fini(&same);
		json_decref(j);
		/* as `ringlun state` shows it: without secrets, which stay */
		j = model_to_json(&now, MODEL_SHOWN);
		read_model(&same, j, MODEL_SHOWN);
		make(&p, &now, &same);
		assert_int_equal(p.n, 0);
		plan_fini(&p);
		model_fini(&same);
		json_decref(j);
		model_fini(&now);
	}
}

/* --- one thing at a time ------------------------------------------------------------------- */

#define T1   "iqn.2026-11.io.ringlun:t1"
#define HEAD "{'ringlun':1,'pools':[{'name':'p','path':'/p'}],'volumes':["
#define V(rest)                                                                                    \
	"{'name':'v','pool':'p','size':8192,'id':'01234567-89ab-4def-8123-456789abcdef'" rest "}"
#define TARGET(rest) "],'targets':[{'name':'" T1 "','luns':[{'lun':0,'volume':'v'}]" rest "}]}"

static void from_text(struct model *m, const char *text)
{
	char *copy = strdup(text);
	json_t *j;

	for (char *s = copy; *s; s++)
		if (*s == '\'')
			*s = '"';
	j = json_loads(copy, 0, NULL);
	assert_non_null(j);
	read_model(m, j, MODEL_SHOWN);
	json_decref(j);
	free(copy);
}

static void assert_plan(const char *now_text, const char *wanted_text, const char *steps)
{
	struct model now, wanted;
	struct plan p;
	json_t *j;
	char *text;

	from_text(&now, now_text);
	from_text(&wanted, wanted_text);
	make(&p, &now, &wanted);
	j = plan_to_json(&p);
	text = json_dumps(j, JSON_COMPACT);
	for (char *s = text; *s; s++)
		if (*s == '"')
			*s = '\'';
	assert_string_equal(text, steps);
	free(text);
	json_decref(j);
	plan_fini(&p);
	model_fini(&now);
	model_fini(&wanted);
}

static void steps_say_what_changes(void **state)
{
	(void)state;
	assert_plan(HEAD V("") TARGET(""), HEAD V("") TARGET(",'shared':true"),
		    "[{'action':'change','kind':'target','name':'" T1
		    "','changes':[{'what':'shared','now':false,'wanted':true}]}]");
	assert_plan(HEAD V("") TARGET(""), "{'ringlun':1,'volumes':[{'name':'v','size':16384}]}",
		    "[{'action':'change','kind':'volume','name':'v','changes':["
		    "{'what':'size','now':8192,'wanted':16384}]}]");
	assert_plan(HEAD V("") TARGET(""), "{'ringlun':1,'portals':['10.0.0.1']}",
		    "[{'action':'create','kind':'portal','name':'10.0.0.1:3260','changes':[]}]");
	assert_plan(HEAD V("") TARGET(""), "{'ringlun':1,'targets':[],'volumes':[],'pools':[]}",
		    "[{'action':'delete','kind':'target','name':'" T1 "','changes':[]},"
		    "{'action':'delete','kind':'volume','name':'v','changes':[]},"
		    "{'action':'delete','kind':'pool','name':'p','changes':[]}]");
}

static void secrets_are_compared_and_not_shown(void **state)
{
#define CHAP(s)                                                                                    \
	",'chap':{'users':[{'user':'a','secret':'" s "'}],'mutual':{'user':'t','secret':'" s "-'}" \
	"}"
	(void)state;
	assert_plan(HEAD V("") TARGET(CHAP("hush-hush-hush")),
		    HEAD V("") TARGET(CHAP("shhh-shhh-shhh")),
		    "[{'action':'change','kind':'target','name':'" T1 "','changes':["
		    "{'what':'secret','now':'hidden','wanted':'hidden','user':'a'},"
		    "{'what':'secret','now':'hidden','wanted':'hidden','user':'t'}]}]");
	assert_plan(HEAD V("") TARGET(CHAP("hush-hush-hush")),
		    HEAD V("") TARGET(CHAP("hush-hush-hush")), "[]");
	assert_plan(HEAD V("") TARGET(CHAP("hush-hush-hush")), HEAD V("") TARGET(""), "[]");
	assert_plan(HEAD V("") TARGET(CHAP("hush-hush-hush")), HEAD V("") TARGET(",'chap':null"),
		    "[{'action':'change','kind':'target','name':'" T1 "','changes':["
		    "{'what':'chap','now':{'users':[{'user':'a'}],'mutual':{'user':'t'}},"
		    "'wanted':null}]}]");
}

static void the_order_of_lists_is_no_difference(void **state)
{
#define RULES_AB "{'address':'10.0.0.0/8'},{'initiator':'iqn.a*'}"
#define RULES_BA "{'initiator':'iqn.a*'},{'address':'10.0.0.0/8'}"
#define USERS_AB "{'user':'a','secret':'aaaaaaaaaaaa'},{'user':'b','secret':'bbbbbbbbbbbb'}"
#define USERS_BA "{'user':'b','secret':'bbbbbbbbbbbb'},{'user':'a','secret':'aaaaaaaaaaaa'}"
	(void)state;
	assert_plan(HEAD V("") TARGET(",'allow':[" RULES_AB "],'chap':{'users':[" USERS_AB
				      "]},'portals':['10.0.0.1','10.0.0.2']"),
		    HEAD V("") TARGET(",'allow':[" RULES_BA "],'chap':{'users':[" USERS_BA
				      "]},'portals':['10.0.0.2','10.0.0.1']"),
		    "[]");
}

/* The one that lets go comes before the one that takes. */
static void who_loses_is_first(void **state)
{
#define TWO(a, b)                                                                                  \
	HEAD V("") "],'targets':[{'name':'iqn.2026-11.io.ringlun:a','luns':[" a                    \
		   "]},{'name':'iqn.2026-11.io.ringlun:b','luns':[" b "]}]}"
#define LUN0 "{'lun':0,'volume':'v'}"
	struct model now, wanted;
	struct plan p;

	(void)state;
	from_text(&now, TWO("", LUN0));
	from_text(&wanted, TWO(LUN0, ""));
	make(&p, &now, &wanted);
	assert_int_equal(p.n, 2);
	assert_string_equal(p.steps[0].name, "iqn.2026-11.io.ringlun:b");
	assert_string_equal(p.steps[1].name, "iqn.2026-11.io.ringlun:a");
	plan_fini(&p);
	model_fini(&now);
	model_fini(&wanted);
}

/* What a host has there becomes another disk. */
static void another_volume_is_a_loss(void **state)
{
#define LUN_OF(v) "{'lun':0,'volume':'" v "'}"
#define BOTH                                                                                       \
	"{'ringlun':1,'volumes':[{'name':'v','size':512},{'name':'w','size':512}],"                \
	"'targets':[{'name':'iqn.2026-11.io.ringlun:a','luns':["
	struct model now, wanted;

	(void)state;
	from_text(&now, BOTH LUN_OF("v") "]}]}");
	from_text(&wanted, BOTH LUN_OF("w") "]}]}");
	assert_true(plan_target_loses(&now.targets[0], &wanted.targets[0]));
	assert_false(plan_target_loses(&now.targets[0], &now.targets[0]));
	model_fini(&wanted);
	from_text(&wanted, BOTH LUN_OF("v") ",{'lun':1,'volume':'w'}]}]}");
	assert_false(plan_target_loses(&now.targets[0], &wanted.targets[0]));
	assert_true(plan_target_loses(&wanted.targets[0], &now.targets[0]));
	model_fini(&now);
	model_fini(&wanted);
}

static void what_cannot_be_done(void **state)
{
	static const struct {
		const char *wanted, *words;
	} t[] = {
		{ "{'ringlun':1,'volumes':[{'name':'v','size':4096}]}", "cannot shrink to 4096" },
		{ "{'ringlun':1,'volumes':[{'name':'v','pool':'default'}]}", "pool is p" },
		{ "{'ringlun':1,'volumes':[{'name':'v','block_size':4096}]}", "block_size is 512" },
		{ "{'ringlun':1,'volumes':[{'name':'v','path':'/dev/x'}]}", "path is none" },
		{ "{'ringlun':1,'volumes':[{'name':'v','cache':'buffered'}]}", "cache is direct" },
		{ "{'ringlun':1,'volumes':[{'name':'v','writethrough':true}]}", "writethrough" },
		{ "{'ringlun':1,'volumes':[{'name':'v','read_only':true}]}", "read_only is false" },
		{ "{'ringlun':1,'volumes':[{'name':'v',"
		  "'id':'01234567-89ab-4def-8123-456789abcdee'}]}",
		  "id is 01234567-89ab-4def-8123-456789abcdef" },
		{ "{'ringlun':1,'volumes':[]}", "volume v is to go, and is LUN 0 of target" },
		{ "{'ringlun':1,'pools':[]}", "pool p is to go, and volume v is in it" },
		{ "{'ringlun':1,'pools':[{'name':'p','path':'/q'}]}", "path is /p" },
		{ "{'ringlun':1,'pools':[{'name':'p','path':'/p','volume_group':'g'}]}",
		  "volume_group is none" },
		{ "{'ringlun':1,'volumes':[{'name':'v'},{'name':'w'}]}",
		  "w is new, and has neither" },
		{ "{'ringlun':1,'volumes':[{'name':'v'},{'name':'w','size':512,'pool':'q'}]}",
		  "there is no pool q" },
		{ "{'ringlun':1,'targets':[{'name':'" T1 "','luns':[{'lun':1,'volume':'x'}]}]}",
		  "LUN 1 is volume x, which is not there" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct model now, wanted;
		char why[960] = "";
		struct plan p;

		from_text(&now, HEAD V("") TARGET(""));
		from_text(&wanted, t[i].wanted);
		if (plan_make(&p, &now, &wanted, why, sizeof(why)) != -EINVAL)
			fail_msg("was planned: %s", t[i].wanted);
		if (!strstr(why, t[i].words))
			fail_msg("%s\n gave: %s", t[i].wanted, why);
		assert_int_equal(p.n, 0);
		assert_null(p.steps);
		model_fini(&now);
		model_fini(&wanted);
	}
}

/* Nobody has to know of the pool that is there by itself. */
static void the_default_pool_stays_while_it_is_used(void **state)
{
#define DEFAULT "'pools':[{'name':'default','path':'/d'}],"
#define IN	"'volumes':[{'name':'v','size':512}]"
	(void)state;
	assert_plan("{'ringlun':1," DEFAULT IN "}", "{'ringlun':1,'pools':[]," IN "}", "[]");
	assert_plan("{'ringlun':1," DEFAULT IN "}", "{'ringlun':1,'pools':[]}", "[]");
	assert_plan("{'ringlun':1," DEFAULT "'volumes':[]}", "{'ringlun':1,'pools':[]}",
		    "[{'action':'delete','kind':'pool','name':'default','changes':[]}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_lead_to_what_is_wanted),
		cmocka_unit_test(what_is_there_already_changes_nothing),
		cmocka_unit_test(steps_say_what_changes),
		cmocka_unit_test(secrets_are_compared_and_not_shown),
		cmocka_unit_test(the_order_of_lists_is_no_difference),
		cmocka_unit_test(who_loses_is_first),
		cmocka_unit_test(another_volume_is_a_loss),
		cmocka_unit_test(what_cannot_be_done),
		cmocka_unit_test(the_default_pool_stays_while_it_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
