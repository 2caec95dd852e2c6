/* From a session to a disk that takes commands: unit attentions cleared, its size known. */
#include "bench/src/iscsi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	TEST_UNIT_READY = 0x00,
	INQUIRY = 0x12,
	PAGE_BLOCK_LIMITS = 0xb0,
	READ_CAPACITY_10 = 0x25,
	SERVICE_ACTION_IN_16 = 0x9e,
	READ_CAPACITY_16 = 0x10,
	STATUS_GOOD = 0x00,
	STATUS_CHECK = 0x02,
	READY_TRIES = 100,
	READY_PAUSE_US = 100 * 1000, /* together 10 s, as far as it is not ready */
};

struct answer {
	int status;
	uint8_t data[64];
	uint8_t sense[2 + ISCSI_SENSE_BYTES]; /* after its length */
	uint32_t sense_len;
};

/* Fixed (70h) and descriptor (72h) format: SPC-4 4.5. */
static uint8_t sense_key(const uint8_t *sense, unsigned len)
{
	bool fixed = len && (sense[0] & 0x7e) == 0x70;

	return len < 4 ? 0 : (fixed ? sense[2] : sense[1]) & 0x0f;
}

void iscsi_sense_text(const uint8_t *sense, unsigned len, char *out, size_t cap)
{
	bool fixed = len && (sense[0] & 0x7e) == 0x70;
	unsigned at = fixed ? 12 : 2;

	if (len < at + 2)
		snprintf(out, cap, "without sense data");
	else
		snprintf(out, cap, "sense %x/%02x/%02x", sense_key(sense, len), sense[at],
			 sense[at + 1]);
}

static int take_answer(struct iscsi_conn *ic, struct answer *a)
{
	uint8_t some[sizeof(a->sense)];
	struct bhs_data_in pdu;
	uint32_t len;
	int ret;

	for (;;) {
		ret = iscsi_sync_recv(ic, (struct bhs *)(void *)&pdu, some, sizeof(some), &len);
		if (ret)
			return ret;
		iscsi_take_window(ic, &pdu);
		len = MIN(len, (uint32_t)sizeof(some));
		if (pdu.opcode == ISCSI_DATA_IN && be32_get(pdu.itt) == ic->itt) {
			uint32_t off = be32_get(pdu.offset);

			if (off < sizeof(a->data))
				memcpy(a->data + off, some,
				       MIN(len, (uint32_t)sizeof(a->data) - off));
			if (!(pdu.flags & ISCSI_DATA_IN_STATUS))
				continue;
		} else if (pdu.opcode == ISCSI_SCSI_RSP && be32_get(pdu.itt) == ic->itt) {
			memcpy(a->sense, some, len);
			a->sense_len = len;
		} else if (pdu.opcode == ISCSI_NOP_IN || pdu.opcode == ISCSI_ASYNC) {
			continue;
		} else {
			fprintf(stderr, "load: connection %u: opcode 0x%02x for an answer\n",
				ic->base.index, pdu.opcode);
			return -EPROTO;
		}
		iscsi_take_status(ic, &pdu);
		a->status = pdu.status;
		return 0;
	}
}

/* A command that reads at most 64 bytes. */
static int run_cdb(struct iscsi_conn *ic, const uint8_t cdb[16], uint32_t bytes, struct answer *a)
{
	struct bhs_scsi_cmd cmd = {
		.opcode = ISCSI_SCSI_CMD,
		.flags = ISCSI_FINAL | (bytes ? ISCSI_CMD_READ : 0) | ISCSI_ATTR_SIMPLE,
		.itt = be32_of(++ic->itt),
		.edtl = be32_of(bytes),
		.cmd_sn = be32_of(ic->cmd_sn++),
		.exp_stat_sn = be32_of(ic->exp_stat_sn),
	};
	int ret;

	*a = (struct answer){ .status = -1 };
	memcpy(cmd.lun, ic->lun, sizeof(cmd.lun));
	memcpy(cmd.cdb, cdb, sizeof(cmd.cdb));
	ret = iscsi_sync_send(ic, &cmd, NULL, 0);
	return ret ? ret : take_answer(ic, a);
}

static int refused(const struct iscsi_conn *ic, const char *what, const struct answer *a)
{
	unsigned len = a->sense_len > 2 ? a->sense_len - 2 : 0;
	char text[64] = "";

	if (a->status == STATUS_CHECK)
		iscsi_sense_text(a->sense + 2, len, text, sizeof(text));
	fprintf(stderr, "load: connection %u: LUN %u: %s: status 0x%02x %s%s\n", ic->base.index,
		ic->base.run->opt->lun, what, (unsigned)a->status, text,
		strstr(text, "5/25/00") ? ": the target has no such LUN" : "");
	return -EIO;
}

