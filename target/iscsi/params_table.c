/* The keys: one row each, and the functions that take a value.
 *
 * A row says when its key may come, its range, our own value, where the result lands, and
 * by which result function; the engine (params.c) says when a row's turn is. */
#include "target/iscsi/params_table.h"

#include "target/iscsi/iscsi_name.h"

#include <stdio.h>
#include <string.h>

#define FIELD(name) offsetof(struct params, name)
#define OFFER(name) offsetof(struct params_offer, name)
#define FIXED	    PARAMS_FIXED
#define NO_FIELD    SIZE_MAX
#define LENGTH_MAX  ((1u << 24) - 1)

uint32_t *params_key_num(struct params *p, const struct key *k)
{
	return (uint32_t *)(void *)((char *)p + k->field);
}

static bool *bool_field(struct params *p, const struct key *k)
{
	return (bool *)(void *)((char *)p + k->field);
}

uint32_t params_key_our_num(const struct params_offer *ours, const struct key *k)
{
	uint32_t v = k->ours;

	if (k->ours_field != FIXED)
		memcpy(&v, (const char *)ours + k->ours_field, sizeof(v));
	return v;
}

static bool our_bool(const struct params_offer *ours, const struct key *k)
{
	bool v = k->ours;

	if (k->ours_field != FIXED)
		memcpy(&v, (const char *)ours + k->ours_field, sizeof(v));
	return v;
}

const char *params_reject(struct negotiation *n, const struct key *k)
{
	keys_write(n->answer, k->name, "Reject");
	return NULL;
}

bool params_num_parse(const struct key *k, const char *value, uint32_t *out)
{
	return keys_number(value, out) == 0 && *out >= k->lo && *out <= k->hi;
}

static const char *take_min(struct negotiation *n, const struct key *k, const char *value)
{
	uint32_t theirs, most = params_key_our_num(n->ours, k);

	if (!params_num_parse(k, value, &theirs))
		return params_reject(n, k);
	*params_key_num(n->p, k) = MIN(theirs, most);
	keys_write_num(n->answer, k->name, *params_key_num(n->p, k));
	return NULL;
}

static const char *take_max(struct negotiation *n, const struct key *k, const char *value)
{
	uint32_t theirs, least = params_key_our_num(n->ours, k);

	if (!params_num_parse(k, value, &theirs))
		return params_reject(n, k);
	*params_key_num(n->p, k) = MAX(theirs, least);
	keys_write_num(n->answer, k->name, *params_key_num(n->p, k));
	return NULL;
}

/* 13.14: never above MaxBurstLength; nothing where no unsolicited data exists. */
static const char *take_first_burst(struct negotiation *n, const struct key *k, const char *value)
{
	uint32_t theirs, most = MIN(params_key_our_num(n->ours, k), n->p->MaxBurstLength);

	if (n->p->InitialR2T && !n->p->ImmediateData) {
		keys_write(n->answer, k->name, "Irrelevant");
		return NULL;
	}
	if (!params_num_parse(k, value, &theirs))
		return params_reject(n, k);
	n->p->FirstBurstLength = MIN(theirs, most);
	keys_write_num(n->answer, k->name, n->p->FirstBurstLength);
	return NULL;
}

bool params_bool_parse(const char *value, bool *out)
{
	*out = strcmp(value, "Yes") == 0;
	return *out || strcmp(value, "No") == 0;
}

static const char *take_and(struct negotiation *n, const struct key *k, const char *value)
{
	bool theirs;

	if (!params_bool_parse(value, &theirs))
		return params_reject(n, k);
	*bool_field(n->p, k) = theirs && our_bool(n->ours, k);
	keys_write(n->answer, k->name, *bool_field(n->p, k) ? "Yes" : "No");
	return NULL;
}

static const char *take_or(struct negotiation *n, const struct key *k, const char *value)
{
	bool theirs;

	if (!params_bool_parse(value, &theirs))
		return params_reject(n, k);
	*bool_field(n->p, k) = theirs || our_bool(n->ours, k);
	keys_write(n->answer, k->name, *bool_field(n->p, k) ? "Yes" : "No");
	return NULL;
}

