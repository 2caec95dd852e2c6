/* Login (RFC 7143 6.3, 11.12, 11.13): from the first PDU to full feature phase.
 *
 *   Login Request ─▶ whole text? ─▶ keys negotiated ─▶ who is it, may it? ─▶ Login Response
 *                      no: empty answer                                        │ last one
 *                                            older sessions of this nexus end ◀┘
 *
 * The session enters the node's register, and replaces an older one of the same nexus, only when
 * all else is agreed; the last response waits until the older one has ended on its own reactor, so
 * that nothing of it can run after the new session begins. */
#include "target/iscsi/access.h"
#include "target/iscsi/conn.h"
#include "target/iscsi/login_security.h"
#include "target/iscsi/who.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_LOGIN_TEXT = 64 << 10,
	MAX_LOGIN_PDUS = 64,
	MAX_ANSWER_BYTES = 8192, /* the initiator's MaxRecvDataSegmentLength until it says more */
	MAX_OLD_SESSIONS = 8,
	MAX_CHANGES = 8, /* of policies, while one login enters */
	WHY_BYTES = 3 * ISCSI_NAME_BYTES,
};

/* To the reactor of an older session, and back. */
struct replacement {
	struct io_msg msg;
	struct iscsi_reactor *where;
	uint64_t serial;
	struct conn *waiter; /* held */
};

struct login {
	bool identified;	     /* names were checked */
	struct iscsi_policy *policy; /* of the target, or of discovery, when it was identified */
	enum iscsi_stage stage;
	struct login_security security;
	struct keys_text text; /* collected so far */
	unsigned npdus;
	struct bhs_login_req request; /* the one being answered */
	unsigned waiting;	      /* older sessions that are being ended */
	struct replacement replacements[MAX_OLD_SESSIONS];
	bool declared; /* our MaxRecvDataSegmentLength has been said */
	struct keys_writer answer;
	char answer_buf[MAX_ANSWER_BYTES];
};

void login_free(struct conn *c)
{
	if (!c->login)
		return;
	keys_text_free(&c->login->text);
	login_security_wipe(&c->login->security);
	policy_put(c->login->policy);
	free(c->login);
	c->login = NULL;
}

/* --- answering ---------------------------------------------------------------------- */

static bool is_redirect(enum iscsi_login_status status)
{
	return status == ISCSI_LOGIN_MOVED || status == ISCSI_LOGIN_MOVED_FOREVER;
}

static void respond(struct conn *c, uint8_t flags, enum iscsi_login_status status)
{
	struct login *l = c->login;
	bool ok = status == ISCSI_LOGIN_SUCCESS;
	bool has_text = ok || is_redirect(status);
	bool ends = ok && (flags & ISCSI_TRANSIT) && (flags & 3) == ISCSI_STAGE_FULL_FEATURE;
	struct tx_pdu *p =
		conn_pdu(c, ISCSI_LOGIN_RSP, l->answer_buf, has_text ? (uint32_t)l->answer.len : 0);
	struct bhs_login_rsp *h;

	if (!p)
		return;
	h = (struct bhs_login_rsp *)&p->h;
	h->flags = flags;
	memcpy(h->isid, l->request.isid, sizeof(h->isid));
	h->tsih = c->session && ends ? be16_of(c->session->tsih) : l->request.tsih;
	h->itt = l->request.itt;
	h->status_class = (uint8_t)(status >> 8);
	h->status_detail = (uint8_t)status;
	p->ends_login = ends;
	conn_send(p);
}

/* Logged as one line with the reason; the initiator gets the code. Returns 0. */
static int fail(struct conn *c, enum iscsi_login_status status, const char *why)
{
	log_warn(WHO ": login refused (%02x%02x): %s", WHO_OF(c), (unsigned)status >> 8,
		 (unsigned)status & 0xff, why);
	login_count_status(&c->reactor->node->logins.counts, status);
	respond(c, c->login->request.flags & 0x0c, status);
	if (!c->closed)
		conn_close_when_sent(c);
	return 0;
}

