/* The security stage, text by text: who gets in, in which order, and what is answered. */
#include "tests/unit/target/iscsi/security_stage.h"

static void nobody_asks(void **state)
{
	struct stage t;

	(void)state;
	for (unsigned with = 0; with < 2; with++) {
		open_stage(&t, 0, false);
		if (!with) {
			policy_put(t.policy);
			t.policy = NULL;
		}
		assert_true(login_security_is_over(&t.s, t.policy));
		assert_int_equal(say(&t, ""), ISCSI_LOGIN_SUCCESS);
		assert_int_equal(say(&t, "AuthMethod=CHAP,None|"), ISCSI_LOGIN_SUCCESS);
		assert_string_equal(t.answers, "AuthMethod=None|");
		assert_int_equal(say(&t, ""), ISCSI_LOGIN_SUCCESS);
		assert_string_equal(t.answers, "");
		assert_int_equal(say(&t, "CHAP_A=5|"), ISCSI_LOGIN_INITIATOR_ERROR);
		close_stage(&t);
		open_stage(&t, 0, false);
		assert_int_equal(say(&t, "AuthMethod=CHAP|"), ISCSI_LOGIN_AUTH_FAILURE);
		close_stage(&t);
	}
}

static void without_chap_nobody_gets_in(void **state)
{
	static const char *const offers[] = { "AuthMethod=None|", "AuthMethod=KRB5,None|",
					      "AuthMethod=|", "AuthMethod=Chap|" };
	struct stage t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
		open_stage(&t, 1, false);
		assert_int_equal(say(&t, offers[i]), ISCSI_LOGIN_AUTH_FAILURE);
		assert_string_equal(t.answers, "");
		assert_false(login_security_is_over(&t.s, t.policy));
		close_stage(&t);
	}
	open_stage(&t, 1, false);
	assert_int_equal(say(&t, ""), ISCSI_LOGIN_SUCCESS);
	assert_false(login_security_is_over(&t.s, t.policy));
	close_stage(&t);
}

static void each_algorithm_each_user(void **state)
{
	static const char *const lists[] = { "5", "6", "7", "8", "8,7,6,5", "9,5" };
	static const unsigned chosen[] = { 5, 6, 7, 8, 8, 5 };
	struct stage t;

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(lists); i++) {
		open_stage(&t, 2, i % 2);
		begin(&t, lists[i / 2]);
		assert_int_equal(t.algorithm, chosen[i / 2]);
		assert_int_equal(respond(&t, users[i % 2].name, users[i % 2].secret, ""),
				 ISCSI_LOGIN_SUCCESS);
		assert_string_equal(t.answers, "");
		assert_non_null(strstr(t.s.proof, users[i % 2].name));
		assert_non_null(strstr(t.s.proof, chap_name(chosen[i / 2])));
		assert_true(login_security_is_over(&t.s, t.policy));
		assert_int_equal(say(&t, ""), ISCSI_LOGIN_SUCCESS);
		close_stage(&t);
	}
}

static void a_response_in_base64(void **state)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char hex[CHAP_TEXT_MAX + 1], text[200];
	uint8_t b[18] = { 0 };
	struct stage t;
	size_t len, at;

	(void)state;
	open_stage(&t, 1, false);
	begin(&t, "5");
	hash(5, t.id, SECRET, t.challenge, hex);
	assert_int_equal(chap_decode(hex, b, 16, &len), 0);
	at = (size_t)snprintf(text, sizeof(text), "CHAP_N=" ALICE "|CHAP_R=0b");
	for (size_t i = 0; i < 18; i += 3)
		for (unsigned shift = 18, x = b[i] << 16 | b[i + 1] << 8 | b[i + 2]; shift < 24;
		     shift -= 6)
			text[at++] = digits[x >> shift & 63];
	strcpy(text + at - 2, "==|");
	assert_int_equal(say(&t, text), ISCSI_LOGIN_SUCCESS);
	assert_true(login_security_is_over(&t.s, t.policy));
	close_stage(&t);
}

