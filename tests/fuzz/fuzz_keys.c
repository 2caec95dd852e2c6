/* Texts of a whole life of a connection, through reader and negotiation.
 *
 * Input: a byte that chooses our offer and the room for answers, then texts, each begun by a byte
 * whose lowest two bits say the phase and ended by 0xff (which no sane text has: it is no
 * UTF-8). Whatever comes: what holds stays in the ranges of RFC 7143 section 13, a text that
 * fails changes nothing, and our answers are well-formed and answer only what was asked. */
#include "target/iscsi/params.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

static const struct params_offer offers[] = {
	{ 262144, 1048576, 65536, 8, false, true },
	{ 8192, 16384, 4096, 1, true, false },
	{ 512, 512, 512, 65535, false, false },
	{ 16777215, 16777215, 16777215, 1, true, true },
};

static void check_params(const struct params *p, const struct params_offer *ours)
{
	REQUIRE(p->MaxConnections == 1 && p->ErrorRecoveryLevel == 0 && p->TaskReporting <= 2);
	REQUIRE(p->MaxBurstLength >= 512 && p->MaxBurstLength < 1u << 24);
	REQUIRE(p->FirstBurstLength >= 512 && p->FirstBurstLength < 1u << 24);
	REQUIRE(p->MaxBurstLength <= MAX(ours->MaxBurstLength, 262144u));
	REQUIRE(p->FirstBurstLength <= MAX(ours->FirstBurstLength, 65536u));
	REQUIRE(p->MaxRecvDataSegmentLength >= 512 && p->MaxRecvDataSegmentLength < 1u << 24);
	REQUIRE(p->MaxOutstandingR2T >= 1);
	REQUIRE(p->MaxOutstandingR2T <= ours->MaxOutstandingR2T);
	REQUIRE(p->DefaultTime2Wait <= 3600 && p->DefaultTime2Retain <= 20);
	REQUIRE(p->iSCSIProtocolLevel <= 2);
	REQUIRE(p->DataPDUInOrder && p->DataSequenceInOrder);
	REQUIRE(!p->header_digest && !p->data_digest);
	REQUIRE(p->InitialR2T || !ours->InitialR2T);
	REQUIRE(!p->auth_none || p->auth_offered);
	REQUIRE(strnlen(p->InitiatorName, 224) < 224 && strnlen(p->TargetName, 224) < 224);
	REQUIRE(strnlen(p->SendTargets, 224) < 224);
	REQUIRE(strnlen(p->InitiatorAlias, sizeof(p->InitiatorAlias)) <= KEY_VALUE_MAX);
	for (const char *c = p->InitiatorName; *c; c++)
		REQUIRE((uint8_t)*c > 0x20 && *c != 0x7f && !(*c >= 'A' && *c <= 'Z'));
	for (const char *c = p->InitiatorAlias; *c; c++)
		REQUIRE((uint8_t)*c >= 0x20 && *c != 0x7f);
}

static bool asked(const uint8_t *text, size_t len, const char *want)
{
	char name[KEY_NAME_MAX + 1];
	struct keys_reader r;
	const char *value;

	keys_read_init(&r, text, len);
	while (keys_read(&r, name, &value) > 0)
		if (strcmp(name, want) == 0)
			return true;
	return false;
}

static void check_answers(const struct keys_writer *w, const uint8_t *text, size_t len)
{
	char name[KEY_NAME_MAX + 1];
	struct keys_reader r;
	const char *value;
	int rc;

	keys_read_init(&r, w->buf, w->len);
	while ((rc = keys_read(&r, name, &value)) > 0) {
		REQUIRE(value[0]);
		REQUIRE(asked(text, len, name));
	}
	REQUIRE(rc == 0);
}

static void declare(struct params *p, const struct params_offer *ours)
{
	char name[KEY_NAME_MAX + 1], buf[256];
	struct keys_writer w = { .buf = buf, .cap = sizeof(buf) };
	struct keys_reader r;
	const char *value;
	int rc;

	params_declare(p, ours, &w);
	REQUIRE(!w.overflow);
	keys_read_init(&r, buf, w.len);
	while ((rc = keys_read(&r, name, &value)) > 0)
		REQUIRE(strcmp(value, "Reject") != 0);
	REQUIRE(rc == 0);
}

static enum params_result one_text(struct params *p, const struct params_offer *ours,
				   enum params_phase phase, const uint8_t *text, size_t len,
				   size_t room)
{
	struct params before = *p;
	char why[96], *answers = malloc(room + 1);
	struct keys_writer w = { .buf = answers, .cap = room };
	enum params_result result;

	REQUIRE(answers);
	memset(why, 'x', sizeof(why));
	result = params_negotiate(p, ours, phase, text, len, &w, why, sizeof(why));
	REQUIRE(w.len <= room);
	switch (result) {
	case PARAMS_OK:
		check_answers(&w, text, len);
		break;
	case PARAMS_BAD:
		REQUIRE(memchr(why, '\0', sizeof(why)) && why[0]);
		for (const char *c = why; *c; c++)
			REQUIRE(*c >= 0x20 && *c < 0x7f);
		REQUIRE(memcmp(&before, p, sizeof(before)) == 0);
		break;
	case PARAMS_TOO_LONG:
		REQUIRE(w.overflow);
		REQUIRE(memcmp(&before, p, sizeof(before)) == 0);
		break;
	}
	check_params(p, ours);
	free(answers);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct params_offer *ours;
	struct params p;
	size_t at = 1, room;

	if (len < 1)
		return 0;
	ours = &offers[data[0] & 3];
	room = data[0] & 0x80 ? data[0] & 0x7c : 8192;
	params_init(&p);
	while (at < len) {
		const uint8_t *end = memchr(data + at, 0xff, len - at);
		size_t next = end ? (size_t)(end - data) : len;
		enum params_phase phase = (enum params_phase)(data[at] % 3);

		if (next > at)
			one_text(&p, ours, phase, data + at + 1, next - at - 1, room);
		if (next > at && data[at] & 0x10)
			declare(&p, ours);
		at = next + 1;
	}
	params_settle(&p);
	REQUIRE(p.FirstBurstLength <= p.MaxBurstLength);
	check_params(&p, ours);
	return 0;
}
