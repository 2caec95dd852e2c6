/* Logins are rare: reactors share these. */
#include "target/iscsi/counters.h"

#include "backstore/base/compiler.h"

#include <stdatomic.h>

void login_count_refused(struct login_counters *c, enum login_refusal why)
{
	atomic_fetch_add_explicit(&c->refused[why], 1, memory_order_relaxed);
}

static enum login_refusal refusal_of(enum iscsi_login_status status)
{
	switch ((unsigned)status) {
	case ISCSI_LOGIN_AUTH_FAILURE:
		return REFUSED_AUTHENTICATION;
	case ISCSI_LOGIN_FORBIDDEN:
		return REFUSED_FORBIDDEN;
	case ISCSI_LOGIN_NOT_FOUND:
	case ISCSI_LOGIN_TARGET_REMOVED:
		return REFUSED_NOT_FOUND;
	case ISCSI_LOGIN_OUT_OF_RESOURCES:
		return REFUSED_RESOURCES;
	case ISCSI_LOGIN_TARGET_ERROR:
	case ISCSI_LOGIN_UNAVAILABLE:
		return REFUSED_UNAVAILABLE;
	default:
		return REFUSED_PROTOCOL;
	}
}

void login_count_status(struct login_counters *c, enum iscsi_login_status status)
{
	if ((unsigned)status >> 8 == 1) /* redirection (11.13.5) */
		atomic_fetch_add_explicit(&c->redirected, 1, memory_order_relaxed);
	else
		login_count_refused(c, refusal_of(status));
}

const char *login_refusal_name(enum login_refusal why)
{
	static const char *const names[LOGIN_REFUSALS] = {
		[REFUSED_PROTOCOL] = "protocol",   [REFUSED_AUTHENTICATION] = "authentication",
		[REFUSED_FORBIDDEN] = "forbidden", [REFUSED_NOT_FOUND] = "not_found",
		[REFUSED_RESOURCES] = "resources", [REFUSED_UNAVAILABLE] = "unavailable",
		[REFUSED_TIMEOUT] = "timeout",	   [REFUSED_TURNED_AWAY] = "turned_away",
	};

	return names[why];
}
