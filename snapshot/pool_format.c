/* Bytes of records: figures as in FORMAT.md. What is read is checked as if it came from an enemy:
 * a disk may have anything. */
#include "snapshot/pool_format.h"

#include "backstore/base/bytes.h"
#include "backstore/base/crc32c.h"
#include "backstore/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct wire_head {
	uint8_t magic[4];
	be32 crc;
	be32 length, nops;
	be64 sequence, generation;
	uint8_t pool[16];
};
struct wire_op {
	be16 type, zero;
	be32 length;
};
struct wire_open {
	uint8_t boot[16];
	be64 generation, next;
};
struct wire_layer {
	be64 number, parent, size;
	be32 kind;
	be16 path, device;
};
struct wire_volume {
	uint8_t uuid[16];
	be64 layer, size, made;
	be32 block, flags;
	be16 name;
};
static_assert(sizeof(struct wire_head) == RECORD_HEAD_BYTES, "head");
static_assert(sizeof(struct wire_op) == 8, "operation");
static_assert(sizeof(struct wire_open) == 32, "OPEN");
static_assert(sizeof(struct wire_layer) == 32, "PUT_LAYER");
static_assert(sizeof(struct wire_volume) == 50, "PUT_VOLUME");

static const char magics[][5] = { [RECORD_CHANGE] = "RLSR", [RECORD_CHECKPOINT] = "RLSC" };

/* ── writing ── */

static size_t body_bytes(const struct pool_op *op)
{
	switch (op->type) {
	case OP_OPEN:
		return sizeof(struct wire_open);
	case OP_PUT_LAYER:
		return sizeof(struct wire_layer) + op->path.len + op->device.len;
	case OP_DEL_LAYER:
		return sizeof(be64);
	case OP_PUT_VOLUME:
		return sizeof(struct wire_volume) + op->name.len;
	case OP_DEL_VOLUME:
		return sizeof(op->id);
	}
	return 0;
}

size_t pool_op_bytes(const struct pool_op *op)
{
	return sizeof(struct wire_op) + body_bytes(op);
}

/* Room for @len more; NULL: none. It is zeroed. */
static uint8_t *grown(struct record *r, size_t len)
{
	uint8_t *at;

	if (r->failed)
		return NULL;
	if (r->cap - r->len < len) {
		size_t cap = MAX(r->cap * 2, r->len + len);
		uint8_t *buf = realloc(r->buf, cap);

		r->failed = !buf;
		if (!buf)
			return NULL;
		r->buf = buf;
		r->cap = cap;
	}
	at = r->buf + r->len;
	r->len += len;
	return memset(at, 0, len);
}

void record_begin(struct record *r)
{
	*r = (struct record){ .buf = NULL };
	(void)grown(r, RECORD_HEAD_BYTES);
}

static void put_body(uint8_t *at, const struct pool_op *op)
{
	struct wire_open open = { .generation = be64_of(op->generation),
				  .next = be64_of(op->next) };
	struct wire_layer layer = { be64_of(op->number),
				    be64_of(op->parent),
				    be64_of(op->size_bytes),
				    be32_of((uint32_t)op->kind + 1),
				    be16_of((uint16_t)op->path.len),
				    be16_of((uint16_t)op->device.len) };
	struct wire_volume volume = { .layer = be64_of(op->number),
				      .size = be64_of(op->size_bytes),
				      .made = be64_of(op->made_s),
				      .block = be32_of(op->block_bytes),
				      .flags = be32_of(op->flags),
				      .name = be16_of((uint16_t)op->name.len) };

	switch (op->type) {
	case OP_OPEN:
		memcpy(open.boot, op->id, sizeof(op->id));
		memcpy(at, &open, sizeof(open));
		break;
	case OP_PUT_LAYER:
		memcpy(at, &layer, sizeof(layer));
		at += sizeof(layer);
		if (op->path.len)
			memcpy(at, op->path.s, op->path.len);
		if (op->device.len)
			memcpy(at + op->path.len, op->device.s, op->device.len);
		break;
	case OP_DEL_LAYER:
		put_be64(at, op->number);
		break;
	case OP_PUT_VOLUME:
		memcpy(volume.uuid, op->id, sizeof(op->id));
		memcpy(at, &volume, sizeof(volume));
		memcpy(at + sizeof(volume), op->name.s, op->name.len);
		break;
	case OP_DEL_VOLUME:
		memcpy(at, op->id, sizeof(op->id));
		break;
	}
}

