/* Gathering what is to be sent into batches. */
#include "target/iscsi/tx.h"

#include "backstore/base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An item of some PDUs, each with @len bytes of @byte. */
struct thing {
	struct tx_item item;
	unsigned left, len;
	uint8_t byte;
	bool hold;
	unsigned filled, released;
	uint8_t *payload;
};

static enum tx_fill fill(struct tx_item *it, struct tx *tx)
{
	struct thing *t = container_of(it, struct thing, item);

	for (; t->left; t->left--) {
		struct iovec iov = { t->payload, t->len };
		struct bhs *h = tx_pdu(tx, &iov, t->len > 0, t->len);

		if (!h)
			return TX_MORE;
		h->opcode = t->byte;
		t->filled++;
	}
	if (t->hold)
		return TX_HOLD;
	list_del(&it->link);
	return TX_COPIED;
}

static void release(struct tx_item *it)
{
	container_of(it, struct thing, item)->released++;
}

static void thing_init(struct thing *t, uint8_t byte, unsigned n, unsigned len, bool hold)
{
	*t = (struct thing){
		.item = { .fill = fill, .release = release },
		.left = n,
		.len = len,
		.byte = byte,
		.hold = hold,
		.payload = malloc(len ? len : 1),
	};
	memset(t->payload, byte, len);
}

static void put(struct tx *tx, struct thing *t)
{
	list_add_tail(&tx->queue, &t->item.link);
}

/* The batch as bytes. */
static uint8_t *flat(const struct tx *tx, size_t *len)
{
	uint8_t *out;

	*len = 0;
	for (unsigned i = 0; i < tx->niov; i++)
		*len += tx->iov[i].iov_len;
	out = malloc(*len ? *len : 1);
	*len = 0;
	for (unsigned i = 0; i < tx->niov; i++) {
		memcpy(out + *len, tx->iov[i].iov_base, tx->iov[i].iov_len);
		*len += tx->iov[i].iov_len;
	}
	return out;
}

static struct tx *tx_new(void)
{
	struct tx *tx = calloc(1, sizeof(*tx));

	tx_init(tx);
	return tx;
}

static void nothing_to_send(void **state)
{
	struct tx *tx = tx_new();

	(void)state;
	assert_false(tx_gather(tx));
	tx_drop(tx);
	free(tx);
}

/* Header, payload, padding: for every length modulo 4. */
static void pdus_are_padded(void **state)
{
	struct tx *tx = tx_new();
	struct thing t[9];
	uint8_t *bytes;
	size_t len, at = 0;

	(void)state;
	for (unsigned n = 0; n < 9; n++) {
		thing_init(&t[n], (uint8_t)(n + 1), 1, n, true);
		put(tx, &t[n]);
	}
	assert_true(tx_gather(tx));
	bytes = flat(tx, &len);
	for (unsigned n = 0; n < 9; n++) {
		const struct bhs *h = (const void *)(bytes + at);

		assert_int_equal(h->opcode, n + 1);
		assert_int_equal(be24_get(h->data_len), n);
		at += sizeof(*h);
		for (unsigned k = 0; k < (n + 3) / 4 * 4; k++)
			assert_int_equal(bytes[at + k], k < n ? n + 1 : 0);
		at += (n + 3) / 4 * 4;
	}
	assert_int_equal(at, len);
	free(bytes);
	tx_sent(tx);
	for (unsigned n = 0; n < 9; n++) {
		assert_int_equal(t[n].released, 1);
		free(t[n].payload);
	}
	free(tx);
}

/* Sends all; returns how many batches that took. Checks the bounds and the order. */
static unsigned send_all(struct tx *tx, unsigned *npdus)
{
	unsigned batches = 0;

	*npdus = 0;
	while (tx_gather(tx)) {
		assert_true(tx->npdus <= TX_PDUS && tx->niov <= TX_IOVS);
		assert_true(tx->npdus == 1 || tx->bytes <= TX_BYTES);
		*npdus += tx->npdus;
		batches++;
		tx->sending = true;
		tx_sent(tx);
	}
	return batches;
}

static void what_does_not_fit_goes_next(void **state)
{
	static const struct {
		unsigned items, pdus, len, batches;
	} t[] = {
		{ 1, TX_PDUS, 0, 1 },	   { 1, TX_PDUS + 1, 0, 2 },  { TX_PDUS + 1, 1, 4, 2 },
		{ 3, 100, 5, 5 },	   { 4, 1, TX_BYTES / 4, 1 }, { 5, 1, TX_BYTES / 4, 2 },
		{ 3, 1, TX_BYTES + 1, 3 }, /* longer than a batch: alone in one */
		{ 1, 3, TX_BYTES, 3 },
	};
	struct thing things[TX_PDUS + 1];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct tx *tx = tx_new();
		unsigned npdus;

		for (unsigned n = 0; n < t[i].items; n++) {
			thing_init(&things[n], 1, t[i].pdus, t[i].len, n % 2);
			put(tx, &things[n]);
		}
		assert_int_equal(send_all(tx, &npdus), t[i].batches);
		assert_int_equal(npdus, t[i].items * t[i].pdus);
		for (unsigned n = 0; n < t[i].items; n++) {
			assert_int_equal(things[n].filled, t[i].pdus);
			assert_int_equal(things[n].released, n % 2);
			free(things[n].payload);
		}
		free(tx);
	}
}