static void wrong_proofs(void **state)
{
	static const struct {
		const char *user, *secret;
	} rows[] = {
		{ ALICE, "wrong" },
		{ ALICE, "bobs-is-different" },
		{ "bob", SECRET },
		{ "mallory", SECRET },
		{ "", SECRET },
		{ "Alice", SECRET },
		{ "alice ", SECRET },
		{ ALICE, "alice-has-a-secre" },
		{ "alic", SECRET },
		{ TARGET, MUTUAL },
		{ "\x01\x80=%s\n", SECRET },
	};
	struct stage t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		open_stage(&t, 2, true);
		begin(&t, "7");
		assert_int_equal(respond(&t, rows[i].user, rows[i].secret, ""),
				 ISCSI_LOGIN_AUTH_FAILURE);
		assert_string_equal(t.answers, "");
		assert_string_equal(t.s.proof, "");
		assert_false(login_security_is_over(&t.s, t.policy));
		close_stage(&t);
	}
	/* and then nothing is said about ourselves */
	open_stage(&t, 2, true);
	begin(&t, "7");
	assert_int_equal(respond(&t, ALICE, "wrong", "CHAP_I=1|CHAP_C=0x1234|"),
			 ISCSI_LOGIN_AUTH_FAILURE);
	assert_string_equal(t.answers, "");
	close_stage(&t);
}

static void each_bit_of_the_response_counts(void **state)
{
	char right[CHAP_TEXT_MAX + 1], text[200];
	uint8_t bytes[CHAP_DIGEST_MAX];
	struct stage t;
	size_t len;

	(void)state;
	for (unsigned bit = 0; bit < 256; bit++) {
		open_stage(&t, 1, false);
		begin(&t, "8");
		hash(8, t.id, SECRET, t.challenge, right);
		assert_int_equal(chap_decode(right, bytes, sizeof(bytes), &len), 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		chap_encode(bytes, len, right);
		snprintf(text, sizeof(text), "CHAP_N=" ALICE "|CHAP_R=%s|", right);
		assert_int_equal(say(&t, text), ISCSI_LOGIN_AUTH_FAILURE);
		close_stage(&t);
	}
}

static void a_long_user_is_cut_in_the_log(void **state)
{
	char user[256];
	struct stage t;

	(void)state;
	memset(user, 'u', 255);
	user[255] = '\0';
	open_stage(&t, 1, false);
	begin(&t, "7");
	assert_int_equal(respond(&t, user, "x", ""), ISCSI_LOGIN_AUTH_FAILURE);
	assert_non_null(strstr(t.why, "uuuu' (cut)"));
	close_stage(&t);
}

static void ill_formed_responses(void **state)
{
	static const char *const rows[] = {
		"CHAP_N=alice|CHAP_R=|",
		"CHAP_N=alice|CHAP_R=0x|",
		"CHAP_N=alice|CHAP_R=0x00|",
		"CHAP_N=alice|CHAP_R=0x000000000000000000000000000000|",
		"CHAP_N=alice|CHAP_R=0x0000000000000000000000000000000000|",
		"CHAP_N=alice|CHAP_R=0x000000000000000000000000000000zz|",
		"CHAP_N=alice|CHAP_R=00000000000000000000000000000000|",
		"CHAP_N=alice|CHAP_R=0bAAAAAAAAAAAAAAAAAAAAAA=|",
		"CHAP_N=alice|CHAP_R=0bAAAAAAAAAAAAAAAAAAAAAB==|",
		"CHAP_N=alice|CHAP_R=0bAAAAAAAAAAAAAAAAAAAAAAAA|",
		"CHAP_N=nobody|CHAP_R=0x00|",
	};
	struct stage t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		open_stage(&t, 1, false);
		begin(&t, "5");
		assert_int_equal(say(&t, rows[i]), ISCSI_LOGIN_INITIATOR_ERROR);
		close_stage(&t);
	}
}

static void keys_that_miss_others(void **state)
{
	static const char *const rows[] = {
		"CHAP_N=alice|",
		"CHAP_R=0x00000000000000000000000000000000|",
		"CHAP_I=1|CHAP_C=0x11|",
		"CHAP_N=alice|CHAP_R=0x00000000000000000000000000000000|CHAP_I=1|",
		"CHAP_N=alice|CHAP_R=0x00000000000000000000000000000000|CHAP_C=0x11|",
	};
	struct stage t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		open_stage(&t, 1, true);
		begin(&t, "5");
		assert_int_equal(say(&t, rows[i]), ISCSI_LOGIN_MISSING_PARAM);
		close_stage(&t);
	}
}

