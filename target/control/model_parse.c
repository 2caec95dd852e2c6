/* Reading a whole document: its parts, and what both kinds of it may have.
 *
 *   fields.c           keys and types
 *   model_parse_*.c    one thing each: ranges, forms, what belongs together in it
 *   model_check.c      what belongs together in all of it */
#include "target/control/model_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int parse_room(void **out, const json_t *j, size_t size, const struct place *at)
{
	size_t n = json_array_size(j);

	*out = NULL;
	if (!n)
		return 0;
	if (n > MODEL_MAX_LIST)
		return place_refuse(at, "%zu are too many; give up to %d", n, MODEL_MAX_LIST);
	*out = calloc(n, size);
	return *out ? 0 : place_no_memory(at);
}

int parse_is_short(const json_t *j, const struct place *at)
{
	if (json_array_size(j) <= MODEL_MAX_RULES)
		return 0;
	return place_refuse(at, "%zu are too many; give up to %d", json_array_size(j),
			    MODEL_MAX_RULES);
}

int parse_portals(char ***out, unsigned *n, const json_t *j, const struct place *at)
{
	json_t *element;
	void *room;
	size_t i;
	int rc = parse_is_short(j, at);

	if (rc)
		return rc;
	rc = parse_room(&room, j, sizeof(**out), at);
	*out = room;
	json_array_foreach(j, i, element)
	{
		struct place here = place_element(at, i);

		if (rc)
			break;
		if (!json_is_string(element))
			return place_refuse(&here, "this is no text; give an address, as in "
						   "\"192.0.2.1:3260\"");
		rc = text_of_portal(&(*out)[i], json_string_value(element), &here);
		*n += !rc;
		for (size_t k = 0; !rc && k < i; k++)
			if (!strcmp((*out)[k], (*out)[i]))
				rc = place_refuse(&here, "%s is there twice; leave one out",
						  (*out)[i]);
	}
	return rc;
}

static int parse_pool(struct model_pool *out, const json_t *j, const struct place *at)
{
	static const struct field fields[] = {
		{ "name", FIELD_TEXT, FIELD_NEEDED },
		{ "path", FIELD_TEXT, FIELD_NEEDED },
		{ "volume_group", FIELD_TEXT, FIELD_NULL },
	};
	struct place name = place_key(at, "name"), path = place_key(at, "path");
	struct place group = place_key(at, "volume_group");
	const char *vg;
	int rc = fields_check(j, at, fields, ARRAY_SIZE(fields));

	if (!rc)
		rc = text_of_name(&out->name, fields_text(j, "name"), &name);
	if (!rc)
		rc = text_of_path(&out->path, fields_text(j, "path"), &path);
	vg = fields_text(j, "volume_group");
	return rc || !vg ? rc : text_of_group(&out->volume_group, vg, &group);
}

static int parse_intent(struct model_intent *out, const json_t *j, const struct place *at)
{
	static const struct field fields[] = {
		{ "action", FIELD_TEXT, FIELD_NEEDED }, { "id", FIELD_TEXT, FIELD_NEEDED },
		{ "pool", FIELD_TEXT, FIELD_NEEDED },	{ "volume", FIELD_TEXT, FIELD_NEEDED },
		{ "target", FIELD_TEXT, FIELD_NULL },	{ "lun", FIELD_NUMBER, 0 },
	};
	struct place action = place_key(at, "action"), id = place_key(at, "id");
	struct place pool = place_key(at, "pool"), volume = place_key(at, "volume");
	struct place target = place_key(at, "target"), lun = place_key(at, "lun");
	int rc = fields_check(j, at, fields, ARRAY_SIZE(fields));

	if (rc)
		return rc;
	out->is_delete = !strcmp(fields_text(j, "action"), "delete");
	if (!out->is_delete && strcmp(fields_text(j, "action"), "create") != 0)
		return place_refuse(&action, "'%.60s' is none; give \"create\" or \"delete\"",
				    fields_text(j, "action"));
	rc = uuid_of_text(out->id, fields_text(j, "id"), &id);
	if (!rc)
		rc = text_of_name(&out->pool, fields_text(j, "pool"), &pool);
	if (!rc)
		rc = text_of_name(&out->volume, fields_text(j, "volume"), &volume);
	if (!rc && fields_text(j, "target"))
		rc = text_of_target(&out->target, fields_text(j, "target"), &target);
	if (!rc && fields_number(j, "lun") > MODEL_MAX_LUN)
		rc = place_refuse(&lun, "%llu is too large; give 0 to %d",
				  (unsigned long long)fields_number(j, "lun"), MODEL_MAX_LUN);
	out->lun = (unsigned)fields_number(j, "lun");
	return rc;
}

/* --- lists --------------------------------------------------------------------------- */

/* One that fails is counted, too: what there is of it is let go with the rest. */
#define PARSE_LIST(name, type, list, n, call)                                                      \
	static int name(struct model *m, const json_t *j, const struct place *at,                  \
			enum model_json how)                                                       \
	{                                                                                          \
		json_t *element;                                                                   \
		void *room;                                                                        \
		size_t i;                                                                          \
		int rc = parse_room(&room, j, sizeof(type), at);                                   \
                                                                                                   \
		(void)how;                                                                         \
		m->list = room;                                                                    \
		json_array_foreach(j, i, element)                                                  \
		{                                                                                  \
			struct place here = place_element(at, i);                                  \
			type *out = &m->list[i];                                                   \
                                                                                                   \
			if (rc)                                                                    \
				break;                                                             \
			m->n++;                                                                    \
			rc = call;                                                                 \
		}                                                                                  \
		return rc;                                                                         \
	}
