/* Between the parts of the reader: each takes one thing of a document at its place. 0 or -errno,
 * with the sentence written; what was made until then is the caller's to let go (x_fini). */
#pragma once

#include "target/control/fields.h"
#include "target/control/model_json.h"

/* Copies of texts of one form: model_text.c. */
int text_of_name(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_target(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_portal(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_initiator(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_subnet(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_path(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_group(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_user(char **out, const char *text, const struct place *at) MUST_CHECK;
int text_of_secret(char **out, const char *text, const struct place *at) MUST_CHECK;
int uuid_of_text(uint8_t out[static 16], const char *text, const struct place *at) MUST_CHECK;

int parse_volume(struct model_volume *out, const json_t *j, const struct place *at) MUST_CHECK;
int parse_target(struct model_target *out, const json_t *j, const struct place *at,
		 enum model_json how) MUST_CHECK;
/* null: none. */
int parse_chap(struct model_chap *out, const json_t *j, const struct place *at,
	       enum model_json how) MUST_CHECK;
/* A list of ADDR:PORT, without one twice; null: none. */
int parse_portals(char ***out, unsigned *n, const json_t *j, const struct place *at) MUST_CHECK;

/* Lists in which each is compared with each. */
int parse_is_short(const json_t *j, const struct place *at) MUST_CHECK;
/* Zeroed room for what @j lists. -ENOMEM, with the sentence. */
int parse_room(void **out, const json_t *j, size_t size, const struct place *at) MUST_CHECK;