/* 11.13.5: TargetAddress and nothing else, without a portal group (13.8); before it has proved who
 * it is, too. Returns 0. */
static int redirect(struct conn *c, enum iscsi_login_status status)
{
	struct login *l = c->login;
	const char *to = c->session->policy->redirect;

	log_info("%s %s: login to %s redirected to %s%s", c->peer, c->session->initiator,
		 c->session->target->name, to,
		 status == ISCSI_LOGIN_MOVED_FOREVER ? " for good" : "");
	l->answer = (struct keys_writer){ .buf = l->answer_buf, .cap = sizeof(l->answer_buf) };
	keys_write(&l->answer, "TargetAddress", to);
	login_count_status(&c->reactor->node->logins.counts, status);
	respond(c, l->request.flags & 0x0c, status);
	if (!c->closed)
		conn_close_when_sent(c);
	return 0;
}

static int turn_away(struct conn *c, enum iscsi_login_status status, const char *why)
{
	return is_redirect(status) ? redirect(c, status) : fail(c, status, why);
}

/* --- who is it ---------------------------------------------------------------------- */

static struct access_path path_of(const struct conn *c)
{
	struct access_path path = { .peer = c->peer_addr };

	conn_here(c, &path.here);
	return path;
}

/* Once, as soon as the first whole text is here (6.3.1). Returns success or why not. */
static enum iscsi_login_status identify(struct conn *c, char *why, size_t why_cap)
{
	struct iscsi_node *node = c->reactor->node;
	struct session *s = c->session;
	const struct access_path path = path_of(c);
	enum iscsi_login_status status;

	if (!*c->params.InitiatorName) {
		snprintf(why, why_cap, "no InitiatorName");
		return ISCSI_LOGIN_MISSING_PARAM;
	}
	strcpy(s->initiator, c->params.InitiatorName);
	if (!c->params.discovery && !*c->params.TargetName) {
		snprintf(why, why_cap, "no TargetName in a normal session");
		return ISCSI_LOGIN_MISSING_PARAM;
	}
	status = access_begin(node, s, c->params.discovery ? NULL : c->params.TargetName, &path,
			      why, why_cap);
	c->login->policy = s->policy ? policy_get(s->policy) : NULL;
	return status;
}

/* --- entering full feature phase ------------------------------------------------------ */

static void finish(struct conn *c);

static void replaced(struct io_msg *m)
{
	struct replacement *r = container_of(m, struct replacement, msg);
	struct conn *c = r->waiter;

	c->holds--;
	if (c->closed)
		conn_release(c);
	else if (--c->login->waiting == 0)
		finish(c);
}

static void end_older(struct io_msg *m)
{
	struct replacement *r = container_of(m, struct replacement, msg);

	list_for_each_safe (l, &r->where->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (c->session && c->session->serial == r->serial)
			conn_close(c, "replaced by a new login of the same initiator port");
	}
	r->msg.run = replaced;
	io_post(r->waiter->reactor->io, &r->msg);
}

/* Nothing here may fail: to the register they are on their way out already. */
static void replace_older(struct conn *c, const struct node_old *old, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct replacement *r = &c->login->replacements[i];

		r->where = old[i].reactor;
		r->serial = old[i].serial;
		r->waiter = c;
		r->msg.run = end_older;
		c->holds++;
		c->login->waiting++;
		io_post(r->where->io, &r->msg);
	}
}

static int refuse_held(struct conn *c, const char *holder)
{
	char why[WHY_BYTES];

	snprintf(why, sizeof(why),
		 "%s is in use by %s; a volume takes one initiator at a time unless it is 'shared'",
		 c->session->target->name, holder);
	return fail(c, ISCSI_LOGIN_FORBIDDEN, why);
}

static int refuse_full(struct conn *c)
{
	char why[WHY_BYTES];

	snprintf(why, sizeof(why), "%u sessions are open, as many as may be (--max-sessions)",
		 c->reactor->node->max_sessions);
	return fail(c, ISCSI_LOGIN_OUT_OF_RESOURCES, why);
}