void record_add(struct record *r, const struct pool_op *op)
{
	size_t len = body_bytes(op);
	struct wire_op head = { .type = be16_of((uint16_t)op->type),
				.length = be32_of((uint32_t)len) };
	uint8_t *at = grown(r, sizeof(head) + len);

	if (!at)
		return;
	memcpy(at, &head, sizeof(head));
	put_body(at + sizeof(head), op);
	r->nops++;
}

int record_end(struct record *r, enum record_kind kind, uint64_t sequence, uint64_t generation,
	       const uint8_t pool[static 16])
{
	size_t length = r->len, over = length % RECORD_ALIGN_BYTES;
	struct wire_head head = { .length = be32_of((uint32_t)length),
				  .nops = be32_of(r->nops),
				  .sequence = be64_of(sequence),
				  .generation = be64_of(generation) };
	uint32_t crc;

	if (over)
		(void)grown(r, RECORD_ALIGN_BYTES - over);
	if (r->failed)
		return -ENOMEM;
	if (length > RECORD_MAX_BYTES)
		return -EFBIG;
	memcpy(head.magic, magics[kind], sizeof(head.magic));
	memcpy(head.pool, pool, sizeof(head.pool));
	memcpy(r->buf, &head, sizeof(head));
	crc = crc32c_end(crc32c_add(CRC32C_START, r->buf + 8, length - 8));
	put_be32(r->buf + offsetof(struct wire_head, crc), crc);
	return 0;
}

void record_fini(struct record *r)
{
	free(r->buf);
	*r = (struct record){ .buf = NULL };
}

/* ── reading ── */

size_t record_length(const uint8_t head[static RECORD_HEAD_BYTES])
{
	size_t length = get_be32(head + offsetof(struct wire_head, length));
	bool known = !memcmp(head, magics[RECORD_CHANGE], 4) ||
		     !memcmp(head, magics[RECORD_CHECKPOINT], 4);

	return known && length >= RECORD_HEAD_BYTES && length <= RECORD_MAX_BYTES ? length : 0;
}

bool record_decode(const uint8_t *buf, size_t len, struct record_head *out)
{
	struct wire_head head;
	size_t length = len < sizeof(head) ? 0 : record_length(buf);

	if (!length || length > len)
		return false;
	memcpy(&head, buf, sizeof(head));
	if (crc32c_end(crc32c_add(CRC32C_START, buf + 8, length - 8)) != be32_get(head.crc))
		return false;
	*out = (struct record_head){
		.kind = memcmp(head.magic, magics[RECORD_CHANGE], 4) ? RECORD_CHECKPOINT
								     : RECORD_CHANGE,
		.length_bytes = (uint32_t)length,
		.nops = be32_get(head.nops),
		.sequence = be64_get(head.sequence),
		.generation = be64_get(head.generation),
	};
	memcpy(out->pool, head.pool, sizeof(out->pool));
	return true;
}

static bool is_text(const uint8_t *s, size_t len)
{
	return !memchr(s, '\0', len);
}

static int get_layer(struct pool_op *op, const uint8_t *at, size_t len)
{
	struct wire_layer w;
	size_t path, device;

	if (len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, at, sizeof(w));
	at += sizeof(w);
	path = be16_get(w.path);
	device = be16_get(w.device);
	if (len - sizeof(w) < path + device)
		return -EBADMSG;
	if (len - sizeof(w) > path + device || !be32_get(w.kind) || be32_get(w.kind) > VPOOL_LV + 1)
		return -EPROTONOSUPPORT;
	if (path >= POOL_PATH_BYTES || device >= POOL_DEVICE_BYTES || !is_text(at, path + device))
		return -EBADMSG;
	op->number = be64_get(w.number);
	op->parent = be64_get(w.parent);
	op->size_bytes = be64_get(w.size);
	op->kind = (enum vpool_kind)(be32_get(w.kind) - 1);
	op->path = (struct pool_text){ (const char *)at, path };
	op->device = (struct pool_text){ (const char *)at + path, device };
	return 0;
}

