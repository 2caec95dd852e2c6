/* A pool: opened, listed, closed.
 *
 *                        log_lock: one change at a time
 *   create ─┐                  │
 *   resize ─┼─▶ files ──▶ record ──▶ structure log ──▶ state ◀── list
 *   delete ─┘                                            │
 *                                              lock: for a moment, never over the disk
 *
 * Long work on files is done under neither lock: a volume that takes an hour to be made holds up no
 * other; two changes of one volume take turns (busy). */
#include "snapshot/pool_priv.h"

#include "backstore/base/uuid.h"
#include "backstore/dirsync.h"
#include "backstore/lock.h"
#include "backstore/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ── opening ── */

/* Another boot has no memory of what this one's page cache had. */
static int read_boot_id(uint8_t out[static 16])
{
	char text[UUID_TEXT_BYTES] = { 0 };
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	return n < 0 ? -EIO : uuid_parse(text, out);
}

void vpool_free(struct vpool *p)
{
	slog_close(&p->log);
	pool_state_fini(&p->state);
	if (p->json_fd >= 0)
		p->fs->close(p->fs, p->json_fd); /* the lock goes last */
	pool_identity_fini(&p->id);
	pthread_cond_destroy(&p->turn);
	pthread_mutex_destroy(&p->lock);
	pthread_mutex_destroy(&p->log_lock);
	free(p->layers);
	free(p->dir);
	free(p);
}

static void init_turn(pthread_cond_t *turn)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(turn, &attr);
	pthread_condattr_destroy(&attr);
}

struct vpool *vpool_new(struct pool_fs *fs, const char *dir, const char *dev)
{
	struct vpool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->fs = fs;
	p->dev = dev;
	p->json_fd = p->log.log_fd = p->log.slot_fd[0] = p->log.slot_fd[1] = -1;
	pthread_mutex_init(&p->log_lock, NULL);
	pthread_mutex_init(&p->lock, NULL);
	init_turn(&p->turn);
	pool_state_init(&p->state);
	list_init(&p->making);
	p->dir = strdup(dir);
	if (p->dir && asprintf(&p->layers, "%s/layers", dir) > 0)
		return p;
	p->layers = NULL;
	vpool_free(p);
	return NULL;
}

static int take_lock(struct vpool *p, unsigned wait_ms, char *why, size_t why_cap)
{
	char path[POOL_FILE_BYTES];

	snprintf(path, sizeof(path), "%s/pool.json", p->dir);
	return p->fs->lock(p->fs, p->json_fd, path, false, wait_ms, why, why_cap);
}

