/* Reading the structure log:
 *
 *   slot a ─┐ the newer one   records that go on from it     a newer record anywhere?
 *   slot b ─┴───────────────▶ of its generation ───────────▶ then something before it is damaged
 *
 * A crash can only tear the last record, or a slot whose log is still whole. Whatever else does not
 * fit is damage, which is told and never repaired by forgetting. */
#include "snapshot/structure_log_priv.h"

#include "backstore/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

struct replay {
	struct slog *l;
	struct pool_state *state;
	char *why;
	size_t why_cap;
};

/* A file's bytes; slots: their record's. */
struct image {
	uint8_t *buf;
	size_t len;
};

static bool is_after(const struct record_head *a, uint64_t generation, uint64_t sequence)
{
	return a->generation != generation ? a->generation > generation : a->sequence > sequence;
}

static bool is_ours(const struct slog *l, const struct record_head *h, enum record_kind kind)
{
	return h->kind == kind && !memcmp(h->pool, l->pool, sizeof(h->pool));
}

static int cannot(const struct replay *r, int err, unsigned file, const char *doing)
{
	return why_say(r->why, r->why_cap, err, "%s/%s cannot be %s: %s", r->l->dir,
		       slog_names[file], doing, strerror(-err));
}

static int open_file(const struct replay *r, unsigned file, bool read_only, int *fd, uint64_t *size)
{
	struct pool_fs *fs = r->l->fs;
	char path[POOL_FILE_BYTES];
	int64_t bytes;
	int rc = slog_path(path, r->l->dir, file);

	if (rc)
		return cannot(r, rc, file, "named");
	*fd = fs->open(fs, path, read_only ? O_RDONLY : O_RDWR);
	if (*fd < 0)
		return cannot(r, *fd, file, "opened");
	rc = read_only ? 0 : fs->sync(fs, *fd);
	if (rc)
		return cannot(r, rc, file, "synced");
	bytes = fs->size(fs, *fd);
	if (bytes < 0)
		return cannot(r, (int)bytes, file, "measured");
	*size = (uint64_t)bytes;
	return 0;
}

/* What a record beginning at @off says to be long, as far as the file goes. */
static int read_image(const struct replay *r, unsigned file, int fd, size_t len, struct image *out)
{
	int rc;

	*out = (struct image){ calloc(1, MAX(len, 1)), len };
	if (!out->buf)
		return why_say(r->why, r->why_cap, -ENOMEM, "no memory to read %s/%s", r->l->dir,
			       slog_names[file]);
	rc = pool_fs_read_all(r->l->fs, fd, out->buf, len, 0);
	return rc ? cannot(r, rc, file, "read") : 0;
}

/* An empty image: no record. */
static int read_slot(const struct replay *r, unsigned slot, struct image *out)
{
	struct slog *l = r->l;
	uint8_t head[RECORD_HEAD_BYTES];
	size_t len = 0;
	int rc = 0;

	*out = (struct image){ .buf = NULL };
	if (l->slot_bytes[slot] >= sizeof(head)) {
		rc = pool_fs_read_all(l->fs, l->slot_fd[slot], head, sizeof(head), 0);
		len = rc ? 0 : record_length(head);
	}
	if (rc)
		return cannot(r, rc, slot, "read");
	if (!len || len > l->slot_bytes[slot])
		return 0;
	return read_image(r, slot, l->slot_fd[slot], len, out);
}

static int apply(void *arg, const struct pool_op *op)
{
	struct replay *r = arg;

	return pool_state_apply(r->state, op, r->why, r->why_cap);
}

/* The sentence is in @why already; the place comes before it. */
static int damaged(const struct replay *r, int err, unsigned file, size_t at)
{
	char what[512];

	if (err != -EBADMSG && err != -EPROTONOSUPPORT)
		return err;
	strncpy(what, r->why, sizeof(what) - 1);
	what[sizeof(what) - 1] = '\0';
	return why_say(r->why, r->why_cap, err, "%s/%s at byte %llu: %s%s", r->l->dir,
		       slog_names[file], (unsigned long long)at, what,
		       err == -EBADMSG ? "; bring the pool's structure.* back from a copy" : "");
}

