/* The PDU parser on any stream, cut anywhere.
 *
 * Input: 4 bytes that choose the longest data segment allowed, digests, the places and the cuts;
 * the rest is the stream, into which right digests are put on demand, because no fuzzer guesses
 * one. It is parsed twice, whole and in pieces (some of them received straight
 * into their places); both runs must see the same PDUs, and stop for the same reason. */
#include "target/iscsi/pdu_rx.h"

#include "backstore/base/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096 + 16 };

/* bits of the first byte */
enum { HEADER_DIGEST = 0x80, DATA_DIGEST = 0x40, SIGN = 0x20 };

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

struct run {
	struct pdu_rx rx;
	uint32_t random;
	uint8_t how; /* places: bits */
	bool in_pdu, is_signed;
	uint32_t headers, pdus, placed;
	uint64_t digest; /* of all that was seen */
	uint8_t room[ROOM];
};

static void digest_add(struct run *r, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		r->digest = (r->digest ^ p[i]) * 0x100000001b3u;
}

static int on_header(struct pdu_rx *rx)
{
	struct run *r = container_of(rx, struct run, rx);
	uint32_t len = rx->data_len, at = 0;

	REQUIRE(!r->in_pdu);
	REQUIRE(rx->data_len <= rx->max_data_bytes);
	REQUIRE(rx->data_len == be24_get(rx->bhs.data_len));
	REQUIRE(rx->ahs_len == rx->bhs.ahs_words * 4u && rx->ahs_len <= sizeof(rx->ahs));
	REQUIRE(rx->dst_cnt == 0);
	digest_add(r, &rx->bhs, sizeof(rx->bhs));
	digest_add(r, rx->ahs, rx->ahs_len);
	r->in_pdu = true;
	r->headers++;
	if (r->how & 0x80 && r->headers == 9)
		return -EACCES;
	if (r->how & 1)
		len /= 2;
	r->placed = len;
	if (len == 0 || r->how & 2)
		r->placed = 0;
	else if (r->how & 4)
		for (; rx->dst_cnt < PDU_RX_MAX_IOV && at < len; rx->dst_cnt++) {
			uint32_t part =
				rx->dst_cnt == PDU_RX_MAX_IOV - 1 ? len - at : (len - at + 1) / 2;

			rx->dst[rx->dst_cnt] = (struct iovec){ r->room + at, part };
			at += part;
		}
	else
		rx->dst[rx->dst_cnt++] = (struct iovec){ r->room, len };
	return 0;
}

static int on_pdu(struct pdu_rx *rx)
{
	struct run *r = container_of(rx, struct run, rx);

	REQUIRE(r->in_pdu);
	REQUIRE(!rx->data_corrupt || (rx->data_digest && rx->data_len && !r->is_signed));
	r->in_pdu = false;
	r->pdus++;
	digest_add(r, &rx->data_corrupt, 1);
	digest_add(r, r->room, r->placed);
	memset(r->room, 0xcc, sizeof(r->room));
	if (r->how & 0x40 && r->pdus == 7)
		return -ECONNREFUSED;
	return 0;
}

static void run_init(struct run *r, const uint8_t *choice)
{
	memset(r, 0, sizeof(*r));
	memset(r->room, 0xcc, sizeof(r->room));
	r->how = choice[2];
	r->random = choice[3] | 1u;
	r->rx.max_data_bytes = get_be16(choice) & 0xfffu;
	r->rx.header_digest = choice[0] & HEADER_DIGEST;
	r->rx.data_digest = choice[0] & DATA_DIGEST;
	r->is_signed = choice[0] & SIGN;
	r->rx.on_header = on_header;
	r->rx.on_pdu = on_pdu;
	pdu_rx_init(&r->rx);
}

static size_t cut(struct run *r, size_t most)
{
	r->random = r->random * 1664525u + 1013904223u;
	return most ? (r->random >> 8) % most : 0;
}

/* Returns how much of @len was given; *@rc is what the parser said. */
static size_t one_piece(struct run *r, const uint8_t *data, size_t len, int *rc)
{
	struct iovec iov[PDU_RX_MAX_IOV];
	size_t sum = 0, n, done = 0;
	int cnt;
	size_t wants = pdu_rx_wants(&r->rx, iov, &cnt);

	REQUIRE(cnt >= 0 && cnt <= PDU_RX_MAX_IOV && wants <= r->rx.data_len);
	for (int i = 0; i < cnt; i++) {
		REQUIRE((uint8_t *)iov[i].iov_base >= r->room);
		REQUIRE((uint8_t *)iov[i].iov_base + iov[i].iov_len <= r->room + ROOM);
		sum += iov[i].iov_len;
	}
	REQUIRE(sum == wants);
	if (!wants || r->random & 0x1000) {
		n = cut(r, MIN(len, 300u) + 1);
		*rc = pdu_rx_feed(&r->rx, data, n);
		return n;
	}
	n = cut(r, MIN(len, wants) + 1);
	for (int i = 0; i < cnt && done < n; i++) {
		size_t part = MIN(n - done, iov[i].iov_len);

		memcpy(iov[i].iov_base, data + done, part);
		done += part;
	}
	*rc = pdu_rx_placed(&r->rx, n);
	return n;
}

/* @n bytes from @from, and their digest when they are all there. Returns how many. */
static size_t copy_signed(uint8_t *to, size_t *at, const uint8_t *from, size_t n, size_t left,
			  bool sign)
{
	size_t here = MIN(n, left);

	memcpy(to + *at, from, here);
	*at += here;
	if (sign && here == n) {
		crc32c_put(to + *at, crc32c_add(CRC32C_START, from, n));
		*at += 4;
	}
	return here;
}

/* The stream with the digests that its choice asks for. */
static uint8_t *stream_of(const uint8_t *data, size_t len, size_t *out_len)
{
	uint8_t *out = malloc(len + (len / 48 + 1) * 8);
	bool header = data[0] & HEADER_DIGEST, payload = data[0] & DATA_DIGEST;
	size_t at = 4;

	REQUIRE(out);
	*out_len = 0;
	while (data[0] & SIGN && len - at >= 48) {
		size_t head = 48 + data[at + 4] * 4u;
		size_t n = (get_be24(data + at + 5) + 3) & ~3u;

		at += copy_signed(out, out_len, data + at, head, len - at, header);
		at += copy_signed(out, out_len, data + at, n, len - at, payload && n);
	}
	memcpy(out + *out_len, data + at, len - at);
	*out_len += len - at;
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run *runs, *whole, *cuts;
	int rc_whole, rc_cuts = 0;
	size_t at = 0, len;
	uint8_t *stream;

	if (size < 4)
		return 0;
	stream = stream_of(data, size, &len);
	runs = malloc(2 * sizeof(*runs));
	REQUIRE(runs);
	whole = &runs[0];
	cuts = &runs[1];
	run_init(whole, data);
	run_init(cuts, data);
	rc_whole = pdu_rx_feed(&whole->rx, stream, len);
	while (at < len && rc_cuts == 0)
		at += one_piece(cuts, stream + at, len - at, &rc_cuts);
	REQUIRE(rc_whole == rc_cuts);
	REQUIRE(whole->digest == cuts->digest);
	REQUIRE(whole->headers == cuts->headers && whole->pdus == cuts->pdus);
	REQUIRE(whole->in_pdu == cuts->in_pdu);
	if (rc_whole) /* a broken stream stays broken */
		REQUIRE(pdu_rx_feed(&whole->rx, data, 4) == -EPROTO);
	free(stream);
	free(runs);
	return 0;
}
