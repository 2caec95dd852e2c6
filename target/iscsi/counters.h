/* How logins go, counted for the whole node. */
#pragma once

#include "target/iscsi/proto.h"

#include <stdint.h>

enum login_refusal {
	REFUSED_PROTOCOL,	/* wrong or missing in the request itself */
	REFUSED_AUTHENTICATION, /* CHAP */
	REFUSED_FORBIDDEN,	/* no rule lets it in, or another initiator has the target */
	REFUSED_NOT_FOUND,	/* no such target, or it is gone */
	REFUSED_RESOURCES,	/* as many sessions or logins as may be, or out of memory */
	REFUSED_UNAVAILABLE,
	REFUSED_TIMEOUT,     /* never came to an end */
	REFUSED_TURNED_AWAY, /* not even a Login Request was read */
	LOGIN_REFUSALS
};

struct login_counters {	       /* relaxed: each is a number by itself */
	_Atomic uint64_t done; /* full feature phase */
	_Atomic uint64_t redirected;
	_Atomic uint64_t refused[LOGIN_REFUSALS];
};

void login_count_refused(struct login_counters *c, enum login_refusal why);
/* What a Login Response with this status, that is no success, means. */
void login_count_status(struct login_counters *c, enum iscsi_login_status status);
/* "protocol" and the like */
const char *login_refusal_name(enum login_refusal why);
