/* How a byte stream becomes PDUs.
 *
 * A PDU is a row of parts, each of known length once the part before it is whole:
 *
 *   BHS ─▶ AHS ─▶ [header digest] ─▶ data ─▶ padding ─▶ [data digest] ─▶ BHS
 *    │      │                         │        │
 *    │      └ on_header()             │        └ on_pdu()
 *    └ lengths are checked            └ goes where on_header() said
 *
 * The bracketed parts are there once they were agreed on. The header's digest covers BHS and AHS,
 * and nothing of them is believed before it; the data's covers data and padding, summed up as they
 * come, so that what is dropped counts and what was received straight into its place does, too.
 * No data, no data digest (11.2.3).
 *
 * Empty parts are skipped in advance(), so a part being received always lacks at least one
 * byte, and "have" says how many of its bytes are here.
 *
 * Two things make the stream unframeable: a data segment longer than we allowed, and a wrong header
 * digest, because then the lengths are not to be trusted (7.8). TotalAHSLength cannot exceed our
 * buffer, it is one byte. Once broken, or stopped by a callback, the parser stays so: what
 * follows the stop was thrown away. */
#include "target/iscsi/pdu_rx.h"

#include "backstore/base/crc32c.h"

#include <errno.h>
#include <string.h>

enum rx_state {
	RX_BHS,
	RX_AHS,
	RX_HEADER_DIGEST,
	RX_DATA,
	RX_PAD,
	RX_DATA_DIGEST,
	RX_BROKEN,
};

void pdu_rx_init(struct pdu_rx *rx)
{
	rx->state = RX_BHS;
	rx->have = 0;
	rx->ahs_len = 0;
	rx->data_len = 0;
	rx->dst_cnt = 0;
	rx->data_corrupt = false;
}

static uint32_t part_len(const struct pdu_rx *rx)
{
	switch ((enum rx_state)rx->state) {
	case RX_BHS:
		return ISCSI_BHS_BYTES;
	case RX_AHS:
		return rx->ahs_len;
	case RX_DATA:
		return rx->data_len;
	case RX_PAD:
		return -rx->data_len & 3;
	case RX_HEADER_DIGEST:
	case RX_DATA_DIGEST:
		return sizeof(rx->digest);
	case RX_BROKEN:
		break;
	}
	return 0;
}

static void bhs_done(struct pdu_rx *rx)
{
	rx->ahs_len = rx->bhs.ahs_words * 4u;
	rx->data_len = be24_get(rx->bhs.data_len);
	rx->dst_cnt = 0;
	rx->data_corrupt = false;
}

static bool is_digest_of(const struct pdu_rx *rx, uint32_t crc)
{
	uint8_t right[sizeof(rx->digest)];

	crc32c_put(right, crc);
	return memcmp(right, rx->digest, sizeof(right)) == 0;
}

static bool header_is_intact(const struct pdu_rx *rx)
{
	uint32_t crc = crc32c_add(CRC32C_START, &rx->bhs, sizeof(rx->bhs));

	return is_digest_of(rx, crc32c_add(crc, rx->ahs, rx->ahs_len));
}

static int header_done(struct pdu_rx *rx)
{
	size_t room = 0;
	int rc;

	if (rx->data_len > rx->max_data_bytes)
		return -EPROTO;
	rx->crc = CRC32C_START;
	rc = rx->on_header(rx);
	if (rc)
		return rc;
	if (rx->dst_cnt < 0 || rx->dst_cnt > PDU_RX_MAX_IOV)
		return -EINVAL;
	for (int i = 0; i < rx->dst_cnt; i++)
		room += rx->dst[i].iov_len;
	/* more would make pdu_rx_wants ask for bytes of the next PDU */
	return room > rx->data_len ? -EINVAL : 0;
}

/* The present part is whole: what follows it, and what is done in between. */
static int next_part(struct pdu_rx *rx)
{
	switch ((enum rx_state)rx->state) {
	case RX_BHS:
		bhs_done(rx);
		rx->state = RX_AHS;
		/* without a digest to wait for */
		return !rx->header_digest && rx->data_len > rx->max_data_bytes ? -EPROTO : 0;
	case RX_AHS:
		rx->state = rx->header_digest ? RX_HEADER_DIGEST : RX_DATA;
		return rx->header_digest ? 0 : header_done(rx);
	case RX_HEADER_DIGEST:
		rx->state = RX_DATA;
		return header_is_intact(rx) ? header_done(rx) : -EBADMSG;
	case RX_DATA:
		rx->state = RX_PAD;
		return 0;
	case RX_PAD:
		if (rx->data_digest && rx->data_len) {
			rx->state = RX_DATA_DIGEST;
			return 0;
		}
		rx->state = RX_BHS;
		return rx->on_pdu(rx);
	case RX_DATA_DIGEST:
		rx->data_corrupt = !is_digest_of(rx, rx->crc);
		rx->state = RX_BHS;
		return rx->on_pdu(rx);
	case RX_BROKEN:
		break;
	}
	return -EPROTO;
}

