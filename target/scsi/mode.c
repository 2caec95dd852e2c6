/* MODE SENSE(6) and (10) (SPC-4 6.11, 6.12, 7.5; SBC-3 6.5).
 *
 * Nothing can be changed, so there is no MODE SELECT: current values are the default
 * ones, and the changeable ones are zeros. WCE is the truth about the backstore. */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

#include <string.h>

enum page_control { PC_CURRENT, PC_CHANGEABLE, PC_DEFAULT, PC_SAVED };

enum {
	CDB_DBD = 0x08,
	CDB_LLBAA = 0x10,
	ALL_PAGES = 0x3f,
	ALL_SUBPAGES = 0xff,
	DEVICE_WP = 0x80,
	DEVICE_DPOFUA = 0x10,
};

static void put_caching(const struct scsi_lu *lu, uint8_t *page)
{
	page[2] = lu->bs->write_cache ? 0x04 : 0; /* WCE */
}

static void put_control(const struct scsi_lu *lu, uint8_t *page)
{
	(void)lu;
	page[3] = 0x10; /* commands may be reordered without restriction */
}

static void put_exceptions(const struct scsi_lu *lu, uint8_t *page)
{
	(void)lu;
	page[2] = 0x08; /* DEXCPT: informational exceptions are not reported */
}

static const struct mode_page {
	uint8_t code, len; /* as in the page: without the two bytes of code and length */
	void (*put)(const struct scsi_lu *lu, uint8_t *page);
} pages[] = {
	{ 0x08, 0x12, put_caching },
	{ 0x0a, 0x0a, put_control },
	{ 0x1c, 0x0a, put_exceptions },
};

static int put_page(const struct scsi_cmd *cmd, const struct mode_page *p, uint8_t *at)
{
	memset(at, 0, 2 + (size_t)p->len);
	at[0] = p->code;
	at[1] = p->len;
	if (cmd->cdb[2] >> 6 != PC_CHANGEABLE)
		p->put(cmd->lu, at);
	return 2 + p->len;
}

/* Returns the length, or -1. */
static int put_pages(struct scsi_cmd *cmd, uint8_t *at)
{
	uint8_t code = cmd->cdb[2] & 0x3f, subpage = cmd->cdb[3];
	int len = 0;

	if (cmd->cdb[2] >> 6 == PC_SAVED) {
		sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NO_SAVED_PAGES);
		return -1;
	}
	if (subpage && subpage != ALL_SUBPAGES) {
		sense_fail_cdb(cmd, 3, 7);
		return -1;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
		if (code == ALL_PAGES || code == pages[i].code)
			len += put_page(cmd, &pages[i], at + len);
	if (!len) {
		sense_fail_cdb(cmd, 2, 5);
		return -1;
	}
	return len;
}

/* SBC-3 6.5.2 */
static int put_block_descriptor(const struct scsi_lu *lu, bool long_lba, uint8_t *at)
{
	uint64_t nblocks = lu_nblocks(lu);

	if (long_lba) {
		memset(at, 0, 16);
		put_be64(at, nblocks);
		put_be32(at + 12, lu->bs->block_bytes);
		return 16;
	}
	put_be32(at, (uint32_t)MIN(nblocks, UINT32_MAX));
	put_be32(at + 4, lu->bs->block_bytes);
	return 8;
}

int scsi_build_mode_sense(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	const struct scsi_lu *lu = cmd->lu;
	bool ten = cmd->op->cdb_bytes == 10;
	bool long_lba = ten && cmd->cdb[1] & CDB_LLBAA;
	uint8_t device = (uint8_t)(DEVICE_DPOFUA | (lu->bs->read_only ? DEVICE_WP : 0));
	int header = ten ? 8 : 4, descriptor = 0, len;

	memset(buf, 0, (size_t)header);
	if (!(cmd->cdb[1] & CDB_DBD))
		descriptor = put_block_descriptor(lu, long_lba, buf + header);
	len = put_pages(cmd, buf + header + descriptor);
	if (len < 0)
		return -1;
	len += header + descriptor;
	if (ten) {
		put_be16(buf, (uint16_t)(len - 2));
		buf[3] = device;
		buf[4] = long_lba && descriptor;
		put_be16(buf + 6, (uint16_t)descriptor);
	} else {
		buf[0] = (uint8_t)(len - 1);
		buf[2] = device;
		buf[3] = (uint8_t)descriptor;
	}
	return len;
}
