/* The SCSI device server: runs one CDB against a logical unit (SAM-5, SPC-4, SBC-3).
 *
 * Knows no transport: the transport brings a command with its Data-Out bytes
 * and takes away status, sense and Data-In bytes. Knows no reactor but the one a
 * command names. Logical units are shared by all reactors; a nexus and a command belong to
 * one.
 *
 *    scsi_cmd_start ──▶ SCSI_ENDED: status and sense are set already
 *         │
 *         ▼ SCSI_NEEDS_BUFFER: transport gets a buffer, brings the Data-Out bytes
 *    scsi_cmd_run ──▶ done()
 */
#pragma once

#include "backstore/backstore.h"
#include "backstore/base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct scsi_lu;
struct scsi_target;
struct scsi_op;
struct scsi_extent;

enum scsi_status { /* SAM-5 5.3 */
		   SCSI_GOOD = 0x00,
		   SCSI_CHECK_CONDITION = 0x02,
		   SCSI_BUSY = 0x08,
		   SCSI_RESERVATION_CONFLICT = 0x18,
		   SCSI_TASK_SET_FULL = 0x28,
		   SCSI_TASK_ABORTED = 0x40,
};

enum {
	SCSI_CDB_BYTES = 16,
	SCSI_SENSE_BYTES = 32,
	SCSI_MAX_LUNS = 16384, /* numbers, as far as flat space addressing goes */
	/* Told in VPD B0; longer READs and WRITEs are refused (SBC-3 5.x, 6.6.4). */
	SCSI_MAX_TRANSFER_BYTES = 4 << 20,
};

/* --- logical units ------------------------------------------------------------ */

struct scsi_lu_config {
	const char *name;     /* of the volume; copied */
	uint8_t uuid[16];     /* identity: NAA name, serial number, T10 designator */
	struct backstore *bs; /* taken over; closed with the unit */
	unsigned reactors;
};

int scsi_lu_new(struct scsi_lu **out, const struct scsi_lu_config *cfg) MUST_CHECK;
/* No command is under way and no nexus has it. */
void scsi_lu_free(struct scsi_lu *lu);
const char *scsi_lu_name(const struct scsi_lu *lu);
struct backstore *scsi_lu_backstore(struct scsi_lu *lu);

/* The LUNs behind one iSCSI target. From any thread; nexuses see a change when they take it
 * (scsi_nexus_update), of which only one may be under way (change.h). */
int scsi_target_new(struct scsi_target **out) MUST_CHECK;
/* No nexus of it is left. */
void scsi_target_free(struct scsi_target *t);
/* @lun < SCSI_MAX_LUNS; the unit is borrowed. -EEXIST, -ERANGE, -ENOMEM. */
int scsi_target_add(struct scsi_target *t, unsigned lun, struct scsi_lu *lu) MUST_CHECK;
bool scsi_target_has(struct scsi_target *t, const struct scsi_lu *lu);

/* --- nexus -------------------------------------------------------------------- */

/* One initiator port's relation to one target (a session, in iSCSI). Holds the
 * unit attentions, per LUN. A new one has 29h/00h pending on each LUN. */
struct scsi_nexus;

int scsi_nexus_new(struct scsi_nexus **out, struct scsi_target *t) MUST_CHECK;
/* No command of it may be unfinished, but zombies may (they forget the nexus). */
void scsi_nexus_free(struct scsi_nexus *n);

/* --- commands ----------------------------------------------------------------- */

enum scsi_dir { SCSI_DIR_NONE, SCSI_DIR_OUT, SCSI_DIR_IN };
enum scsi_next { SCSI_ENDED, SCSI_NEEDS_BUFFER };

/* Embedded in the transport's task, zeroed first; kept until done() has run. */
struct scsi_cmd {
	/* the transport's, before scsi_cmd_start */
	struct scsi_nexus *nexus;
	struct io *io;	   /* the reactor it came on */
	struct pool *pool; /* that reactor's: memory of the command's own comes from it */
	struct list *busy; /* that reactor's list of units whose disks have writes of it */
	uint8_t lun[8];	   /* as on the wire (SAM-5 4.7) */
	uint8_t cdb[SCSI_CDB_BYTES];
	uint32_t out_offered; /* Data-Out bytes that the initiator will send, 0 = none */
	uint32_t in_room;     /* Data-In bytes that the initiator takes, 0 = none */
	void (*done)(struct scsi_cmd *cmd);

	/* scsi_cmd_start's answer when SCSI_NEEDS_BUFFER (buffer_bytes may be 0) */
	enum scsi_dir dir;
	uint32_t buffer_bytes; /* needed: Data-Out to bring, or room for Data-In */

	/* the transport's, before scsi_cmd_run: buffer_bytes in all; lent until done() */
	struct iovec *iov;
	int iovcnt;

	/* the result */
	uint8_t status; /* enum scsi_status */
	uint8_t sense_len;
	uint8_t sense[SCSI_SENSE_BYTES];
	uint32_t in_bytes; /* valid Data-In bytes in iov: min(transfer_bytes, in_room) */
	/* What the CDB moves given all the room (for Data-In: as cut by the allocation
	 * length): the transport works out residuals from this. */
	uint64_t transfer_bytes;

