/* The security stage of a login (RFC 7143 6.3.2, 12.1): AuthMethod, and CHAP where it is required.
 *
 * Pure: a text and a policy in, a verdict and the answers out. One struct a login, zeroed. */
#pragma once

#include "target/iscsi/chap.h"
#include "target/iscsi/keys.h"
#include "target/iscsi/policy.h"
#include "target/iscsi/proto.h"

enum { LOGIN_SECURITY_USER_BYTES = 64 }; /* of a user's name, that a log shows */

enum login_security_state {
	SECURITY_OPEN, /* no method yet */
	SECURITY_WANTS_ALGORITHMS,
	SECURITY_WANTS_RESPONSE,
	SECURITY_DONE, /* it is who it says, or nobody asks */
};

struct login_security {
	enum login_security_state state;
	unsigned rounds;
	enum chap_algorithm algorithm;
	uint8_t id;
	uint8_t challenge[CHAP_DIGEST_MAX]; /* as long as the algorithm's digest */
	/* for the log, behind something: ", CHAP user alice (SHA256)"; "": nothing was proved */
	char proof[LOGIN_SECURITY_USER_BYTES + 32];
};

/* What AuthMethod has said so far in this login. */
struct login_security_offer {
	bool offered, none, chap;
};

/* One whole text of this stage, in which params_negotiate found nothing wrong. @policy: whose users
 * must prove themselves; NULL: nobody must. Anything but success ends the login; @why then says
 * what is wrong, printable and without secrets, challenges or responses. */
enum iscsi_login_status
login_security_text(struct login_security *s, const struct iscsi_policy *policy,
		    const struct login_security_offer *offer, const struct keys_text *text,
		    struct keys_writer *answer, char *why, size_t why_cap) MUST_CHECK;
/* May the stage be left, or skipped? */
bool login_security_is_over(const struct login_security *s, const struct iscsi_policy *policy);
void login_security_wipe(struct login_security *s);