static int refuse_removed(struct conn *c)
{
	char why[WHY_BYTES];

	snprintf(why, sizeof(why), "%s was removed during this login", c->session->target->name);
	return fail(c, ISCSI_LOGIN_TARGET_REMOVED, why);
}

/* It is in the register: so every change from now on finds it, on this reactor. */
static int entered(struct conn *c, const struct node_old *old, unsigned nold)
{
	struct session *s = c->session;

	session_drop_policies(s);
	replace_older(c, old, nold);
	if (s->target && scsi_nexus_new(&s->nexus, s->target->scsi))
		return fail(c, ISCSI_LOGIN_OUT_OF_RESOURCES, "out of memory");
	if (!c->login->waiting)
		finish(c);
	return 0;
}

static int enter(struct conn *c)
{
	const struct access_path path = path_of(c);
	struct iscsi_node *node = c->reactor->node;
	enum iscsi_login_status status;
	struct node_old old[MAX_OLD_SESSIONS];
	char holder[ISCSI_NAME_BYTES], why[WHY_BYTES];
	unsigned nold;

	params_settle(&c->params);
	c->session->header_digest = c->params.header_digest;
	c->session->data_digest = c->params.data_digest;
	for (unsigned tries = 0; tries < MAX_CHANGES; tries++) {
		switch (iscsi_node_enter(node, c->session, old, MAX_OLD_SESSIONS, &nold, holder)) {
		case NODE_HELD:
			return refuse_held(c, holder);
		case NODE_FULL:
			return refuse_full(c);
		case NODE_REMOVED:
			return refuse_removed(c);
		case NODE_ENTERED:
			return entered(c, old, nold);
		case NODE_CHANGED:
			break;
		}
		status = access_again(node, c->session, &path, why, sizeof(why));
		if (status != ISCSI_LOGIN_SUCCESS)
			return turn_away(c, status, why);
	}
	return fail(c, ISCSI_LOGIN_UNAVAILABLE, "its rules do not stop changing");
}

static void finish(struct conn *c)
{
	struct login *l = c->login;

	if (c->last_pdu_queued) /* refused while it waited */
		return;
	respond(c, (uint8_t)(ISCSI_TRANSIT | l->stage << 2 | ISCSI_STAGE_FULL_FEATURE),
		ISCSI_LOGIN_SUCCESS);
	if (c->closed || conn_step(c, EV_LOGIN_DONE))
		return;
	c->parser.max_data_bytes =
		l->declared ? c->reactor->node->offer.MaxRecvDataSegmentLength : MAX_ANSWER_BYTES;
	c->parser.header_digest = c->params.header_digest;
	c->parser.data_digest = c->params.data_digest;
	atomic_fetch_add_explicit(&c->reactor->node->logins.counts.done, 1, memory_order_relaxed);
	log_info("%s %s: logged in to %s, session %llu%s%s%s", c->peer, c->session->initiator,
		 who_target(c), (unsigned long long)c->session->serial, l->security.proof,
		 c->params.header_digest ? ", header digests" : "",
		 c->params.data_digest ? ", data digests" : "");
	login_free(c);
	session_show(c->session, ISCSI_SESSION_ACTIVE);
	if (c->session->target) { /* who discovers keeps being counted */
		logins_leave(&c->reactor->node->logins, c->source);
		c->source = NULL;
	}
	io_timer_set(c->reactor->io, &c->timer,
		     io_now_ns(c->reactor->io) + c->reactor->node->timeouts.quiet_ns);
	if (c->reactor->draining)
		logout_ask(c, "the server is stopping");
}

/* --- one Login Request ------------------------------------------------------------------ */

