/* The table behind params.c: what a row is, and how rows are found. Not for others. */
#pragma once

#include "target/iscsi/params.h"

enum {
	IN_SECURITY = 1 << PARAMS_LOGIN_SECURITY,
	IN_OPERATIONAL = 1 << PARAMS_LOGIN_OPERATIONAL,
	IN_FULL_FEATURE = 1 << PARAMS_FULL_FEATURE,
	IN_LOGIN = IN_SECURITY | IN_OPERATIONAL,
	IN_ALL = IN_LOGIN | IN_FULL_FEATURE,

	NOT_IN_DISCOVERY = 1 << 3, /* "Irrelevant when: SessionType=Discovery" */
	DECLARED = 1 << 4,	   /* no answer is expected */
	IS_BOOL = 1 << 5,
	HIDDEN = 1 << 6, /* its value is not for a log */
	LEADING = NOT_IN_DISCOVERY | IN_OPERATIONAL,
};

#define PARAMS_FIXED SIZE_MAX

enum turn { TURN_DECLARED, TURN_OFFERED, TURN_DEPENDENT, TURNS };

/* One run of params_negotiate. */
struct negotiation {
	struct params *p;
	const struct params_offer *ours;
	enum params_phase phase;
	struct keys_writer *answer;
};

/* One key of section 13. */
struct key {
	const char *name;
	unsigned flags;
	enum turn turn;
	/* Returns NULL, or what is wrong with it (the negotiation fails). */
	const char *(*take)(struct negotiation *n, const struct key *k, const char *value);
	size_t field;	       /* in struct params */
	uint32_t lo, hi, ours; /* numbers: the range, and our value; booleans: our value */
	size_t ours_field;     /* in struct params_offer, where it is not fixed; or PARAMS_FIXED */
};

const struct key *params_key_find(const char *name);
/* Its bit in seen and offered. */
uint64_t params_key_bit(const struct key *k);

/* The row's field in @p, and our value for it. */
uint32_t *params_key_num(struct params *p, const struct key *k);
uint32_t params_key_our_num(const struct params_offer *ours, const struct key *k);

bool params_bool_parse(const char *value, bool *out);
bool params_num_parse(const struct key *k, const char *value, uint32_t *out);
const char *params_reject(struct negotiation *n, const struct key *k);
