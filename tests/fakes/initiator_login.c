/* The initiator's login: one or two requests, or those of CHAP, and the keys of the answers. */
#include "target/iscsi/chap.h"
#include "tests/fakes/initiator.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_key(char *text, size_t cap, size_t *len, const char *key, const char *value)
{
	int n = snprintf(text + *len, cap - *len, "%s=%s", key, value);

	assert(n > 0 && *len + (size_t)n + 1 < cap);
	*len += (size_t)n + 1;
}

static void add_num(char *text, size_t cap, size_t *len, const char *key, uint32_t value)
{
	char num[16];

	if (!value)
		return;
	snprintf(num, sizeof(num), "%u", value);
	add_key(text, cap, len, key, num);
}

static void send_text(struct ini *i, enum iscsi_stage stage, bool transit, const char *text,
		      size_t len)
{
	struct bhs_login_req h = { .opcode = ISCSI_LOGIN_REQ | ISCSI_IMMEDIATE };
	enum iscsi_stage next =
		stage == ISCSI_STAGE_SECURITY ? ISCSI_STAGE_OPERATIONAL : ISCSI_STAGE_FULL_FEATURE;

	h.flags = (uint8_t)((unsigned)stage << 2);
	if (transit)
		h.flags = (uint8_t)(h.flags | ISCSI_TRANSIT | (unsigned)next);
	memcpy(h.isid, i->isid, sizeof(h.isid));
	h.cmd_sn = be32_of(i->cmd_sn);
	h.exp_stat_sn = be32_of(i->exp_stat_sn);
	ini_send_pdu(i, &h, text, (uint32_t)len);
}

static void login_request(struct ini *i, enum iscsi_stage stage, bool first)
{
	char text[2048];
	size_t len = 0;

	if (first) {
		add_key(text, sizeof(text), &len, "InitiatorName", i->name);
		add_key(text, sizeof(text), &len, "SessionType",
			i->discovery ? "Discovery" : "Normal");
		if (i->target)
			add_key(text, sizeof(text), &len, "TargetName", i->target);
	}
	if (stage == ISCSI_STAGE_SECURITY) {
		add_key(text, sizeof(text), &len, "AuthMethod",
			i->chap ? i->chap->methods : "None");
	} else {
		const struct ini_offer *o = &i->offer;

		add_key(text, sizeof(text), &len, "HeaderDigest",
			o->HeaderDigest ? "CRC32C" : "None");
		add_key(text, sizeof(text), &len, "DataDigest",
			o->DataDigest ? "CRC32C,None" : "None,CRC32C");
		add_num(text, sizeof(text), &len, "MaxRecvDataSegmentLength",
			o->MaxRecvDataSegmentLength);
		if (!i->discovery) {
			add_key(text, sizeof(text), &len, "ImmediateData",
				o->ImmediateData ? "Yes" : "No");
			add_key(text, sizeof(text), &len, "InitialR2T",
				o->InitialR2T ? "Yes" : "No");
			add_num(text, sizeof(text), &len, "MaxBurstLength", o->MaxBurstLength);
			add_num(text, sizeof(text), &len, "FirstBurstLength", o->FirstBurstLength);
			add_num(text, sizeof(text), &len, "MaxOutstandingR2T",
				o->MaxOutstandingR2T);
			add_num(text, sizeof(text), &len, "iSCSIProtocolLevel",
				o->iSCSIProtocolLevel);
			if (o->TaskReporting)
				add_key(text, sizeof(text), &len, "TaskReporting",
					o->TaskReporting);
		}
	}
	send_text(i, stage, true, text, len);
}

/* --- CHAP, as the other side of login_security.c --- */

enum { OUR_ID = 201 };
static const char our_challenge[] = "0x00112233445566778899aabbccddeeff";

static void hash(const struct ini *i, unsigned id, const char *secret, const char *challenge,
		 char text[CHAP_TEXT_MAX + 1])
{
	uint8_t bytes[CHAP_DIGEST_MAX], out[CHAP_DIGEST_MAX];
	enum chap_algorithm algorithm = (enum chap_algorithm)i->chap_algorithm;
	size_t len;
	int rc = chap_decode(challenge, bytes, sizeof(bytes), &len);

	text[0] = '\0';
	if (!rc)
		rc = chap_response(algorithm, (uint8_t)id,
				   (struct chap_bytes){ (const uint8_t *)secret, strlen(secret) },
				   (struct chap_bytes){ bytes, len }, out);
	if (!rc)
		chap_encode(out, chap_digest_bytes(algorithm), text);
}

void ini_prove(struct ini *i)
{
	char text[1024], response[CHAP_TEXT_MAX + 1];
	size_t len = 0;

	hash(i, i->said.id, i->chap->secret, i->said.challenge, response);
	if (!*response)
		ini_break(i, "no challenge that one could answer: %.70s", i->said.challenge);
	add_key(text, sizeof(text), &len, "CHAP_N", i->chap->user);
	add_key(text, sizeof(text), &len, "CHAP_R", response);
	if (i->chap->mutual_secret) {
		add_num(text, sizeof(text), &len, "CHAP_I", OUR_ID);
		add_key(text, sizeof(text), &len, "CHAP_C", our_challenge);
	}
	i->said.challenge[0] = '\0';
	send_text(i, ISCSI_STAGE_SECURITY, true, text, len);
}