/* The first element of @list that is one of @names, as its index; -1: none is. */
static int first_known(const char *list, const char *const names[], int n)
{
	for (;; list++) {
		size_t len = strcspn(list, ",");

		for (int i = 0; i < n; i++)
			if (len == strlen(names[i]) && memcmp(list, names[i], len) == 0)
				return i;
		list += len;
		if (!*list)
			return -1;
	}
}

/* 13.1: theirs is the choice, both are the same to us. */
static const char *take_digest(struct negotiation *n, const struct key *k, const char *value)
{
	static const char *const names[] = { "None", "CRC32C" };
	int which = first_known(value, names, ARRAY_SIZE(names));

	if (which < 0)
		return params_reject(n, k);
	*bool_field(n->p, k) = which;
	keys_write(n->answer, k->name, names[which]);
	return NULL;
}

/* 12.1. Which of them is chosen depends on who logs in to what: login_security.h. */
static const char *take_auth_method(struct negotiation *n, const struct key *k, const char *value)
{
	(void)k;
	n->p->auth_offered = true;
	n->p->auth_none = keys_list_has(value, "None");
	n->p->auth_chap = keys_list_has(value, "CHAP");
	return NULL;
}

/* 13.23: the first of theirs that we know, and all of RFC 7143's are. */
static const char *take_task_reporting(struct negotiation *n, const struct key *k,
				       const char *value)
{
	static const char *const names[] = {
		[TASK_REPORTING_RFC3720] = "RFC3720",
		[TASK_REPORTING_RESPONSE_FENCE] = "ResponseFence",
		[TASK_REPORTING_FAST_ABORT] = "FastAbort",
	};
	int which = first_known(value, names, ARRAY_SIZE(names));

	if (which < 0)
		return params_reject(n, k);
	*params_key_num(n->p, k) = (uint32_t)which;
	keys_write(n->answer, k->name, names[which]);
	return NULL;
}

/* 13.25: MUST NOT be NotUnderstood. "No" (which it allows) rather than "Reject" (which it
 * prefers): initiators of RFC 3720 offer "No" and want to read it back. */
static const char *take_marker(struct negotiation *n, const struct key *k, const char *value)
{
	bool theirs;

	if (!params_bool_parse(value, &theirs))
		return params_reject(n, k);
	keys_write(n->answer, k->name, "No");
	return NULL;
}

static const char *take_marker_interval(struct negotiation *n, const struct key *k,
					const char *value)
{
	(void)value;
	return params_reject(n, k); /* 13.25: MUST */
}

static const char *take_target_only(struct negotiation *n, const struct key *k, const char *value)
{
	(void)n, (void)k, (void)value;
	return "only a target may send this key";
}

/* A value that went into a field of the declared keys before must be the same again. */
static const char *set_text(struct params *p, const struct key *k, const char *value, size_t cap)
{
	char *field = (char *)p + k->field;

	if (strlen(value) >= cap)
		return "is too long";
	if (field[0] && strcmp(field, value) != 0)
		return "was declared otherwise before";
	memcpy(field, value, strlen(value) + 1);
	return NULL;
}

static const char *take_name(struct negotiation *n, const struct key *k, const char *value)
{
	char name[ISCSI_NAME_MAX + 1];

	if (iscsi_name_normalise(name, value))
		return "is not an iSCSI name";
	return set_text(n->p, k, name, sizeof(name));
}

/* For people only, and bound for logs: control characters and what is no UTF-8 become '?'. */
static const char *take_alias(struct negotiation *n, const struct key *k, const char *value)
{
	char alias[KEY_VALUE_MAX + 1];
	bool utf8 = text_is_utf8(value);
	size_t i;

	if (strlen(value) > KEY_VALUE_MAX)
		return "is too long";
	for (i = 0; value[i]; i++) {
		uint8_t c = (uint8_t)value[i];

		alias[i] = c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : value[i];
	}
	alias[i] = '\0';
	if (n->phase == PARAMS_FULL_FEATURE)
		n->p->InitiatorAlias[0] = '\0'; /* "ALL": may change */
	return set_text(n->p, k, alias, sizeof(alias));
}