/* Goes on to the next part that is not empty. */
static int advance(struct pdu_rx *rx)
{
	int rc;

	do {
		rx->have = 0;
		rc = next_part(rx);
		if (rc) {
			rx->state = RX_BROKEN;
			return rc;
		}
	} while (part_len(rx) == 0);
	return 0;
}

/* The places of the data segment from the byte "have" on. Returns their sum. */
static size_t places_left(const struct pdu_rx *rx, struct iovec *iov, int *cnt)
{
	size_t skip = rx->have, sum = 0;

	*cnt = 0;
	for (int i = 0; i < rx->dst_cnt; i++) {
		size_t len = rx->dst[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}
		iov[(*cnt)++] = (struct iovec){
			.iov_base = (uint8_t *)rx->dst[i].iov_base + skip,
			.iov_len = len - skip,
		};
		sum += len - skip;
		skip = 0;
	}
	return sum;
}

static void data_copy(const struct pdu_rx *rx, const uint8_t *buf, size_t len)
{
	struct iovec iov[PDU_RX_MAX_IOV];
	int cnt;

	places_left(rx, iov, &cnt);
	for (int i = 0; i < cnt && len; i++) {
		size_t n = MIN(len, iov[i].iov_len);

		memcpy(iov[i].iov_base, buf, n);
		buf += n;
		len -= n;
	}
}

/* @len bytes, all of the present part. */
static void part_copy(struct pdu_rx *rx, const uint8_t *buf, size_t len)
{
	switch ((enum rx_state)rx->state) {
	case RX_BHS:
		memcpy((uint8_t *)&rx->bhs + rx->have, buf, len);
		break;
	case RX_AHS:
		memcpy(rx->ahs + rx->have, buf, len);
		break;
	case RX_DATA:
		data_copy(rx, buf, len);
		if (rx->data_digest)
			rx->crc = crc32c_add(rx->crc, buf, len);
		break;
	case RX_PAD: /* its content is the sender's affair: SHOULD be 0 (11.2.3) */
		if (rx->data_digest)
			rx->crc = crc32c_add(rx->crc, buf, len);
		break;
	case RX_HEADER_DIGEST:
	case RX_DATA_DIGEST:
		memcpy(rx->digest + rx->have, buf, len);
		break;
	case RX_BROKEN:
		break;
	}
}

int pdu_rx_feed(struct pdu_rx *rx, const uint8_t *buf, size_t len)
{
	if (rx->state == RX_BROKEN)
		return -EPROTO;
	while (len) {
		size_t n = MIN(len, (size_t)(part_len(rx) - rx->have));
		int rc;

		part_copy(rx, buf, n);
		buf += n;
		len -= n;
		rx->have += (uint32_t)n;
		if (rx->have < part_len(rx))
			return 0;
		rc = advance(rx);
		if (rc)
			return rc;
	}
	return 0;
}

size_t pdu_rx_wants(const struct pdu_rx *rx, struct iovec *iov, int *cnt)
{
	*cnt = 0;
	return rx->state == RX_DATA ? places_left(rx, iov, cnt) : 0;
}

int pdu_rx_placed(struct pdu_rx *rx, size_t len)
{
	struct iovec iov[PDU_RX_MAX_IOV];
	int cnt;

	if (rx->state == RX_BROKEN)
		return -EPROTO;
	if (len > pdu_rx_wants(rx, iov, &cnt))
		return -EINVAL;
	if (rx->data_digest)
		rx->crc = crc32c_add_iov(rx->crc, iov, cnt, len);
	rx->have += (uint32_t)len;
	if (len == 0 || rx->have < rx->data_len)
		return 0;
	return advance(rx);
}

bool pdu_rx_is_between(const struct pdu_rx *rx)
{
	return rx->state == RX_BHS && rx->have == 0;
}
