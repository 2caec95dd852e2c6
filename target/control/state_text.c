/* JSON for people, and a checksum for what no parser notices.
 *
 *   {
 *     "crc32c": "1c8f02d9",     of the whole text, as if it had zeros here
 *     "discovery": ...
 *
 * A digit that a bad disk has changed is still JSON, and would serve another volume. Who edits the
 * file on purpose takes the line "crc32c" out: without it there is nothing to compare.
 *
 * Texts have secrets: what is built here is overwritten before it is let go, and jansson's own
 * words about a mistake, which quote the text, are cut off before the quotation. */
#include "target/control/state_text.h"

#include "target/control/model_json.h"

#include "backstore/base/crc32c.h"
#include "backstore/why.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEE "; bring back a copy of it, or mend it (ringlun-state(5) says how)"

/* --- checksum ------------------------------------------------------------------------ */

/* How each text begins. */
#define HEAD  "{\n  \"crc32c\": \""
#define ZEROS "00000000"

enum { CRC_AT = sizeof(HEAD) - 1, CRC_LEN = sizeof(ZEROS) - 1 };

/* @text has room for it. */
static void checksum(const char *text, size_t len, char out[static CRC_LEN + 1])
{
	uint32_t crc = crc32c_add(CRC32C_START, text, CRC_AT);

	crc = crc32c_add(crc, ZEROS, CRC_LEN);
	crc = crc32c_add(crc, text + CRC_AT + CRC_LEN, len - CRC_AT - CRC_LEN);
	snprintf(out, CRC_LEN + 1, "%08x", crc32c_end(crc));
}

/* --- reading ------------------------------------------------------------------------- */

/* @j: of @text, with a checksum or without. */
static bool crc_fits(const json_t *j, const char *text, size_t len)
{
	char now[CRC_LEN + 1];

	if (!json_object_get(j, "crc32c"))
		return true;
	if (len < CRC_AT + CRC_LEN || memcmp(text, HEAD, CRC_AT) != 0)
		return false;
	checksum(text, len, now);
	return !memcmp(text + CRC_AT, now, CRC_LEN);
}

static int from_json(struct model *m, json_t *j, const char *path, char *why, size_t why_cap)
{
	char what[512];
	int rc;

	json_object_del(j, "crc32c");
	rc = model_from_json(m, j, MODEL_KEPT, what, sizeof(what));
	if (!rc || rc == -ENOMEM)
		return rc ? why_say(why, why_cap, rc, "out of memory") : 0;
	if (rc == -ENOTSUP)
		return why_say(why, why_cap, rc, "%s: %s", path, what);
	return why_say(why, why_cap, -EBADMSG, "%s: %s" SEE, path, what);
}

int state_text_read(struct model *m, const char *text, size_t len, const char *path, char *why,
		    size_t why_cap)
{
	json_error_t error;
	json_t *j;
	char *quote;
	int rc;

	*m = (struct model){ .pools = NULL };
	if (!len)
		return why_say(why, why_cap, -EBADMSG, "%s is empty, and was never written so" SEE,
			       path);
	rc = json_read(&j, text, len, &error);
	if (rc == -ENOMEM)
		return why_say(why, why_cap, rc, "out of memory");
	if (rc) {
		quote = strstr(error.text, " near ");
		if (quote)
			*quote = '\0';
		return why_say(why, why_cap, -EBADMSG, "%s, line %d, column %d: %s" SEE, path,
			       error.line, error.column, error.text);
	}
	if (crc_fits(j, text, len))
		rc = from_json(m, j, path, why, why_cap);
	else
		rc = why_say(
			why, why_cap, -EBADMSG,
			"%s: its checksum does not fit the rest of it, so it is damaged, or was "
			"edited; bring back a copy of it, or, if you edited it on purpose, "
			"remove the line \"crc32c\" from it",
			path);
	json_wipe(j);
	json_decref(j);
	return rc;
}

/* --- writing ------------------------------------------------------------------------- */

struct sink {
	char *text;
	size_t len, cap;
};

void state_text_free(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

/* realloc would leave the old copy behind. */
static int add_to_text(const char *bytes, size_t len, void *arg)
{
	struct sink *s = arg;
	size_t cap = s->cap ? s->cap : 4096;
	char *more;

	while (cap - s->len < len)
		cap *= 2;
	if (cap > s->cap) {
		more = malloc(cap);
		if (!more)
			return -1;
		if (s->text)
			memcpy(more, s->text, s->len);
		state_text_free(s->text, s->len);
		s->text = more;
		s->cap = cap;
	}
	memcpy(s->text + s->len, bytes, len);
	s->len += len;
	return 0;
}

static bool add_words(struct sink *s, const char *words)
{
	return !add_to_text(words, strlen(words), s);
}

/* @j is taken over; NULL: there was no memory. One at a time: a tree of them all would cost more
 * than all the rest of a change. */
static bool add_json(struct sink *s, json_t *j)
{
	bool ok = j && !json_dump_callback(j, add_to_text, s, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	json_wipe(j);
	json_decref(j);
	return ok;
}

/* One a line. */
static bool add_list(struct sink *s, const char *head, const struct model *m, unsigned n,
		     json_t *(*element)(const struct model *m, unsigned i))
{
	bool ok = add_words(s, head);

	for (unsigned i = 0; ok && i < n; i++)
		ok = add_words(s, i ? ",\n    " : "\n    ") && add_json(s, element(m, i));
	return ok && add_words(s, n ? "\n  ]" : "]");
}

static json_t *intent(const struct model *m, unsigned i)
{
	return model_intent_to_json(&m->intents[i]);
}

static json_t *pool(const struct model *m, unsigned i)
{
	return model_pool_to_json(&m->pools[i]);
}

static json_t *portal(const struct model *m, unsigned i)
{
	return json_string(m->portals[i]);
}

static json_t *target(const struct model *m, unsigned i)
{
	return model_target_to_json(&m->targets[i], MODEL_KEPT);
}

/* The document of model_to_json, with its checksum. */
static bool add_all(struct sink *s, const struct model *m)
{
	if (!add_words(s, HEAD ZEROS "\",\n  \"discovery\": {\"chap\": ") ||
	    !add_json(s, model_chap_to_json(&m->discovery, MODEL_KEPT)) || !add_words(s, "},\n"))
		return false;
	if (m->nintents &&
	    !(add_list(s, "  \"intents\": [", m, m->nintents, intent) && add_words(s, ",\n")))
		return false;
	return add_list(s, "  \"pools\": [", m, m->npools, pool) &&
	       add_list(s, ",\n  \"portals\": [", m, m->nportals, portal) &&
	       add_list(s, ",\n  \"ringlun\": 1,\n  \"targets\": [", m, m->ntargets, target) &&
	       add_words(s, "\n}\n");
}

int state_text_write(const struct model *m, char **text, size_t *len)
{
	struct sink s = { .len = 0 };
	char crc[CRC_LEN + 1];

	static_assert(MODEL_FORMAT == 1, "add_all writes it");
	if (!add_all(&s, m)) {
		state_text_free(s.text, s.len);
		return -ENOMEM;
	}
	checksum(s.text, s.len, crc);
	memcpy(s.text + CRC_AT, crc, CRC_LEN);
	*text = s.text;
	*len = s.len;
	return 0;
}
