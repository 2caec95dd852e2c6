/* One target of a document: its LUNs, and who may log in. */
#include "target/control/model_parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct field fields[] = {
	{ "name", FIELD_TEXT, FIELD_NEEDED },
	{ "luns", FIELD_LIST, 0 },
	{ "shared", FIELD_FLAG, 0 },
	{ "allow", FIELD_LIST, FIELD_NULL },
	{ "chap", FIELD_OBJECT, FIELD_NULL },
	{ "portals", FIELD_LIST, 0 },
	{ "redirect", FIELD_OBJECT, FIELD_NULL },
};

static unsigned left_out(const json_t *j)
{
	static const struct {
		const char *key;
		unsigned bit;
	} bits[] = {
		{ "luns", MODEL_LUNS },	      { "shared", MODEL_SHARED },
		{ "allow", MODEL_ALLOW },     { "chap", MODEL_CHAP },
		{ "portals", MODEL_PORTALS }, { "redirect", MODEL_REDIRECT },
	};
	unsigned out = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!fields_has(j, bits[i].key))
			out |= bits[i].bit;
	return out;
}

/* --- LUNs ---------------------------------------------------------------------------- */

static int parse_lun(struct model_lun *out, const json_t *j, const struct place *at)
{
	static const struct field lun_fields[] = {
		{ "lun", FIELD_NUMBER, FIELD_NEEDED },
		{ "volume", FIELD_TEXT, FIELD_NEEDED },
	};
	struct place lun = place_key(at, "lun"), volume = place_key(at, "volume");
	int rc = fields_check(j, at, lun_fields, ARRAY_SIZE(lun_fields));
	uint64_t n = fields_number(j, "lun");

	if (rc)
		return rc;
	if (n > MODEL_MAX_LUN)
		return place_refuse(&lun, "%" PRIu64 " is too large; give 0 to %d", n,
				    MODEL_MAX_LUN);
	out->lun = (unsigned)n;
	return text_of_name(&out->volume, fields_text(j, "volume"), &volume);
}

static int by_lun(const void *left, const void *right)
{
	const struct model_lun *a = left, *b = right;

	return (a->lun > b->lun) - (a->lun < b->lun);
}

static int check_luns(const struct model_target *t, const struct place *at)
{
	for (unsigned i = 1; i < t->nluns; i++)
		if (t->luns[i - 1].lun == t->luns[i].lun)
			return place_refuse(at, "LUN %u is there twice; change one",
					    t->luns[i].lun);
	return 0;
}

static int parse_luns(struct model_target *t, const json_t *j, const struct place *at)
{
	json_t *element;
	void *room;
	size_t i;
	int rc = parse_room(&room, j, sizeof(*t->luns), at);

	t->luns = room;
	json_array_foreach(j, i, element)
	{
		struct place here = place_element(at, i);

		if (rc)
			return rc;
		t->nluns++;
		rc = parse_lun(&t->luns[i], element, &here);
	}
	if (!rc && t->nluns)
		qsort(t->luns, t->nluns, sizeof(*t->luns), by_lun);
	return rc ? rc : check_luns(t, at);
}

/* --- who may log in, and where -------------------------------------------------------- */

static int parse_rule(struct model_rule *out, const json_t *j, const struct place *at)
{
	static const struct field rule_fields[] = {
		{ "initiator", FIELD_TEXT, FIELD_NULL },
		{ "address", FIELD_TEXT, FIELD_NULL },
	};
	struct place initiator = place_key(at, "initiator"), address = place_key(at, "address");
	int rc = fields_check(j, at, rule_fields, ARRAY_SIZE(rule_fields));

	if (!rc && !fields_text(j, "initiator") && !fields_text(j, "address"))
		rc = place_refuse(at, "this names nobody; give \"initiator\" (\"*\" is any), "
				      "\"address\" or both");
	if (!rc && fields_text(j, "initiator"))
		rc = text_of_initiator(&out->initiator, fields_text(j, "initiator"), &initiator);
	if (!rc && fields_text(j, "address"))
		rc = text_of_subnet(&out->address, fields_text(j, "address"), &address);
	return rc;
}

