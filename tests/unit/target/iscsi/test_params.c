/* Negotiation, as a table (params_rows.h), and what a table cannot say. */
#include "tests/unit/target/iscsi/params_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* '|' to NUL. The copy is exactly as long as the text, so that ASan sees a byte too far. */
static char *wire(const char *text, size_t *len)
{
	char *copy;

	*len = strlen(text);
	copy = malloc(*len ? *len : 1);
	assert_non_null(copy);
	for (size_t i = 0; i < *len; i++)
		copy[i] = text[i] == '|' ? '\0' : text[i];
	return copy;
}

static enum params_result run(struct params *p, const struct params_offer *ours,
			      enum params_phase phase, const char *text, char *answers, size_t cap)
{
	char why[200] = "", buf[4096];
	struct keys_writer w = { .buf = buf, .cap = cap < sizeof(buf) ? cap : sizeof(buf) };
	enum params_result result;
	size_t len;
	char *copy = wire(text, &len);

	result = params_negotiate(p, ours, phase, copy, len, &w, why, sizeof(why));
	free(copy);
	assert_int_equal(result == PARAMS_BAD, why[0] != '\0');
	for (const char *c = why; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	for (size_t i = 0; i < w.len; i++)
		answers[i] = buf[i] ? buf[i] : '|';
	answers[w.len] = '\0';
	return result;
}

#define NUM(f)                                                                                     \
	{                                                                                          \
#f, offsetof(struct params, f), 'n'                                                \
	}
#define FLAG(f)                                                                                    \
	{                                                                                          \
#f, offsetof(struct params, f), 'b'                                                \
	}
#define STR(f)                                                                                     \
	{                                                                                          \
#f, offsetof(struct params, f), 's'                                                \
	}
static const struct {
	const char *name;
	size_t at;
	char type;
} fields[] = {
	NUM(MaxConnections),	 NUM(MaxBurstLength),
	NUM(FirstBurstLength),	 NUM(DefaultTime2Wait),
	NUM(DefaultTime2Retain), NUM(MaxOutstandingR2T),
	NUM(ErrorRecoveryLevel), NUM(TaskReporting),
	NUM(iSCSIProtocolLevel), NUM(MaxRecvDataSegmentLength),
	FLAG(InitialR2T),	 FLAG(ImmediateData),
	FLAG(DataPDUInOrder),	 FLAG(DataSequenceInOrder),
	FLAG(header_digest),	 FLAG(data_digest),
	FLAG(discovery),	 FLAG(auth_offered),
	FLAG(auth_none),	 FLAG(auth_chap),
	FLAG(send_targets),	 STR(InitiatorName),
	STR(TargetName),	 STR(InitiatorAlias),
	STR(SendTargets),
};

static void assert_field(const struct params *p, const char *name, size_t name_len,
			 const char *want)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const char *at = (const char *)p + fields[i].at;

		if (strlen(fields[i].name) != name_len || memcmp(fields[i].name, name, name_len))
			continue;
		if (fields[i].type == 'n')
			assert_int_equal(*(const uint32_t *)at, strtoul(want, NULL, 10));
		else if (fields[i].type == 'b')
			assert_int_equal(*(const bool *)at, want[0] == '1');
		else if (strlen(want)) /* the table cannot say blanks: compare the beginning */
			assert_memory_equal(at, want, strlen(want));
		else
			assert_string_equal(at, "");
		return;
	}
	fail_msg("no field %.*s", (int)name_len, name);
}

static void assert_holds(const struct params *p, const char *holds)
{
	char copy[512], *save, *item;

	snprintf(copy, sizeof(copy), "%s", holds);
	for (item = strtok_r(copy, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(item, '=');

		assert_non_null(equals);
		assert_field(p, item, equals - item, equals + 1);
	}
}

static void test_table(void **state)
{
	(void)state;
	assert_true(ARRAY_SIZE(rows) >= 120);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		const struct params_offer *ours = r->phase & SMALL ? &small : &usual;
		char answers[4097];
		struct params p;

		print_message("%zu: %s\n", i, r->text);
		params_init(&p);
		if (r->before) {
			bool sec = strncmp(r->before, "S:", 2) == 0;

			assert_int_equal(run(&p, ours, sec ? SEC : OPER, r->before + (sec ? 2 : 0),
					     answers, 4096),
					 OK);
		}
		assert_int_equal(run(&p, ours, r->phase & ~SMALL, r->text, answers, 4096),
				 r->result);
		if (r->answers)
			assert_string_equal(answers, r->answers);
		if (r->holds)
			assert_holds(&p, r->holds);
	}
}

