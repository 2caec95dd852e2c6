/* What differs of one thing: the keys of its two JSON forms, as people see them.
 *
 * Lists whose order means nothing compare as sets. Secrets are in neither form: they are compared
 * here, and shown as "hidden". A secret that the document leaves out is the old one. */
#include "target/control/model_json.h"
#include "target/control/plan_priv.h"

#include <string.h>

static bool append_change(json_t *changes, const char *what, json_t *now, json_t *wanted)
{
	json_t *j = json_pack("{s:s, s:O?, s:O?}", "what", what, "now", now, "wanted", wanted);

	return j && !json_array_append_new(changes, j);
}

static bool set_has(const json_t *set, const json_t *element)
{
	json_t *other;
	size_t i;

	json_array_foreach(set, i, other)
	{
		if (json_equal(other, element))
			return true;
	}
	return false;
}

/* Nothing is in one of these twice. */
static bool sets_are_equal(const json_t *a, const json_t *b)
{
	json_t *element;
	size_t i;

	if (json_array_size(a) != json_array_size(b))
		return false;
	json_array_foreach(a, i, element)
	{
		if (!set_has(b, element))
			return false;
	}
	return true;
}

static bool chaps_are_equal(const json_t *a, const json_t *b)
{
	const json_t *mutual_a = json_object_get(a, "mutual"),
		     *mutual_b = json_object_get(b, "mutual");

	if (json_is_null(a) || json_is_null(b))
		return json_is_null(a) && json_is_null(b);
	return sets_are_equal(json_object_get(a, "users"), json_object_get(b, "users")) &&
	       (mutual_a == mutual_b || json_equal(mutual_a, mutual_b));
}

static bool values_are_equal(const char *key, const json_t *a, const json_t *b)
{
	if (!a || !b)
		return a == b;
	if (!strcmp(key, "chap"))
		return chaps_are_equal(a, b);
	if (json_is_array(a) && json_is_array(b))
		return sets_are_equal(a, b);
	return json_equal(a, b);
}

static bool is_left_out(const char *key, unsigned left_out)
{
	static const struct {
		const char *key;
		unsigned bit;
	} bits[] = {
		{ "pool", MODEL_POOL },	      { "block_size", MODEL_BLOCK },
		{ "path", MODEL_PATH },	      { "cache", MODEL_CACHE },
		{ "luns", MODEL_LUNS },	      { "writethrough", MODEL_WRITETHROUGH },
		{ "shared", MODEL_SHARED },   { "read_only", MODEL_READ_ONLY },
		{ "allow", MODEL_ALLOW },     { "chap", MODEL_CHAP },
		{ "portals", MODEL_PORTALS }, { "redirect", MODEL_REDIRECT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!strcmp(key, bits[i].key))
			return left_out & bits[i].bit;
	return false;
}

/* The forms are taken over. @now NULL: all of @wanted is new. */
static json_t *diff(json_t *now, json_t *wanted, unsigned left_out)
{
	json_t *changes = wanted ? json_array() : NULL, *value;
	const char *key;
	bool ok = changes;

	json_object_foreach(wanted, key, value)
	{
		json_t *old = json_object_get(now, key);

		if (!ok || !strcmp(key, "name") || (!old && json_is_null(value)) ||
		    (now && is_left_out(key, left_out)) || values_are_equal(key, old, value))
			continue;
		ok = append_change(changes, key, old, value);
	}
	json_decref(now);
	json_decref(wanted);
	if (ok)
		return changes;
	json_decref(changes);
	return NULL;
}

/* --- secrets ------------------------------------------------------------------------- */

static bool add_secret(json_t *changes, const struct model_user *now,
		       const struct model_user *wanted)
{
	json_t *hidden;
	bool ok;

	if (!wanted->secret || (now->secret && !strcmp(now->secret, wanted->secret)))
		return true;
	hidden = json_string("hidden");
	ok = hidden && append_change(changes, "secret", hidden, hidden);
	json_decref(hidden);
	return ok && !json_object_set_new(json_array_get(changes, json_array_size(changes) - 1),
					  "user", json_string(wanted->name));
}

/* Of users that stay; that others come or go is told by "chap". */
static json_t *add_secrets(json_t *changes, const struct model_chap *now,
			   const struct model_chap *wanted)
{
	bool ok = changes;

	for (unsigned i = 0; ok && i < wanted->nusers; i++)
		for (unsigned k = 0; ok && k < now->nusers; k++)
			if (!strcmp(now->users[k].name, wanted->users[i].name))
				ok = add_secret(changes, &now->users[k], &wanted->users[i]);
	if (ok && now->has_mutual && wanted->has_mutual &&
	    !strcmp(now->mutual.name, wanted->mutual.name))
		ok = add_secret(changes, &now->mutual, &wanted->mutual);
	if (ok)
		return changes;
	json_decref(changes);
	return NULL;
}

/* --- things -------------------------------------------------------------------------- */

json_t *plan_diff_pool(const struct model_pool *now, const struct model_pool *wanted)
{
	json_t *old = now ? model_pool_to_json(now) : NULL;

	return now && !old ? NULL : diff(old, model_pool_to_json(wanted), 0);
}

json_t *plan_diff_volume(const struct model_volume *now, const struct model_volume *wanted)
{
	json_t *old = now ? model_volume_to_json(now) : NULL, *new = model_volume_to_json(wanted);

	if (!new || (now && !old)) {
		json_decref(old);
		json_decref(new);
		return NULL;
	}
	json_object_del(new, "preallocate"); /* how it is made, not how it is */
	return diff(old, new, wanted->left_out);
}

json_t *plan_diff_target(const struct model_target *now, const struct model_target *wanted)
{
	json_t *old = now ? model_target_to_json(now, MODEL_SHOWN) : NULL, *changes;

	if (now && !old)
		return NULL;
	changes = diff(old, model_target_to_json(wanted, MODEL_SHOWN), wanted->left_out);
	if (!now || wanted->left_out & MODEL_CHAP)
		return changes;
	return add_secrets(changes, &now->chap, &wanted->chap);
}

json_t *plan_diff_chap(const struct model_chap *now, const struct model_chap *wanted)
{
	json_t *old = json_pack("{s:o}", "chap", model_chap_to_json(now, MODEL_SHOWN));
	json_t *new = json_pack("{s:o}", "chap", model_chap_to_json(wanted, MODEL_SHOWN));

	if (!old || !new) {
		json_decref(old);
		json_decref(new);
		return NULL;
	}
	return add_secrets(diff(old, new, 0), now, wanted);
}

/* A unit that goes or becomes another disk, or somebody who may log in no more. */
bool plan_target_loses(const struct model_target *now, const struct model_target *wanted)
{
	for (unsigned i = 0; !(wanted->left_out & MODEL_LUNS) && i < now->nluns; i++) {
		const struct model_lun *l = model_find_lun(wanted, now->luns[i].lun);

		if (!l || strcmp(l->volume, now->luns[i].volume) != 0)
			return true;
	}
	if (wanted->left_out & MODEL_ALLOW || !wanted->has_allow)
		return false;
	if (!now->has_allow)
		return true;
	for (unsigned i = 0; i < now->nallow; i++) {
		unsigned k = 0;

		while (k < wanted->nallow && !model_rule_is_same(&now->allow[i], &wanted->allow[k]))
			k++;
		if (k == wanted->nallow)
			return true;
	}
	return false;
}
