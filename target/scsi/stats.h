/* What a logical unit has done: counted by each reactor for itself, added up by whoever asks.
 *
 * A command is counted once, when its status is queued for the initiator: as an operation, in the
 * bucket of its latency, and, where that status is GOOD, by the bytes that were moved between
 * initiator and unit. One that ends without a status (aborted, or its session is lost) is counted
 * as aborted, and one that was not begun for want of memory (BUSY, TASK SET FULL) as refused, and
 * neither as an operation.
 *
 * Latency begins when the command's header was read from the socket. So a write's includes the time
 * that its initiator took to send the data, and no command's includes the time that it took to read
 * the answer. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdint.h>

struct scsi_lu;
struct scsi_cmd;

enum scsi_stat_dir {
	SCSI_STAT_READ,	 /* READ */
	SCSI_STAT_WRITE, /* WRITE, WRITE AND VERIFY */
	SCSI_STAT_OTHER, /* everything else, operation codes that there are none among it */
	SCSI_STAT_DIRS
};

/* Bucket i holds latencies of less than 2^i * SCSI_STAT_FIRST_NS (and not less than the one
 * before); the last has no upper end. */
enum {
	SCSI_STAT_FIRST_NS = 1000,
	SCSI_STAT_BUCKETS = 26, /* to 17 s and more */
};

struct scsi_stat {
	uint64_t ops;	/* the sum of the buckets */
	uint64_t bytes; /* Data-Out and Data-In, parameter data of SCSI_STAT_OTHER, too */
	uint64_t
		errors; /* of ops, with any status but GOOD; unit attentions are news, not errors */
	uint64_t latency_ns; /* sum */
	uint64_t buckets[SCSI_STAT_BUCKETS];
};

struct scsi_stats {
	struct scsi_stat dir[SCSI_STAT_DIRS];
	uint64_t flushes; /* SYNCHRONIZE CACHE, */
	uint64_t unmaps;  /* and UNMAP and WRITE SAME: among SCSI_STAT_OTHER */
	uint64_t refused, aborted;
	unsigned queue; /* commands that are here now */
};

/* From any thread; what runs meanwhile may or may not be in it. */
void scsi_lu_stats(const struct scsi_lu *lu, struct scsi_stats *out);

/* --- the transport's part ---------------------------------------------------------- */

/* For a command that is not begun (scsi_cmd_start is not called): it has come all the same. */
void scsi_cmd_arrived(struct scsi_cmd *cmd);
/* After scsi_cmd_start or scsi_cmd_arrived, one of both, once, on the command's reactor; it and
 * its unit stay until then. Its status is queued: */
void scsi_cmd_answered(struct scsi_cmd *cmd, uint64_t now_ns);
/* or it will never have one. Harmless when repeated, and after the other. */
void scsi_cmd_dropped(struct scsi_cmd *cmd);

/* Bytes that moved between initiator and unit for what has just ended. */
uint64_t scsi_cmd_moved_bytes(const struct scsi_cmd *cmd);
