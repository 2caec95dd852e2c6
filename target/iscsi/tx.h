/* The sending half of a connection: a queue of items, each of which writes its PDUs into
 * a batch when its turn comes, so that all that is ready leaves in one sendmsg.
 *
 * Headers live in the batch; payload is borrowed from the item until it is released.
 * StatSN, ExpCmdSN and MaxCmdSN are stamped when a PDU enters the batch, hence in order. A
 * payload is final by then: its digest is made at once, the headers' when the batch is whole. */
#pragma once

#include "backstore/base/io.h"
#include "target/iscsi/proto.h"

enum {
	TX_PDUS = 64,
	TX_IOVS = 256,
	TX_BYTES = 1 << 20, /* payload of one batch, about */
};

enum { TX_DIGEST_BYTES = 4 };

struct tx;
struct tx_item;

enum tx_fill {
	TX_MORE,   /* the batch has no room: ask again in the next one */
	TX_COPIED, /* all of it is in the batch; the item is no longer looked at */
	TX_HOLD,   /* all is in, but the item's memory is needed until release() */
};

struct tx_item {
	struct list link;
	enum tx_fill (*fill)(struct tx_item *it, struct tx *tx);
	void (*release)(struct tx_item *it); /* sent, or the connection is gone */
};

struct tx {
	struct list queue; /* items not yet (wholly) in a batch */
	struct list held;  /* items of the batch under way */
	struct list dirty; /* in the reactor's list */
	bool sending;
	bool failed; /* nothing can be sent any more */
	/* were agreed on (13.1): for the PDUs that enter from now on */
	bool header_digest, data_digest;
	struct io_send send;
	unsigned npdus, niov;
	size_t bytes;
	struct tx_header {
		struct bhs bhs;
		uint8_t digest[TX_DIGEST_BYTES]; /* sent with it, or not: the iovec says */
	} headers[TX_PDUS];
	uint8_t data_digests[TX_PDUS][TX_DIGEST_BYTES];
	struct iovec iov[TX_IOVS];
};

void tx_init(struct tx *tx);
/* Releases everything that is queued or held. Nothing is being sent. */
void tx_drop(struct tx *tx);
/* Fills a batch from the queue. Returns false where there is nothing to send. */
bool tx_gather(struct tx *tx);
/* The batch has left (or failed): releases what it held. */
void tx_sent(struct tx *tx);

/* A header for the next PDU of the batch, zeroed; its payload is @iov (sum @len bytes, padded to
 * 4 here). NULL: no room, return TX_MORE. */
struct bhs *tx_pdu(struct tx *tx, const struct iovec *iov, int iovcnt, uint32_t len);
