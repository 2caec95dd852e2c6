/* Create, resize, delete: the order of each is in FORMAT.md.
 *
 *   create   name claimed ─▶ bytes made, synced ─▶ record ─▶ there
 *   resize   turn taken ─▶ bytes made longer, synced ─▶ record ─▶ larger
 *   delete   turn taken ─▶ record: deleting ─▶ bytes gone, synced ─▶ record ─▶ gone
 */
#include "snapshot/pool_priv.h"

#include "backstore/base/uuid.h"
#include "backstore/why.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A name that is taken until its volume is there, or has failed. */
struct claim {
	struct list link;
	uint8_t uuid[16];
	const struct vpool_spec *spec;
	struct pool_layer layer;
};

/* ── create ── */

static int check_spec(const struct vpool *p, const struct vpool_spec *spec, char *why,
		      size_t why_cap)
{
	size_t len = spec->name ? strlen(spec->name) : 0;

	if (!len || len >= VPOOL_NAME_BYTES)
		return why_say(why, why_cap, -EINVAL,
			       "a volume's name has 1 to %d bytes, not %zu; choose another",
			       VPOOL_NAME_BYTES - 1, len);
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)spec->name[i]) || spec->name[i] == '/')
			return why_say(why, why_cap, -EINVAL,
				       "a volume's name has no '/' and no control characters; "
				       "choose another");
	if (spec->block_bytes != 512 && spec->block_bytes != 4096)
		return why_say(why, why_cap, -EINVAL, "%s: block size %u; use 512 or 4096",
			       spec->name, spec->block_bytes);
	if (spec->path && (spec->path[0] != '/' || strlen(spec->path) >= POOL_PATH_BYTES))
		return why_say(why, why_cap, -EINVAL,
			       "%s: the path %.200s does not begin at the root, or is too long; "
			       "give a whole one",
			       spec->name, spec->path);
	if (!spec->path && !spec->size_bytes)
		return why_say(why, why_cap, -EINVAL, "%s needs a size, for example 10G",
			       spec->name);
	if (spec->size_bytes % spec->block_bytes || spec->size_bytes > INT64_MAX)
		return why_say(why, why_cap, -EINVAL,
			       "%s: size %llu is no multiple of the block size %u, or beyond 8 EiB",
			       spec->name, (unsigned long long)spec->size_bytes, spec->block_bytes);
	if (spec->preallocate && (spec->path || p->id.volume_group))
		return why_say(why, why_cap, -EINVAL,
			       "%s: only a file of the pool can be preallocated; leave that out",
			       spec->name);
	return 0;
}

static int check_free(struct vpool *p, const struct claim *c, char *why, size_t why_cap)
{
	const char *name = c->spec->name;
	const struct pool_volume *v = pool_state_find_name(&p->state, name);

	if (v)
		return why_say(why, why_cap, -EEXIST, "there is a volume %s already%s", name,
			       v->flags & VOLUME_DELETING
				       ? ", which is being deleted; try again when it is gone"
				       : "; choose another name");
	v = pool_state_find_uuid(&p->state, c->uuid);
	if (v)
		return why_say(why, why_cap, -EEXIST,
			       "the volume %s has this id already; leave the id out", v->name);
	list_for_each (n, &p->making) {
		const struct claim *other = list_entry(n, struct claim, link);

		if (!strcmp(other->spec->name, name) ||
		    !memcmp(other->uuid, c->uuid, sizeof(c->uuid)))
			return why_say(why, why_cap, -EEXIST,
				       "the volume %s is being made already; wait for it, or "
				       "choose another name and id",
				       other->spec->name);
	}
	return 0;
}

/* Takes name, UUID and a number. */
static int claim(struct vpool *p, struct claim *c, char *why, size_t why_cap)
{
	int rc = c->spec->uuid ? 0 : uuid_generate(c->uuid);

	if (rc)
		return why_say(why, why_cap, rc, "cannot make a UUID: %s", strerror(-rc));
	if (c->spec->uuid)
		memcpy(c->uuid, c->spec->uuid, sizeof(c->uuid));
	pthread_mutex_lock(&p->log_lock); /* for the number: a checkpoint reads it */
	pthread_mutex_lock(&p->lock);
	rc = slog_may_write(&p->log, why, why_cap);
	if (!rc && p->state.next >= INT64_MAX)
		rc = why_say(why, why_cap, -EOVERFLOW,
			     "the pool %s has used up its layer numbers; make another pool",
			     p->dir);
	if (!rc)
		rc = check_free(p, c, why, why_cap);
	if (!rc) {
		c->layer.number = p->state.next++;
		list_add_tail(&p->making, &c->link);
	}
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_unlock(&p->log_lock);
	return rc;
}