/* The target stays in the security stage: what does it want? */
static void go_on_with_chap(struct ini *i)
{
	char text[256];
	size_t len = 0;

	if (*i->said.challenge) {
		i->challenged = true;
		if (!i->hold_response)
			ini_prove(i);
		return;
	}
	if (strcmp(i->said.method, "CHAP") != 0) {
		ini_break(i, "the target stays in the security stage, and wants nothing");
		return;
	}
	i->said.method[0] = '\0';
	add_key(text, sizeof(text), &len, "CHAP_A", i->chap->algorithms);
	send_text(i, ISCSI_STAGE_SECURITY, false, text, len);
}

static void check_target(struct ini *i)
{
	char expected[CHAP_TEXT_MAX + 1];

	if (!i->chap || !i->chap->mutual_secret || !i->challenged)
		return;
	hash(i, OUR_ID, i->chap->mutual_secret, our_challenge, expected);
	i->target_proved = *i->said.name && !strcmp(expected, i->said.response);
}

void ini_login(struct ini *i, const char *target)
{
	i->target = target;
	i->discovery = !target;
	i->state = INI_LOGIN;
	i->challenged = i->target_proved = false;
	i->chap_algorithm = 0;
	memset(&i->said, 0, sizeof(i->said));
	/* near the end of the numbers, so that they wrap */
	i->cmd_sn = 0u - 20 + (uint32_t)fake_world_random(i->w, 40);
	i->exp_cmd_sn = i->cmd_sn;
	i->max_cmd_sn = i->cmd_sn - 1;
	login_request(i, i->security_stage ? ISCSI_STAGE_SECURITY : ISCSI_STAGE_OPERATIONAL, true);
}

static bool take_chap_key(struct ini *i, const char *key, const char *value)
{
	if (!strcmp(key, "AuthMethod"))
		snprintf(i->said.method, sizeof(i->said.method), "%s", value);
	else if (!strcmp(key, "CHAP_A"))
		i->chap_algorithm = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(key, "CHAP_I"))
		i->said.id = (unsigned)strtoul(value, NULL, 10);
	else if (!strcmp(key, "CHAP_C"))
		snprintf(i->said.challenge, sizeof(i->said.challenge), "%s", value);
	else if (!strcmp(key, "CHAP_N"))
		snprintf(i->said.name, sizeof(i->said.name), "%s", value);
	else if (!strcmp(key, "CHAP_R"))
		snprintf(i->said.response, sizeof(i->said.response), "%s", value);
	else
		return false;
	return true;
}

static void take_key(struct ini *i, const char *key, const char *value)
{
	if (take_chap_key(i, key, value))
		return;
	if (!strcmp(key, "TargetAddress"))
		snprintf(i->moved_to, sizeof(i->moved_to), "%s", value);
	else if (!strcmp(key, "MaxRecvDataSegmentLength"))
		i->target_segment = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "FirstBurstLength"))
		i->first_burst = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "MaxBurstLength"))
		i->max_burst = (uint32_t)strtoul(value, NULL, 10);
	else if (!strcmp(key, "ImmediateData"))
		i->immediate_data = !strcmp(value, "Yes");
	else if (!strcmp(key, "HeaderDigest"))
		i->header_agreed = !strcmp(value, "CRC32C");
	else if (!strcmp(key, "DataDigest"))
		i->data_agreed = !strcmp(value, "CRC32C");
	else if (!strcmp(key, "InitialR2T"))
		i->initial_r2t = !strcmp(value, "Yes");
}

static void take_keys(struct ini *i, const uint8_t *data, uint32_t len)
{
	const char *at = (const char *)data, *end = at + len;

	while (at < end) {
		const char *nul = memchr(at, 0, (size_t)(end - at));
		const char *eq = nul ? memchr(at, '=', (size_t)(nul - at)) : NULL;
		char key[64];

		if (!eq || eq - at >= (long)sizeof(key)) {
			ini_break(i, "ill-formed text in a Login Response");
			return;
		}
		memcpy(key, at, (size_t)(eq - at));
		key[eq - at] = '\0';
		take_key(i, key, eq + 1);
		at = nul + 1;
	}
}

void ini_on_login(struct ini *i, const struct bhs_login_rsp *h, const uint8_t *data, uint32_t len)
{
	if (i->state != INI_LOGIN) {
		ini_break(i, "Login Response out of login");
		return;
	}
	if (h->status_class) {
		i->login_status = (uint16_t)(h->status_class << 8 | h->status_detail);
		i->state = INI_REFUSED;
		take_keys(i, data, len); /* of a redirection */
		return;
	}
	take_keys(i, data, len);
	if (h->flags & ISCSI_TRANSIT && !(h->flags >> 2 & 3))
		check_target(i);
	if (!(h->flags & ISCSI_TRANSIT) && !(h->flags >> 2 & 3) && i->chap)
		go_on_with_chap(i);
	else if (!(h->flags & ISCSI_TRANSIT))
		ini_break(i, "the target stays in stage %u", h->flags >> 2 & 3u);
	else if ((h->flags & 3) == ISCSI_STAGE_OPERATIONAL)
		login_request(i, ISCSI_STAGE_OPERATIONAL, false);
	else {
		i->login_status = 0;
		i->state = INI_FULL;
		i->header_digest = i->header_agreed;
		i->data_digest = i->data_agreed;
		if (i->header_digest != i->offer.HeaderDigest ||
		    i->data_digest != i->offer.DataDigest)
			ini_break(i, "digests: not the first that was offered");
		i->tsih = be16_get(h->tsih);
		if (!i->tsih)
			ini_break(i, "no TSIH at the end of the login");
	}
}
