/* Writing:  checkpoint ──▶ record ──▶ record ──▶ … full ──▶ checkpoint in the other slot ──▶ …
 *
 * One record at a time, each synced before the next, so only the last can be torn. A failure after
 * the first byte of a record may have gone to the disk latches: what a second try would find is not
 * known (a failed sync leaves pages that look clean). Reading is in structure_replay.c. */
#include "snapshot/structure_log.h"
#include "snapshot/structure_log_priv.h"

#include "backstore/why.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const slog_names[SLOG_FILES] = { "structure.ckpt.a", "structure.ckpt.b",
					     "structure.log" };

int slog_path(char out[static POOL_FILE_BYTES], const char *dir, unsigned file)
{
	int n = snprintf(out, POOL_FILE_BYTES, "%s/%s", dir, slog_names[file]);

	return n >= POOL_FILE_BYTES ? -ENAMETOOLONG : 0;
}

static uint64_t padded(uint64_t bytes)
{
	return (bytes + RECORD_ALIGN_BYTES - 1) / RECORD_ALIGN_BYTES * RECORD_ALIGN_BYTES;
}

/* ── making ── */

static int make_file(struct pool_fs *fs, const char *path, uint64_t bytes, const struct record *r)
{
	int fd = fs->open(fs, path, O_RDWR | O_CREAT), rc;

	if (fd < 0)
		return fd;
	rc = fs->truncate(fs, fd, 0); /* what a crashed try has left */
	if (!rc)
		rc = pool_fs_zero(fs, fd, 0, bytes);
	if (!rc && r)
		rc = pool_fs_write_all(fs, fd, r->buf, r->len, 0);
	if (!rc)
		rc = fs->sync(fs, fd);
	fs->close(fs, fd);
	return rc;
}

int slog_make(struct pool_fs *fs, const char *dir, const uint8_t pool[static 16], char *why,
	      size_t why_cap)
{
	const struct pool_op open = { .type = OP_OPEN, .generation = 1, .next = 1 };
	char path[POOL_FILE_BYTES];
	struct record r;
	int rc;

	record_begin(&r);
	record_add(&r, &open);
	rc = record_end(&r, RECORD_CHECKPOINT, 1, 1, pool);
	for (unsigned i = 0; i < SLOG_FILES && !rc; i++) {
		rc = slog_path(path, dir, i);
		if (!rc)
			rc = make_file(fs, path, SLOG_BYTES, i == 0 ? &r : NULL);
		if (rc)
			why_say(why, why_cap, rc, "%s/%s cannot be made: %s", dir, slog_names[i],
				strerror(-rc));
	}
	record_fini(&r);
	return rc;
}

/* ── writing ── */

static int latch(struct slog *l, int err, const char *doing, unsigned file, char *why,
		 size_t why_cap)
{
	l->latched = true;
	log_error("%s: %s %s failed: %s. The pool takes no more changes before the server has been "
		  "started anew; what it has is still served",
		  l->dir, doing, slog_names[file], strerror(-err));
	return why_say(why, why_cap, -EIO,
		       "the pool %s takes no more changes: %s %s failed: %s. Check its disk, and "
		       "start the server anew, which reads what is there",
		       l->dir, doing, slog_names[file], strerror(-err));
}

int slog_may_write(const struct slog *l, char *why, size_t why_cap)
{
	if (!l->latched)
		return 0;
	return why_say(why, why_cap, -EIO,
		       "the pool %s takes no more changes since writing to it failed (the log says "
		       "when and why). Check its disk, and start the server anew",
		       l->dir);
}

/* A slot that is being written may be torn; the other one, and the log, are whole. */
static int write_slot(struct slog *l, unsigned slot, const struct record *r, char *why,
		      size_t why_cap)
{
	int rc = pool_fs_write_all(l->fs, l->slot_fd[slot], r->buf, r->len, 0);

	if (rc)
		return latch(l, rc, "writing", slot, why, why_cap);
	l->slot_bytes[slot] = MAX(l->slot_bytes[slot], r->len);
	rc = l->fs->datasync(l->fs, l->slot_fd[slot]);
	return rc ? latch(l, rc, "syncing", slot, why, why_cap) : 0;
}

