/* The bytes of layers. A file of the pool is made, made longer and removed here; what lies
 * elsewhere is only looked at, and never touched. */
#include "snapshot/pool_priv.h"

#include "backstore/device_id.h"
#include "backstore/why.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define STEP_BYTES (UINT64_C(1) << 30) /* between two looks at whether it is to go on */

static int say_memory(char *why, size_t why_cap)
{
	return why_say(why, why_cap, -ENOMEM, "out of memory");
}

static const char *hint(int err)
{
	return err == -ENOSPC || err == -EDQUOT ? "; make room, or choose a smaller size"
	       : err == -EFBIG			? "; its file system has no files of that size"
						: "";
}

static int cannot(int err, const char *path, const char *doing, char *why, size_t why_cap)
{
	return why_say(why, why_cap, err, "%s cannot be %s: %s%s", path, doing, strerror(-err),
		       hint(err));
}

static bool go_on(const struct vpool_progress *progress, uint64_t done, uint64_t total)
{
	return !progress || progress->step(progress->arg, done, total);
}

/* ── files of the pool ── */

static int allocate(struct pool_fs *fs, int fd, uint64_t from, uint64_t to,
		    const struct vpool_progress *progress)
{
	int rc = 0;

	for (uint64_t at = from; at < to && !rc; at += STEP_BYTES)
		rc = go_on(progress, at - from, to - from)
			     ? fs->allocate(fs, fd, at, MIN(STEP_BYTES, to - at))
			     : -ECANCELED;
	return rc;
}

static int fill_file(struct vpool *p, int fd, uint64_t size, bool preallocate,
		     const struct vpool_progress *progress)
{
	int rc = p->fs->truncate(p->fs, fd, size);

	if (!rc && preallocate)
		rc = allocate(p->fs, fd, 0, size, progress);
	if (!rc)
		rc = p->fs->sync(p->fs, fd);
	return rc ? rc : pool_fs_sync_dir(p->fs, p->layers);
}