	/* the device server's own */
	struct scsi_lu *lu; /* NULL: no such LUN */
	unsigned lu_place;  /* in the nexus */
	const struct scsi_op *op;
	uint64_t lba;
	uint64_t nblocks;
	unsigned bs_flags;
	unsigned state;	     /* enum scsi_cmd_state */
	bool zombie;	     /* aborted: done() comes, but nothing else is begun */
	bool posted, fenced; /* under the unit's fence lock */
	bool counted;	     /* here: neither answered nor dropped yet (stats.h) */
	uint64_t arrived_ns;
	uint64_t started_ns; /* when the backstore got it */
	struct list
		link; /* of the reactor's running writes on the unit, or of the waiters of fences */
	struct list fence; /* of the unit's fences */
	struct io_msg msg;
	uint32_t step;			   /* commands of several requests (UNMAP): the next one */
	struct iovec work;		   /* from pool, until the command ends; iov_len 0: none */
	struct iovec piece;		   /* of work, under way */
	void *scratch;			   /* owned; freed before done() */
	const struct scsi_extent *extents; /* in scratch, ascending, disjoint; NULL: [lba, lba +
					      nblocks) is all it touches */
	uint32_t nextents;
	struct bs_req req;
};

/* Decodes and checks (LUN, opcode, reserved bits, range, unit attention, write
 * protection). SCSI_ENDED: status is set, done() will not be called. */
enum scsi_next scsi_cmd_start(struct scsi_cmd *cmd);

/* Runs what scsi_cmd_start accepted; done() follows, never from inside. */
void scsi_cmd_run(struct scsi_cmd *cmd);

/* Sets status and sense of a command that the transport ends by itself. */
void scsi_cmd_fail(struct scsi_cmd *cmd, uint8_t key, uint8_t asc, uint8_t ascq);

/* The initiator no longer wants it; only after scsi_cmd_run. Returns true when the
 * command had not reached the disk: it is over, done() will not come. False: the disk
 * has it. It is now a zombie: no nexus, what it may still write is fenced on the unit
 * (later commands that overlap wait for it, from any reactor), and done() comes when
 * the disk has let go; nothing may be told to the initiator then. */
bool scsi_cmd_abort(struct scsi_cmd *cmd) MUST_CHECK;

/* True when both address the same logical unit, wherever they came from. */
bool scsi_cmd_is_on(const struct scsi_cmd *cmd, const struct scsi_lu *lu);

/* The unit that an 8-byte LUN field of this nexus addresses; NULL where none. */
struct scsi_lu *scsi_nexus_lu(struct scsi_nexus *n, const uint8_t lun[8]);

/* --- events ------------------------------------------------------------------- */

enum scsi_ua {					  /* pending unit attentions, by falling priority */
	       SCSI_UA_POWER_ON = 1 << 0,	  /* 29h/00h */
	       SCSI_UA_LU_RESET = 1 << 1,	  /* 29h/03h bus device reset function occurred */
	       SCSI_UA_NEXUS_LOST = 1 << 2,	  /* 29h/07h I_T nexus loss occurred */
	       SCSI_UA_COMMANDS_CLEARED = 1 << 3, /* 2Fh/00h by another initiator */
	       SCSI_UA_CAPACITY = 1 << 4,	  /* 2Ah/09h capacity data has changed */
	       SCSI_UA_MODE_CHANGED = 1 << 5,	  /* 2Ah/01h */
	       SCSI_UA_LUNS_CHANGED = 1 << 6,	  /* 3Fh/0Eh */
};

/* For every nexus of the unit but @but (NULL: for all). From any thread. */
void scsi_lu_attention(struct scsi_lu *lu, unsigned ua, const struct scsi_nexus *but);
/* For every nexus of every unit of the target, also those of other targets. From any thread. */
void scsi_target_attention(struct scsi_target *t, unsigned ua);
/* For one nexus, where it reaches @lu (NULL: all its units). */
void scsi_nexus_attention(struct scsi_nexus *n, const struct scsi_lu *lu, unsigned ua);
/* What QUERY ASYNCHRONOUS EVENT says of a LUN: false where nothing is pending; else how much is
 * (UADE DEPTH), and sense key, ASC and ASCQ of the first, which stays pending (SAM-5 7.9). */
bool scsi_nexus_event(const struct scsi_nexus *n, const uint8_t lun[8], uint8_t info[static 3]);

/* Called once a second or so on each reactor that has commands, with its list of @busy units:
 * fences what the disk has held for long, as though it were aborted: its initiator may have lost
 * the path and be writing by another one already, before we know. */
void scsi_fence_slow(struct list *busy, struct io *io, uint64_t now_ns);
/* The same for one unit. */
void scsi_lu_fence_slow(struct scsi_lu *lu, struct io *io, uint64_t now_ns);
/* True where this reactor has commands running on the unit. */
bool scsi_lu_is_busy(const struct scsi_lu *lu, const struct io *io);
