/* INQUIRY: standard data, and vital product data pages (SPC-4 6.4, 7.8; SBC-3 6.6).
 *
 * A unit's identity is its UUID and nothing else, so that two servers which run the
 * same configuration never look like one disk. We own no OUI; the NAA name is a locally
 * assigned one (type 3h: 60 random bits of the UUID), beside it the whole UUID as
 * the UUID designator of SPC-5 and as text under our vendor id. */
#include "target/scsi/internal.h"
#include "target/scsi/sense.h"

#include "backstore/base/uuid.h"

#include <string.h>

enum {
	PERIPHERAL_DISK = 0x00,
	PERIPHERAL_NONE = 0x7f, /* qualifier 011b, type 1Fh: no unit can be here */
	VERSION_SPC4 = 0x06,
	STANDARD_BYTES = 96,
	VERSION_DESCRIPTORS_AT = 58,
};

static const char vendor[] = "RINGLUN ";	  /* 8 */
static const char product[] = "ringlun disk    "; /* 16 */

/* "0.1.0" is "0.1 ": the field has 4 characters, and a full stop at its end is none. */
static void put_revision(uint8_t to[4])
{
	size_t n = MIN(strlen(RINGLUN_VERSION), 4);

	memset(to, ' ', 4);
	memcpy(to, RINGLUN_VERSION, n);
	if (to[3] == '.')
		to[3] = ' ';
}

static int standard(const struct scsi_cmd *cmd, uint8_t *buf)
{
	static const uint16_t versions[] = {
		0x00a0, /* SAM-5 */
		0x0960, /* iSCSI */
		0x0460, /* SPC-4 */
		0x04c0, /* SBC-3 */
	};

	memset(buf, 0, STANDARD_BYTES);
	buf[0] = cmd->lu ? PERIPHERAL_DISK : PERIPHERAL_NONE;
	buf[2] = VERSION_SPC4;
	buf[3] = 0x10 | 0x02; /* HISUP; response data format */
	buf[4] = STANDARD_BYTES - 5;
	buf[7] = 0x02; /* CMDQUE */
	memcpy(buf + 8, vendor, 8);
	memcpy(buf + 16, product, 16);
	put_revision(buf + 32);
	for (unsigned i = 0; i < ARRAY_SIZE(versions); i++)
		put_be16(buf + VERSION_DESCRIPTORS_AT + 2 * i, versions[i]);
	return STANDARD_BYTES;
}

int scsi_build_inquiry(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	if (cmd->cdb[1] & 0x01) { /* EVPD */
		if (cmd->lu)
			return scsi_build_vpd(cmd, buf);
		sense_fail(cmd, KEY_ILLEGAL_REQUEST, ASC_NO_SUCH_LUN);
		return -1;
	}
	if (cmd->cdb[2]) { /* a page code goes with EVPD only */
		sense_fail_cdb(cmd, 2, 7);
		return -1;
	}
	return standard(cmd, buf);
}

/* --- vital product data: the functions write from byte 4 on and return the page length --- */

static unsigned vpd_serial(const struct scsi_lu *lu, uint8_t *page)
{
	uuid_format(lu->uuid, (char *)page + 4);
	return UUID_TEXT_BYTES - 1;
}

/* A designator of the logical unit (SPC-4 7.8.6). */
static uint8_t *put_designator(uint8_t *at, uint8_t code_set, uint8_t type, const void *id,
			       size_t len)
{
	at[0] = code_set;
	at[1] = type; /* association: logical unit */
	at[2] = 0;
	at[3] = (uint8_t)len;
	memcpy(at + 4, id, len);
	return at + 4 + len;
}

static unsigned vpd_identification(const struct scsi_lu *lu, uint8_t *page)
{
	enum { BINARY = 1, ASCII = 2, T10_VENDOR = 1, NAA = 3, UUID = 10 };
	uint8_t naa[8], uuid[18] = { 0x10 }; /* UUID type 1 */
	char t10[8 + UUID_TEXT_BYTES];
	uint8_t *at = page + 4;

	memcpy(naa, lu->uuid + 8, sizeof(naa));
	naa[0] = 0x30 | (naa[0] & 0x0f);
	memcpy(uuid + 2, lu->uuid, sizeof(lu->uuid));
	memcpy(t10, vendor, 8);
	uuid_format(lu->uuid, t10 + 8);
	at = put_designator(at, BINARY, NAA, naa, sizeof(naa));
	at = put_designator(at, ASCII, T10_VENDOR, t10, sizeof(t10) - 1);
	at = put_designator(at, BINARY, UUID, uuid, sizeof(uuid));
	return (unsigned)(at - (page + 4));
}

/* An optimal transfer length is not told: none is better than another, and file systems
 * would lay themselves out by it. */
static unsigned vpd_block_limits(const struct scsi_lu *lu, uint8_t *page)
{
	const struct backstore *bs = lu->bs;

	page[4] = 0x01; /* WSNZ: WRITE SAME of no blocks is refused */
	put_be16(page + 6, (uint16_t)(bs->physical_bytes >> lu->shift));
	put_be32(page + 8, (uint32_t)SCSI_MAX_TRANSFER_BYTES >> lu->shift);
	if (lu->thin) {
		put_be32(page + 20, SCSI_MAX_UNMAP_BLOCKS);
		put_be32(page + 24, SCSI_MAX_UNMAP_DESCRIPTORS);
		put_be32(page + 28, MAX(bs->discard_bytes >> lu->shift, 1));
		page[32] = 0x80; /* the alignment, 0, is valid */
	}
	put_be64(page + 36, SCSI_MAX_WRITE_SAME_BLOCKS);
	return 60;
}

static unsigned vpd_characteristics(const struct scsi_lu *lu, uint8_t *page)
{
	put_be16(page + 4, lu->bs->rotational ? 0 : 1); /* not told; non-rotating */
	return 60;
}

static unsigned vpd_provisioning(const struct scsi_lu *lu, uint8_t *page)
{
	if (lu->thin) {
		page[5] = 0x80 | 0x40 | 0x20 | 0x04; /* LBPU, LBPWS, LBPWS10, LBPRZ */
		page[6] = 2;			     /* thin */
	}
	return 4;
}

static unsigned vpd_supported(const struct scsi_lu *lu, uint8_t *page);

static const struct vpd_page {
	uint8_t code;
	unsigned (*put)(const struct scsi_lu *lu, uint8_t *page);
} vpd_pages[] = {
	{ 0x00, vpd_supported },    { 0x80, vpd_serial },	   { 0x83, vpd_identification },
	{ 0xb0, vpd_block_limits }, { 0xb1, vpd_characteristics }, { 0xb2, vpd_provisioning },
};

static unsigned vpd_supported(const struct scsi_lu *lu, uint8_t *page)
{
	(void)lu;
	for (unsigned i = 0; i < ARRAY_SIZE(vpd_pages); i++)
		page[4 + i] = vpd_pages[i].code;
	return ARRAY_SIZE(vpd_pages);
}

int scsi_build_vpd(struct scsi_cmd *cmd, uint8_t buf[static SCSI_PARAM_BYTES])
{
	for (unsigned i = 0; i < ARRAY_SIZE(vpd_pages); i++) {
		unsigned len;

		if (vpd_pages[i].code != cmd->cdb[2])
			continue;
		memset(buf, 0, 256);
		buf[0] = PERIPHERAL_DISK;
		buf[1] = cmd->cdb[2];
		len = vpd_pages[i].put(cmd->lu, buf);
		put_be16(buf + 2, (uint16_t)len);
		return (int)(4 + len);
	}
	sense_fail_cdb(cmd, 2, 7);
	return -1;
}