/* A new session finds unit attentions, one a command; a disk may need time to spin up. */
static int wait_ready(struct iscsi_conn *ic)
{
	static const uint8_t cdb[16] = { TEST_UNIT_READY };
	struct answer a;
	int ret;

	for (unsigned tries = 0; tries < READY_TRIES; tries++) {
		uint8_t key;

		ret = run_cdb(ic, cdb, 0, &a);
		if (ret || a.status == STATUS_GOOD)
			return ret;
		key = sense_key(a.sense + 2, a.sense_len > 2 ? a.sense_len - 2 : 0);
		if (a.status == STATUS_CHECK && key != 6 && key != 2)
			break;
		if (a.status != STATUS_CHECK || key == 2)
			usleep(READY_PAUSE_US);
	}
	return refused(ic, "TEST UNIT READY", &a);
}

static int read_capacity(struct iscsi_conn *ic)
{
	static const uint8_t cdb16[16] = { SERVICE_ACTION_IN_16, READ_CAPACITY_16, [13] = 32 };
	static const uint8_t cdb10[16] = { READ_CAPACITY_10 };
	struct answer a;
	int ret = run_cdb(ic, cdb16, 32, &a);

	if (ret)
		return ret;
	if (a.status == STATUS_GOOD) {
		ic->disk_blocks = get_be64(a.data) + 1;
		ic->disk_block_bytes = get_be32(a.data + 8);
		return 0;
	}
	ret = run_cdb(ic, cdb10, 8, &a);
	if (ret)
		return ret;
	if (a.status != STATUS_GOOD)
		return refused(ic, "READ CAPACITY", &a);
	ic->disk_blocks = (uint64_t)get_be32(a.data) + 1;
	ic->disk_block_bytes = get_be32(a.data + 4);
	return 0;
}

/* Says so now, not with an error for each command. Targets need not have the page. */
static int check_limit(struct iscsi_conn *ic)
{
	static const uint8_t cdb[16] = { INQUIRY, 1, PAGE_BLOCK_LIMITS, 0, 64 };
	uint64_t most_bytes;
	struct answer a;
	int ret = run_cdb(ic, cdb, 64, &a);

	if (ret)
		return ret;
	most_bytes = (uint64_t)get_be32(a.data + 8) * ic->disk_block_bytes;
	if (a.status != STATUS_GOOD || a.data[1] != PAGE_BLOCK_LIMITS || !most_bytes ||
	    ic->base.run->opt->block_bytes <= most_bytes)
		return 0;
	fprintf(stderr, "load: the target takes at most %llu bytes in a command: lower --bs\n",
		(unsigned long long)most_bytes);
	return -EINVAL;
}

int iscsi_disk_ready(struct iscsi_conn *ic)
{
	uint64_t bytes = ic->base.run->opt->block_bytes;
	uint32_t block;
	int ret = wait_ready(ic);

	if (ret == 0)
		ret = read_capacity(ic);
	if (ret)
		return ret;
	block = ic->disk_block_bytes;
	if (block < 512 || block & (block - 1) || ic->disk_blocks > UINT64_MAX / block ||
	    !ic->disk_blocks) {
		fprintf(stderr, "load: a disk of %llu blocks of %u bytes?\n",
			(unsigned long long)ic->disk_blocks, block);
		return -EPROTO;
	}
	if (bytes % block) {
		fprintf(stderr,
			"load: the disk has blocks of %u bytes: --bs must be a multiple of it\n",
			block);
		return -EINVAL;
	}
	return check_limit(ic);
}

static void free_conn(struct conn *c)
{
	conn_fini(c);
	free(iscsi_of(c));
}

static const struct proto iscsi_proto = {
	.may_issue = iscsi_may_issue,
	.issue = iscsi_issue,
	.pump = iscsi_pump,
	.feed = iscsi_feed,
	.finish = iscsi_finish,
	.free = free_conn,
};

/* SAM-5 4.7: peripheral device addressing up to 255, flat space above. */
static void set_names(struct iscsi_conn *ic)
{
	unsigned lun = ic->base.run->opt->lun;

	put_be16(ic->lun, (uint16_t)(lun < 256 ? lun : 0x4000 | lun));
	/* RFC 7143 11.12.5: type "random", so that no other initiator has the same */
	ic->isid[0] = 0x80;
	put_be24(ic->isid + 1, (uint32_t)ic->base.run->stamp_run & 0xffffff);
	put_be16(ic->isid + 4, (uint16_t)ic->base.index);
	ic->cmd_sn = 1;
	list_init(&ic->bursts);
}

int iscsi_open(struct conn **out, struct run *run, unsigned index, uint64_t *disk_bytes)
{
	int fd = conn_connect(run->opt), ret;
	struct iscsi_conn *ic;

	if (fd < 0)
		return fd;
	ic = calloc(1, sizeof(*ic));
	if (!ic) {
		close(fd);
		return -ENOMEM;
	}
	ret = conn_init(&ic->base, &iscsi_proto, run, index, fd);
	if (ret)
		goto fail;
	set_names(ic);
	ret = iscsi_login(ic);
	if (ret == 0)
		ret = iscsi_disk_ready(ic);
	if (ret)
		goto fail;
	iscsi_prepare(ic);
	*disk_bytes = ic->disk_blocks * ic->disk_block_bytes;
	*out = &ic->base;
	return 0;

fail:
	free_conn(&ic->base);
	return ret;
}
