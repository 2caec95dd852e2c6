/* Login as the initiator (RFC 7143 6 and 13): no authentication, then one offer of all
 * operational keys, and as many exchanges as the target wants. */
#include "bench/src/iscsi.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_BYTES = 65536, /* of all PDUs of an answer */
	REPLY_BYTES = 4096,
	MAX_ROUNDS = 32,
};

struct login {
	struct iscsi_conn *ic;
	enum iscsi_stage stage;
	char reply[REPLY_BYTES]; /* what is sent next */
	size_t reply_len;
	char text[TEXT_BYTES + 1]; /* what came */
	size_t text_len;
	char address[256]; /* TargetAddress, for a redirection's message */
	bool stage_done;
	const char *wrong; /* key whose answer will not do */
};

static void add(struct login *l, const char *fmt, ...) PRINTF(2, 3);
static void add(struct login *l, const char *fmt, ...)
{
	size_t room = sizeof(l->reply) - l->reply_len;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(l->reply + l->reply_len, room, fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < room)
		l->reply_len += (size_t)n + 1; /* with the NUL that ends a pair */
}

static int refuse(const struct login *l, const char *fmt, ...) PRINTF(2, 3);
static int refuse(const struct login *l, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "load: connection %u: login: ", l->ic->base.index);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -EPROTO;
}

/* ── keys ─────────────────────────────────────────────────────────────── */

static bool is_digest_ok(const char *value, bool wanted)
{
	return strcmp(value, wanted ? "CRC32C" : "None") == 0;
}

/* An answer to an offer of @ours, where the less is agreed on. */
static bool take_least(uint32_t *field, uint32_t ours, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 0);

	*field = ours;
	if (strcmp(value, "Irrelevant") == 0)
		return true;
	if (*value < '0' || *value > '9' || *end || n < 512 || n > 0xffffff)
		return false;
	*field = MIN(ours, (uint32_t)n);
	return true;
}

static bool take_bool(bool *field, const char *value)
{
	if (strcmp(value, "Irrelevant") == 0)
		return true;
	*field = strcmp(value, "Yes") == 0;
	return *field || strcmp(value, "No") == 0;
}

/* True: @key was one of ours, or asks for no answer. */
static bool take_key(struct login *l, const char *key, const char *value)
{
	/* declared, or answered as we want it or else harmless at ErrorRecoveryLevel 0 */
	static const char *const plain[] = {
		"TargetAlias",	      "TargetPortalGroupTag", "TargetName",
		"MaxConnections",     "MaxOutstandingR2T",    "DefaultTime2Wait",
		"DefaultTime2Retain", "DataPDUInOrder",	      "DataSequenceInOrder",
		"ErrorRecoveryLevel",
	};
	const struct options *o = l->ic->base.run->opt;
	struct iscsi_params *p = &l->ic->params;
	bool ok = true;

	if (strcmp(key, "AuthMethod") == 0)
		ok = strcmp(value, "None") == 0;
	else if (strcmp(key, "HeaderDigest") == 0)
		ok = is_digest_ok(value, o->header_digest);
	else if (strcmp(key, "DataDigest") == 0)
		ok = is_digest_ok(value, o->data_digest);
	else if (strcmp(key, "InitialR2T") == 0)
		ok = take_bool(&p->initial_r2t, value);
	else if (strcmp(key, "ImmediateData") == 0)
		ok = take_bool(&p->immediate_data, value);
	else if (strcmp(key, "MaxRecvDataSegmentLength") == 0)
		ok = take_least(&p->segment_bytes, 0xffffff, value);
	else if (strcmp(key, "MaxBurstLength") == 0)
		ok = take_least(&p->max_burst, ISCSI_OUR_MAX_BURST, value);
	else if (strcmp(key, "FirstBurstLength") == 0)
		ok = take_least(&p->first_burst, ISCSI_OUR_FIRST_BURST, value);
	else if (strcmp(key, "TargetAddress") == 0)
		snprintf(l->address, sizeof(l->address), "%s", value);
	else {
		for (unsigned i = 0; i < ARRAY_SIZE(plain); i++)
			if (strcmp(key, plain[i]) == 0)
				return true;
		return false;
	}
	if (!ok)
		l->wrong = key;
	return true;
}

