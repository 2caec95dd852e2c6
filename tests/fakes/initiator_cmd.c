/* The initiator's SCSI commands: PDUs out, Data-In and answers checked. */
#include "tests/fakes/initiator.h"

#include <string.h>

static uint32_t some_of(struct ini *i, uint32_t most)
{
	return (uint32_t)fake_world_random(i->w, (uint64_t)most + 1);
}

/* Data-Outs for [off, off + len), the last with F; in pieces of any size. */
static void send_burst(struct ini *i, const struct ini_cmd *c, uint32_t ttt, uint32_t off,
		       uint32_t len)
{
	uint32_t data_sn = 0, done = 0;

	while (done < len) {
		struct bhs_data_out h = { .opcode = ISCSI_DATA_OUT };
		uint32_t n = MIN(len - done, i->target_segment);

		if (c->how == INI_OUT_ANY && !fake_world_random(i->w, 4))
			n = 1 + some_of(i, n - 1);
		if (done + n == len)
			h.flags = ISCSI_FINAL;
		h.itt = be32_of(c->itt);
		h.ttt = be32_of(ttt);
		h.exp_stat_sn = be32_of(i->exp_stat_sn);
		h.data_sn = be32_of(data_sn++);
		h.offset = be32_of(off + done);
		ini_send_pdu(i, &h, c->out + off + done, n);
		done += n;
	}
}

/* How much goes with the command, and how much more unasked. */
static void choose_unasked(struct ini *i, const struct ini_cmd *c, uint32_t *with, uint32_t *after)
{
	uint32_t first = MIN(c->out_len, i->first_burst);

	*with = *after = 0;
	if (i->immediate_data && (c->how == INI_OUT_ANY || c->how == INI_OUT_IMMEDIATE))
		*with = MIN(first, i->target_segment);
	if (!i->initial_r2t && (c->how == INI_OUT_ANY || c->how == INI_OUT_UNSOLICITED))
		*after = first - *with;
	if (c->how != INI_OUT_ANY)
		return;
	switch (fake_world_random(i->w, 4)) {
	case 0:
		*with = some_of(i, *with);
		*after = *after ? some_of(i, first - *with) : 0;
		break;
	case 1:
		*with = *after = 0;
		break;
	case 2:
		*after = 0;
		break;
	default:
		break;
	}
}

void ini_cmd_send(struct ini *i, struct ini_cmd *c)
{
	struct bhs_scsi_cmd h = { .opcode = ISCSI_SCSI_CMD };
	uint32_t with = 0, after = 0;

	c->itt = i->next_itt++;
	c->cmd_sn = c->immediate ? i->cmd_sn : ini_take_sn(i);
	if (c->immediate)
		h.opcode |= ISCSI_IMMEDIATE;
	if (c->out_len)
		choose_unasked(i, c, &with, &after);
	h.flags = c->attr ? c->attr : ISCSI_ATTR_SIMPLE;
	if (!after)
		h.flags |= ISCSI_FINAL;
	if (c->out_len)
		h.flags |= ISCSI_CMD_WRITE;
	else if (c->in_room)
		h.flags |= ISCSI_CMD_READ;
	if (c->lun > UINT8_MAX)
		h.lun[0] = (uint8_t)(0x40 | c->lun >> 8); /* flat space addressing */
	h.lun[1] = (uint8_t)c->lun;
	h.itt = be32_of(c->itt);
	h.edtl = be32_of(c->out_len ? c->out_len : c->in_room);
	h.cmd_sn = be32_of(c->cmd_sn);
	h.exp_stat_sn = be32_of(i->exp_stat_sn);
	memcpy(h.cdb, c->cdb, sizeof(h.cdb));
	ini_send_pdu(i, &h, c->out, with);
	if (after)
		send_burst(i, c, ISCSI_NO_TAG, with, after);
}

void ini_answer_r2ts(struct ini *i, struct ini_cmd *c)
{
	for (unsigned n = 0; n < MIN(c->r2ts_held, (unsigned)INI_MAX_HELD); n++)
		send_burst(i, c, be32_get(c->held[n].ttt), be32_get(c->held[n].offset),
			   be32_get(c->held[n].length));
	c->r2ts_held = 0;
}

static struct ini_cmd *find(struct ini *i, be32 itt)
{
	list_for_each (l, &i->sent) {
		struct ini_cmd *c = list_entry(l, struct ini_cmd, link);

		if (c->itt == be32_get(itt))
			return c;
	}
	return NULL;
}

void ini_on_r2t(struct ini *i, const struct bhs_r2t *h)
{
	struct ini_cmd *c = find(i, h->itt);
	uint32_t off = be32_get(h->offset), len = be32_get(h->length);

	if (!c) /* of a task that a TMF has taken meanwhile */
		return;
	if (be32_get(h->r2t_sn) != c->r2t_sn++ || !len || len > i->max_burst || off > c->out_len ||
	    len > c->out_len - off) {
		ini_break(i, "R2T %u for [%u, +%u) of %u bytes", be32_get(h->r2t_sn), off, len,
			  c->out_len);
		return;
	}
	if (i->hold_r2ts)
		c->held[c->r2ts_held++ % INI_MAX_HELD] = *h;
	else
		send_burst(i, c, be32_get(h->ttt), off, len);
}