static int make_file(struct vpool *p, const char *path, const struct vpool_spec *spec,
		     const struct vpool_progress *progress, char *why, size_t why_cap)
{
	int fd, rc;

	if (!go_on(progress, 0, spec->preallocate ? spec->size_bytes : 0))
		return why_say(why, why_cap, -ECANCELED, "cancelled; %s was not made", spec->name);
	fd = p->fs->open(p->fs, path, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return cannot(fd, path, "made", why, why_cap);
	rc = fill_file(p, fd, spec->size_bytes, spec->preallocate, progress);
	p->fs->close(p->fs, fd);
	if (!rc)
		return 0;
	(void)p->fs->unlink(p->fs, path); /* else it is an orphan */
	if (rc == -ECANCELED)
		return why_say(why, why_cap, rc, "cancelled; %s was not made", spec->name);
	if (rc == -EOPNOTSUPP && spec->preallocate)
		return why_say(why, why_cap, rc,
			       "the file system of %s cannot preallocate; leave that out", path);
	return cannot(rc, path, "given its size", why, why_cap);
}

static int grow_file(struct vpool *p, const char *path, uint64_t was, uint64_t size,
		     bool preallocate, char *why, size_t why_cap)
{
	struct pool_fs *fs = p->fs;
	int fd = fs->open(fs, path, O_RDWR), rc;
	int64_t has;

	if (fd < 0)
		return cannot(fd, path, "opened", why, why_cap);
	has = fs->size(fs, fd);
	rc = has < 0 ? (int)has : 0;
	if (!rc && (uint64_t)has < was)
		rc = why_say(why, why_cap, -ENODATA,
			     "%s has %llu bytes, and had %llu: its end is lost; bring it back",
			     path, (unsigned long long)has, (unsigned long long)was);
	else if (!rc)
		rc = fs->truncate(fs, fd, size);
	if (!rc && preallocate)
		rc = allocate(fs, fd, was, size, NULL);
	if (!rc)
		rc = fs->sync(fs, fd);
	if (rc && rc != -ENODATA) {
		if (has >= 0)
			(void)fs->truncate(fs, fd, was); /* else the next opening finds it longer */
		cannot(rc, path, "made longer", why, why_cap);
	}
	fs->close(fs, fd);
	return rc;
}

/* Somebody has given the file a second name (cp -l): under that its bytes stay. */
static bool has_other_name(struct vpool *p, const char *path)
{
	struct stat st;

	return p->fs->stat(p->fs, path, &st) || st.st_nlink > 1;
}

static int remove_file(struct vpool *p, const char *path, int *fd, char *why, size_t why_cap)
{
	int rc;

	*fd = has_other_name(p, path) ? -1 : p->fs->open(p->fs, path, O_RDWR);
	if (*fd < 0)
		*fd = -1; /* not there any more, or not ours to shrink */
	rc = p->fs->unlink(p->fs, path);
	if (rc && rc != -ENOENT)
		return cannot(rc, path, "removed", why, why_cap);
	/* even where it was gone: that may not be durable yet */
	rc = pool_fs_sync_dir(p->fs, p->layers);
	return rc ? cannot(rc, p->layers, "synced", why, why_cap) : 0;
}

void pool_data_free(struct vpool *p, int fd, const struct vpool_progress *progress)
{
	int64_t size = p->fs->size(p->fs, fd);
	uint64_t left = (uint64_t)MAX(size, 0), total = left;

	while (left > STEP_BYTES && progress) {
		left -= STEP_BYTES;
		if (p->fs->truncate(p->fs, fd, left) ||
		    !progress->step(progress->arg, total - left, total))
			break; /* closing frees the rest at once */
	}
	p->fs->close(p->fs, fd);
	if (progress)
		(void)progress->step(progress->arg, total, total);
}

/* ── elsewhere ── */

static int measure(struct vpool *p, const char *path, uint64_t *size, struct stat *st, char *why,
		   size_t why_cap)
{
	int rc = p->fs->stat(p->fs, path, st), fd;

	if (rc)
		return why_say(why, why_cap, rc, "%s cannot be looked at: %s; check the path", path,
			       strerror(-rc));
	if (S_ISREG(st->st_mode)) {
		*size = (uint64_t)st->st_size;
		return 0;
	}
	if (!S_ISBLK(st->st_mode))
		return why_say(why, why_cap, -EINVAL,
			       "%s is neither a regular file nor a block device", path);
	fd = p->fs->open(p->fs, path, O_RDONLY);
	if (fd < 0)
		return cannot(fd, path, "opened", why, why_cap);
	if (ioctl(fd, BLKGETSIZE64, size) < 0)
		rc = cannot(-errno, path, "measured", why, why_cap);
	p->fs->close(p->fs, fd);
	return rc;
}

static bool is_same_place(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) != S_ISBLK(b->st_mode))
		return false;
	return S_ISBLK(a->st_mode) ? a->st_rdev == b->st_rdev
				   : a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* A copy of the paths, as looking at them may take time. */
