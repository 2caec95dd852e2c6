/* Incremental parser for received iSCSI PDUs (RFC 7143 section 11).
 *
 * Owns no socket and does no I/O: feed it bytes, cut anywhere; it calls back when
 * a header is whole, asking where the data segment shall go, and again when the PDU
 * is whole. Holds one header; holds no data. */
#pragma once

#include "target/iscsi/proto.h"

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
	PDU_RX_MAX_IOV = 20,
};

struct pdu_rx {
	/* the owner's, set before the first feed; may be changed between PDUs */
	uint32_t max_data_bytes;	 /* the MaxRecvDataSegmentLength that we declared (13.12) */
	bool header_digest, data_digest; /* were agreed on (13.1) */
	/* bhs and ahs are complete, data_len <= max_data_bytes. Sets dst (whose lengths sum up to
	 * data_len or less; what is beyond is dropped; dst_cnt = 0 drops all). Returns 0,
	 * or a negative number to stop: feed returns it. */
	int (*on_header)(struct pdu_rx *rx);
	/* The data segment is in its place too. Returns 0, or a negative number to stop. */
	int (*on_pdu)(struct pdu_rx *rx);

	/* the PDU being received */
	struct bhs bhs;
	uint32_t ahs_len, data_len; /* bytes, without padding */
	bool data_corrupt;	    /* for on_pdu: the data digest is wrong, do not use the data */
	uint8_t ahs[ISCSI_AHS_MAX_BYTES];
	struct iovec dst[PDU_RX_MAX_IOV];
	int dst_cnt;

	/* private */
	unsigned state;
	uint32_t have; /* bytes of the present part */
	uint32_t crc;  /* of the data so far */
	uint8_t digest[4];
};

void pdu_rx_init(struct pdu_rx *rx);

/* Consumes all of it. Returns 0; -EPROTO when the stream can no longer be framed, -EBADMSG when a
 * header's digest is wrong (the connection must be dropped); or what a callback returned. */
int pdu_rx_feed(struct pdu_rx *rx, const uint8_t *buf, size_t len) MUST_CHECK;

/* How many bytes of the present data segment are still to come and have a place: these may
 * be received there directly. Fills @iov (at most PDU_RX_MAX_IOV) and *@cnt; 0 = none. */
size_t pdu_rx_wants(const struct pdu_rx *rx, struct iovec *iov, int *cnt);
/* They have been received there: as though fed. Returns as pdu_rx_feed. */
int pdu_rx_placed(struct pdu_rx *rx, size_t len) MUST_CHECK;

/* No PDU has begun that is not whole yet. */
bool pdu_rx_is_between(const struct pdu_rx *rx);