/* Takes l->text apart, and answers in l->reply what the target offers itself. */
static int take_text(struct login *l)
{
	char *at = l->text, *end = l->text + l->text_len;

	l->reply_len = 0;
	*end = '\0';
	for (; at < end; at += strlen(at) + 1) {
		char *value = strchr(at, '=');

		if (!value) {
			if (*at)
				return refuse(l, "the target sent \"%.40s\", not Key=Value", at);
			continue;
		}
		*value++ = '\0';
		if (!take_key(l, at, value) && strcmp(value, "NotUnderstood") != 0)
			add(l, "%s=NotUnderstood", at);
		if (l->wrong)
			return refuse(l, "the target answers %s=%.60s, which will not do%s", at,
				      value,
				      strstr(at, "Digest")	      ? " for --digests"
				      : strcmp(at, "AuthMethod") == 0 ? ": it wants authentication"
								      : "");
		at = value;
	}
	return 0;
}

/* ── exchanges ────────────────────────────────────────────────────────── */

static const char *status_text(unsigned status)
{
	switch (status) {
	case ISCSI_LOGIN_AUTH_FAILURE:
		return "it wants authentication";
	case ISCSI_LOGIN_FORBIDDEN:
		return "this initiator may not (--initiator)";
	case ISCSI_LOGIN_NOT_FOUND:
		return "it has no target of that name";
	case ISCSI_LOGIN_TARGET_REMOVED:
		return "the target was removed";
	case ISCSI_LOGIN_UNAVAILABLE:
		return "the target is not available at present";
	case ISCSI_LOGIN_OUT_OF_RESOURCES:
		return "it has no resources for another session";
	default:
		return "see RFC 7143, 11.13.5";
	}
}

static int check_response(struct login *l, const struct bhs_login_rsp *rsp)
{
	unsigned status = (unsigned)rsp->status_class << 8 | rsp->status_detail;

	if (rsp->opcode != ISCSI_LOGIN_RSP)
		return refuse(l, "the target answers with opcode 0x%02x", rsp->opcode);
	if (rsp->status_class == 1) {
		if (take_text(l) < 0)
			return -EPROTO;
		return refuse(l, "the target redirects to %s: use that address",
			      l->address[0] ? l->address : "nowhere");
	}
	if (status)
		return refuse(l, "the target refuses: status 0x%04x: %s", status,
			      status_text(status));
	if ((rsp->flags >> 2 & 3) != (unsigned)l->stage)
		return refuse(l, "the target answers in stage %u to stage %u", rsp->flags >> 2 & 3u,
			      (unsigned)l->stage);
	l->ic->tsih = be16_get(rsp->tsih);
	l->ic->max_cmd_sn = be32_get(rsp->max_cmd_sn);
	iscsi_take_status(l->ic, rsp);
	return 0;
}