static void unclaim(struct vpool *p, struct claim *c)
{
	pthread_mutex_lock(&p->lock);
	list_del(&c->link);
	pthread_mutex_unlock(&p->lock);
	free(c->layer.path);
	free(c->layer.device);
}

static unsigned flags_of(const struct vpool_spec *spec)
{
	return (spec->buffered ? VOLUME_BUFFERED : 0) |
	       (spec->writethrough ? VOLUME_WRITETHROUGH : 0) |
	       (spec->read_only ? VOLUME_READ_ONLY : 0) |
	       (spec->preallocate ? VOLUME_PREALLOCATED : 0);
}

/* @out first: after the record nothing may fail any more. */
static int commit_create(struct vpool *p, struct claim *c, struct vpool_volume *out, char *why,
			 size_t why_cap)
{
	struct pool_volume v = { .top = &c->layer,
				 .size_bytes = c->layer.size_bytes,
				 .made_s = (uint64_t)time(NULL),
				 .block_bytes = c->spec->block_bytes,
				 .flags = flags_of(c->spec) };
	struct pool_op op = pool_op_of_layer(&c->layer);
	struct record r;
	int rc;

	memcpy(v.uuid, c->uuid, sizeof(v.uuid));
	strcpy(v.name, c->spec->name);
	if (pool_copy_volume(p, &v, out))
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	record_begin(&r);
	record_add(&r, &op);
	op = pool_op_of_volume(&v);
	record_add(&r, &op);
	rc = pool_commit(p, &r, why, why_cap);
	record_fini(&r);
	if (rc)
		vpool_volume_fini(out);
	return rc;
}

static int make_claimed(struct vpool *p, struct claim *c, struct vpool_volume *out,
			const struct vpool_progress *progress, char *why, size_t why_cap)
{
	int rc = pool_data_make(p, &c->layer, c->spec, progress, why, why_cap);

	if (rc)
		return rc;
	rc = commit_create(p, c, out, why, why_cap);
	/* after -EIO the disk may have the record, and then it must have the file */
	if (rc && rc != -EIO)
		pool_data_unmake(p, &c->layer);
	if (!rc && c->layer.kind == VPOOL_LV)
		pool_lv_keep(p, &c->layer);
	return rc;
}

int vpool_create(struct vpool *p, const struct vpool_spec *spec, struct vpool_volume *out,
		 const struct vpool_progress *progress, char *why, size_t why_cap)
{
	struct claim c = { .spec = spec, .layer = { .size_bytes = spec->size_bytes } };
	int rc = check_spec(p, spec, why, why_cap);

	if (rc)
		return rc;
	c.layer.kind = spec->path ? VPOOL_EXTERNAL : p->id.volume_group ? VPOOL_LV : VPOOL_FILE;
	c.layer.path = strdup(spec->path ? spec->path : "");
	c.layer.device = strdup("");
	pool_tidy_wait(p);
	if (c.layer.path && c.layer.device)
		rc = claim(p, &c, why, why_cap);
	else
		rc = why_say(why, why_cap, -ENOMEM, "out of memory");
	if (rc) {
		free(c.layer.path);
		free(c.layer.device);
		return rc;
	}
	rc = make_claimed(p, &c, out, progress, why, why_cap);
	unclaim(p, &c);
	return rc;
}

/* ── turns ── */

/* Else files would change of which no record can tell. */
static int may_change(struct vpool *p, char *why, size_t why_cap)
{
	int rc;

	pthread_mutex_lock(&p->log_lock);
	rc = slog_may_write(&p->log, why, why_cap);
	pthread_mutex_unlock(&p->log_lock);
	return rc;
}

/* Waits until nobody else changes it. Deleted ones count while their deletion is not complete. */
static int take_turn(struct vpool *p, const uint8_t uuid[static 16], struct pool_volume **out,
		     char *why, size_t why_cap)
{
	char id[UUID_TEXT_BYTES];
	struct pool_volume *v;

	pthread_mutex_lock(&p->lock);
	while ((v = pool_state_find_uuid(&p->state, uuid)) && v->busy)
		pthread_cond_wait(&p->turn, &p->lock);
	if (v)
		v->busy = true;
	pthread_mutex_unlock(&p->lock);
	*out = v;
	if (v)
		return 0;
	uuid_format(uuid, id);
	return why_say(why, why_cap, -ENOENT, "there is no volume %s in the pool %s", id, p->dir);
}

static void end_turn(struct vpool *p, const uint8_t uuid[static 16])
{
	struct pool_volume *v;

	pthread_mutex_lock(&p->lock);
	v = pool_state_find_uuid(&p->state, uuid);
	if (v)
		v->busy = false;
	pthread_cond_broadcast(&p->turn);
	pthread_mutex_unlock(&p->lock);
}

/* ── resize ── */