static int other_paths(struct vpool *p, char ***out, size_t *n)
{
	size_t cap = 0;
	int rc = 0;

	*n = 0;
	pthread_mutex_lock(&p->lock);
	list_for_each (node, &p->state.layers)
		cap++;
	*out = calloc(cap + 1, sizeof(**out));
	list_for_each (node, &p->state.layers) {
		if (*out)
			(*out)[*n] = pool_layer_path(p, list_entry(node, struct pool_layer, link));
		if (!*out || !(*out)[*n])
			rc = -ENOMEM;
		else
			++*n;
		if (rc)
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return *out ? rc : -ENOMEM;
}

static int check_alone(struct vpool *p, const char *path, const struct stat *st, char *why,
		       size_t why_cap)
{
	char **paths;
	size_t n;
	int rc = other_paths(p, &paths, &n) ? say_memory(why, why_cap) : 0;

	for (size_t i = 0; i < n; i++) {
		struct stat other;

		if (!rc && !p->fs->stat(p->fs, paths[i], &other) && is_same_place(st, &other))
			rc = why_say(why, why_cap, -EEXIST,
				     "%s has the data of another volume of this pool (%s); "
				     "give another path, or expose that volume once more",
				     path, paths[i]);
		free(paths[i]);
	}
	free(paths);
	return rc;
}

static int take_external(struct vpool *p, struct pool_layer *l, const struct vpool_spec *spec,
			 char *why, size_t why_cap)
{
	char device[DEVICE_ID_BYTES] = "";
	struct stat st;
	uint64_t size;
	int rc = measure(p, l->path, &size, &st, why, why_cap);

	if (!rc)
		rc = check_alone(p, l->path, &st, why, why_cap);
	if (rc)
		return rc;
	if (!size || size % spec->block_bytes)
		return why_say(why, why_cap, -EINVAL,
			       "%s has %llu bytes, which is nothing, or no multiple of the block "
			       "size %u",
			       l->path, (unsigned long long)size, spec->block_bytes);
	if (spec->size_bytes && spec->size_bytes != size)
		return why_say(why, why_cap, -EINVAL,
			       "%s has %llu bytes, not the %llu asked for; leave the size out",
			       l->path, (unsigned long long)size,
			       (unsigned long long)spec->size_bytes);
	if (S_ISBLK(st.st_mode))
		device_id_read(device, "/sys", st.st_rdev);
	free(l->device);
	l->device = strdup(device);
	l->size_bytes = size;
	return l->device ? 0 : say_memory(why, why_cap);
}

static int grow_external(struct vpool *p, const char *path, uint64_t size, char *why,
			 size_t why_cap)
{
	struct stat st;
	uint64_t has;
	int rc = measure(p, path, &has, &st, why, why_cap);

	if (!rc && has != size)
		rc = why_say(
			why, why_cap, -EINVAL,
			"%s lies outside the pool and has %llu bytes, not %llu; make it larger "
			"yourself first, then give exactly its size",
			path, (unsigned long long)has, (unsigned long long)size);
	return rc;
}

/* ── by kind ── */

int pool_data_make(struct vpool *p, struct pool_layer *l, const struct vpool_spec *spec,
		   const struct vpool_progress *progress, char *why, size_t why_cap)
{
	char *path;
	int rc;

	if (l->kind == VPOOL_EXTERNAL)
		return take_external(p, l, spec, why, why_cap);
	if (l->kind == VPOOL_LV)
		return pool_lv_make(p, l, spec->block_bytes, progress, why, why_cap);
	path = pool_layer_path(p, l);
	if (!path)
		return say_memory(why, why_cap);
	rc = make_file(p, path, spec, progress, why, why_cap);
	free(path);
	return rc;
}

void pool_data_unmake(struct vpool *p, const struct pool_layer *l)
{
	char why[256], *path;

	if (l->kind == VPOOL_LV && pool_lv_remove(p, l, why, sizeof(why)))
		log_warn("%s: %s; the next start tries again", p->dir, why);
	if (l->kind != VPOOL_FILE)
		return;
	path = pool_layer_path(p, l);
	if (path)
		(void)p->fs->unlink(p->fs, path);
	free(path);
}

int pool_data_grow(struct vpool *p, const struct pool_layer *l, uint64_t *size_bytes,
		   bool preallocate, char *why, size_t why_cap)
{
	char *path;
	int rc;

	if (l->kind == VPOOL_LV)
		return pool_lv_grow(p, l, size_bytes, why, why_cap);
	path = pool_layer_path(p, l);
	if (!path)
		return say_memory(why, why_cap);
	if (l->kind == VPOOL_EXTERNAL)
		rc = grow_external(p, path, *size_bytes, why, why_cap);
	else
		rc = grow_file(p, path, l->size_bytes, *size_bytes, preallocate, why, why_cap);
	free(path);
	return rc;
}

/* A logical one stays longer, and the next opening gives that to its volume. */
void pool_data_ungrow(struct vpool *p, const struct pool_layer *l)
{
	char *path = l->kind == VPOOL_FILE ? pool_layer_path(p, l) : NULL;
	int fd = path ? p->fs->open(p->fs, path, O_RDWR) : -ENOMEM;

	if (fd >= 0) {
		(void)p->fs->truncate(p->fs, fd, l->size_bytes);
		p->fs->close(p->fs, fd);
	}
	free(path);
}

int pool_data_remove(struct vpool *p, const struct pool_layer *l, int *fd, char *why,
		     size_t why_cap)
{
	char *path;
	int rc;

	*fd = -1;
	if (l->kind == VPOOL_EXTERNAL)
		return 0;
	if (l->kind == VPOOL_LV)
		return pool_lv_remove(p, l, why, why_cap);
	path = pool_layer_path(p, l);
	if (!path)
		return say_memory(why, why_cap);
	rc = remove_file(p, path, fd, why, why_cap);
	free(path);
	return rc;
}
