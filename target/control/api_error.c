/* Failures of calls. */
#include "target/control/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void api_fail(struct api_error *e, unsigned status, const char *code, const char *format, ...)
{
	va_list args;

	e->status = status;
	e->code = code;
	va_start(args, format);
	vsnprintf(e->message, sizeof(e->message), format, args);
	va_end(args);
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
		{ -ENOENT, 404, "not_found" },	  { -EEXIST, 409, "exists" },
		{ -EBUSY, 409, "in_use" },	  { -EINVAL, 400, "invalid" },
		{ -ENOSPC, 507, "no_space" },	  { -ECANCELED, 409, "cancelled" },
		{ -EBADMSG, 500, "damaged" },	  { -ENOMEM, 503, "out_of_memory" },
		{ -ETIMEDOUT, 504, "timed_out" },
	};

	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].rc == rc) {
			api_fail(e, table[i].status, table[i].code, "%s", why);
			return;
		}
	api_fail(e, 500, "failed", "%s", why);
}