int vpool_open_on(struct vpool **out, struct pool_fs *fs, const char *dir, const char *dev,
		  unsigned wait_ms, char *why, size_t why_cap)
{
	struct vpool *p = vpool_new(fs, dir, dev);
	uint8_t boot[16];
	int rc;

	if (!p)
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	rc = pool_identity_read(&p->id, fs, dir, &p->json_fd, false, why, why_cap);
	if (!rc)
		rc = take_lock(p, wait_ms, why, why_cap);
	if (!rc && (rc = pool_fs_sync_dir(fs, p->dir))) /* its making may have been cut off */
		why_say(why, why_cap, rc, "%s cannot be synced: %s", dir, strerror(-rc));
	if (!rc)
		rc = slog_open(&p->log, fs, p->dir, p->id.uuid, false, &p->state, why, why_cap);
	if (!rc)
		rc = pool_recover_numbers(p, why, why_cap);
	if (!rc && (rc = read_boot_id(boot)))
		why_say(why, why_cap, rc, "/proc does not tell the boot id: %s", strerror(-rc));
	if (!rc)
		rc = slog_begin(&p->log, &p->state, boot, why, why_cap);
	if (!rc)
		rc = pool_recover(p, why, why_cap);
	if (rc) {
		vpool_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

int vpool_open(struct vpool **out, const char *dir, char *why, size_t why_cap)
{
	char *real = realpath(dir, NULL);
	int rc;

	if (!real)
		return why_say(why, why_cap, -errno, "there is no pool in %s: %s", dir,
			       strerror(errno));
	rc = vpool_open_on(out, pool_fs_real(), real, "/dev", LOCK_WAIT_MS, why, why_cap);
	free(real);
	return rc;
}

int vpool_make(const char *dir, const char *volume_group, char *why, size_t why_cap)
{
	bool made = !mkdir(dir, 0700);
	char *real = realpath(dir, NULL);
	int rc;

	if (!real)
		return why_say(why, why_cap, -errno,
			       "%s cannot be made: %s; make the folder it is in, or choose another",
			       dir, strerror(errno));
	rc = vpool_make_on(pool_fs_real(), real, volume_group, why, why_cap);
	if (!rc && (rc = dirsync_of(real)))
		why_say(why, why_cap, rc, "the folder of %s cannot be synced: %s", real,
			strerror(-rc));
	if (rc && made)
		(void)rmdir(real); /* where nothing is in it */
	free(real);
	return rc;
}

void vpool_close(struct vpool *p)
{
	if (!pool_tidy_leave(p))
		vpool_free(p);
}

const uint8_t *vpool_uuid(const struct vpool *p)
{
	return p->id.uuid;
}

const char *vpool_dir(const struct vpool *p)
{
	return p->dir;
}

const char *vpool_volume_group(const struct vpool *p)
{
	return p->id.volume_group;
}

/* ── records ── */

struct applying {
	struct vpool *p;
	char *why;
	size_t why_cap;
};

static int apply(void *arg, const struct pool_op *op)
{
	struct applying *a = arg;

	return pool_state_apply(&a->p->state, op, a->why, a->why_cap);
}

int pool_commit(struct vpool *p, struct record *r, char *why, size_t why_cap)
{
	struct applying a = { p, why, why_cap };
	struct record_head head;
	int rc;

	pthread_mutex_lock(&p->log_lock);
	rc = slog_append(&p->log, &p->state, r, why, why_cap);
	if (!rc) {
		pthread_mutex_lock(&p->lock);
		rc = record_decode(r->buf, r->len, &head)
			     ? record_each(r->buf, &head, apply, &a, why, why_cap)
			     : -EIO;
		if (rc) { /* the disk has it, the memory has half of it */
			p->log.latched = true;
			rc = why_say(why, why_cap, -EIO,
				     "the pool %s takes no more changes: its log has a record that "
				     "could not be taken into memory (%s). Start the server anew, "
				     "which reads it",
				     p->dir, strerror(-rc));
		}
		pthread_mutex_unlock(&p->lock);
	}
	pthread_mutex_unlock(&p->log_lock);
	return rc;
}

/* ── volumes ── */

char *pool_layer_path(const struct vpool *p, const struct pool_layer *l)
{
	char *path = NULL;
	int n = -1;

	switch (l->kind) {
	case VPOOL_FILE:
		n = asprintf(&path, "%s/%llu.data", p->layers, (unsigned long long)l->number);
		break;
	case VPOOL_EXTERNAL:
		return strdup(l->path);
	case VPOOL_LV:
		n = asprintf(&path, "%s/%s", p->dev, l->path);
		break;
	}
	return n < 0 ? NULL : path;
}

int pool_copy_volume(const struct vpool *p, const struct pool_volume *v, struct vpool_volume *out)
{
	*out = (struct vpool_volume){
		.kind = v->top->kind,
		.path = pool_layer_path(p, v->top),
		.size_bytes = v->size_bytes,
		.block_bytes = v->block_bytes,
		.buffered = v->flags & VOLUME_BUFFERED,
		.writethrough = v->flags & VOLUME_WRITETHROUGH,
		.read_only = v->flags & VOLUME_READ_ONLY,
		.made_s = v->made_s,
	};
	memcpy(out->uuid, v->uuid, sizeof(out->uuid));
	memcpy(out->name, v->name, sizeof(out->name));
	out->device = strdup(v->top->device);
	if (out->path && out->device)
		return 0;
	vpool_volume_fini(out);
	return -ENOMEM;
}

int vpool_list(struct vpool *p, struct vpool_volume **out, unsigned *n)
{
	int rc = 0;

	*n = 0;
	pthread_mutex_lock(&p->lock);
	*out = calloc(MAX(p->state.nvolumes, 1), sizeof(**out));
	if (!*out)
		rc = -ENOMEM;
	list_for_each (node, &p->state.volumes) {
		struct pool_volume *v = list_entry(node, struct pool_volume, link);

		if (!rc && !(v->flags & VOLUME_DELETING)) {
			rc = pool_copy_volume(p, v, *out + *n);
			*n += !rc;
		}
	}
	pthread_mutex_unlock(&p->lock);
	if (rc)
		vpool_list_free(*out, *n);
	return rc;
}

void vpool_list_free(struct vpool_volume *volumes, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		vpool_volume_fini(&volumes[i]);
	free(volumes);
}

void vpool_volume_fini(struct vpool_volume *v)
{
	free(v->path);
	free(v->device);
	v->path = v->device = NULL;
}
