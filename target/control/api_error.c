/* Failures of calls. */
#include "target/control/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t sequence_bytes(unsigned char first)
{
	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

static bool is_utf8(const char *s, size_t len)
{
	json_t *j = json_stringn(s, len);

	json_decref(j);
	return j;
}

/* There may be anything in what a message quotes, and it may be cut within a character: no JSON
 * could be made of it. */
static void make_utf8(char *s)
{
	while (*s) {
		size_t len = sequence_bytes((unsigned char)*s);

		if (strnlen(s, len) < len || !is_utf8(s, len)) {
			*s = '?';
			len = 1;
		}
		s += len;
	}
}

void api_fail(struct api_error *e, unsigned status, const char *code, const char *format, ...)
{
	va_list args;

	e->status = status;
	e->code = code;
	va_start(args, format);
	vsnprintf(e->message, sizeof(e->message), format, args);
	va_end(args);
	make_utf8(e->message);
}

json_t *api_error_to_json(const struct api_error *e)
{
	return json_pack("{s:{s:s, s:s, s:i}}", "error", "code", e->code, "message", e->message,
			 "status", (int)e->status);
}

void api_fail_errno(struct api_error *e, int rc, const char *why)
{
	static const struct {
		int rc;
		unsigned status;
		const char *code;
	} table[] = {
		{ -ENOENT, 404, "not_found" },	   { -EEXIST, 409, "exists" },
		{ -EBUSY, 409, "in_use" },	   { -EINVAL, 400, "invalid" },
		{ -ENOSPC, 507, "no_space" },	   { -ECANCELED, 409, "cancelled" },
		{ -EBADMSG, 500, "damaged" },	   { -ENOMEM, 503, "out_of_memory" },
		{ -ETIMEDOUT, 504, "timed_out" },  { -EDQUOT, 507, "no_space" },
		{ -ENOTDIR, 400, "invalid" },	   { -EISDIR, 400, "invalid" },
		{ -ENAMETOOLONG, 400, "invalid" }, { -ELOOP, 400, "invalid" },
		{ -EFBIG, 400, "invalid" },	   { -ENOTEMPTY, 409, "exists" },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].rc == rc) {
			api_fail(e, table[i].status, table[i].code, "%s", why);
			return;
		}
	api_fail(e, 500, "failed", "%s", why);
}