/* It may be what somebody wants to try secrets against. */
static void test_challenges_and_responses_are_not_for_logs(void **state)
{
	static const char *const keys[] = { "CHAP_C", "CHAP_R" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char text[64], why[200] = "", buf[64];
		struct keys_writer w = { .buf = buf, .cap = sizeof(buf) };
		struct params p;
		int len = sprintf(text, "%s=0x5a5a%c%s=0x5a5a", keys[i], 0, keys[i]);

		params_init(&p);
		assert_int_equal(params_negotiate(&p, &usual, PARAMS_LOGIN_SECURITY, text,
						  (size_t)len + 1, &w, why, sizeof(why)),
				 PARAMS_BAD);
		assert_non_null(strstr(why, keys[i]));
		assert_null(strstr(why, "5a"));
	}
}

/* What a text that fails changes: nothing. */
static void test_failure_leaves_no_trace(void **state)
{
	struct params p, before;
	char answers[4097];

	(void)state;
	params_init(&p);
	before = p;
	assert_int_equal(run(&p, &usual, OPER,
			     "InitiatorName=" INI "|MaxBurstLength=4096|InitialR2T=No|"
			     "MaxRecvDataSegmentLength=1024|Oops|",
			     answers, 4096),
			 BAD);
	assert_memory_equal(&p, &before, sizeof(p));
	assert_int_equal(run(&p, &usual, OPER, "MaxBurstLength=4096|", answers, 10),
			 PARAMS_TOO_LONG);
	assert_memory_equal(&p, &before, sizeof(p));
}

/* Each length of the answer buffer: whole answers or PARAMS_TOO_LONG, never a byte past it. */
static void test_every_answer_room(void **state)
{
	static const char text[] =
		"InitialR2T=No|Foo=1|MaxBurstLength=65536|FirstBurstLength=4096|";
	static const char whole[] =
		"InitialR2T=No|Foo=NotUnderstood|MaxBurstLength=65536|FirstBurstLength=4096|";

	(void)state;
	for (size_t cap = 0; cap < sizeof(whole) + 5; cap++) {
		struct params p;
		char why[10], *copy, *buf = malloc(cap ? cap : 1);
		struct keys_writer w = { .buf = buf, .cap = cap };
		enum params_result result;
		size_t len;

		assert_non_null(buf);
		params_init(&p);
		copy = wire(text, &len);
		result = params_negotiate(&p, &usual, OPER, copy, len, &w, why, sizeof(why));
		assert_int_equal(result, cap >= sizeof(whole) - 1 ? OK : PARAMS_TOO_LONG);
		if (result == OK)
			assert_int_equal(w.len, sizeof(whole) - 1);
		free(copy);
		free(buf);
	}
}

static void declare(struct params *p, const struct params_offer *ours, char *out)
{
	char buf[512];
	struct keys_writer w = { .buf = buf, .cap = sizeof(buf) };

	params_declare(p, ours, &w);
	assert_false(w.overflow);
	for (size_t i = 0; i < w.len; i++)
		out[i] = buf[i] ? buf[i] : '|';
	out[w.len] = '\0';
}

static void test_declare_once(void **state)
{
	struct params p;
	char out[512];

	(void)state;
	params_init(&p);
	declare(&p, &usual, out);
	assert_string_equal(out, "MaxRecvDataSegmentLength=262144|");
	declare(&p, &usual, out);
	assert_string_equal(out, "");
}