static const char *take_session_type(struct negotiation *n, const struct key *k, const char *value)
{
	bool discovery = strcmp(value, "Discovery") == 0;

	(void)k;
	if (!discovery && strcmp(value, "Normal") != 0)
		return "is neither Normal nor Discovery";
	if (n->p->session_type_said && n->p->discovery != discovery)
		return "was declared otherwise before";
	n->p->session_type_said = true;
	n->p->discovery = discovery;
	return NULL;
}

/* 13.12. In the login once, or again the same; afterwards at will. */
static const char *take_max_recv(struct negotiation *n, const struct key *k, const char *value)
{
	uint32_t theirs;

	if (!params_num_parse(k, value, &theirs))
		return "is out of range";
	if (n->p->max_recv_said && n->phase != PARAMS_FULL_FEATURE &&
	    n->p->MaxRecvDataSegmentLength != theirs)
		return "was declared otherwise before";
	n->p->max_recv_said = true;
	n->p->MaxRecvDataSegmentLength = theirs;
	return NULL;
}

/* Appendix C: "All" in discovery only; "" in normal sessions only; a name in a normal
 * session tells no more than the session's own target. */
static const char *take_send_targets(struct negotiation *n, const struct key *k, const char *value)
{
	struct params *p = n->p;
	bool all = strcmp(value, "All") == 0;
	char name[ISCSI_NAME_MAX + 1] = "";

	if (all || value[0] == '\0') {
		if (all != p->discovery)
			return params_reject(n, k);
		snprintf(p->SendTargets, sizeof(p->SendTargets), "%s", value);
		p->send_targets = true;
		return NULL;
	}
	if (iscsi_name_normalise(name, value) ||
	    (!p->discovery && strcmp(name, p->TargetName) != 0))
		return params_reject(n, k);
	memcpy(p->SendTargets, name, sizeof(name));
	p->send_targets = true;
	return NULL;
}

static const char *take_nothing(struct negotiation *n, const struct key *k, const char *value)
{
	(void)n, (void)k, (void)value;
	return NULL;
}

