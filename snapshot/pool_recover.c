/* What a crash has interrupted is ended before anybody uses the pool:
 *
 *   a volume that is marked as being deleted   goes on being deleted
 *   a file longer than its record says         the resize is completed
 *   a file that no record names                goes, if it holds no data: a create was cut off
 *
 * Never is data removed that a durable record has not given up. What cannot be ended (a disk that
 * is away) is logged and tried again at the next opening: the other volumes are served. */
#include "snapshot/pool_priv.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nobody has made so many files and no record: a number beyond is a stranger's. */
enum { NEAR = 1 << 20 };

uint64_t pool_number_of_file(const char *name)
{
	uint64_t number;
	char again[32];
	int end = 0;

	if (sscanf(name, "%" SCNu64 ".data%n", &number, &end) != 1 || !end || name[end])
		return 0;
	snprintf(again, sizeof(again), "%" PRIu64 ".data", number);
	return strcmp(name, again) ? 0 : number; /* "007.data", or too large a number */
}

static int raise_next(void *arg, const char *name)
{
	struct pool_state *s = arg;
	uint64_t number = pool_number_of_file(name);

	if (number >= s->next && number - s->next < NEAR && number < INT64_MAX)
		s->next = number + 1;
	return 0;
}

int pool_recover_numbers(struct vpool *p, char *why, size_t why_cap)
{
	int rc = p->fs->list(p->fs, p->layers, raise_next, &p->state);

	if (rc)
		snprintf(why, why_cap, "%s cannot be read: %s; bring it back from a copy",
			 p->layers, strerror(-rc));
	return rc;
}

/* ── deletions ── */

void pool_end_deletions(struct vpool *p, bool logical)
{
	char why[512];

	list_for_each_safe (n, &p->state.volumes) {
		struct pool_volume *v = list_entry(n, struct pool_volume, link);
		char name[VPOOL_NAME_BYTES];

		if (!(v->flags & VOLUME_DELETING) || (v->top->kind == VPOOL_LV) != logical)
			continue;
		memcpy(name, v->name, sizeof(name));
		if (pool_delete_rest(p, v, NULL, why, sizeof(why)))
			log_warn("%s: the deletion of the volume %s could not be completed: %s; it "
				 "is tried again at the next start",
				 p->dir, name, why);
		else
			log_info("%s: the deletion of the volume %s is completed now", p->dir,
				 name);
	}
}

/* ── resizes ── */

static int64_t size_of_file(struct vpool *p, const struct pool_volume *v)
{
	char *path = pool_layer_path(p, v->top);
	struct stat st;
	int rc = path ? p->fs->stat(p->fs, path, &st) : -ENOMEM;

	free(path);
	if (rc)
		return rc;
	return S_ISREG(st.st_mode) ? st.st_size : -EINVAL;
}

/* The bytes were made durable first? Not surely: a crash may have come before that. */
static int sync_file(struct vpool *p, const struct pool_volume *v)
{
	char *path = pool_layer_path(p, v->top);
	int fd = path ? p->fs->open(p->fs, path, O_RDWR) : -ENOMEM, rc;

	free(path);
	if (fd < 0)
		return fd;
	rc = p->fs->sync(p->fs, fd);
	p->fs->close(p->fs, fd);
	return rc;
}

static void end_resizes(struct vpool *p)
{
	char why[512];

	list_for_each (n, &p->state.volumes) {
		struct pool_volume *v = list_entry(n, struct pool_volume, link);
		int64_t has;
		int rc;

		if (v->top->kind != VPOOL_FILE || v->flags & VOLUME_DELETING)
			continue;
		has = size_of_file(p, v);
		if (has <= (int64_t)v->size_bytes || has % v->block_bytes)
			continue; /* what is too short, or odd, is told when it is opened */
		rc = sync_file(p, v);
		if (rc)
			snprintf(why, sizeof(why), "its file cannot be synced: %s", strerror(-rc));
		else
			rc = pool_commit_size(p, v, (uint64_t)has, why, sizeof(why));
		if (rc)
			log_warn("%s: the volume %s could not be given its new size: %s", p->dir,
				 v->name, why);
		else
			log_info("%s: the resize of the volume %s to %lld bytes is completed now",
				 p->dir, v->name, (long long)has);
	}
}

/* ── orphans ── */

struct orphans {
	struct vpool *p;
	uint64_t *numbers;
	size_t n;
};

static int find_orphan(void *arg, const char *name)
{
	struct orphans *o = arg;
	uint64_t number = pool_number_of_file(name), *more;

	if (!number || pool_state_find_layer(&o->p->state, number))
		return 0;
	more = reallocarray(o->numbers, o->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	o->numbers = more;
	o->numbers[o->n++] = number;
	return 0;
}

static void remove_orphan(struct vpool *p, uint64_t number)
{
	char path[POOL_FILE_BYTES + 64];
	int fd, data, rc;

	snprintf(path, sizeof(path), "%s/%llu.data", p->layers, (unsigned long long)number);
	fd = p->fs->open(p->fs, path, O_RDONLY);
	data = fd < 0 ? fd : p->fs->has_data(p->fs, fd);
	if (fd >= 0)
		p->fs->close(p->fs, fd);
	if (data) {
		log_warn("%s belongs to no volume and holds data%s%s; it is left alone. Look at "
			 "it, and remove it yourself",
			 path, data < 0 ? " perhaps: " : "", data < 0 ? strerror(-data) : "");
		return;
	}
	rc = p->fs->unlink(p->fs, path);
	if (rc)
		log_warn("%s, left by a creation that was cut off, cannot be removed: %s", path,
			 strerror(-rc));
	else
		log_info("%s, left by a creation that was cut off, is removed", path);
}

static int remove_orphans(struct vpool *p)
{
	struct orphans o = { .p = p };
	int rc = p->fs->list(p->fs, p->layers, find_orphan, &o);

	for (size_t i = 0; i < o.n && !rc; i++)
		remove_orphan(p, o.numbers[i]);
	if (o.n && !rc)
		rc = pool_fs_sync_dir(p->fs, p->layers);
	free(o.numbers);
	return rc;
}

int pool_recover(struct vpool *p, char *why, size_t why_cap)
{
	int rc;

	pool_end_deletions(p, false);
	end_resizes(p);
	rc = remove_orphans(p);
	if (rc) {
		snprintf(why, why_cap, "%s cannot be tidied: %s", p->layers, strerror(-rc));
		return rc;
	}
	return p->id.volume_group ? pool_tidy_start(p, why, why_cap) : 0;
}