/* Where the initiator is silent and the defaults are more than we can do, we offer. */
static void test_offers_what_defaults_exceed(void **state)
{
	char answers[4097], out[512];
	struct params p;

	(void)state;
	params_init(&p);
	declare(&p, &small, out);
	assert_string_equal(out, "MaxRecvDataSegmentLength=8192|MaxBurstLength=16384|"
				 "FirstBurstLength=4096|ImmediateData=No|");
	assert_int_equal(p.MaxBurstLength, 16384);
	assert_int_equal(p.FirstBurstLength, 4096);
	assert_false(p.ImmediateData);
	/* its answers are no offers: none of them is answered */
	assert_int_equal(run(&p, &small, OPER,
			     "MaxBurstLength=8192|FirstBurstLength=Irrelevant|ImmediateData=No|",
			     answers, 4096),
			 OK);
	assert_string_equal(answers, "");
	assert_int_equal(p.MaxBurstLength, 8192);
	/* and come once */
	assert_int_equal(run(&p, &small, OPER, "MaxBurstLength=8192|", answers, 4096), BAD);
}

static void test_answers_beyond_our_offer(void **state)
{
	static const char *const wrong[] = {
		"MaxBurstLength=16385|", "MaxBurstLength=Reject|",  "MaxBurstLength=NotUnderstood|",
		"ImmediateData=Yes|",	 "FirstBurstLength=65536|", "FirstBurstLength=0|",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char answers[4097], out[512];
		struct params p;

		params_init(&p);
		declare(&p, &small, out);
		assert_int_equal(run(&p, &small, OPER, wrong[i], answers, 4096), BAD);
	}
}

static void test_no_offers_for_keys_already_agreed(void **state)
{
	char answers[4097], out[512];
	struct params p;

	(void)state;
	params_init(&p);
	assert_int_equal(run(&p, &small, OPER,
			     "MaxBurstLength=512|FirstBurstLength=512|ImmediateData=Yes|", answers,
			     4096),
			 OK);
	declare(&p, &small, out);
	assert_string_equal(out, "MaxRecvDataSegmentLength=8192|");

	params_init(&p);
	assert_int_equal(run(&p, &small, SEC, DISCOV, answers, 4096), OK);
	declare(&p, &small, out);
	assert_string_equal(out, "MaxRecvDataSegmentLength=8192|");
}

static void test_settle(void **state)
{
	char answers[4097];
	struct params p;

	(void)state;
	params_init(&p);
	assert_int_equal(run(&p, &usual, OPER, "FirstBurstLength=65536|", answers, 4096), OK);
	assert_int_equal(run(&p, &usual, OPER, "MaxBurstLength=4096|", answers, 4096), OK);
	params_settle(&p);
	assert_int_equal(p.FirstBurstLength, 4096);
	params_init(&p);
	params_settle(&p);
	assert_int_equal(p.FirstBurstLength, 65536);
}

/* In full feature phase each text is a negotiation of its own. */
static void test_full_feature_texts_are_separate(void **state)
{
	char answers[4097];
	struct params p;

	(void)state;
	params_init(&p);
	assert_int_equal(run(&p, &usual, SEC, DISCOV, answers, 4096), OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(run(&p, &usual, FULL, "SendTargets=All|", answers, 4096), OK);
		assert_true(p.send_targets);
		assert_int_equal(run(&p, &usual, FULL, "Foo=1|", answers, 4096), OK);
		assert_false(p.send_targets);
	}
}

static void test_why_is_cut_not_overrun(void **state)
{
	struct params p;
	char why[8];
	struct keys_writer w = { .buf = NULL, .cap = 0 };

	(void)state;
	params_init(&p);
	memset(why, 'x', sizeof(why));
	assert_int_equal(params_negotiate(&p, &usual, SEC, "TargetAlias=a", 14, &w, why, 5), BAD);
	assert_string_equal(why, "Targ");
	assert_int_equal(why[5], 'x');
	assert_int_equal(params_negotiate(&p, &usual, SEC, "TargetAlias=a", 14, &w, NULL, 0), BAD);
	assert_int_equal(params_negotiate(&p, &usual, SEC, "a", 1, &w, NULL, 0), BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_failure_leaves_no_trace),
		cmocka_unit_test(test_challenges_and_responses_are_not_for_logs),
		cmocka_unit_test(test_every_answer_room),
		cmocka_unit_test(test_declare_once),
		cmocka_unit_test(test_offers_what_defaults_exceed),
		cmocka_unit_test(test_answers_beyond_our_offer),
		cmocka_unit_test(test_no_offers_for_keys_already_agreed),
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_full_feature_texts_are_separate),
		cmocka_unit_test(test_why_is_cut_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
