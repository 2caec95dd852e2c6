/* Who is it, really? CHAP as the target sees it (RFC 7143 12.1.3):
 *
 *   initiator                          target
 *   AuthMethod=CHAP,None        ─▶
 *                               ◀─     AuthMethod=CHAP         a policy with users: never None
 *   CHAP_A=7,5                  ─▶
 *                               ◀─     CHAP_A, CHAP_I, CHAP_C  the strongest that both have
 *   CHAP_N, CHAP_R              ─▶
 *   (CHAP_I, CHAP_C)                   and who are you?
 *                               ◀─     (CHAP_N, CHAP_R)        only to who has proved itself
 *
 * We answer a challenge only behind a good response, so nobody can have us compute what he then
 * sends back on another connection; a challenge of ours that comes back ends the connection
 * (9.2.1), and a policy refuses one secret for both directions. A user that is not known costs the
 * same hash and gets the same answer as a wrong secret; only our log tells them apart. */
#include "target/iscsi/login_security.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

enum {
	MAX_ROUNDS = 8, /* texts before the initiator has proved itself; three are enough */
};

struct chap_keys {
	const char *A, *I, *C, *N, *R;
};

static struct chap_keys read_keys(const struct keys_text *text)
{
	struct chap_keys found = { 0 };
	char name[KEY_NAME_MAX + 1];
	struct keys_reader reader;
	const char *value;
	const struct {
		const char *name, **value;
	} wanted[] = { { "CHAP_A", &found.A },
		       { "CHAP_I", &found.I },
		       { "CHAP_C", &found.C },
		       { "CHAP_N", &found.N },
		       { "CHAP_R", &found.R } };

	keys_read_init(&reader, text->data, text->len);
	while (keys_read(&reader, name, &value) > 0)
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (!strcmp(name, wanted[i].name))
				*wanted[i].value = value;
	return found;
}

static bool is_response(const struct chap_keys *k)
{
	return k->N || k->R || k->I || k->C;
}

static bool is_required(const struct iscsi_policy *policy)
{
	return policy && policy->nusers;
}

/* --- AuthMethod ------------------------------------------------------------------------ */

static enum iscsi_login_status choose_method(struct login_security *s,
					     const struct iscsi_policy *policy,
					     const struct login_security_offer *offer,
					     struct keys_writer *answer, char *why, size_t why_cap)
{
	bool required = is_required(policy);

	if (required && !offer->chap) {
		snprintf(why, why_cap, "CHAP is required, and AuthMethod=CHAP was not offered");
		return ISCSI_LOGIN_AUTH_FAILURE;
	}
	if (!required && !offer->none) {
		snprintf(why, why_cap,
			 "AuthMethod=None was not offered, and there are no CHAP "
			 "users who could prove themselves");
		return ISCSI_LOGIN_AUTH_FAILURE;
	}
	keys_write(answer, "AuthMethod", required ? "CHAP" : "None");
	s->state = required ? SECURITY_WANTS_ALGORITHMS : SECURITY_DONE;
	return ISCSI_LOGIN_SUCCESS;
}

/* --- our challenge --------------------------------------------------------------------- */

static enum iscsi_login_status challenge(struct login_security *s, const char *list,
					 struct keys_writer *answer, char *why, size_t why_cap)
{
	char text[CHAP_TEXT_MAX + 1];
	size_t len;

	s->algorithm = chap_choose(list);
	if (s->algorithm == CHAP_NONE) {
		snprintf(why, why_cap,
			 "CHAP_A has none of 8 (SHA3-256), 7 (SHA-256), 6 (SHA1), 5 (MD5) that "
			 "this host can do");
		return ISCSI_LOGIN_AUTH_FAILURE;
	}
	len = chap_digest_bytes(s->algorithm);
	if (chap_random(&s->id, sizeof(s->id)) || chap_random(s->challenge, len)) {
		snprintf(why, why_cap, "no random numbers for a CHAP challenge yet");
		return ISCSI_LOGIN_OUT_OF_RESOURCES;
	}
	chap_encode(s->challenge, len, text);
	keys_write_num(answer, "CHAP_A", s->algorithm);
	keys_write_num(answer, "CHAP_I", s->id);
	keys_write(answer, "CHAP_C", text);
	s->state = SECURITY_WANTS_RESPONSE;
	return ISCSI_LOGIN_SUCCESS;
}

