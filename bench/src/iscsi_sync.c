/* PDUs sent and received one by one on a blocking socket: login and what comes before the
 * load. Nothing is read ahead, so that the ring goes on where this ends. */
#include "bench/src/iscsi.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool iscsi_digest_ok(const uint8_t in[4], uint32_t crc)
{
	uint8_t want[4];

	crc32c_put(want, crc);
	return memcmp(in, want, sizeof(want)) == 0;
}

static int lost(const struct iscsi_conn *ic, const char *what, int error)
{
	fprintf(stderr, "load: connection %u: %s: %s\n", ic->base.index, what,
		error == EAGAIN ? "no answer" : strerror(error));
	return -error;
}

static int send_all(struct iscsi_conn *ic, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		ssize_t n = send(ic->base.fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return lost(ic, "cannot send", errno);
		at += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	return 0;
}

static int recv_all(struct iscsi_conn *ic, void *data, size_t len)
{
	uint8_t *at = data;

	while (len) {
		ssize_t n = recv(ic->base.fd, at, len, 0);

		if (n == 0) {
			fprintf(stderr, "load: connection %u: the target closed it\n",
				ic->base.index);
			return -EPIPE;
		}
		if (n < 0 && errno != EINTR)
			return lost(ic, "cannot receive", errno);
		at += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	return 0;
}

int iscsi_sync_send(struct iscsi_conn *ic, void *bhs, const void *data, uint32_t len)
{
	uint8_t pdu[ISCSI_BHS_BYTES + 4 + 4096 + 4];
	size_t at = ISCSI_BHS_BYTES, padded = (len + 3) & ~3u;

	assert(len <= 4096);
	((struct bhs *)bhs)->data_len = be24_of(len);
	memcpy(pdu, bhs, at);
	if (ic->params.header_digest) {
		crc32c_put(pdu + at, crc32c_add(CRC32C_START, pdu, at));
		at += 4;
	}
	memset(pdu + at, 0, padded);
	if (len)
		memcpy(pdu + at, data, len);
	at += padded;
	if (len && ic->params.data_digest) {
		crc32c_put(pdu + at, crc32c_add(CRC32C_START, pdu + at - padded, padded));
		at += 4;
	}
	return send_all(ic, pdu, at);
}

static int broken(const struct iscsi_conn *ic, const char *what)
{
	fprintf(stderr, "load: connection %u: the target sent %s\n", ic->base.index, what);
	return -EPROTO;
}

static int recv_header(struct iscsi_conn *ic, struct bhs *bhs)
{
	uint8_t digest[4];
	int ret = recv_all(ic, bhs, sizeof(*bhs));

	if (ret == 0 && ic->params.header_digest) {
		ret = recv_all(ic, digest, sizeof(digest));
		if (ret == 0 && !iscsi_digest_ok(digest, crc32c_add(CRC32C_START, bhs, 48)))
			return broken(ic, "a wrong header digest");
	}
	/* RFC 7143 11.2.1.2: all that targets send has this bit; a web server's "HTTP" has not */
	if (ret == 0 && !(bhs->opcode & 0x20))
		return broken(ic, "what is no answer of iSCSI: is this an iSCSI target's port?");
	if (ret == 0 && bhs->ahs_words)
		return broken(ic, "an additional header segment");
	return ret;
}

static int recv_data(struct iscsi_conn *ic, uint32_t len, uint8_t *to, uint32_t cap)
{
	uint32_t crc = CRC32C_START, left = (len + 3) & ~3u;
	uint8_t some[4096];
	int ret = 0;

	while (left && ret == 0) {
		uint32_t n = MIN(left, (uint32_t)sizeof(some)), keep = MIN(n, cap);

		ret = recv_all(ic, some, n);
		crc = crc32c_add(crc, some, n);
		if (keep)
			memcpy(to, some, keep);
		to += keep;
		cap -= keep;
		left -= n;
	}
	if (ret || !len || !ic->params.data_digest)
		return ret;
	ret = recv_all(ic, some, 4);
	if (ret == 0 && !iscsi_digest_ok(some, crc))
		return broken(ic, "a wrong data digest");
	return ret;
}

static bool is_ping(const struct bhs *bhs)
{
	return (bhs->opcode & ISCSI_OPCODE_MASK) == ISCSI_NOP_IN &&
	       be32_get(((const struct bhs_nop_in *)(const void *)bhs)->ttt) != ISCSI_NO_TAG;
}

int iscsi_sync_recv(struct iscsi_conn *ic, struct bhs *bhs, void *data, uint32_t cap, uint32_t *len)
{
	struct bhs_nop_out pong;
	int ret;

	for (;;) {
		ret = recv_header(ic, bhs);
		if (ret)
			return ret;
		*len = be24_get(bhs->data_len);
		ret = recv_data(ic, *len, data, MIN(cap, *len));
		if (ret || !is_ping(bhs))
			return ret;
		pong = iscsi_pong(ic, (const struct bhs_nop_in *)(const void *)bhs);
		ret = iscsi_sync_send(ic, &pong, NULL, 0);
		if (ret)
			return ret;
	}
}
