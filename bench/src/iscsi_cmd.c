/* What is sent under load: READ and WRITE (10, or 16 for disks that need it), their data,
 * answers to pings, the logout.
 *
 * A write's data goes in three steps (RFC 7143 4.2.5.2): with the command as far as
 * ImmediateData allows, unasked in Data-Out PDUs up to FirstBurstLength, the rest in bursts
 * that the target asks for by R2T. The latter two are queued on bursts, in the order of the
 * commands. */
#include "bench/src/iscsi.h"

enum {
	READ_10 = 0x28,
	READ_16 = 0x88,
	WRITE_10 = 0x2a,
	WRITE_16 = 0x8a,
	TAG_NEXT = ISCSI_TAG_INDEX + 1, /* how often a task was used: late answers are noticed */
	TAG_MASK = 0x7fffffff,		/* never ISCSI_NO_TAG */
};

void iscsi_prepare(struct iscsi_conn *ic)
{
	const struct iscsi_params *p = &ic->params;
	uint32_t bytes = (uint32_t)ic->base.run->opt->block_bytes;
	uint32_t blocks = bytes / ic->disk_block_bytes;
	bool is_long = ic->disk_blocks - 1 > UINT32_MAX || blocks > UINT16_MAX;
	struct bhs_scsi_cmd *head = &ic->read_head;

	ic->params.segment_bytes &= ~3u; /* no padding but at the end */
	ic->immediate_bytes = 0;
	if (p->immediate_data)
		ic->immediate_bytes = MIN(bytes, MIN(p->segment_bytes, p->first_burst));
	ic->unsolicited_bytes = ic->immediate_bytes;
	if (!p->initial_r2t)
		ic->unsolicited_bytes = MIN(bytes, p->first_burst);

	*head = (struct bhs_scsi_cmd){
		.opcode = ISCSI_SCSI_CMD,
		.flags = ISCSI_FINAL | ISCSI_CMD_READ | ISCSI_ATTR_SIMPLE,
		.edtl = be32_of(bytes),
	};
	memcpy(head->lun, ic->lun, sizeof(head->lun));
	head->cdb[0] = is_long ? READ_16 : READ_10;
	if (is_long)
		put_be32(head->cdb + 10, blocks);
	else
		put_be16(head->cdb + 7, (uint16_t)blocks);
	ic->write_head = *head;
	ic->write_head.cdb[0] = is_long ? WRITE_16 : WRITE_10;
	ic->write_head.flags = ISCSI_CMD_WRITE | ISCSI_ATTR_SIMPLE;
	if (ic->unsolicited_bytes == ic->immediate_bytes)
		ic->write_head.flags |= ISCSI_FINAL;
	ic->write_head.data_len = be24_of(ic->immediate_bytes);
	for (unsigned i = 0; i < ic->base.run->opt->depth; i++)
		ic->base.tasks[i].itt = i;
	ic->max_cmd_sn = MAX(ic->max_cmd_sn, ic->cmd_sn - 1);
}

bool iscsi_may_issue(struct conn *c)
{
	const struct iscsi_conn *ic = iscsi_of(c);

	return !sn_before(ic->max_cmd_sn, ic->cmd_sn);
}

static void add_header(struct iscsi_conn *ic, const void *bhs)
{
	size_t digest = ic->params.header_digest ? 4 : 0;
	uint8_t *at = batch_header(&ic->base.batch, ISCSI_BHS_BYTES + digest);

	memcpy(at, bhs, ISCSI_BHS_BYTES);
	if (digest)
		crc32c_put(at + ISCSI_BHS_BYTES, crc32c_add(CRC32C_START, bhs, ISCSI_BHS_BYTES));
}

static void add_data(struct iscsi_conn *ic, uint8_t *data, uint32_t len)
{
	size_t pad = -len & 3, digest = ic->params.data_digest ? 4 : 0;
	uint8_t *at;

	batch_data(&ic->base.batch, data, len);
	if (!pad && !digest)
		return;
	at = batch_header(&ic->base.batch, pad + digest);
	memset(at, 0, pad);
	if (digest) {
		uint32_t crc = crc32c_add(CRC32C_START, data, len);

		crc32c_put(at + pad, crc32c_add(crc, at, pad));
	}
}

