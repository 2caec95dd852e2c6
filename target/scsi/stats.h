/* What a logical unit has done: counted by each reactor for itself, added up by whoever asks. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdint.h>

struct scsi_lu;

enum scsi_stat_dir { SCSI_STAT_READ, SCSI_STAT_WRITE, SCSI_STAT_OTHER, SCSI_STAT_DIRS };

/* Latency, from the arrival of the whole command to its status: bucket i holds those of less than
 * 2^i * SCSI_STAT_FIRST_NS (and not less than the one before); the last has no upper end. */
enum {
	SCSI_STAT_FIRST_NS = 1000,
	SCSI_STAT_BUCKETS = 26, /* to 17 s and more */
};

struct scsi_stat {
	uint64_t ops, bytes, errors;
	uint64_t latency_ns; /* sum */
	uint64_t buckets[SCSI_STAT_BUCKETS];
};

struct scsi_stats {
	struct scsi_stat dir[SCSI_STAT_DIRS];
	uint64_t flushes, unmaps; /* among SCSI_STAT_OTHER */
	unsigned queue;		  /* commands that are here now */
};

/* From any thread; what runs meanwhile may or may not be in it. */
void scsi_lu_stats(const struct scsi_lu *lu, struct scsi_stats *out);
