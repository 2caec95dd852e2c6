/* Logical volumes, by lvm2's own commands:
 *
 *   make     lvcreate, tagged as new ─▶ zeroed ─▶ (record) ─▶ lvchange: not new any more
 *   grow     lvextend ─▶ what is new is zeroed ─▶ (record)
 *   remove   (record: deleting) ─▶ lvremove ─▶ (record: gone)
 *
 * Zeroed, because a volume group gives the next one what the last one has left. What still has the
 * tag "new" and is in no record was left by a creation that was cut off, and goes at the next
 * opening; what has lost that tag and is in no record is somebody's data (a pool brought back from
 * an old copy?), and is left alone. */
#include "snapshot/command.h"
#include "snapshot/pool_priv.h"

#include "backstore/why.h"

#include "backstore/base/log.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NEAR: a number beyond is a stranger's. */
enum { TAG_BYTES = 80, NAME_BYTES = 320, NEAR = 1 << 20 };

#define STEP_BYTES (UINT64_C(256) << 20)

static const char new_tag[] = "ringlun.new";

/* ── commands ── */

/* 0, with *@out what it wrote (free; may be NULL), or @why says what it complained. */
static int lvm(const char *const argv[], char **out, char *why, size_t why_cap)
{
	struct command_result r;
	int rc = command_run(argv, &r);

	if (rc)
		return why_say(why, why_cap, rc, "%s cannot be run: %s%s", argv[0], strerror(-rc),
			       rc == -ENOENT ? "; install lvm2" : "");
	if (r.status) {
		free(r.out);
		return why_say(why, why_cap,
			       strstr(r.err, "insufficient free space") ? -ENOSPC : -EIO,
			       "%s failed: %s", argv[0], r.err[0] ? r.err : "it did not say why");
	}
	if (out)
		*out = r.out;
	else
		free(r.out);
	return 0;
}

int pool_lv_check_group(const char *volume_group, char *why, size_t why_cap)
{
	const char *const argv[] = { "vgs",	"--noheadings", "--options",
				     "vg_name", volume_group,	NULL };
	char says[COMMAND_ERROR_BYTES];
	int rc = lvm(argv, NULL, says, sizeof(says));

	return rc ? why_say(why, why_cap, -EINVAL,
			    "there is no volume group %s to be used (%s); make it with vgcreate, "
			    "or give the name of another",
			    volume_group, says)
		  : 0;
}

static void pool_tag(const struct vpool *p, char out[static TAG_BYTES])
{
	char id[UUID_TEXT_BYTES];

	uuid_format(p->id.uuid, id);
	snprintf(out, TAG_BYTES, "ringlun.pool.%s", id);
}

/* The name in its group. */
static const char *base_name(const struct pool_layer *l)
{
	const char *slash = strchr(l->path, '/');

	return slash ? slash + 1 : l->path;
}

/* 0 where there is none of that name. */
static int size_of(const struct vpool *p, const struct pool_layer *l, uint64_t *size, char *why,
		   size_t why_cap)
{
	char select[NAME_BYTES + 16], *out;
	const char *const argv[] = { "lvs",	   "--noheadings",     "--units", "b",
				     "--nosuffix", "--options",	       "lv_size", "--select",
				     select,	   p->id.volume_group, NULL };
	int rc;

	snprintf(select, sizeof(select), "lv_name=%s", base_name(l));
	rc = lvm(argv, &out, why, why_cap);
	if (rc)
		return rc;
	*size = 0;
	if (sscanf(out, "%" SCNu64, size) != 1 && strspn(out, " \n") != strlen(out))
		rc = why_say(why, why_cap, -EIO, "lvs answers \"%.100s\" to the size of %s", out,
			     l->path);
	free(out);
	return rc;
}

/* ── zeros ── */

static bool go_on(const struct vpool_progress *progress, uint64_t done, uint64_t total)
{
	return !progress || progress->step(progress->arg, done, total);
}

static int zero_open(int fd, uint64_t from, uint64_t to, const struct vpool_progress *progress)
{
	int rc = 0;

	for (uint64_t at = from; at < to && !rc; at += STEP_BYTES) {
		if (!go_on(progress, at - from, to - from))
			return -ECANCELED;
		if (fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			      (off_t)MIN(STEP_BYTES, to - at)) < 0)
			rc = -errno;
	}
	return !rc && fsync(fd) < 0 ? -errno : rc;
}