void iscsi_issue(struct conn *c, struct task *t)
{
	struct iscsi_conn *ic = iscsi_of(c);
	struct bhs_scsi_cmd cmd = t->pick.is_write ? ic->write_head : ic->read_head;
	uint64_t lba = t->pick.off_bytes / ic->disk_block_bytes;

	t->itt = (t->itt + TAG_NEXT) & TAG_MASK;
	t->under_way = true;
	t->got_bytes = 0;
	t->burst_off = t->burst_end = t->r2t_off = t->r2t_end = 0;
	cmd.itt = be32_of(t->itt);
	cmd.cmd_sn = be32_of(ic->cmd_sn++);
	cmd.exp_stat_sn = be32_of(ic->exp_stat_sn);
	if (cmd.cdb[0] >= READ_16)
		put_be64(cmd.cdb + 2, lba);
	else
		put_be32(cmd.cdb + 2, (uint32_t)lba);
	add_header(ic, &cmd);
	if (!t->pick.is_write)
		return;
	if (ic->immediate_bytes)
		add_data(ic, t->data, ic->immediate_bytes);
	t->asked_bytes = ic->unsolicited_bytes;
	if (ic->unsolicited_bytes == ic->immediate_bytes)
		return;
	t->burst_off = ic->immediate_bytes;
	t->burst_end = ic->unsolicited_bytes;
	t->burst_ttt = ISCSI_NO_TAG;
	t->data_sn = 0;
	list_add_tail(&ic->bursts, &t->link);
	conn_dirty(c); /* as far as this batch has no room for it */
}

/* One Data-Out PDU of the task's burst. */
static void add_data_out(struct iscsi_conn *ic, struct task *t)
{
	uint32_t len = MIN(t->burst_end - t->burst_off, ic->params.segment_bytes);
	struct bhs_data_out pdu = {
		.opcode = ISCSI_DATA_OUT,
		.flags = t->burst_off + len == t->burst_end ? ISCSI_FINAL : 0,
		.data_len = be24_of(len),
		.itt = be32_of(t->itt),
		.ttt = be32_of(t->burst_ttt),
		.exp_stat_sn = be32_of(ic->exp_stat_sn),
		.data_sn = be32_of(t->data_sn++),
		.offset = be32_of(t->burst_off),
	};

	memcpy(pdu.lun, ic->lun, sizeof(pdu.lun));
	add_header(ic, &pdu);
	add_data(ic, t->data + t->burst_off, len);
	t->burst_off += len;
	t->batch_no = ic->base.batch_no;
	if (t->burst_off < t->burst_end)
		return;
	list_del(&t->link);
	if (t->r2t_end == t->r2t_off)
		return;
	t->burst_off = t->r2t_off;
	t->burst_end = t->r2t_end;
	t->burst_ttt = t->r2t_ttt;
	t->data_sn = 0;
	t->r2t_off = t->r2t_end;
	list_add_tail(&ic->bursts, &t->link);
}

void iscsi_pump(struct conn *c)
{
	struct iscsi_conn *ic = iscsi_of(c);

	while (ic->pong_count && batch_room(&c->batch)) {
		struct bhs_nop_out *pong = &ic->pongs[--ic->pong_count];

		pong->exp_stat_sn = be32_of(ic->exp_stat_sn);
		pong->cmd_sn = be32_of(ic->cmd_sn);
		add_header(ic, pong);
	}
	while (!list_empty(&ic->bursts) && batch_room(&c->batch))
		add_data_out(ic, list_first(&ic->bursts, struct task, link));
}

struct bhs_nop_out iscsi_pong(const struct iscsi_conn *ic, const struct bhs_nop_in *ping)
{
	struct bhs_nop_out pong = {
		.opcode = ISCSI_NOP_OUT | ISCSI_IMMEDIATE,
		.flags = ISCSI_FINAL,
		.itt = be32_of(ISCSI_NO_TAG),
		.ttt = ping->ttt,
		.cmd_sn = be32_of(ic->cmd_sn),
		.exp_stat_sn = be32_of(ic->exp_stat_sn),
	};

	memcpy(pong.lun, ping->lun, sizeof(pong.lun));
	return pong;
}

void iscsi_finish(struct conn *c)
{
	struct iscsi_conn *ic = iscsi_of(c);
	struct bhs_logout_req req = {
		.opcode = ISCSI_LOGOUT_REQ | ISCSI_IMMEDIATE,
		.flags = ISCSI_FINAL, /* reason 0: close the session */
		.itt = be32_of(TAG_MASK),
		.cmd_sn = be32_of(ic->cmd_sn),
		.exp_stat_sn = be32_of(ic->exp_stat_sn),
	};

	add_header(ic, &req);
}
