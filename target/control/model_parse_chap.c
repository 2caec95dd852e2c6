/* CHAP of a target, or of discovery: who must prove what they know, and how we prove ourselves.
 *
 * No sentence has a secret in it, and a type that is wrong is told without its value. */
#include "target/control/model_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int parse_user(struct model_user *out, const json_t *j, const struct place *at,
		      enum model_json how)
{
	static const struct field fields[] = {
		{ "user", FIELD_TEXT, FIELD_NEEDED },
		{ "secret", FIELD_TEXT, 0 },
	};
	struct place user = place_key(at, "user"), secret = place_key(at, "secret");
	int rc = fields_check(j, at, fields, ARRAY_SIZE(fields));

	if (!rc)
		rc = text_of_user(&out->name, fields_text(j, "user"), &user);
	if (!rc && fields_has(j, "secret"))
		rc = text_of_secret(&out->secret, fields_text(j, "secret"), &secret);
	if (!rc && !out->secret && how == MODEL_KEPT)
		rc = place_refuse(at, "\"secret\" is missing; add it");
	return rc;
}

static int parse_users(struct model_chap *out, const json_t *j, const struct place *at,
		       enum model_json how)
{
	json_t *element;
	void *room;
	size_t i;
	int rc = parse_is_short(j, at);

	if (rc)
		return rc;
	rc = parse_room(&room, j, sizeof(*out->users), at);
	out->users = room;
	if (!rc && !json_array_size(j))
		return place_refuse(at, "no user could log in; give one, or \"chap\": null for "
					"logins without CHAP");
	json_array_foreach(j, i, element)
	{
		struct place here = place_element(at, i);

		if (rc)
			break;
		out->nusers++;
		rc = parse_user(&out->users[i], element, &here, how);
		for (size_t k = 0; !rc && k < i; k++)
			if (!strcmp(out->users[k].name, out->users[i].name))
				rc = place_refuse(&here,
						  "user '%.100s' is there twice; leave one "
						  "out",
						  out->users[i].name);
	}
	return rc;
}

/* RFC 7143 9.2.1: a secret of both directions lets whoever is asked ask back and have the answer.
 */
static int parse_mutual(struct model_chap *out, const json_t *j, const struct place *at,
			enum model_json how)
{
	int rc = parse_user(&out->mutual, j, at, how);

	out->has_mutual = !rc;
	for (unsigned i = 0; !rc && out->mutual.secret && i < out->nusers; i++)
		if (out->users[i].secret && !strcmp(out->users[i].secret, out->mutual.secret))
			rc = place_refuse(at,
					  "user '%.100s' has the same secret; give each direction "
					  "its own",
					  out->users[i].name);
	return rc;
}

int parse_chap(struct model_chap *out, const json_t *j, const struct place *at, enum model_json how)
{
	static const struct field fields[] = {
		{ "users", FIELD_LIST, FIELD_NEEDED },
		{ "mutual", FIELD_OBJECT, FIELD_NULL },
	};
	struct place users = place_key(at, "users"), mutual = place_key(at, "mutual");
	int rc;

	if (!j || json_is_null(j))
		return 0;
	rc = fields_check(j, at, fields, ARRAY_SIZE(fields));
	if (!rc)
		rc = parse_users(out, json_object_get(j, "users"), &users, how);
	if (!rc && json_is_object(json_object_get(j, "mutual")))
		rc = parse_mutual(out, json_object_get(j, "mutual"), &mutual, how);
	return rc;
}

int model_chap_from_json(struct model_chap *out, const json_t *j, const char *where, char *why,
			 size_t why_cap)
{
	struct place at = place_top(where, why, why_cap);
	int rc;

	*out = (struct model_chap){ .users = NULL };
	rc = parse_chap(out, j, &at, MODEL_SHOWN);
	if (rc)
		model_chap_fini(out);
	return rc;
}
