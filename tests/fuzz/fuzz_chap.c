/* Texts of one login's security stage, through negotiation and CHAP.
 *
 * Input: a byte that chooses the policy (users, a mutual secret, none), then texts, each ended by
 * 0xff. In a text, 0x01 stands for the right CHAP_R of alice as hexadecimal, 0x02 for our own
 * challenge: no fuzzer finds a hash. Whatever comes: a stage that has users is over only behind a
 * right response, only then is anything said about ourselves, and no secret is in any answer or
 * reason. */
#include "target/iscsi/login_security.h"
#include "target/iscsi/params.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

#define SECRET "alice-has-a-secret"
#define MUTUAL "another-secret"

enum { MAX_TEXT = 16384 };

static struct iscsi_policy *make_policy(unsigned choice)
{
	static const struct policy_user users[] = { { "alice", SECRET }, { "bob", "it-is-bob" } };
	static const struct policy_user mutual = { "target", MUTUAL };
	struct policy_spec spec = {
		.users = users,
		.nusers = choice & 3 ? choice & 1 ? 1 : 2 : 0,
	};
	struct iscsi_policy *p = NULL;
	char why[96];

	spec.mutual = spec.nusers && choice & 4 ? &mutual : NULL;
	REQUIRE(!policy_new(&p, &spec, why, sizeof(why)));
	return p;
}

static void right_response(const struct login_security *s, char text[CHAP_TEXT_MAX + 1])
{
	uint8_t out[CHAP_DIGEST_MAX];
	size_t len = chap_digest_bytes(s->algorithm);

	text[0] = '\0';
	if (!len)
		return;
	REQUIRE(!chap_response(s->algorithm, s->id,
			       (struct chap_bytes){ (const uint8_t *)SECRET, sizeof(SECRET) - 1 },
			       (struct chap_bytes){ s->challenge, len }, out));
	chap_encode(out, len, text);
}

/* In a buffer of its exact length. *right: alice's response is in it. */
static struct keys_text expand(const struct login_security *s, const uint8_t *from, size_t len,
			       bool *right)
{
	char response[CHAP_TEXT_MAX + 1], challenge[CHAP_TEXT_MAX + 1];
	struct keys_text text = { 0 };

	right_response(s, response);
	chap_encode(s->challenge, chap_digest_bytes(s->algorithm), challenge);
	*right = false;
	for (size_t i = 0; i < len; i++) {
		const char *piece = from[i] == 1 ? response : from[i] == 2 ? challenge : NULL;

		*right |= from[i] == 1;
		if (keys_text_add(&text, piece ? piece : (const char *)&from[i],
				  piece ? strlen(piece) : 1, MAX_TEXT))
			break;
	}
	return text;
}

static bool has(const char *at, size_t len, const char *what)
{
	return memmem(at, len, what, strlen(what));
}

/* False: the login is over. */
static bool one_text(struct params *p, struct login_security *s, const struct iscsi_policy *policy,
		     const uint8_t *from, size_t from_len)
{
	static const struct params_offer ours = { 262144, 1048576, 65536, 8, false, true };
	char answers[4096], why[192] = "";
	struct keys_writer w = { .buf = answers, .cap = sizeof(answers) };
	struct login_security_offer offer;
	enum iscsi_login_status status = ISCSI_LOGIN_INITIATOR_ERROR;
	bool right, was_over = login_security_is_over(s, policy);
	struct keys_text text = expand(s, from, from_len, &right);
	size_t before;

	if (params_negotiate(p, &ours, PARAMS_LOGIN_SECURITY, text.data, text.len, &w, why,
			     sizeof(why)) == PARAMS_OK) {
		offer = (struct login_security_offer){ p->auth_offered, p->auth_none,
						       p->auth_chap };
		before = w.len;
		status = login_security_text(s, policy, &offer, &text, &w, why, sizeof(why));
		if (has(answers + before, w.len - before, "CHAP_R="))
			REQUIRE(status == ISCSI_LOGIN_SUCCESS && right && policy->mutual);
		REQUIRE(status == ISCSI_LOGIN_SUCCESS || *why);
	}
	REQUIRE(memchr(why, '\0', sizeof(why)));
	for (const char *c = why; *c; c++)
		REQUIRE(*c >= 0x20 && *c < 0x7f);
	if (login_security_is_over(s, policy) && !was_over)
		REQUIRE(status == ISCSI_LOGIN_SUCCESS && right && p->auth_chap);
	if (!has(text.data ? text.data : "", text.len, SECRET))
		REQUIRE(!has(answers, w.len, SECRET) && !strstr(why, SECRET));
	keys_text_free(&text);
	return status == ISCSI_LOGIN_SUCCESS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct iscsi_policy *policy;
	struct login_security s = { 0 };
	struct params p;
	size_t at = 1;

	if (len < 1)
		return 0;
	policy = make_policy(data[0]);
	params_init(&p);
	while (at < len) {
		const uint8_t *end = memchr(data + at, 0xff, len - at);
		size_t next = end ? (size_t)(end - data) : len;

		if (!one_text(&p, &s, policy, data + at, next - at))
			break;
		at = next + 1;
	}
	login_security_wipe(&s);
	policy_put(policy);
	return 0;
}