static int parse_allow(struct model_target *t, const json_t *j, const struct place *at)
{
	json_t *element;
	void *room;
	size_t i;
	int rc = parse_is_short(j, at);

	if (rc)
		return rc;
	rc = parse_room(&room, j, sizeof(*t->allow), at);
	t->allow = room;
	t->has_allow = json_is_array(j);
	json_array_foreach(j, i, element)
	{
		struct place here = place_element(at, i);

		if (rc)
			return rc;
		t->nallow++;
		rc = parse_rule(&t->allow[i], element, &here);
		for (size_t k = 0; !rc && k < i; k++)
			if (model_rule_is_same(&t->allow[k], &t->allow[i]))
				rc = place_refuse(&here,
						  "the same is there at [%zu]; leave one "
						  "out",
						  k);
	}
	return rc;
}

static int parse_redirect(struct model_target *t, const json_t *j, const struct place *at)
{
	static const struct field redirect_fields[] = {
		{ "address", FIELD_TEXT, FIELD_NEEDED },
		{ "permanent", FIELD_FLAG, 0 },
	};
	struct place address = place_key(at, "address");
	int rc;

	if (!json_is_object(j))
		return 0;
	rc = fields_check(j, at, redirect_fields, ARRAY_SIZE(redirect_fields));
	if (!rc)
		rc = text_of_portal(&t->redirect, fields_text(j, "address"), &address);
	if (rc)
		return rc;
	t->redirect_forever = fields_flag(j, "permanent");
	if (!strncmp(t->redirect, "0.0.0.0:", 8) || !strncmp(t->redirect, "[::]:", 5))
		return place_refuse(&address,
				    "'%s' stands for all addresses and is no place to "
				    "go to; give one",
				    t->redirect);
	return 0;
}

int parse_target(struct model_target *out, const json_t *j, const struct place *at,
		 enum model_json how)
{
	struct place name = place_key(at, "name"), luns = place_key(at, "luns");
	struct place allow = place_key(at, "allow"), chap = place_key(at, "chap");
	struct place portals = place_key(at, "portals"), redirect = place_key(at, "redirect");
	int rc = fields_check(j, at, fields, ARRAY_SIZE(fields));

	if (!rc)
		rc = text_of_target(&out->name, fields_text(j, "name"), &name);
	if (!rc)
		rc = parse_luns(out, json_object_get(j, "luns"), &luns);
	if (!rc)
		rc = parse_allow(out, json_object_get(j, "allow"), &allow);
	if (!rc)
		rc = parse_chap(&out->chap, json_object_get(j, "chap"), &chap, how);
	if (!rc)
		rc = parse_portals(&out->portals, &out->nportals, json_object_get(j, "portals"),
				   &portals);
	if (!rc)
		rc = parse_redirect(out, json_object_get(j, "redirect"), &redirect);
	out->shared = fields_flag(j, "shared");
	out->left_out = left_out(j);
	if (!rc && how == MODEL_KEPT && out->left_out)
		rc = place_refuse(at, "a part is missing; there have to be luns, shared, allow, "
				      "chap, portals and redirect");
	return rc;
}

/* --- alone ----------------------------------------------------------------------------- */

int model_target_from_json(struct model_target *out, const json_t *j, const char *where, char *why,
			   size_t why_cap)
{
	struct place at = place_top(where, why, why_cap);
	int rc;

	*out = (struct model_target){ .name = NULL };
	rc = parse_target(out, j, &at, MODEL_SHOWN);
	if (rc)
		model_target_fini(out);
	return rc;
}

int model_rule_from_json(struct model_rule *out, const json_t *j, const char *where, char *why,
			 size_t why_cap)
{
	struct place at = place_top(where, why, why_cap);
	int rc;

	*out = (struct model_rule){ .initiator = NULL };
	rc = parse_rule(out, j, &at);
	if (rc)
		model_rule_fini(out);
	return rc;
}
