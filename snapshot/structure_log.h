/* The structure log of a pool with its two checkpoints: FORMAT.md says what it looks like, and what
 * each crash leaves.
 *
 * One caller at a time. Blocking. */
#pragma once

#include "snapshot/pool_fs.h"
#include "snapshot/pool_state.h"

enum {
	SLOG_BYTES = 1 << 20, /* of the log; of a slot at first */
};

struct slog {
	struct pool_fs *fs;
	const char *dir; /* borrowed */
	uint8_t pool[16], boot[16];
	int log_fd, slot_fd[2];
	uint64_t slot_bytes[2];
	unsigned base;		       /* the slot that the log goes on from */
	uint64_t sequence, generation; /* of the last record */
	uint64_t end;		       /* where the next one goes */
	uint64_t base_bytes;
	bool latched; /* nothing more can be written */
};

/* Makes the files of an empty one, durable but for their names. */
int slog_make(struct pool_fs *fs, const char *dir, const uint8_t pool[static 16], char *why,
	      size_t why_cap) MUST_CHECK;
/* Reads it into @state (which pool_state_init has prepared), and changes nothing. slog_close in any
 * case. -EBADMSG: damaged, and where. @read_only: without the syncs, for looking on. */
int slog_open(struct slog *l, struct pool_fs *fs, const char *dir, const uint8_t pool[static 16],
	      bool read_only, struct pool_state *state, char *why, size_t why_cap) MUST_CHECK;
/* Before the first change: makes durable that this opening has begun. */
int slog_begin(struct slog *l, const struct pool_state *state, const uint8_t boot[static 16],
	       char *why, size_t why_cap) MUST_CHECK;
/* -EIO: a write has failed, and nothing more is written. */
int slog_may_write(const struct slog *l, char *why, size_t why_cap) MUST_CHECK;
/* Makes the operations in @r durable (record_end is called here). @state is what they are not yet
 * in. -ENOSPC, -ENOMEM, -E2BIG: nothing has changed. -EIO: it is not known whether it has, and
 * nothing more is written. */
int slog_append(struct slog *l, const struct pool_state *state, struct record *r, char *why,
		size_t why_cap) MUST_CHECK;
void slog_close(struct slog *l);