static int first_pdu(struct conn *c, const struct bhs_login_req *h)
{
	struct login *l = calloc(1, sizeof(*l));

	c->session = session_new(c);
	if (!l || !c->session || conn_step(c, EV_LOGIN_REQ)) {
		free(l);
		conn_close(c, "out of memory");
		return -ENOMEM;
	}
	c->login = l;
	l->request = *h;
	l->stage = (enum iscsi_stage)(h->flags >> 2 & 3);
	c->cid = be16_get(h->cid);
	memcpy(c->session->isid, h->isid, sizeof(h->isid));
	c->session->exp_cmd_sn = be32_get(h->cmd_sn);
	c->session->max_cmd_sn = c->session->exp_cmd_sn + c->reactor->node->window - 1;
	return 0;
}

/* What 11.12 demands of the header, of this one and in relation to the one before. */
static enum iscsi_login_status check_header(struct conn *c, const struct bhs_login_req *h,
					    const char **why)
{
	const struct login *l = c->login;
	unsigned csg = h->flags >> 2 & 3, nsg = h->flags & 3;

	*why = "wrong stage, flags or identifiers in the Login Request";
	if (h->version_min > 0 && !l->npdus) { /* of the first request (11.12.4) */
		*why = "protocol version not supported";
		return ISCSI_LOGIN_BAD_VERSION;
	}
	if (be16_get(h->tsih)) {
		*why = "a session takes one connection";
		return iscsi_node_has_tsih(c->reactor->node, be16_get(h->tsih))
			       ? ISCSI_LOGIN_TOO_MANY_CONNS
			       : ISCSI_LOGIN_NO_SESSION;
	}
	if (csg > ISCSI_STAGE_OPERATIONAL || csg != l->stage ||
	    ((h->flags & ISCSI_TRANSIT) && (nsg <= csg || nsg == 2)) ||
	    ((h->flags & ISCSI_TRANSIT) && (h->flags & ISCSI_CONTINUE)) ||
	    memcmp(h->isid, l->request.isid, sizeof(h->isid)) || be16_get(h->cid) != c->cid ||
	    be32_get(h->itt) != be32_get(l->request.itt))
		return ISCSI_LOGIN_INVALID_REQUEST;
	return ISCSI_LOGIN_SUCCESS;
}

static int collect(struct login *l, const void *data, size_t len)
{
	return ++l->npdus > MAX_LOGIN_PDUS ? -E2BIG
					   : keys_text_add(&l->text, data, len, MAX_LOGIN_TEXT);
}

static enum iscsi_login_status negotiate(struct conn *c, char *why_buf, size_t why_cap)
{
	struct login *l = c->login;
	bool security = l->stage == ISCSI_STAGE_SECURITY;

	l->answer = (struct keys_writer){ .buf = l->answer_buf, .cap = sizeof(l->answer_buf) };
	switch (params_negotiate(&c->params, &c->reactor->node->offer,
				 security ? PARAMS_LOGIN_SECURITY : PARAMS_LOGIN_OPERATIONAL,
				 l->text.data, l->text.len, &l->answer, why_buf, why_cap)) {
	case PARAMS_BAD:
		return ISCSI_LOGIN_INITIATOR_ERROR;
	case PARAMS_TOO_LONG:
		return ISCSI_LOGIN_OUT_OF_RESOURCES;
	case PARAMS_OK:
		break;
	}
	return ISCSI_LOGIN_SUCCESS;
}

/* It has said its names; has it proved them? In the log a failure names the target, too. */
static enum iscsi_login_status secure(struct conn *c, char *why_buf, size_t why_cap)
{
	struct login *l = c->login;
	const struct login_security_offer offer = { c->params.auth_offered, c->params.auth_none,
						    c->params.auth_chap };
	const struct iscsi_target *t = c->session->target;
	char why[192] = "";
	enum iscsi_login_status status = ISCSI_LOGIN_SUCCESS;