/* --- their response --------------------------------------------------------------------- */

/* All are looked at, whoever it is. */
static const struct policy_secret *find_user(const struct iscsi_policy *policy, const char *name)
{
	const struct policy_secret *found = NULL;

	for (unsigned i = 0; i < policy->nusers; i++)
		if (!strcmp(policy->users[i].name, name))
			found = &policy->users[i];
	return found;
}

/* It came from the peer, and goes to a log. */
static void show_user(const char *user, char shown[static LOGIN_SECURITY_USER_BYTES + 1])
{
	size_t n = strnlen(user, LOGIN_SECURITY_USER_BYTES);

	for (size_t i = 0; i < n; i++)
		shown[i] = user[i] > 0x20 && user[i] < 0x7f ? user[i] : '?';
	shown[n] = '\0';
}

static enum iscsi_login_status refuse_user(const char *what, const char *user, char *why,
					   size_t why_cap)
{
	char shown[LOGIN_SECURITY_USER_BYTES + 1];

	show_user(user, shown);
	snprintf(why, why_cap, "CHAP: %s '%s'%s", what, shown,
		 strlen(user) > LOGIN_SECURITY_USER_BYTES ? " (cut)" : "");
	return ISCSI_LOGIN_AUTH_FAILURE;
}

static enum iscsi_login_status check_response(const struct login_security *s,
					      const struct iscsi_policy *policy,
					      const struct chap_keys *k, char *why, size_t why_cap)
{
	const struct policy_secret *user = find_user(policy, k->N);
	const struct policy_secret *tried = user ? user : &policy->users[0];
	uint8_t theirs[CHAP_DIGEST_MAX], ours[CHAP_DIGEST_MAX];
	size_t len, want = chap_digest_bytes(s->algorithm);
	bool equal;

	if (chap_decode(k->R, theirs, want, &len) || len != want) {
		snprintf(why, why_cap, "CHAP_R is not %zu bytes in 0x hexadecimal or 0b base64",
			 want);
		return ISCSI_LOGIN_INITIATOR_ERROR;
	}
	if (chap_response(s->algorithm, s->id, (struct chap_bytes){ tried->bytes, tried->len },
			  (struct chap_bytes){ s->challenge, want }, ours)) {
		snprintf(why, why_cap, "the hash function of CHAP_A=%u fails",
			 (unsigned)s->algorithm);
		return ISCSI_LOGIN_TARGET_ERROR;
	}
	equal = !CRYPTO_memcmp(theirs, ours, want);
	OPENSSL_cleanse(ours, sizeof(ours));
	if (!user)
		return refuse_user("there is no user", k->N, why, why_cap);
	return equal ? ISCSI_LOGIN_SUCCESS
		     : refuse_user("wrong secret of user", k->N, why, why_cap);
}

/* --- who we are -------------------------------------------------------------------------- */

static enum iscsi_login_status
answer_challenge(const struct login_security *s, const struct policy_secret *mutual, uint8_t id,
		 struct chap_bytes theirs, struct keys_writer *answer, char *why, size_t why_cap)
{
	struct chap_bytes secret = { mutual->bytes, mutual->len };
	uint8_t response[CHAP_DIGEST_MAX];
	char text[CHAP_TEXT_MAX + 1];

	if (chap_response(s->algorithm, id, secret, theirs, response)) {
		snprintf(why, why_cap, "the hash function of CHAP_A=%u fails",
			 (unsigned)s->algorithm);
		return ISCSI_LOGIN_TARGET_ERROR;
	}
	chap_encode(response, chap_digest_bytes(s->algorithm), text);
	keys_write(answer, "CHAP_N", mutual->name);
	keys_write(answer, "CHAP_R", text);
	return ISCSI_LOGIN_SUCCESS;
}