/* clang-format off */
#define NUM(name, fn, flags, lo, hi, ours) \
	{ #name, flags, TURN_OFFERED, fn, FIELD(name), lo, hi, ours, FIXED }
#define NUM_OURS(name, fn, flags, lo, hi) \
	{ #name, flags, TURN_OFFERED, fn, FIELD(name), lo, hi, 0, OFFER(name) }
#define BOOL(name, fn, flags, ours) \
	{ #name, (flags) | IS_BOOL, TURN_OFFERED, fn, FIELD(name), 0, 1, ours, FIXED }
#define BOOL_OURS(name, fn, flags) \
	{ #name, (flags) | IS_BOOL, TURN_OFFERED, fn, FIELD(name), 0, 1, 0, OFFER(name) }
#define DIGEST(name, field) \
	{ #name, IN_OPERATIONAL, TURN_OFFERED, take_digest, FIELD(field), 0, 0, 0, FIXED }
#define DECL(name, fn, flags, field) \
	{ name, (flags) | DECLARED, TURN_DECLARED, fn, field, 0, 0, 0, FIXED }
#define PLAIN(name, fn, flags) \
	{ #name, flags, TURN_OFFERED, fn, NO_FIELD, 0, 0, 0, FIXED }

static const struct key table[] = {
	/* declarations */
	DECL("SessionType", take_session_type, IN_LOGIN, NO_FIELD),		/* 13.21 */
	DECL("InitiatorName", take_name, IN_LOGIN, FIELD(InitiatorName)),	/* 13.5 */
	DECL("TargetName", take_name, IN_LOGIN, FIELD(TargetName)),		/* 13.4 */
	DECL("InitiatorAlias", take_alias, IN_ALL, FIELD(InitiatorAlias)),	/* 13.7 */
	DECL("X#NodeArchitecture", take_nothing, IN_LOGIN, NO_FIELD),		/* 13.26 */
	DECL("TargetAlias", take_target_only, IN_ALL, NO_FIELD),		/* 13.6 */
	DECL("TargetAddress", take_target_only, IN_ALL, NO_FIELD),		/* 13.8 */
	DECL("TargetPortalGroupTag", take_target_only, IN_ALL, NO_FIELD),	/* 13.9 */
	{ "MaxRecvDataSegmentLength", IN_ALL | DECLARED, TURN_DECLARED, take_max_recv,
	  FIELD(MaxRecvDataSegmentLength), 512, LENGTH_MAX, 0, FIXED },	/* 13.12 */

	/* negotiated */
	PLAIN(AuthMethod, take_auth_method, IN_SECURITY),			/* 12.1 */
	PLAIN(CHAP_A, take_nothing, IN_SECURITY),				/* 12.1.3 */
	PLAIN(CHAP_I, take_nothing, IN_SECURITY),
	PLAIN(CHAP_C, take_nothing, IN_SECURITY | HIDDEN),
	PLAIN(CHAP_N, take_nothing, IN_SECURITY),
	PLAIN(CHAP_R, take_nothing, IN_SECURITY | HIDDEN),
	DIGEST(HeaderDigest, header_digest),					/* 13.1 */
	DIGEST(DataDigest, data_digest),
	NUM(MaxConnections, take_min, LEADING, 1, 65535, 1),			/* 13.2 */
	BOOL_OURS(InitialR2T, take_or, LEADING),				/* 13.10 */
	BOOL_OURS(ImmediateData, take_and, LEADING),				/* 13.11 */
	NUM_OURS(MaxBurstLength, take_min, LEADING, 512, LENGTH_MAX),		/* 13.13 */
	{ "FirstBurstLength", LEADING, TURN_DEPENDENT, take_first_burst,
	  FIELD(FirstBurstLength), 512, LENGTH_MAX, 0, OFFER(FirstBurstLength) }, /* 13.14 */
	NUM(DefaultTime2Wait, take_max, IN_OPERATIONAL, 0, 3600, 0),		/* 13.15 */
	NUM(DefaultTime2Retain, take_min, IN_OPERATIONAL, 0, 3600, 0),		/* 13.16 */
	NUM_OURS(MaxOutstandingR2T, take_min, LEADING, 1, 65535),		/* 13.17 */
	BOOL(DataPDUInOrder, take_or, LEADING, true),				/* 13.18 */
	BOOL(DataSequenceInOrder, take_or, LEADING, true),			/* 13.19 */
	NUM(ErrorRecoveryLevel, take_min, IN_OPERATIONAL, 0, 2, 0),		/* 13.20 */
	{ "TaskReporting", LEADING, TURN_OFFERED, take_task_reporting, FIELD(TaskReporting),
	  0, 0, 0, FIXED },						/* 13.23 */
	NUM(iSCSIProtocolLevel, take_min, LEADING, 0, 31, 2),			/* 13.24 */
	PLAIN(OFMarker, take_marker, IN_OPERATIONAL),				/* 13.25 */
	PLAIN(IFMarker, take_marker, IN_OPERATIONAL),
	PLAIN(OFMarkInt, take_marker_interval, IN_OPERATIONAL),
	PLAIN(IFMarkInt, take_marker_interval, IN_OPERATIONAL),
	PLAIN(SendTargets, take_send_targets, IN_FULL_FEATURE),			/* 13.3 */
};
/* clang-format on */
static_assert(ARRAY_SIZE(table) <= 64, "one bit each in seen and offered");

const struct key *params_key_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

uint64_t params_key_bit(const struct key *k)
{
	return 1ull << (k - table);
}