	if (l->stage == ISCSI_STAGE_SECURITY) {
		status = login_security_text(&l->security, l->policy, &offer, &l->text, &l->answer,
					     why, sizeof(why));
	} else if (!login_security_is_over(&l->security, l->policy)) {
		snprintf(why, sizeof(why), "CHAP is required, and the security stage was skipped");
		status = ISCSI_LOGIN_AUTH_FAILURE;
	}
	if (status != ISCSI_LOGIN_SUCCESS)
		snprintf(why_buf, why_cap, "%s: %s", t ? t->name : "discovery", why);
	return status;
}

/* The text is whole and understood: say what is ours to say, and go on or stay. */
static int answer(struct conn *c, const struct bhs_login_req *h)
{
	struct login *l = c->login;
	unsigned nsg = h->flags & 3;
	char why[WHY_BYTES];
	enum iscsi_login_status status;

	if (!l->identified) {
		status = identify(c, why, sizeof(why));
		if (status != ISCSI_LOGIN_SUCCESS)
			return turn_away(c, status, why);
		l->identified = true;
		if (c->session->target) /* in the first answer (13.9) */
			keys_write_num(&l->answer, "TargetPortalGroupTag", ISCSI_PORTAL_GROUP);
	}
	if (c->params.discovery != !c->session->target)
		return fail(c, ISCSI_LOGIN_INITIATOR_ERROR,
			    "SessionType came after the first text (13.21)");
	status = secure(c, why, sizeof(why));
	keys_text_free(&l->text);
	if (status != ISCSI_LOGIN_SUCCESS)
		return fail(c, status, why);
	if (l->stage == ISCSI_STAGE_OPERATIONAL) {
		params_declare(&c->params, &c->reactor->node->offer, &l->answer);
		l->declared = true;
	}
	if (l->answer.overflow)
		return fail(c, ISCSI_LOGIN_OUT_OF_RESOURCES, "the answers do not fit in one PDU");
	if (!(h->flags & ISCSI_TRANSIT) || !login_security_is_over(&l->security, l->policy)) {
		respond(c, (uint8_t)(l->stage << 2), ISCSI_LOGIN_SUCCESS);
		return c->closed ? -EPROTO : 0;
	}
	if (nsg == ISCSI_STAGE_FULL_FEATURE) {
		enter(c);
		return c->closed ? -EPROTO : 0;
	}
	respond(c, (uint8_t)(ISCSI_TRANSIT | l->stage << 2 | nsg), ISCSI_LOGIN_SUCCESS);
	l->stage = (enum iscsi_stage)nsg;
	return c->closed ? -EPROTO : 0;
}

int login_pdu(struct conn *c)
{
	const struct bhs_login_req *h = (const void *)&c->parser.bhs;
	enum iscsi_login_status status;
	const char *why = NULL;
	char why_buf[256] = "";

	if (!c->login && first_pdu(c, h))
		return -ENOMEM;
	if (c->login->waiting) {
		conn_close(c, "a Login Request before the last one was answered");
		return -EPROTO;
	}
	status = check_header(c, h, &why);
	c->login->request = *h;
	if (status != ISCSI_LOGIN_SUCCESS)
		return fail(c, status, why);
	if (c->one_too_many) {
		snprintf(why_buf, sizeof(why_buf),
			 "more than %u connections of this address have not logged in "
			 "(--max-logins-per-address)",
			 c->reactor->node->logins.max);
		return fail(c, ISCSI_LOGIN_OUT_OF_RESOURCES, why_buf);
	}
	if (collect(c->login, c->staged, c->parser.data_len))
		return fail(c, ISCSI_LOGIN_OUT_OF_RESOURCES, "too much login text");
	if (h->flags & ISCSI_CONTINUE) { /* 6.2: an empty answer asks for the rest */
		c->login->answer.len = 0;
		respond(c, (uint8_t)(c->login->stage << 2), ISCSI_LOGIN_SUCCESS);
		return c->closed ? -EPROTO : 0;
	}
	status = negotiate(c, why_buf, sizeof(why_buf));
	if (status != ISCSI_LOGIN_SUCCESS)
		return fail(c, status, why_buf);
	return answer(c, h);
}
