/* Negotiation as a table: one row per key of RFC 7143 section 13, and those of 12.1, whose values
 * login_security.c judges.
 *
 * A text is gone over three times, because a key may stand before one it depends on:
 * first the declarations (SessionType makes others Irrelevant), then everything
 * else, then FirstBurstLength (which InitialR2T, ImmediateData and MaxBurstLength judge).
 *
 * What a wrong key costs:
 *   an offer out of its range                  "Reject", the value stays (6.2)
 *   a declaration out of its range             the login: there is no answer to it
 *   a key of another stage, in the login       the login (12: only some in the security stage)
 *   a login key in full feature phase          "Reject" (a declaration: the text)
 *   a key twice                                the login (6.3), except a declaration that
 *                                              says the same again: libiscsi does so
 *   "Reject" and the like as an offer          the login (6.2: protocol error)
 *   a key that only targets send               the login
 * Nothing of a text that costs the login, or of a Text Request that is refused, takes effect.
 *
 * We offer a key of our own only where the initiator is silent and the RFC's default is more
 * than we can do. Until it answers we act by our offer, which is the tighter one. */
#include "target/iscsi/params_table.h"

#include <stdio.h>
#include <string.h>

static const char *const reserved_values[] = { "Reject", "Irrelevant", "NotUnderstood" };

static bool value_is_reserved(const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(reserved_values); i++)
		if (strcmp(value, reserved_values[i]) == 0)
			return true;
	return false;
}

void params_init(struct params *p)
{
	*p = (struct params){
		.MaxConnections = 1,
		.MaxBurstLength = 262144,
		.FirstBurstLength = 65536,
		.DefaultTime2Wait = 2,
		.DefaultTime2Retain = 20,
		.MaxOutstandingR2T = 1,
		.ErrorRecoveryLevel = 0,
		.InitialR2T = true,
		.ImmediateData = true,
		.DataPDUInOrder = true,
		.DataSequenceInOrder = true,
		.iSCSIProtocolLevel = 1,
		.MaxRecvDataSegmentLength = 8192,
	};
}

/* The initiator's answer to an offer of ours. It must choose from what we offered: at most our
 * number, or our boolean (params_declare offers only what leaves no choice). */
static const char *take_answer(struct negotiation *n, const struct key *k, const char *value)
{
	uint32_t theirs;
	bool yes;

	n->p->offered &= ~params_key_bit(k);
	n->p->seen |= params_key_bit(k);
	if (strcmp(value, "Irrelevant") == 0)
		return NULL;
	if (k->flags & IS_BOOL) {
		if (!params_bool_parse(value, &yes) || yes)
			return "answers what was not offered";
		return NULL;
	}
	if (!params_num_parse(k, value, &theirs) || theirs > params_key_our_num(n->ours, k))
		return "answers what was not offered";
	*params_key_num(n->p, k) = theirs;
	return NULL;
}

static const char *take_key(struct negotiation *n, const struct key *k, const char *value)
{
	if (!(k->flags & 1u << n->phase)) {
		if (n->phase == PARAMS_FULL_FEATURE && !(k->flags & DECLARED))
			return params_reject(n, k);
		return "does not belong in this phase";
	}
	if (n->p->offered & params_key_bit(k))
		return take_answer(n, k, value);
	if (value_is_reserved(value))
		return "is no value to propose";
	if (!(k->flags & DECLARED)) {
		if (n->p->seen & params_key_bit(k))
			return "was negotiated before";
		n->p->seen |= params_key_bit(k);
	}
	if (k->flags & NOT_IN_DISCOVERY && n->p->discovery) {
		keys_write(n->answer, k->name, "Irrelevant");
		return NULL;
	}
	return k->take(n, k, value);
}

/* Key and value came from the peer and go to a log. */
static void explain(char *buf, size_t cap, const struct key *k, const char *value, const char *what)
{
	if (!cap)
		return;
	if (k->flags & HIDDEN)
		value = "(hidden)";
	snprintf(buf, cap, "%s=%.99s%s: %s", k->name, value, strlen(value) > 99 ? "..." : "", what);
	for (char *c = buf; *c; c++)
		if ((uint8_t)*c < 0x20 || (uint8_t)*c >= 0x7f)
			*c = '?';
}

static enum params_result one_turn(struct negotiation *n, enum turn turn, const void *text,
				   size_t len, char *why_buf, size_t why_cap)
{
	char name[KEY_NAME_MAX + 1];
	struct keys_reader reader;
	const char *value;
	int rc;

	keys_read_init(&reader, text, len);
	while ((rc = keys_read(&reader, name, &value)) > 0) {
		const struct key *k = params_key_find(name);
		const char *wrong = NULL;

		if (!k && turn == TURN_OFFERED && !value_is_reserved(value))
			keys_write(n->answer, name, "NotUnderstood");
		else if (k && k->turn == turn)
			wrong = take_key(n, k, value);
		if (wrong) {
			explain(why_buf, why_cap, k, value, wrong);
			return PARAMS_BAD;
		}
	}
	if (rc < 0) {
		snprintf(why_buf, why_cap, "the text is not made of key=value pairs (6.1)");
		return PARAMS_BAD;
	}
	return n->answer->overflow ? PARAMS_TOO_LONG : PARAMS_OK;
}

enum params_result params_negotiate(struct params *p, const struct params_offer *ours,
				    enum params_phase phase, const void *text, size_t len,
				    struct keys_writer *answer, char *why_buf, size_t why_cap)
{
	struct params next = *p;
	struct negotiation n = { .p = &next, .ours = ours, .phase = phase, .answer = answer };

	next.send_targets = false;
	if (phase == PARAMS_FULL_FEATURE)
		next.seen = 0; /* each Text Request is a negotiation of its own */
	for (enum turn turn = TURN_DECLARED; turn < TURNS; turn++) {
		enum params_result result = one_turn(&n, turn, text, len, why_buf, why_cap);

		if (result != PARAMS_OK)
			return result;
	}
	*p = next;
	return PARAMS_OK;
}

static void offer_num(struct params *p, const struct params_offer *ours, const char *name,
		      struct keys_writer *w)
{
	const struct key *k = params_key_find(name);
	uint32_t most = params_key_our_num(ours, k);

	if (!k || p->seen & params_key_bit(k) || *params_key_num(p, k) <= most)
		return;
	*params_key_num(p, k) = most;
	p->offered |= params_key_bit(k);
	keys_write_num(w, name, most);
}

void params_declare(struct params *p, const struct params_offer *ours, struct keys_writer *w)
{
	const struct key *immediate = params_key_find("ImmediateData");

	if (p->operational_begun)
		return;
	p->operational_begun = true;
	keys_write_num(w, "MaxRecvDataSegmentLength", ours->MaxRecvDataSegmentLength);
	if (p->discovery)
		return;
	offer_num(p, ours, "MaxBurstLength", w);
	offer_num(p, ours, "FirstBurstLength", w);
	if (immediate && !ours->ImmediateData && !(p->seen & params_key_bit(immediate))) {
		p->ImmediateData = false;
		p->offered |= params_key_bit(immediate);
		keys_write(w, "ImmediateData", "No");
	}
}

void params_settle(struct params *p)
{
	p->FirstBurstLength = MIN(p->FirstBurstLength, p->MaxBurstLength);
}
