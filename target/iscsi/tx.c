/* Gathers what a connection has to send into one sendmsg.
 *
 *   queue: item ─ item ─ item        fill() in order, until the batch is full
 *            │      │
 *            ▼      ▼
 *   batch:  bhs│data│pad  bhs  bhs│data ...  ──▶ one send ──▶ release() of those held
 *
 * With digests it is bhs+digest│data│pad│digest.
 *
 * One batch is under way at a time; what becomes ready meanwhile goes into the next. */
#include "target/iscsi/tx.h"

#include "backstore/base/crc32c.h"

#include <assert.h>
#include <string.h>

void tx_init(struct tx *tx)
{
	list_init(&tx->queue);
	list_init(&tx->held);
	list_init(&tx->dirty);
}

static void release_all(struct list *items)
{
	struct list *l;

	while ((l = list_pop(items))) {
		struct tx_item *it = list_entry(l, struct tx_item, link);

		it->release(it);
	}
}

void tx_drop(struct tx *tx)
{
	assert(!tx->sending);
	release_all(&tx->held);
	release_all(&tx->queue);
}

/* Whoever filled them in has done so by now. */
static void sign_headers(struct tx *tx)
{
	for (unsigned i = 0; i < tx->npdus; i++) {
		struct tx_header *h = &tx->headers[i];

		crc32c_put(h->digest, crc32c_add(CRC32C_START, &h->bhs, sizeof(h->bhs)));
	}
}

bool tx_gather(struct tx *tx)
{
	assert(!tx->sending);
	tx->npdus = tx->niov = 0;
	tx->bytes = 0;
	while (!list_empty(&tx->queue)) {
		struct tx_item *it = list_first(&tx->queue, struct tx_item, link);
		enum tx_fill how;

		/* fill may start something, but never queues: the list is ours */
		how = it->fill(it, tx);
		if (how == TX_MORE)
			break;
		/* After TX_COPIED the item may be on a list again, or gone. */
		if (how == TX_HOLD) {
			list_del(&it->link);
			list_add_tail(&tx->held, &it->link);
		}
	}
	if (unlikely(tx->header_digest))
		sign_headers(tx);
	return tx->npdus > 0;
}

void tx_sent(struct tx *tx)
{
	tx->sending = false;
	release_all(&tx->held);
}

static const uint8_t zeros[4];

static void sign_data(struct tx *tx, const struct iovec *iov, int iovcnt, uint32_t len)
{
	uint8_t *digest = tx->data_digests[tx->npdus - 1];
	uint32_t crc = crc32c_add_iov(CRC32C_START, iov, iovcnt, len);

	crc32c_put(digest, crc32c_add(crc, zeros, -len & 3));
	tx->iov[tx->niov++] = (struct iovec){ digest, TX_DIGEST_BYTES };
}

struct bhs *tx_pdu(struct tx *tx, const struct iovec *iov, int iovcnt, uint32_t len)
{
	bool sign = tx->data_digest && len;
	unsigned pad = -len & 3;
	struct bhs *h;

	/* header, pad, digest */
	if (tx->npdus == TX_PDUS || tx->niov + (unsigned)iovcnt + 2 + sign > TX_IOVS ||
	    (tx->npdus && tx->bytes + len > TX_BYTES))
		return NULL;
	h = &tx->headers[tx->npdus++].bhs;
	memset(h, 0, sizeof(*h));
	h->data_len = be24_of(len);
	tx->iov[tx->niov++] =
		(struct iovec){ h, sizeof(*h) + (tx->header_digest ? TX_DIGEST_BYTES : 0) };
	for (int i = 0; i < iovcnt; i++)
		tx->iov[tx->niov++] = iov[i];
	if (pad) /* never written through: sendmsg reads */
		tx->iov[tx->niov++] = (struct iovec){ (void *)(uintptr_t)zeros, pad };
	if (unlikely(sign))
		sign_data(tx, iov, iovcnt, len);
	tx->bytes += len;
	return h;
}