int pool_commit_size(struct vpool *p, const struct pool_volume *v, uint64_t size_bytes, char *why,
		     size_t why_cap)
{
	struct pool_op layer = pool_op_of_layer(v->top), volume = pool_op_of_volume(v);
	struct record r;
	int rc;

	layer.size_bytes = volume.size_bytes = size_bytes;
	record_begin(&r);
	record_add(&r, &layer);
	record_add(&r, &volume);
	rc = pool_commit(p, &r, why, why_cap);
	record_fini(&r);
	return rc;
}

static int grow(struct vpool *p, const struct pool_volume *v, uint64_t size_bytes, char *why,
		size_t why_cap)
{
	int rc;

	if (v->flags & VOLUME_DELETING)
		return why_say(why, why_cap, -ENOENT, "the volume %s is being deleted", v->name);
	if (size_bytes % v->block_bytes || size_bytes > INT64_MAX)
		return why_say(why, why_cap, -EINVAL,
			       "%s: size %llu is no multiple of its block size %u, or beyond 8 EiB",
			       v->name, (unsigned long long)size_bytes, v->block_bytes);
	if (size_bytes < v->size_bytes)
		return why_say(why, why_cap, -EINVAL,
			       "%s has %llu bytes, and a volume only grows: give at least that "
			       "many, not %llu",
			       v->name, (unsigned long long)v->size_bytes,
			       (unsigned long long)size_bytes);
	if (size_bytes == v->size_bytes)
		return 0;
	rc = pool_data_grow(p, v->top, &size_bytes, v->flags & VOLUME_PREALLOCATED, why, why_cap);
	if (rc)
		return rc;
	rc = pool_commit_size(p, v, size_bytes, why, why_cap);
	/* after -EIO the disk may have the record, and then it must have the bytes */
	if (rc && rc != -EIO)
		pool_data_ungrow(p, v->top);
	return rc;
}

int vpool_resize(struct vpool *p, const uint8_t uuid[static 16], uint64_t size_bytes, char *why,
		 size_t why_cap)
{
	struct pool_volume *v;
	int rc;

	pool_tidy_wait(p);
	rc = take_turn(p, uuid, &v, why, why_cap);
	if (rc)
		return rc;
	rc = may_change(p, why, why_cap);
	if (!rc)
		rc = grow(p, v, size_bytes, why, why_cap);
	end_turn(p, uuid);
	return rc;
}

/* ── delete ── */

static int commit_deleting(struct vpool *p, const struct pool_volume *v, char *why, size_t why_cap)
{
	struct pool_op op = pool_op_of_volume(v);
	struct record r;
	int rc;

	op.flags |= VOLUME_DELETING;
	record_begin(&r);
	record_add(&r, &op);
	rc = pool_commit(p, &r, why, why_cap);
	record_fini(&r);
	return rc;
}

static int commit_deleted(struct vpool *p, const struct pool_volume *v, char *why, size_t why_cap)
{
	struct pool_op volume = { .type = OP_DEL_VOLUME };
	struct pool_op layer = { .type = OP_DEL_LAYER, .number = v->top->number };
	struct record r;
	int rc;

	memcpy(volume.id, v->uuid, sizeof(volume.id));
	record_begin(&r);
	record_add(&r, &volume);
	record_add(&r, &layer);
	rc = pool_commit(p, &r, why, why_cap);
	record_fini(&r);
	if (!rc) { /* who waits for its turn learns that it has gone */
		pthread_mutex_lock(&p->lock);
		pthread_cond_broadcast(&p->turn);
		pthread_mutex_unlock(&p->lock);
	}
	return rc;
}

int pool_delete_rest(struct vpool *p, struct pool_volume *v, const struct vpool_progress *progress,
		     char *why, size_t why_cap)
{
	int fd = -1;
	int rc = pool_data_remove(p, v->top, &fd, why, why_cap);

	if (!rc)
		rc = commit_deleted(p, v, why, why_cap);
	if (fd >= 0)
		pool_data_free(p, fd, progress);
	return rc;
}

int vpool_delete(struct vpool *p, const uint8_t uuid[static 16],
		 const struct vpool_progress *progress, char *why, size_t why_cap)
{
	struct pool_volume *v;
	int rc;

	pool_tidy_wait(p);
	rc = take_turn(p, uuid, &v, why, why_cap);
	if (rc)
		return rc;
	rc = may_change(p, why, why_cap);
	if (!rc && !(v->flags & VOLUME_DELETING)) {
		if (progress && !progress->step(progress->arg, 0, v->size_bytes))
			rc = why_say(why, why_cap, -ECANCELED, "cancelled; %s is still there",
				     v->name);
		if (!rc)
			rc = commit_deleting(p, v, why, why_cap);
	}
	if (!rc)
		rc = pool_delete_rest(p, v, progress, why, why_cap);
	if (rc) /* else whoever has that UUID by now is another one, with turns of its own */
		end_turn(p, uuid);
	return rc;
}