static void end(struct ini *i, struct ini_cmd *c, uint8_t status, uint8_t flags, be32 residual)
{
	c->status = status;
	if (flags & ISCSI_RSP_UNDERFLOW)
		c->residual = be32_get(residual);
	if (flags & ISCSI_RSP_OVERFLOW)
		c->residual = -(int64_t)be32_get(residual);
	list_del(&c->link);
	i->nsent--;
	i->ndone++;
	c->state = INI_CMD_DONE;
	if (c->done)
		c->done(c);
}

void ini_on_data_in(struct ini *i, const struct bhs_data_in *h, const uint8_t *data, uint32_t len)
{
	struct ini_cmd *c = find(i, h->itt);
	uint32_t off = be32_get(h->offset);

	if (!c) {
		ini_break(i, "Data-In for tag %#x, which is not waiting", be32_get(h->itt));
		return;
	}
	if (be32_get(h->data_sn) != c->data_sn++ || off != c->in_len || off > c->in_room ||
	    len > c->in_room - off) {
		ini_break(i, "Data-In %u at %u, +%u; %u of %u are here", be32_get(h->data_sn), off,
			  len, c->in_len, c->in_room);
		return;
	}
	memcpy(c->in + off, data, len);
	c->in_len += len;
	c->burst_bytes += len;
	if (c->burst_bytes > i->max_burst || (!len && !(h->flags & ISCSI_FINAL)) ||
	    (c->in_len == c->in_room && !(h->flags & ISCSI_FINAL)))
		ini_break(i, "Data-In burst of %u bytes without an end", c->burst_bytes);
	if (h->flags & ISCSI_FINAL)
		c->burst_bytes = 0;
	if (h->flags & ISCSI_DATA_IN_STATUS)
		end(i, c, h->status, h->flags, h->residual);
}

void ini_on_response(struct ini *i, const struct bhs_scsi_rsp *h, const uint8_t *data, uint32_t len)
{
	struct ini_cmd *c = find(i, h->itt);

	if (!c) {
		ini_break(i, "answer for tag %#x, which is not waiting", be32_get(h->itt));
		return;
	}
	if (h->response)
		ini_break(i, "response code %#x", h->response);
	if (len >= 2) {
		c->sense_len = MIN(get_be16(data), (uint32_t)sizeof(c->sense));
		if (c->sense_len + 2 > len)
			ini_break(i, "sense of %u bytes in a segment of %u", c->sense_len, len);
		else
			memcpy(c->sense, data + 2, c->sense_len);
	}
	if (h->status == 2 && !c->sense_len)
		ini_break(i, "CHECK CONDITION without sense");
	end(i, c, h->status, h->flags, h->residual);
}

/* --- CDBs --- */

static void rw(struct ini_cmd *c, uint8_t opcode, uint64_t lba, uint32_t n)
{
	memset(c, 0, sizeof(*c));
	list_init(&c->link);
	c->cdb[0] = opcode;
	put_be64(c->cdb + 2, lba);
	put_be32(c->cdb + 10, n);
}

void cmd_read(struct ini_cmd *c, uint64_t lba, uint32_t n, void *buf)
{
	rw(c, 0x88, lba, n);
	c->in = buf;
	c->in_room = n * 512;
}

void cmd_write(struct ini_cmd *c, uint64_t lba, uint32_t n, const void *buf, bool fua)
{
	rw(c, 0x8a, lba, n);
	c->cdb[1] = fua ? 0x08 : 0;
	c->out = buf;
	c->out_len = n * 512;
}

void cmd_flush(struct ini_cmd *c)
{
	rw(c, 0x91, 0, 0);
}

void cmd_unmap(struct ini_cmd *c, uint64_t lba, uint32_t n, uint8_t list[static 24])
{
	rw(c, 0, 0, 0);
	memset(c->cdb, 0, sizeof(c->cdb));
	c->cdb[0] = 0x42;
	c->cdb[8] = 24;
	memset(list, 0, 24);
	put_be16(list, 22);
	put_be16(list + 2, 16);
	put_be64(list + 8, lba);
	put_be32(list + 16, n);
	c->out = list;
	c->out_len = 24;
}

void cmd_test_unit_ready(struct ini_cmd *c)
{
	rw(c, 0, 0, 0);
}

int cmd_sense_key(const struct ini_cmd *c)
{
	return c->status == 2 && c->sense_len >= 14 ? c->sense[2] & 0x0f : -1;
}

int cmd_sense_code(const struct ini_cmd *c)
{
	return c->status == 2 && c->sense_len >= 14 ? get_be16(c->sense + 12) : -1;
}
