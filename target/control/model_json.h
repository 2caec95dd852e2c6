/* The model as JSON: read strictly, written in one form.
 *
 * Strictly: an unknown key is refused with the one that was meant, a wrong type with what was
 * expected; duplicates and references to what is not there, too. A sentence begins with the place,
 * as in "targets[3].luns[0].lun: 16384 ..."; secrets are never in one. */
#pragma once

#include "target/control/model.h"

#include <jansson.h>

enum {
	MODEL_MAX_LUN = 16383,	/* of flat space addressing (SAM-5 4.7.5) */
	MODEL_FORMAT = 1,	/* of "ringlun", the first key of a document */
	MODEL_MAX_LIST = 65536, /* of anything */
	MODEL_MAX_RULES = 1024, /* and users, and portals, each of one target */
	MODEL_MIN_SECRET = 12,	/* bytes: 96 bits, RFC 7143 9.2.1 */
	MODEL_MAX_SECRET = 255,
};

enum model_json {
	MODEL_SHOWN, /* secrets are left out, and where they are the old ones stay; no intents */
	MODEL_KEPT,  /* as in the state file: with secrets and intents, without volumes */
};

json_t *model_to_json(const struct model *m, enum model_json how);
json_t *model_pool_to_json(const struct model_pool *p);
json_t *model_volume_to_json(const struct model_volume *v);
json_t *model_target_to_json(const struct model_target *t, enum model_json how);
json_t *model_chap_to_json(const struct model_chap *c, enum model_json how); /* none: null */
json_t *model_rule_to_json(const struct model_rule *r);
json_t *model_intent_to_json(const struct model_intent *i);

/* -EINVAL (and then @out has nothing): @why says where, what, and the way out. -ENOTSUP: a newer
 * format. A kept document has to have all parts. */
int model_from_json(struct model *out, const json_t *j, enum model_json how, char *why,
		    size_t why_cap) MUST_CHECK;

/* One thing alone; @where stands before the name of the key in @why, and may be "". */
int model_pool_from_json(struct model_pool *out, const json_t *j, const char *where, char *why,
			 size_t why_cap) MUST_CHECK;
int model_volume_from_json(struct model_volume *out, const json_t *j, const char *where, char *why,
			   size_t why_cap) MUST_CHECK;
int model_target_from_json(struct model_target *out, const json_t *j, const char *where, char *why,
			   size_t why_cap) MUST_CHECK;
int model_chap_from_json(struct model_chap *out, const json_t *j, const char *where, char *why,
			 size_t why_cap) MUST_CHECK;
int model_rule_from_json(struct model_rule *out, const json_t *j, const char *where, char *why,
			 size_t why_cap) MUST_CHECK;

/* Whether what is in @m goes together: names that are there twice, LUNs of volumes and volumes of
 * pools that are not there, as far as @m has these parts. model_from_json has done it. */
int model_check(const struct model *m, char *why, size_t why_cap) MUST_CHECK;

/* A text as the model has it, malloc'ed: a volume's or pool's name, a target's name, ADDR:PORT. */
int model_name_parse(char **out, const char *text, char *why, size_t why_cap) MUST_CHECK;
int model_target_name_parse(char **out, const char *text, char *why, size_t why_cap) MUST_CHECK;
int model_portal_parse(char **out, const char *text, char *why, size_t why_cap) MUST_CHECK;

/* Overwrites all texts in @j, which has had secrets, before json_decref. */
void json_wipe(json_t *j);
/* Once, before jansson is used: all memory that it frees is overwritten, its parser's and its
 * writer's as well. What json_dumps returned is still the caller's to wipe. */
void json_wipe_always(void);
/* json_loadb, without keys that are there twice. -EINVAL, with @error; -ENOMEM, which jansson's own
 * takes for a mistake of the text, or not at all. */
int json_read(json_t **out, const char *text, size_t len, json_error_t *error) MUST_CHECK;