static int use_base(struct replay *r, struct image slots[static 2])
{
	struct record_head heads[2];
	int base = -1, rc;

	for (int i = 0; i < 2; i++)
		if (record_decode(slots[i].buf, slots[i].len, &heads[i]) &&
		    is_ours(r->l, &heads[i], RECORD_CHECKPOINT) &&
		    (base < 0 || is_after(&heads[i], heads[base].generation, heads[base].sequence)))
			base = i;
	if (base < 0)
		return why_say(r->why, r->why_cap, -EBADMSG,
			       "neither %s/%s nor %s is whole and this pool's; bring them back "
			       "from a copy",
			       r->l->dir, slog_names[0], slog_names[1]);
	r->l->base = (unsigned)base;
	r->l->base_bytes = heads[base].length_bytes;
	r->l->sequence = heads[base].sequence;
	r->l->generation = heads[base].generation;
	rc = record_each(slots[base].buf, &heads[base], apply, r, r->why, r->why_cap);
	return rc ? damaged(r, rc, (unsigned)base, 0) : 0;
}

static int use_records(struct replay *r, const struct image *log)
{
	struct slog *l = r->l;
	struct record_head h;
	int rc;

	l->end = 0;
	while (l->end < log->len && record_decode(log->buf + l->end, log->len - l->end, &h) &&
	       is_ours(l, &h, RECORD_CHANGE) && h.generation == l->generation &&
	       h.sequence == l->sequence + 1) {
		rc = record_each(log->buf + l->end, &h, apply, r, r->why, r->why_cap);
		if (rc)
			return damaged(r, rc, SLOG_LOG, l->end);
		l->sequence++;
		l->end += (h.length_bytes + RECORD_ALIGN_BYTES - 1) / RECORD_ALIGN_BYTES *
			  RECORD_ALIGN_BYTES;
	}
	return 0;
}

/* Each was only written after all before it were durable. */
static int look_behind(struct replay *r, const struct image *log)
{
	const struct slog *l = r->l;
	struct record_head h;

	for (size_t at = 0; at < log->len; at += RECORD_ALIGN_BYTES)
		if (record_decode(log->buf + at, log->len - at, &h) &&
		    is_ours(l, &h, RECORD_CHANGE) && is_after(&h, l->generation, l->sequence))
			return why_say(
				r->why, r->why_cap, -EBADMSG,
				"%s/%s: record %llu of opening %llu, at byte %llu, is there, "
				"but what comes before it is damaged: the record at byte %llu, "
				"or a checkpoint; bring the pool's structure.* back from a "
				"copy",
				l->dir, slog_names[SLOG_LOG], (unsigned long long)h.sequence,
				(unsigned long long)h.generation, (unsigned long long)at,
				(unsigned long long)l->end);
	return 0;
}

static int replay(struct replay *r, uint64_t log_bytes)
{
	struct image slots[2] = { { NULL, 0 }, { NULL, 0 } }, log = { NULL, 0 };
	int rc = read_slot(r, 0, &slots[0]);

	if (!rc)
		rc = read_slot(r, 1, &slots[1]);
	if (!rc)
		rc = read_image(r, SLOG_LOG, r->l->log_fd, log_bytes, &log);
	if (!rc)
		rc = use_base(r, slots);
	if (!rc)
		rc = use_records(r, &log);
	if (!rc)
		rc = look_behind(r, &log);
	free(slots[0].buf);
	free(slots[1].buf);
	free(log.buf);
	return rc;
}

int slog_open(struct slog *l, struct pool_fs *fs, const char *dir, const uint8_t pool[static 16],
	      bool read_only, struct pool_state *state, char *why, size_t why_cap)
{
	struct replay r = { l, state, why, why_cap };
	uint64_t log_bytes = 0;
	int rc;

	*l = (struct slog){ .fs = fs, .dir = dir, .log_fd = -1, .slot_fd = { -1, -1 } };
	memcpy(l->pool, pool, sizeof(l->pool));
	rc = open_file(&r, 0, read_only, &l->slot_fd[0], &l->slot_bytes[0]);
	if (!rc)
		rc = open_file(&r, 1, read_only, &l->slot_fd[1], &l->slot_bytes[1]);
	if (!rc)
		rc = open_file(&r, SLOG_LOG, read_only, &l->log_fd, &log_bytes);
	if (!rc && log_bytes != SLOG_BYTES)
		rc = why_say(why, why_cap, -EBADMSG,
			     "%s/%s has %llu bytes, and must have %u; bring it back from a copy",
			     dir, slog_names[SLOG_LOG], (unsigned long long)log_bytes,
			     (unsigned)SLOG_BYTES);
	return rc ? rc : replay(&r, log_bytes);
}
