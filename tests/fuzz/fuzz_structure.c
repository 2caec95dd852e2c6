/* Records of a pool's structure log, in a row.
 *
 * Input: of each record, u8 number of operations, u16 length of them, the operations as on disk
 * (snapshot/FORMAT.md); a head with a right checksum is put before them, as no fuzzer finds one.
 * Also the whole input is taken for a record. Whatever comes, what was accepted must come out of a
 * checkpoint as it was. */
#include "snapshot/pool_state.h"

#include "backstore/base/bytes.h"
#include "backstore/base/crc32c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static char why[512];

static int apply(void *arg, const struct pool_op *op)
{
	return pool_state_apply(arg, op, why, sizeof(why));
}

/* free() it. */
static uint8_t *with_head(const uint8_t *ops, size_t len, uint8_t nops)
{
	uint8_t *buf = calloc(1, RECORD_HEAD_BYTES + len);

	REQUIRE(buf);
	memcpy(buf, "RLSR", 4);
	put_be32(buf + 8, (uint32_t)(RECORD_HEAD_BYTES + len));
	put_be32(buf + 12, nops);
	memcpy(buf + RECORD_HEAD_BYTES, ops, len);
	put_be32(buf + 4,
		 crc32c_end(crc32c_add(CRC32C_START, buf + 8, RECORD_HEAD_BYTES + len - 8)));
	return buf;
}

static bool take(struct pool_state *s, const uint8_t *ops, size_t len, uint8_t nops)
{
	uint8_t *buf = with_head(ops, len, nops);
	struct record_head head;
	int rc;

	why[0] = '\0';
	REQUIRE(record_decode(buf, RECORD_HEAD_BYTES + len, &head));
	REQUIRE(!record_decode(buf, RECORD_HEAD_BYTES + len - 1, &head));
	rc = record_each(buf, &head, apply, s, why, sizeof(why));
	REQUIRE(rc == 0 || rc == -EBADMSG || rc == -EPROTONOSUPPORT);
	REQUIRE(!rc == !why[0]);
	free(buf);
	return !rc;
}

static void write_out(const struct pool_state *s, struct record *r)
{
	static const uint8_t pool[16];
	const struct pool_op open = { .type = OP_OPEN, .next = s->next };

	record_begin(r);
	record_add(r, &open);
	pool_state_write(s, r);
	REQUIRE(r->len == s->encoded_bytes);
	REQUIRE(!record_end(r, RECORD_CHECKPOINT, 1, 1, pool));
	REQUIRE(r->len % RECORD_ALIGN_BYTES == 0);
}

static void comes_out_as_it_was(const struct pool_state *s)
{
	struct pool_state again;
	struct record_head head;
	struct record a, b;

	write_out(s, &a);
	pool_state_init(&again);
	REQUIRE(record_decode(a.buf, a.len, &head) && head.kind == RECORD_CHECKPOINT);
	REQUIRE(!record_each(a.buf, &head, apply, &again, why, sizeof(why)));
	REQUIRE(again.nvolumes == s->nvolumes);
	write_out(&again, &b);
	REQUIRE(a.len == b.len && !memcmp(a.buf, b.buf, a.len));
	record_fini(&a);
	record_fini(&b);
	pool_state_fini(&again);
}

static void check(const struct pool_state *s)
{
	list_for_each (n, &s->volumes) {
		const struct pool_volume *v = list_entry(n, struct pool_volume, link);

		REQUIRE(v->top->volume == v && v->size_bytes == v->top->size_bytes);
		REQUIRE(pool_state_find_name(s, v->name) == v);
		REQUIRE(pool_state_find_uuid(s, v->uuid) == v);
	}
	list_for_each (n, &s->layers) {
		const struct pool_layer *l = list_entry(n, struct pool_layer, link);

		REQUIRE(l->number < s->next && pool_state_find_layer(s, l->number) == l);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct record_head head;
	struct pool_state s;
	size_t at = 0;

	if (record_decode(data, len, &head))
		REQUIRE(head.length_bytes <= len);
	pool_state_init(&s);
	while (len - at >= 3) {
		size_t n = MIN(get_be16(data + at + 1), len - at - 3);
		bool taken = take(&s, data + at + 3, n, data[at]);

		if (!taken)
			break; /* then it is good for nothing more */
		check(&s);
		comes_out_as_it_was(&s);
		at += 3 + n;
	}
	pool_state_fini(&s);
	return 0;
}