static enum iscsi_login_status
prove_ourselves(const struct login_security *s, const struct iscsi_policy *policy,
		const struct chap_keys *k, struct keys_writer *answer, char *why, size_t why_cap)
{
	uint8_t theirs[CHAP_BINARY_MAX];
	uint32_t id;
	size_t len;

	if (keys_number(k->I, &id) || id > UINT8_MAX) {
		snprintf(why, why_cap, "CHAP_I is not a number from 0 to 255");
		return ISCSI_LOGIN_INITIATOR_ERROR;
	}
	if (chap_decode(k->C, theirs, sizeof(theirs), &len)) {
		snprintf(why, why_cap, "CHAP_C is not 1 to %d bytes in 0x hexadecimal or 0b base64",
			 CHAP_BINARY_MAX);
		return ISCSI_LOGIN_INITIATOR_ERROR;
	}
	if (len == chap_digest_bytes(s->algorithm) && !memcmp(theirs, s->challenge, len)) {
		snprintf(why, why_cap, "CHAP: our own challenge came back as theirs (9.2.1)");
		return ISCSI_LOGIN_AUTH_FAILURE;
	}
	if (!policy->mutual) {
		snprintf(why, why_cap,
			 "CHAP: the initiator wants us to prove ourselves, and there is no mutual "
			 "user and secret for that");
		return ISCSI_LOGIN_AUTH_FAILURE;
	}
	return answer_challenge(s, policy->mutual, (uint8_t)id, (struct chap_bytes){ theirs, len },
				answer, why, why_cap);
}

static enum iscsi_login_status take_response(struct login_security *s,
					     const struct iscsi_policy *policy,
					     const struct chap_keys *k, struct keys_writer *answer,
					     char *why, size_t why_cap)
{
	char user[LOGIN_SECURITY_USER_BYTES + 1];
	enum iscsi_login_status status;

	if (!k->N || !k->R || !k->I != !k->C) {
		snprintf(why, why_cap, "CHAP_N with CHAP_R, and CHAP_I with CHAP_C, come together");
		return ISCSI_LOGIN_MISSING_PARAM;
	}
	status = check_response(s, policy, k, why, why_cap);
	if (status == ISCSI_LOGIN_SUCCESS && k->C)
		status = prove_ourselves(s, policy, k, answer, why, why_cap);
	if (status == ISCSI_LOGIN_SUCCESS) {
		s->state = SECURITY_DONE;
		show_user(k->N, user);
		snprintf(s->proof, sizeof(s->proof), ", CHAP user %s (%s)", user,
			 chap_name(s->algorithm));
	}
	return status;
}

/* --- one text ------------------------------------------------------------------------------- */

enum iscsi_login_status login_security_text(struct login_security *s,
					    const struct iscsi_policy *policy,
					    const struct login_security_offer *offer,
					    const struct keys_text *text,
					    struct keys_writer *answer, char *why, size_t why_cap)
{
	struct chap_keys k = read_keys(text);
	bool wants_a = s->state == SECURITY_WANTS_ALGORITHMS;
	bool wants_r = s->state == SECURITY_WANTS_RESPONSE;

	if (!login_security_is_over(s, policy) && ++s->rounds > MAX_ROUNDS) {
		snprintf(why, why_cap, "CHAP: no proof within %d texts", MAX_ROUNDS);
		return ISCSI_LOGIN_AUTH_FAILURE;
	}
	if ((k.A && !wants_a) || (is_response(&k) && !wants_r)) {
		snprintf(why, why_cap, "a key of CHAP before or after its turn (12.1.3)");
		return ISCSI_LOGIN_INITIATOR_ERROR;
	}
	if (s->state == SECURITY_OPEN && offer->offered)
		return choose_method(s, policy, offer, answer, why, why_cap);
	if (k.A)
		return challenge(s, k.A, answer, why, why_cap);
	if (is_response(&k))
		return take_response(s, policy, &k, answer, why, why_cap);
	return ISCSI_LOGIN_SUCCESS;
}

bool login_security_is_over(const struct login_security *s, const struct iscsi_policy *policy)
{
	return s->state == SECURITY_DONE || !is_required(policy);
}

void login_security_wipe(struct login_security *s)
{
	OPENSSL_cleanse(s, sizeof(*s));
}