static int zero(const struct vpool *p, const struct pool_layer *l, uint64_t from, uint64_t to,
		const struct vpool_progress *progress, char *why, size_t why_cap)
{
	char *path = pool_layer_path(p, l);
	int fd, rc;

	if (!path)
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : zero_open(fd, from, to, progress);
	if (fd >= 0)
		close(fd);
	if (rc == -ECANCELED)
		why_say(why, why_cap, rc, "cancelled");
	else if (rc)
		why_say(why, why_cap, rc, "%s cannot be filled with zeros: %s", path,
			strerror(-rc));
	free(path);
	return rc;
}

/* ── make, grow, remove ── */

static int create(const struct vpool *p, const struct pool_layer *l, char *why, size_t why_cap)
{
	char ours[TAG_BYTES], layer[TAG_BYTES], size[32];
	const char *const argv[] = { "lvcreate",	 "--yes", "--wipesignatures", "y",
				     "--zero",		 "y",	  "--name",	      base_name(l),
				     "--size",		 size,	  "--addtag",	      ours,
				     "--addtag",	 layer,	  "--addtag",	      new_tag,
				     p->id.volume_group, NULL };

	pool_tag(p, ours);
	snprintf(layer, sizeof(layer), "ringlun.layer.%" PRIu64, l->number);
	snprintf(size, sizeof(size), "%" PRIu64 "b", l->size_bytes);
	return lvm(argv, NULL, why, why_cap);
}

/* An extent may be 129 KiB: then the last block may be cut off, and no volume has that. */
static uint64_t whole_blocks(uint64_t bytes, uint32_t block_bytes)
{
	return bytes - bytes % block_bytes;
}

int pool_lv_make(struct vpool *p, struct pool_layer *l, uint32_t block_bytes,
		 const struct vpool_progress *progress, char *why, size_t why_cap)
{
	char ignored[COMMAND_ERROR_BYTES];
	uint64_t size = 0;
	int rc;

	free(l->path);
	if (asprintf(&l->path, "%s/ringlun_%02x%02x%02x%02x_%" PRIu64, p->id.volume_group,
		     p->id.uuid[0], p->id.uuid[1], p->id.uuid[2], p->id.uuid[3], l->number) < 0) {
		l->path = NULL;
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	}
	rc = create(p, l, why, why_cap);
	if (rc)
		return rc;
	rc = size_of(p, l, &size, why, why_cap);
	if (!rc && size < l->size_bytes)
		rc = why_say(why, why_cap, -EIO, "lvcreate has made %s with %llu bytes, not %llu",
			     l->path, (unsigned long long)size, (unsigned long long)l->size_bytes);
	l->size_bytes = whole_blocks(size, block_bytes); /* of whole extents */
	if (!rc)
		rc = zero(p, l, 0, size, progress, why, why_cap);
	if (rc && pool_lv_remove(p, l, ignored, sizeof(ignored)))
		log_warn("%s: %s; the next start tries again", p->dir, ignored);
	return rc;
}

void pool_lv_keep(struct vpool *p, const struct pool_layer *l)
{
	char why[COMMAND_ERROR_BYTES];
	const char *const argv[] = { "lvchange", "--yes", "--deltag", new_tag, l->path, NULL };

	if (lvm(argv, NULL, why, sizeof(why)))
		log_warn("%s: %s keeps the tag %s until the next start: %s", p->dir, l->path,
			 new_tag, why);
}

int pool_lv_grow(struct vpool *p, const struct pool_layer *l, uint64_t *size_bytes, char *why,
		 size_t why_cap)
{
	char text[32];
	const char *const argv[] = { "lvextend", "--yes", "--size", text, l->path, NULL };
	uint64_t has;
	int rc = size_of(p, l, &has, why, why_cap);

	if (rc)
		return rc;
	if (has < l->size_bytes)
		return why_say(why, why_cap, -ENODATA,
			       "%s has %llu bytes, and had %llu: its end is lost", l->path,
			       (unsigned long long)has, (unsigned long long)l->size_bytes);
	if (has < *size_bytes) { /* else an earlier try was cut off */
		snprintf(text, sizeof(text), "%" PRIu64 "b", *size_bytes);
		rc = lvm(argv, NULL, why, why_cap);
		if (!rc)
			rc = size_of(p, l, &has, why, why_cap);
	}
	if (!rc && has < *size_bytes)
		rc = why_say(why, why_cap, -EIO, "lvextend has left %s with %llu bytes", l->path,
			     (unsigned long long)has);
	if (!rc)
		rc = zero(p, l, l->size_bytes, has, NULL, why, why_cap);
	*size_bytes = whole_blocks(has, l->volume->block_bytes);
	return rc;
}