static int checkpoint(struct slog *l, const struct pool_state *state, const uint8_t boot[static 16],
		      uint64_t generation, char *why, size_t why_cap)
{
	struct pool_op open = { .type = OP_OPEN, .generation = generation, .next = state->next };
	struct record r;
	int rc;

	memcpy(open.id, boot, sizeof(open.id));
	record_begin(&r);
	record_add(&r, &open);
	pool_state_write(state, &r);
	rc = record_end(&r, RECORD_CHECKPOINT, l->sequence + 1, generation, l->pool);
	if (rc)
		why_say(why, why_cap, rc, "no memory for a checkpoint of %s", l->dir);
	else
		rc = write_slot(l, !l->base, &r, why, why_cap);
	record_fini(&r);
	if (rc)
		return rc;
	memcpy(l->boot, boot, sizeof(l->boot));
	l->base = !l->base;
	l->sequence++;
	l->generation = generation;
	l->end = 0;
	return 0;
}

/* The base as it was read: see FORMAT.md, Opening, 4. */
static int write_base_again(struct slog *l, char *why, size_t why_cap)
{
	struct record r = { .len = padded(l->base_bytes) };
	int rc;

	r.buf = calloc(1, r.len);
	if (!r.buf)
		return why_say(why, why_cap, -ENOMEM, "no memory for a checkpoint of %s", l->dir);
	rc = pool_fs_read_all(l->fs, l->slot_fd[l->base], r.buf, l->base_bytes, 0);
	if (rc)
		why_say(why, why_cap, rc, "%s/%s cannot be read: %s", l->dir, slog_names[l->base],
			strerror(-rc));
	else
		rc = write_slot(l, l->base, &r, why, why_cap);
	free(r.buf);
	return rc;
}

/* Before the state outgrows them. What is added does not count until a checkpoint fills it. */
static int grow_slots(struct slog *l, uint64_t bytes, char *why, size_t why_cap)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t want = MAX(l->slot_bytes[i], SLOG_BYTES); /* it may have been cut off */
		int rc;

		if (bytes <= l->slot_bytes[i])
			continue;
		while (want < bytes)
			want *= 2;
		rc = pool_fs_zero(l->fs, l->slot_fd[i], l->slot_bytes[i], want - l->slot_bytes[i]);
		if (rc)
			return why_say(why, why_cap, rc,
				       "%s/%s cannot grow to %llu bytes: %s; make room there",
				       l->dir, slog_names[i], (unsigned long long)want,
				       strerror(-rc));
		rc = l->fs->sync(l->fs, l->slot_fd[i]);
		if (rc)
			return latch(l, rc, "syncing", i, why, why_cap);
		l->slot_bytes[i] = want;
	}
	return 0;
}

int slog_begin(struct slog *l, const struct pool_state *state, const uint8_t boot[static 16],
	       char *why, size_t why_cap)
{
	int rc = grow_slots(l, MAX(padded(state->encoded_bytes), SLOG_BYTES), why, why_cap);

	if (!rc)
		rc = write_base_again(l, why, why_cap);
	if (!rc)
		rc = checkpoint(l, state, boot, l->generation + 1, why, why_cap);
	return rc;
}

static int write_record(struct slog *l, const struct record *r, char *why, size_t why_cap)
{
	int rc = pool_fs_write_all(l->fs, l->log_fd, r->buf, r->len, l->end);

	if (rc)
		return latch(l, rc, "writing", SLOG_LOG, why, why_cap);
	rc = l->fs->datasync(l->fs, l->log_fd);
	if (rc)
		return latch(l, rc, "syncing", SLOG_LOG, why, why_cap);
	l->sequence++;
	l->end += r->len;
	return 0;
}

int slog_append(struct slog *l, const struct pool_state *state, struct record *r, char *why,
		size_t why_cap)
{
	uint64_t bytes = padded(r->len);
	int rc = slog_may_write(l, why, why_cap);

	if (!rc && (r->failed || bytes > SLOG_BYTES))
		rc = why_say(why, why_cap, r->failed ? -ENOMEM : -E2BIG,
			     "a change of %llu bytes is too much for the log of %s",
			     (unsigned long long)bytes, l->dir);
	if (!rc)
		rc = grow_slots(l, padded(state->encoded_bytes + r->len), why, why_cap);
	if (!rc && l->end + bytes > SLOG_BYTES)
		rc = checkpoint(l, state, l->boot, l->generation, why, why_cap);
	if (!rc)
		rc = record_end(r, RECORD_CHANGE, l->sequence + 1, l->generation, l->pool);
	return rc ? rc : write_record(l, r, why, why_cap);
}

void slog_close(struct slog *l)
{
	for (unsigned i = 0; i < 2; i++)
		if (l->slot_fd[i] >= 0)
			l->fs->close(l->fs, l->slot_fd[i]);
	if (l->log_fd >= 0)
		l->fs->close(l->fs, l->log_fd);
	l->log_fd = l->slot_fd[0] = l->slot_fd[1] = -1;
}