static void keys_out_of_turn(void **state)
{
	struct stage t;

	(void)state;
	open_stage(&t, 1, true);
	assert_int_equal(say(&t, "CHAP_A=5|"), ISCSI_LOGIN_INITIATOR_ERROR);
	close_stage(&t);
	open_stage(&t, 1, true);
	assert_int_equal(say(&t, "AuthMethod=CHAP|CHAP_A=5|"), ISCSI_LOGIN_INITIATOR_ERROR);
	close_stage(&t);
	open_stage(&t, 1, true);
	assert_int_equal(say(&t, "AuthMethod=CHAP|"), ISCSI_LOGIN_SUCCESS);
	assert_int_equal(say(&t, "CHAP_N=alice|CHAP_R=0x11|"), ISCSI_LOGIN_INITIATOR_ERROR);
	close_stage(&t);
	open_stage(&t, 1, true);
	assert_int_equal(say(&t, "AuthMethod=CHAP|"), ISCSI_LOGIN_SUCCESS);
	assert_int_equal(say(&t, "CHAP_A=5|CHAP_I=1|"), ISCSI_LOGIN_INITIATOR_ERROR);
	close_stage(&t);
	open_stage(&t, 1, true);
	begin(&t, "5");
	assert_int_equal(say(&t, "CHAP_A=5|"), ISCSI_LOGIN_INITIATOR_ERROR);
	close_stage(&t);
	open_stage(&t, 1, true); /* the proof of ourselves is asked for with theirs, not later */
	begin(&t, "5");
	assert_int_equal(respond(&t, ALICE, SECRET, ""), ISCSI_LOGIN_SUCCESS);
	assert_int_equal(say(&t, "CHAP_I=1|CHAP_C=0x11|"), ISCSI_LOGIN_INITIATOR_ERROR);
	close_stage(&t);
}

static void no_algorithm_in_common(void **state)
{
	struct stage t;

	(void)state;
	open_stage(&t, 1, false);
	assert_int_equal(say(&t, "AuthMethod=CHAP|"), ISCSI_LOGIN_SUCCESS);
	assert_int_equal(say(&t, "CHAP_A=9,4|"), ISCSI_LOGIN_AUTH_FAILURE);
	close_stage(&t);
}

static void we_prove_ourselves(void **state)
{
	char expected[200], response[CHAP_TEXT_MAX + 1], longest[2 + 2 * 1024 + 1], more[2100];
	struct stage t;

	(void)state;
	memset(longest, '7', sizeof(longest));
	memcpy(longest, "0x", 2);
	longest[sizeof(longest) - 1] = '\0';
	for (unsigned algorithm = 5; algorithm <= 8; algorithm++) {
		const char *const theirs[] = { "0x00", "0bqqqq", "0x1234567890abcdef", longest };

		for (size_t i = 0; i < ARRAY_SIZE(theirs); i++) {
			char list[2] = { (char)('0' + algorithm), '\0' };

			open_stage(&t, 1, true);
			begin(&t, list);
			snprintf(more, sizeof(more), "CHAP_I=%zu|CHAP_C=%s|", i * 85, theirs[i]);
			assert_int_equal(respond(&t, ALICE, SECRET, more), ISCSI_LOGIN_SUCCESS);
			hash(algorithm, (unsigned)i * 85, MUTUAL, theirs[i], response);
			snprintf(expected, sizeof(expected), "CHAP_N=" TARGET "|CHAP_R=%s|",
				 response);
			assert_string_equal(t.answers, expected);
			assert_true(login_security_is_over(&t.s, t.policy));
			close_stage(&t);
		}
	}
}