static int exchange(struct login *l, bool transit)
{
	enum iscsi_stage next = l->stage == ISCSI_STAGE_SECURITY ? ISCSI_STAGE_OPERATIONAL
								 : ISCSI_STAGE_FULL_FEATURE;
	struct bhs_login_req req = {
		.opcode = ISCSI_LOGIN_REQ | ISCSI_IMMEDIATE,
		.flags = (uint8_t)((unsigned)l->stage << 2),
		.itt = be32_of(1),
		.tsih = be16_of(l->ic->tsih),
		.cid = be16_of(1),
		.cmd_sn = be32_of(l->ic->cmd_sn),
		.exp_stat_sn = be32_of(l->ic->exp_stat_sn),
	};
	struct bhs_login_rsp rsp;
	uint32_t len = 0;
	int ret;

	if (transit)
		req.flags |= ISCSI_TRANSIT | (uint8_t)next;
	memcpy(req.isid, l->ic->isid, sizeof(req.isid));
	ret = iscsi_sync_send(l->ic, &req, l->reply, (uint32_t)l->reply_len);
	if (ret == 0)
		ret = iscsi_sync_recv(l->ic, (struct bhs *)(void *)&rsp, l->text + l->text_len,
				      (uint32_t)(TEXT_BYTES - l->text_len), &len);
	if (ret)
		return ret;
	if (len > TEXT_BYTES - l->text_len)
		return refuse(l, "the target's answer has more than %d bytes", (int)TEXT_BYTES);
	l->text_len += len;
	l->reply_len = 0;
	ret = check_response(l, &rsp);
	if (ret)
		return ret;
	if (rsp.flags & ISCSI_CONTINUE)
		return 1;
	l->stage_done = rsp.flags & ISCSI_TRANSIT;
	if (l->stage_done && (rsp.flags & 3) != (unsigned)next)
		return refuse(l, "the target goes on to stage %u unasked",
			      (unsigned)(rsp.flags & 3));
	return 0;
}

/* l->reply is the offer. */
static int run_stage(struct login *l, enum iscsi_stage stage)
{
	int ret = 0;

	l->stage = stage;
	l->stage_done = false;
	for (unsigned round = 0; round < MAX_ROUNDS; round++) {
		if (ret == 0)
			l->text_len = 0;
		ret = exchange(l, ret == 0); /* 1: the rest of the answer is asked for */
		if (ret == 0)
			ret = take_text(l);
		if (ret < 0 || (ret == 0 && l->stage_done))
			return ret;
	}
	return refuse(l, "no end after %d exchanges", (int)MAX_ROUNDS);
}

static void offer_names(struct login *l)
{
	const struct options *o = l->ic->base.run->opt;

	add(l, "InitiatorName=%s", o->initiator);
	add(l, "SessionType=Normal");
	add(l, "TargetName=%s", o->iqn);
	add(l, "AuthMethod=None");
}

static void offer_operation(struct login *l)
{
	const struct options *o = l->ic->base.run->opt;

	add(l, "HeaderDigest=%s", o->header_digest ? "CRC32C" : "None");
	add(l, "DataDigest=%s", o->data_digest ? "CRC32C" : "None");
	add(l, "InitialR2T=No");
	add(l, "ImmediateData=Yes");
	add(l, "MaxRecvDataSegmentLength=%d", (int)ISCSI_OUR_SEGMENT_BYTES);
	add(l, "MaxBurstLength=%d", (int)ISCSI_OUR_MAX_BURST);
	add(l, "FirstBurstLength=%d", (int)ISCSI_OUR_FIRST_BURST);
	add(l, "MaxOutstandingR2T=1");
	add(l, "MaxConnections=1");
	add(l, "DefaultTime2Wait=2");
	add(l, "DefaultTime2Retain=0");
	add(l, "DataPDUInOrder=Yes");
	add(l, "DataSequenceInOrder=Yes");
	add(l, "ErrorRecoveryLevel=0");
}

int iscsi_login(struct iscsi_conn *ic)
{
	const struct options *o = ic->base.run->opt;
	struct login *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	/* what holds where the target says nothing */
	ic->params = (struct iscsi_params){
		.immediate_data = true,
		.segment_bytes = 8192,
		.max_burst = ISCSI_OUR_MAX_BURST,
		.first_burst = ISCSI_OUR_FIRST_BURST,
	};
	l->ic = ic;
	offer_names(l);
	ret = run_stage(l, ISCSI_STAGE_SECURITY);
	if (ret == 0) {
		offer_operation(l);
		ret = run_stage(l, ISCSI_STAGE_OPERATIONAL);
	}
	if (ret == 0) {
		ic->params.header_digest = o->header_digest;
		ic->params.data_digest = o->data_digest;
		ic->params.first_burst = MIN(ic->params.first_burst, ic->params.max_burst);
	}
	free(l);
	return ret;
}