PARSE_LIST(parse_pools, struct model_pool, pools, npools, parse_pool(out, element, &here))
PARSE_LIST(parse_volumes, struct model_volume, volumes, nvolumes, parse_volume(out, element, &here))
PARSE_LIST(parse_targets, struct model_target, targets, ntargets,
	   parse_target(out, element, &here, how))
PARSE_LIST(parse_intents, struct model_intent, intents, nintents, parse_intent(out, element, &here))

static int parse_discovery(struct model *m, const json_t *j, const struct place *at,
			   enum model_json how)
{
	static const struct field fields[] = { { "chap", FIELD_OBJECT, FIELD_NULL } };
	struct place chap = place_key(at, "chap");
	int rc = fields_check(j, at, fields, ARRAY_SIZE(fields));

	/* {} says nothing, so nothing changes */
	m->has_discovery = fields_has(j, "chap") || how == MODEL_KEPT;
	return rc ? rc : parse_chap(&m->discovery, json_object_get(j, "chap"), &chap, how);
}

/* --- the document -------------------------------------------------------------------- */

static int check_format(const json_t *j, const struct place *at)
{
	struct place here = place_key(at, "ringlun");
	const json_t *format = json_object_get(j, "ringlun");

	if (!json_is_object(j) || !format)
		return 0; /* fields_check has a better sentence */
	if (json_is_integer(format) && json_integer_value(format) == MODEL_FORMAT)
		return 0;
	if (json_is_integer(format) && json_integer_value(format) > MODEL_FORMAT) {
		(void)place_refuse(&here,
				   "format %lld is newer than this ringlun, which knows %d; use "
				   "the ringlun that wrote it, or a newer one",
				   json_integer_value(format), MODEL_FORMAT);
		return -ENOTSUP;
	}
	return place_refuse(&here, "this is the format of the document; give %d", MODEL_FORMAT);
}

static int check_keys(const json_t *j, const struct place *at, enum model_json how)
{
	static const struct field shown[] = {
		{ "ringlun", FIELD_NUMBER, FIELD_NEEDED },
		{ "portals", FIELD_LIST, 0 },
		{ "discovery", FIELD_OBJECT, 0 },
		{ "pools", FIELD_LIST, 0 },
		{ "volumes", FIELD_LIST, 0 },
		{ "targets", FIELD_LIST, 0 },
	};
	static const struct field kept[] = {
		{ "ringlun", FIELD_NUMBER, FIELD_NEEDED },
		{ "portals", FIELD_LIST, FIELD_NEEDED },
		{ "discovery", FIELD_OBJECT, FIELD_NEEDED },
		{ "pools", FIELD_LIST, FIELD_NEEDED },
		{ "targets", FIELD_LIST, FIELD_NEEDED },
		{ "intents", FIELD_LIST, 0 },
	};

	return how == MODEL_KEPT ? fields_check(j, at, kept, ARRAY_SIZE(kept))
				 : fields_check(j, at, shown, ARRAY_SIZE(shown));
}

static int parse(struct model *out, const json_t *j, const struct place *at, enum model_json how)
{
	static const struct {
		const char *key;
		int (*parse)(struct model *m, const json_t *j, const struct place *at,
			     enum model_json how);
	} parts[] = {
		{ "discovery", parse_discovery }, { "pools", parse_pools },
		{ "volumes", parse_volumes },	  { "targets", parse_targets },
		{ "intents", parse_intents },
	};
	struct place portals = place_key(at, "portals");
	int rc = check_format(j, at);

	if (!rc)
		rc = check_keys(j, at, how);
	if (rc)
		return rc;
	out->has_pools = fields_has(j, "pools");
	out->has_volumes = fields_has(j, "volumes");
	out->has_targets = fields_has(j, "targets");
	out->has_portals = fields_has(j, "portals");
	rc = parse_portals(&out->portals, &out->nportals, json_object_get(j, "portals"), &portals);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(parts); i++) {
		struct place here = place_key(at, parts[i].key);

		if (fields_has(j, parts[i].key))
			rc = parts[i].parse(out, json_object_get(j, parts[i].key), &here, how);
	}
	return rc ? rc : model_check(out, at->why, at->why_cap);
}

int model_from_json(struct model *out, const json_t *j, enum model_json how, char *why,
		    size_t why_cap)
{
	struct place at = place_top("", why, why_cap);
	int rc;

	*out = (struct model){ .pools = NULL };
	rc = parse(out, j, &at, how);
	if (rc)
		model_fini(out);
	return rc;
}

int model_pool_from_json(struct model_pool *out, const json_t *j, const char *where, char *why,
			 size_t why_cap)
{
	struct place at = place_top(where, why, why_cap);
	int rc;

	*out = (struct model_pool){ .name = NULL };
	rc = parse_pool(out, j, &at);
	if (rc)
		model_pool_fini(out);
	return rc;
}
