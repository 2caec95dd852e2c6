/* JSON for people, and a checksum for what no parser notices.
 *
 *   {
 *     "crc32c": "1c8f02d9",     of all the rest, as one line with sorted keys
 *     "discovery": ...
 *
 * A digit that a bad disk has changed is still JSON, and would serve another volume. Who edits the
 * file on purpose leaves the line "crc32c" out: without it there is nothing to compare.
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

enum { CRC_TEXT = 9 };

#define SEE "; bring back a copy of it, or mend it (ringlun-state(5) says how)"

/* --- checksum ------------------------------------------------------------------------ */

static int add_to_crc(const char *bytes, size_t len, void *arg)
{
	uint32_t *crc = arg;

	*crc = crc32c_add(*crc, bytes, len);
	return 0;
}

static int checksum(const json_t *j, char out[static CRC_TEXT])
{
	uint32_t crc = CRC32C_START;

	if (json_dump_callback(j, add_to_crc, &crc, JSON_COMPACT | JSON_SORT_KEYS))
		return -ENOMEM;
	snprintf(out, CRC_TEXT, "%08x", crc32c_end(crc));
	return 0;
}

/* --- reading ------------------------------------------------------------------------- */

/* Takes the checksum out of @j, where it is. */
static int check_crc(json_t *j, const char *path, char *why, size_t why_cap)
{
	json_t *kept = json_incref(json_object_get(j, "crc32c"));
	char now[CRC_TEXT];
	int rc = 0;

	if (!kept)
		return 0;
	if (json_object_del(j, "crc32c") || checksum(j, now))
		rc = why_say(why, why_cap, -ENOMEM, "out of memory");
	else if (!json_is_string(kept) || strcmp(json_string_value(kept), now) != 0)
		rc = why_say(
			why, why_cap, -EBADMSG,
			"%s: its checksum does not fit the rest of it, so it is damaged, or "
			"was edited; bring back a copy of it, or, if you edited it on purpose, "
			"remove \"crc32c\" and its value from it",
			path);
	json_decref(kept);
	return rc;
}

static int from_json(struct model *m, json_t *j, const char *path, char *why, size_t why_cap)
{
	char what[512];
	int rc = check_crc(j, path, why, why_cap);

	if (rc)
		return rc;
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
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	/* not a word about the text: it was memory that was missing (where jansson's lexer misses
	 * it there is one, and that is wrong; the file is refused and left alone in any case) */
	if (!j && !error.text[0])
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	if (!j) {
		quote = strstr(error.text, " near ");
		if (quote)
			*quote = '\0';
		return why_say(why, why_cap, -EBADMSG, "%s, line %d, column %d: %s" SEE, path,
			       error.line, error.column, error.text);
	}
	rc = from_json(m, j, path, why, why_cap);
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

int state_text_write(const struct model *m, char **text, size_t *len)
{
	json_t *j = model_to_json(m, MODEL_KEPT);
	struct sink s = { .len = 0 };
	char crc[CRC_TEXT];
	bool ok;

	ok = j && !checksum(j, crc) && !json_object_set_new(j, "crc32c", json_string(crc)) &&
	     !json_dump_callback(j, add_to_text, &s, JSON_INDENT(2) | JSON_SORT_KEYS) &&
	     !add_to_text("\n", 1, &s);
	json_wipe(j);
	json_decref(j);
	if (!ok) {
		state_text_free(s.text, s.len);
		return -ENOMEM;
	}
	*text = s.text;
	*len = s.len;
	return 0;
}
