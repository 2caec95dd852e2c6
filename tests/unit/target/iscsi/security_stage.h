/* One security stage for a test: a policy, texts with '|' for NUL, and the initiator's sums. */
#pragma once

#include "target/iscsi/login_security.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALICE  "alice"
#define SECRET "alice-has-a-secret"
#define TARGET "the-target"
#define MUTUAL "another-secret"

static const struct policy_user users[] = { { ALICE, SECRET }, { "bob", "bobs-is-different" } };
static const struct policy_user mutual = { TARGET, MUTUAL };

struct stage {
	struct iscsi_policy *policy;
	struct login_security s;
	struct login_security_offer offer;
	char why[192];
	char answers[2048]; /* of the last text, '|' for NUL */
	char challenge[CHAP_TEXT_MAX + 1];
	unsigned algorithm, id;
};

static inline void open_stage(struct stage *t, unsigned nusers, bool with_mutual)
{
	struct policy_spec spec = { .users = users,
				    .nusers = nusers,
				    .mutual = with_mutual ? &mutual : NULL };
	char why[200];

	memset(t, 0, sizeof(*t));
	assert_int_equal(policy_new(&t->policy, &spec, why, sizeof(why)), 0);
}

static inline void close_stage(struct stage *t)
{
	login_security_wipe(&t->s);
	policy_put(t->policy);
}

/* One text, '|' for NUL, from a copy of the exact length. */
static inline enum iscsi_login_status say(struct stage *t, const char *text)
{
	char out[2048];
	struct keys_writer w = { .buf = out, .cap = sizeof(out) };
	struct keys_text in = { .data = malloc(strlen(text) + 1), .len = strlen(text) };
	enum iscsi_login_status status;

	assert_non_null(in.data);
	for (size_t i = 0; i < in.len; i++)
		in.data[i] = text[i] == '|' ? '\0' : text[i];
	if (!strncmp(text, "AuthMethod=", 11)) { /* what params_negotiate finds */
		t->offer.offered = true;
		t->offer.chap = strstr(text, "CHAP");
		t->offer.none = strstr(text, "None");
	}
	t->why[0] = '\0';
	status = login_security_text(&t->s, t->policy, &t->offer, &in, &w, t->why, sizeof(t->why));
	assert_int_equal(status == ISCSI_LOGIN_SUCCESS, t->why[0] == '\0');
	for (const char *c = t->why; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	assert_null(strstr(t->why, SECRET));
	assert_null(strstr(t->why, MUTUAL));
	assert_false(w.overflow);
	for (size_t i = 0; i < w.len; i++)
		t->answers[i] = out[i] ? out[i] : '|';
	t->answers[w.len] = '\0';
	keys_text_free(&in);
	return status;
}

/* Up to our challenge. */
static inline void begin(struct stage *t, const char *algorithms)
{
	char text[64];

	assert_int_equal(say(t, "AuthMethod=CHAP,None|"), ISCSI_LOGIN_SUCCESS);
	assert_string_equal(t->answers, "AuthMethod=CHAP|");
	assert_false(login_security_is_over(&t->s, t->policy));
	snprintf(text, sizeof(text), "CHAP_A=%s|", algorithms);
	assert_int_equal(say(t, text), ISCSI_LOGIN_SUCCESS);
	assert_int_equal(sscanf(t->answers, "CHAP_A=%u|CHAP_I=%u|CHAP_C=%66[0-9a-fx]|",
				&t->algorithm, &t->id, t->challenge),
			 3);
	assert_int_equal(strlen(t->challenge), 2 + 2 * chap_digest_bytes(t->algorithm));
	assert_false(login_security_is_over(&t->s, t->policy));
}

static inline void hash(unsigned algorithm, unsigned id, const char *secret, const char *challenge,
			char text[CHAP_TEXT_MAX + 1])
{
	uint8_t bytes[CHAP_BINARY_MAX], out[CHAP_DIGEST_MAX];
	size_t len;

	assert_int_equal(chap_decode(challenge, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(
		chap_response(algorithm, (uint8_t)id,
			      (struct chap_bytes){ (const uint8_t *)secret, strlen(secret) },
			      (struct chap_bytes){ bytes, len }, out),
		0);
	chap_encode(out, chap_digest_bytes(algorithm), text);
}

static inline enum iscsi_login_status respond(struct stage *t, const char *user, const char *secret,
					      const char *more)
{
	char text[4096], response[CHAP_TEXT_MAX + 1];

	hash(t->algorithm, t->id, secret, t->challenge, response);
	snprintf(text, sizeof(text), "CHAP_N=%s|CHAP_R=%s|%s", user, response, more);
	return say(t, text);
}