/* Memory is needed until the batch that has the last of it has left. */
static void held_until_it_is_sent(void **state)
{
	struct tx *tx = tx_new();
	struct thing a, b;

	(void)state;
	thing_init(&a, 1, TX_PDUS + 1, 8, true);
	thing_init(&b, 2, 1, 8, true);
	put(tx, &a);
	put(tx, &b);
	assert_true(tx_gather(tx));
	tx->sending = true;
	tx_sent(tx);
	assert_int_equal(a.released, 0);
	assert_true(tx_gather(tx));
	assert_int_equal(tx->npdus, 2);
	assert_int_equal(a.released, 0);
	tx->sending = true;
	tx_sent(tx);
	assert_int_equal(a.released, 1);
	assert_int_equal(b.released, 1);
	free(a.payload);
	free(b.payload);
	free(tx);
}

/* The connection is gone: queued, half sent and held, each is released once. */
static void dropped(void **state)
{
	struct tx *tx = tx_new();
	struct thing held, half, queued;

	(void)state;
	thing_init(&held, 1, 1, 8, true);
	thing_init(&half, 2, TX_PDUS, 8, true);
	thing_init(&queued, 3, 1, 8, false);
	put(tx, &held);
	put(tx, &half);
	put(tx, &queued);
	assert_true(tx_gather(tx));
	assert_int_equal(half.left, 1);
	tx_drop(tx);
	assert_int_equal(held.released, 1);
	assert_int_equal(half.released, 1);
	assert_int_equal(queued.released, 1);
	assert_false(tx_gather(tx));
	free(held.payload);
	free(half.payload);
	free(queued.payload);
	free(tx);
}

/* Pieces of a buffer: all of them or none. */
static void as_many_pieces_as_there_is_room_for(void **state)
{
	struct tx *tx = tx_new();
	struct iovec iov[16];
	uint8_t byte[16] = { 0 };
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 16; i++)
		iov[i] = (struct iovec){ byte, 1 };
	tx_gather(tx);
	while (tx_pdu(tx, iov, 16, 16))
		n++;
	assert_int_equal(n, TX_IOVS / 17);
	assert_int_equal(tx->niov, n * 17);
	assert_int_equal(tx->npdus, n);
	free(tx);
}

static void assert_digest(const uint8_t *from, size_t len)
{
	uint8_t right[4];

	crc32c_put(right, crc32c_add(CRC32C_START, from, len));
	assert_memory_equal(from + len, right, 4);
}

/* Written when the item fills the header in, that is after tx_pdu has returned it. */
static void digests_are_of_what_is_sent(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 4; mode++) {
		struct tx *tx = tx_new();
		struct thing t[9];
		size_t len, at = 0;
		uint8_t *bytes;

		tx->header_digest = mode & 1;
		tx->data_digest = mode & 2;
		for (unsigned n = 0; n < 9; n++) {
			thing_init(&t[n], (uint8_t)(n + 1), 1, n, true);
			put(tx, &t[n]);
		}
		assert_true(tx_gather(tx));
		bytes = flat(tx, &len);
		for (unsigned n = 0; n < 9; n++) {
			const struct bhs *h = (const void *)(bytes + at);

			assert_int_equal(h->opcode, n + 1);
			if (tx->header_digest)
				assert_digest(bytes + at, sizeof(*h));
			at += sizeof(*h) + (tx->header_digest ? 4 : 0);
			if (tx->data_digest && n)
				assert_digest(bytes + at, (n + 3) / 4 * 4);
			at += (n + 3) / 4 * 4 + (tx->data_digest && n ? 4 : 0);
		}
		assert_int_equal(at, len);
		free(bytes);
		tx_sent(tx);
		for (unsigned n = 0; n < 9; n++)
			free(t[n].payload);
		free(tx);
	}
}

/* The Login Response that ends the login is the last without; both may be in one batch. */
static enum tx_fill fill_and_begin(struct tx_item *it, struct tx *tx)
{
	enum tx_fill how = fill(it, tx);

	tx->header_digest = tx->data_digest = true;
	return how;
}

static void digests_begin_within_a_batch(void **state)
{
	struct tx *tx = tx_new();
	struct thing a, b;
	uint8_t *bytes;
	size_t len;

	(void)state;
	thing_init(&a, 1, 1, 6, true);
	thing_init(&b, 2, 1, 6, true);
	a.item.fill = fill_and_begin;
	put(tx, &a);
	put(tx, &b);
	assert_true(tx_gather(tx));
	bytes = flat(tx, &len);
	assert_int_equal(len, 56 + 64);
	assert_int_equal(bytes[56], 2);
	assert_digest(bytes + 56, 48);
	assert_digest(bytes + 56 + 52, 8);
	free(bytes);
	tx_sent(tx);
	free(a.payload);
	free(b.payload);
	free(tx);
}

/* Room is kept for the digests, too. */
static void digests_have_room(void **state)
{
	struct tx *tx = tx_new();
	struct iovec iov[14];
	uint8_t byte[14] = { 0 };
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 14; i++)
		iov[i] = (struct iovec){ byte, 1 };
	tx_gather(tx);
	tx->header_digest = tx->data_digest = true;
	while (tx_pdu(tx, iov, 14, 14))
		n++;
	assert_int_equal(n, TX_IOVS / 17);
	assert_int_equal(tx->niov, n * 17); /* header, 14, padding, digest */
	free(tx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_send),
		cmocka_unit_test(pdus_are_padded),
		cmocka_unit_test(what_does_not_fit_goes_next),
		cmocka_unit_test(held_until_it_is_sent),
		cmocka_unit_test(dropped),
		cmocka_unit_test(as_many_pieces_as_there_is_room_for),
		cmocka_unit_test(digests_are_of_what_is_sent),
		cmocka_unit_test(digests_begin_within_a_batch),
		cmocka_unit_test(digests_have_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