static int get_volume(struct pool_op *op, const uint8_t *at, size_t len)
{
	struct wire_volume w;
	size_t name;

	if (len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, at, sizeof(w));
	at += sizeof(w);
	name = be16_get(w.name);
	if (len - sizeof(w) < name)
		return -EBADMSG;
	if (len - sizeof(w) > name || be32_get(w.flags) & ~(uint32_t)VOLUME_ALL_FLAGS)
		return -EPROTONOSUPPORT;
	if (!name || name >= VPOOL_NAME_BYTES || !is_text(at, name))
		return -EBADMSG;
	memcpy(op->id, w.uuid, sizeof(op->id));
	op->number = be64_get(w.layer);
	op->size_bytes = be64_get(w.size);
	op->made_s = be64_get(w.made);
	op->block_bytes = be32_get(w.block);
	op->flags = be32_get(w.flags);
	op->name = (struct pool_text){ (const char *)at, name };
	return 0;
}

/* Of those that have one length. */
static int fits(size_t len, size_t wanted)
{
	if (len == wanted)
		return 0;
	return len < wanted ? -EBADMSG : -EPROTONOSUPPORT;
}

static int get_body(struct pool_op *op, const uint8_t *at, size_t len)
{
	int rc;

	switch (op->type) {
	case OP_OPEN:
		rc = fits(len, sizeof(struct wire_open));
		if (rc)
			return rc;
		memcpy(op->id, at, sizeof(op->id));
		op->generation = get_be64(at + offsetof(struct wire_open, generation));
		op->next = get_be64(at + offsetof(struct wire_open, next));
		return 0;
	case OP_PUT_LAYER:
		return get_layer(op, at, len);
	case OP_DEL_LAYER:
		rc = fits(len, sizeof(be64));
		if (!rc)
			op->number = get_be64(at);
		return rc;
	case OP_PUT_VOLUME:
		return get_volume(op, at, len);
	case OP_DEL_VOLUME:
		rc = fits(len, sizeof(op->id));
		if (!rc)
			memcpy(op->id, at, sizeof(op->id));
		return rc;
	}
	return -EPROTONOSUPPORT;
}

int record_each(const uint8_t *buf, const struct record_head *head,
		int (*each)(void *arg, const struct pool_op *op), void *arg, char *why,
		size_t why_cap)
{
	size_t at = RECORD_HEAD_BYTES, end = head->length_bytes, len;
	struct wire_op w;

	for (uint32_t i = 0; i < head->nops; i++) {
		struct pool_op op = { .type = 0 };
		int rc = -EBADMSG;

		if (end - at >= sizeof(w)) {
			memcpy(&w, buf + at, sizeof(w));
			at += sizeof(w);
			len = be32_get(w.length);
			op.type = (enum pool_op_type)be16_get(w.type);
			if (len <= end - at)
				rc = be16_get(w.zero) ? -EPROTONOSUPPORT
						      : get_body(&op, buf + at, len);
		}
		if (rc == -EPROTONOSUPPORT)
			return why_say(why, why_cap, rc,
				       "operation %u of record %llu was made by a newer version; "
				       "use that one",
				       i, (unsigned long long)head->sequence);
		if (rc)
			return why_say(why, why_cap, rc, "operation %u of record %llu is cut off",
				       i, (unsigned long long)head->sequence);
		rc = each(arg, &op);
		if (rc)
			return rc;
		at += len;
	}
	if (at != end)
		return why_say(why, why_cap, -EBADMSG, "record %llu has more behind its operations",
			       (unsigned long long)head->sequence);
	return 0;
}