static void bad_challenges(void **state)
{
	static const char *const rows[] = {
		"CHAP_I=256|CHAP_C=0x11|", "CHAP_I=-1|CHAP_C=0x11|", "CHAP_I=|CHAP_C=0x11|",
		"CHAP_I=1|CHAP_C=|",	   "CHAP_I=1|CHAP_C=0x|",    "CHAP_I=1|CHAP_C=0b*|",
		"CHAP_I=1|CHAP_C=zz|",
	};
	char too_long[2 + 2 * 1025 + 1], more[2100];
	struct stage t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		open_stage(&t, 1, true);
		begin(&t, "5");
		assert_int_equal(respond(&t, ALICE, SECRET, rows[i]), ISCSI_LOGIN_INITIATOR_ERROR);
		assert_false(login_security_is_over(&t.s, t.policy));
		close_stage(&t);
	}
	memset(too_long, '7', sizeof(too_long));
	memcpy(too_long, "0x", 2);
	too_long[sizeof(too_long) - 1] = '\0';
	open_stage(&t, 1, true);
	begin(&t, "5");
	snprintf(more, sizeof(more), "CHAP_I=1|CHAP_C=%s|", too_long);
	/* the reader of keys does not let it through at all */
	assert_int_equal(respond(&t, ALICE, SECRET, more), ISCSI_LOGIN_MISSING_PARAM);
	close_stage(&t);
}

/* 9.2.1 */
static void our_challenge_comes_back(void **state)
{
	struct stage t;
	char more[200];

	(void)state;
	for (unsigned same_id = 0; same_id < 2; same_id++) {
		open_stage(&t, 1, true);
		begin(&t, "7");
		snprintf(more, sizeof(more), "CHAP_I=%u|CHAP_C=%s|", (t.id + !same_id) % 256,
			 t.challenge);
		assert_int_equal(respond(&t, ALICE, SECRET, more), ISCSI_LOGIN_AUTH_FAILURE);
		assert_string_equal(t.answers, "");
		assert_false(login_security_is_over(&t.s, t.policy));
		close_stage(&t);
	}
}

static void we_cannot_prove_ourselves(void **state)
{
	struct stage t;

	(void)state;
	open_stage(&t, 1, false);
	begin(&t, "5");
	assert_int_equal(respond(&t, ALICE, SECRET, "CHAP_I=1|CHAP_C=0x11|"),
			 ISCSI_LOGIN_AUTH_FAILURE);
	assert_string_equal(t.answers, "");
	assert_false(login_security_is_over(&t.s, t.policy));
	close_stage(&t);
}

static void not_for_ever(void **state)
{
	struct stage t;
	unsigned n;

	(void)state;
	open_stage(&t, 1, false);
	for (n = 0; n < 100 && say(&t, "") == ISCSI_LOGIN_SUCCESS; n++)
		assert_false(login_security_is_over(&t.s, t.policy));
	assert_in_range(n, 3, 16);
	close_stage(&t);
	open_stage(&t, 1, false); /* who has proved itself may say nothing as often as it likes */
	begin(&t, "5");
	assert_int_equal(respond(&t, ALICE, SECRET, ""), ISCSI_LOGIN_SUCCESS);
	for (n = 0; n < 50; n++)
		assert_int_equal(say(&t, ""), ISCSI_LOGIN_SUCCESS);
	close_stage(&t);
}

static void each_challenge_is_new(void **state)
{
	char first[CHAP_TEXT_MAX + 1];
	struct stage t;
	unsigned ids = 0;

	(void)state;
	for (unsigned n = 0; n < 32; n++) {
		open_stage(&t, 1, false);
		begin(&t, "5");
		if (n)
			assert_string_not_equal(t.challenge, first);
		strcpy(first, t.challenge);
		ids |= 1u << t.id % 32;
		close_stage(&t);
	}
	assert_true(ids & (ids - 1)); /* not always the same */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_asks),
		cmocka_unit_test(without_chap_nobody_gets_in),
		cmocka_unit_test(each_algorithm_each_user),
		cmocka_unit_test(a_response_in_base64),
		cmocka_unit_test(wrong_proofs),
		cmocka_unit_test(each_bit_of_the_response_counts),
		cmocka_unit_test(a_long_user_is_cut_in_the_log),
		cmocka_unit_test(ill_formed_responses),
		cmocka_unit_test(keys_that_miss_others),
		cmocka_unit_test(keys_out_of_turn),
		cmocka_unit_test(no_algorithm_in_common),
		cmocka_unit_test(we_prove_ourselves),
		cmocka_unit_test(bad_challenges),
		cmocka_unit_test(our_challenge_comes_back),
		cmocka_unit_test(we_cannot_prove_ourselves),
		cmocka_unit_test(not_for_ever),
		cmocka_unit_test(each_challenge_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
