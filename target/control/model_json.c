/* Writing: one form for each thing, with all its keys, so that a document is complete.
 *
 * NULL, where there is no memory: json_pack and the like give back what they have made until then,
 * and take over what they are given in any case. */
#include "target/control/model_json.h"

#include "backstore/base/uuid.h"

/* Appends what is taken over; false: no memory. */
static bool append(json_t *list, json_t *j)
{
	return j && !json_array_append_new(list, j);
}

static bool set(json_t *object, const char *key, json_t *j)
{
	return j && !json_object_set_new(object, key, j);
}

/* @j, or NULL where something of it is missing. */
static json_t *whole(json_t *j, bool ok)
{
	if (ok)
		return j;
	json_wipe(j);
	json_decref(j);
	return NULL;
}

json_t *model_pool_to_json(const struct model_pool *p)
{
	json_t *j = json_pack("{s:s, s:s}", "name", p->name, "path", p->path);

	return whole(
		j, j && (!p->volume_group || set(j, "volume_group", json_string(p->volume_group))));
}

json_t *model_volume_to_json(const struct model_volume *v)
{
	json_t *j =
		json_pack("{s:s, s:s, s:I, s:s, s:b, s:b}", "name", v->name, "pool",
			  v->pool ? v->pool : "default", "block_size", (json_int_t)v->block_bytes,
			  "cache", v->buffered ? "buffered" : "direct", "writethrough",
			  v->writethrough, "read_only", v->read_only);
	char id[UUID_TEXT_BYTES];
	bool ok = j;

	if (ok && v->size_bytes)
		ok = set(j, "size", json_integer((json_int_t)v->size_bytes));
	if (ok && v->has_id) {
		uuid_format(v->id, id);
		ok = set(j, "id", json_string(id));
	}
	if (ok && v->path)
		ok = set(j, "path", json_string(v->path));
	if (ok && v->preallocate)
		ok = set(j, "preallocate", json_true());
	return whole(j, ok);
}

json_t *model_rule_to_json(const struct model_rule *r)
{
	json_t *j = json_object();
	bool ok = j;

	if (ok && r->initiator)
		ok = set(j, "initiator", json_string(r->initiator));
	if (ok && r->address)
		ok = set(j, "address", json_string(r->address));
	return whole(j, ok);
}

static json_t *user_to_json(const struct model_user *u, enum model_json how)
{
	json_t *j = json_pack("{s:s}", "user", u->name);

	return whole(j, j && (how == MODEL_SHOWN || !u->secret ||
			      set(j, "secret", json_string(u->secret))));
}

json_t *model_chap_to_json(const struct model_chap *c, enum model_json how)
{
	json_t *j, *users;
	bool ok;

	if (!c->nusers)
		return json_null();
	j = json_pack("{s:[]}", "users");
	users = json_object_get(j, "users");
	ok = j;
	for (unsigned i = 0; ok && i < c->nusers; i++)
		ok = append(users, user_to_json(&c->users[i], how));
	if (ok && c->has_mutual)
		ok = set(j, "mutual", user_to_json(&c->mutual, how));
	return whole(j, ok);
}

static json_t *texts_to_json(char *const *texts, unsigned n)
{
	json_t *j = json_array();
	bool ok = j;

	for (unsigned i = 0; ok && i < n; i++)
		ok = append(j, json_string(texts[i]));
	return whole(j, ok);
}

static json_t *luns_to_json(const struct model_target *t)
{
	json_t *j = json_array();
	bool ok = j;

	for (unsigned i = 0; ok && i < t->nluns; i++)
		ok = append(j, json_pack("{s:i, s:s}", "lun", (int)t->luns[i].lun, "volume",
					 t->luns[i].volume));
	return whole(j, ok);
}

static json_t *allow_to_json(const struct model_target *t)
{
	json_t *j = t->has_allow ? json_array() : json_null();
	bool ok = j;

	for (unsigned i = 0; ok && t->has_allow && i < t->nallow; i++)
		ok = append(j, model_rule_to_json(&t->allow[i]));
	return whole(j, ok);
}

static json_t *redirect_to_json(const struct model_target *t)
{
	if (!t->redirect)
		return json_null();
	return json_pack("{s:s, s:b}", "address", t->redirect, "permanent", t->redirect_forever);
}

json_t *model_target_to_json(const struct model_target *t, enum model_json how)
{
	json_t *j = json_pack("{s:s, s:b}", "name", t->name, "shared", t->shared);

	return whole(j, j && set(j, "luns", luns_to_json(t)) && set(j, "allow", allow_to_json(t)) &&
				set(j, "chap", model_chap_to_json(&t->chap, how)) &&
				set(j, "portals", texts_to_json(t->portals, t->nportals)) &&
				set(j, "redirect", redirect_to_json(t)));
}

json_t *model_intent_to_json(const struct model_intent *i)
{
	char id[UUID_TEXT_BYTES];
	json_t *j;
	bool ok;

	uuid_format(i->id, id);
	j = json_pack("{s:s, s:s, s:s, s:s}", "action", i->is_delete ? "delete" : "create", "id",
		      id, "pool", i->pool ? i->pool : "default", "volume", i->volume);
	ok = j;
	if (ok && i->target)
		ok = set(j, "target", json_string(i->target)) &&
		     set(j, "lun", json_integer(i->lun));
	return whole(j, ok);
}

#define LIST(name, n, element)                                                                     \
	static json_t *name(const struct model *m, enum model_json how)                            \
	{                                                                                          \
		json_t *j = json_array();                                                          \
		bool ok = j;                                                                       \
                                                                                                   \
		(void)how;                                                                         \
		for (unsigned i = 0; ok && i < m->n; i++)                                          \
			ok = append(j, element);                                                   \
		return whole(j, ok);                                                               \
	}
LIST(pools, npools, model_pool_to_json(&m->pools[i]))
LIST(volumes, nvolumes, model_volume_to_json(&m->volumes[i]))
LIST(targets, ntargets, model_target_to_json(&m->targets[i], how))
LIST(intents, nintents, model_intent_to_json(&m->intents[i]))

json_t *model_to_json(const struct model *m, enum model_json how)
{
	bool keep = how == MODEL_KEPT, ok;
	json_t *j = json_pack("{s:i}", "ringlun", MODEL_FORMAT);

	ok = j;
	if (ok && (m->has_pools || keep))
		ok = set(j, "pools", pools(m, how));
	if (ok && m->has_volumes && !keep)
		ok = set(j, "volumes", volumes(m, how));
	if (ok && (m->has_targets || keep))
		ok = set(j, "targets", targets(m, how));
	if (ok && (m->has_portals || keep))
		ok = set(j, "portals", texts_to_json(m->portals, m->nportals));
	if (ok && (m->has_discovery || keep))
		ok = set(j, "discovery",
			 json_pack("{s:o}", "chap", model_chap_to_json(&m->discovery, how)));
	if (ok && keep && m->nintents)
		ok = set(j, "intents", intents(m, how));
	return whole(j, ok);
}