int pool_lv_remove(struct vpool *p, const struct pool_layer *l, char *why, size_t why_cap)
{
	const char *const argv[] = { "lvremove", "--yes", l->path, NULL };
	uint64_t size;
	int rc = size_of(p, l, &size, why, why_cap);

	if (rc || !size) /* it had gone before a crash */
		return rc;
	return lvm(argv, NULL, why, why_cap);
}

/* ── after a crash ── */

static bool has_tag(const char *tags, const char *tag)
{
	size_t len = strlen(tag);

	for (const char *at = tags; (at = strstr(at, tag)); at += len)
		if ((at == tags || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

static uint64_t number_of(const char *tags)
{
	const char *at = strstr(tags, "ringlun.layer.");
	uint64_t number;

	return at && sscanf(at, "ringlun.layer.%" SCNu64, &number) == 1 ? number : 0;
}

/* Not once it may be open, with the size that it has: then the next resize, or start, does it. */
static bool is_late(struct vpool *p)
{
	bool late;

	pthread_mutex_lock(&p->lock);
	late = p->late;
	pthread_mutex_unlock(&p->lock);
	return late;
}

static void recover_grown(struct vpool *p, struct pool_layer *l, uint64_t has)
{
	char why[COMMAND_ERROR_BYTES];

	if (is_late(p) || !l->volume || l->volume->flags & VOLUME_DELETING)
		return;
	has = whole_blocks(has, l->volume->block_bytes);
	if (has <= l->size_bytes)
		return;
	if (pool_lv_grow(p, l, &has, why, sizeof(why)) ||
	    pool_commit_size(p, l->volume, has, why, sizeof(why)))
		log_warn("%s: the volume %s could not be given its new size: %s", p->dir,
			 l->volume->name, why);
	else
		log_info("%s: the resize of the volume %s to %llu bytes is completed now", p->dir,
			 l->volume->name, (unsigned long long)has);
}

static void recover_stray(struct vpool *p, const char *name, bool is_new)
{
	char path[NAME_BYTES], why[COMMAND_ERROR_BYTES];
	const char *const argv[] = { "lvremove", "--yes", path, NULL };

	snprintf(path, sizeof(path), "%s/%s", p->id.volume_group, name);
	if (!is_new)
		log_warn("%s has the tag of the pool %s, and is none of its volumes; it is left "
			 "alone. Look at it, and remove it yourself",
			 path, p->dir);
	else if (lvm(argv, NULL, why, sizeof(why)))
		log_warn("%s, left by a creation that was cut off, cannot be removed: %s", path,
			 why);
	else
		log_info("%s, left by a creation that was cut off, is removed", path);
}

/* No new one takes the name of one that is left alone. */
static void skip_number(struct vpool *p, uint64_t number)
{
	pthread_mutex_lock(&p->log_lock);
	pthread_mutex_lock(&p->lock);
	if (number >= p->state.next && number - p->state.next < NEAR && number < INT64_MAX)
		p->state.next = number + 1;
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_unlock(&p->log_lock);
}

/* "  NAME;SIZE;TAG,TAG" */
static void recover_line(struct vpool *p, char *line)
{
	char *save, *name = strtok_r(line, "; ", &save), *size = strtok_r(NULL, ";", &save);
	char *tags = strtok_r(NULL, "; ", &save), ours[TAG_BYTES];
	struct pool_layer *l;
	uint64_t has;

	pool_tag(p, ours);
	if (!tags || !has_tag(tags, ours) || sscanf(size, "%" SCNu64, &has) != 1)
		return;
	l = pool_state_find_layer(&p->state, number_of(tags));
	if (!l || l->kind != VPOOL_LV || strcmp(base_name(l), name) != 0) {
		recover_stray(p, name, has_tag(tags, new_tag));
		skip_number(p, number_of(tags));
		return;
	}
	if (has_tag(tags, new_tag))
		pool_lv_keep(p, l);
	recover_grown(p, l, has);
}

int pool_lv_recover(struct vpool *p, char *why, size_t why_cap)
{
	const char *const argv[] = { "lvs",
				     "--noheadings",
				     "--units",
				     "b",
				     "--nosuffix",
				     "--separator",
				     ";",
				     "--options",
				     "lv_name,lv_size,lv_tags",
				     p->id.volume_group,
				     NULL };
	char *out, *save, *line;
	int rc = lvm(argv, &out, why, why_cap);

	if (rc)
		return rc;
	for (line = strtok_r(out, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		recover_line(p, line);
	free(out);
	return 0;
}
