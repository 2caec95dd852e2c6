/* From the state file and the pools to what is served.
 *
 *     command line ─▶ pools, their volumes ─▶ intents ─▶ targets
 *
 * An intent is a change that a crash has interrupted. Its pool knows how far it came: a volume that
 * was being made and is in its pool is shown where it was to be; one that was being deleted and is
 * still there is deleted. */
#include "target/control/start.h"

#include "backstore/base/log.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- the command line ----------------------------------------------------------------------- */

static const char *kind_of(const char *path)
{
	struct stat st;

	if (!strcmp(path, "memory:"))
		return "memory";
	if (!strcmp(path, "null:"))
		return "null";
	return !stat(path, &st) && S_ISBLK(st.st_mode) ? "device" : "file";
}

static int list_given(struct control *c, struct volume *v)
{
	struct vpool_volume as = {
		.kind = VPOOL_EXTERNAL,
		.path = strdup(v->path),
		.size_bytes = scsi_lu_backstore(v->lu)->size_bytes,
		.block_bytes = v->given->block_bytes,
		.buffered = v->given->cache == BS_CACHE_BUFFERED,
		.writethrough = v->given->writethrough,
		.read_only = v->given->read_only,
	};
	struct served *s;

	memcpy(as.uuid, v->uuid, sizeof(as.uuid));
	snprintf(as.name, sizeof(as.name), "%s", v->name);
	s = as.path ? served_new(NULL, &as) : NULL;
	if (!s) {
		vpool_volume_fini(&as);
		return -ENOMEM;
	}
	s->state = SERVED_AVAILABLE;
	s->open = v;
	s->given_kind = kind_of(v->path);
	list_add_tail(&c->served, &s->link);
	return 0;
}

/* --- pools ---------------------------------------------------------------------------------- */

static int serve_pool(struct control *c, const struct model_pool *m)
{
	struct served_pool *p = served_pool_new(m);
	struct api_error e;

	if (!p)
		return -ENOMEM;
	if (served_pool_open(p)) {
		log_error("pool %s: %s; nothing of it is served", p->name,
			  p->error ? p->error : "out of memory");
		list_add_tail(&c->pools, &p->link);
		return 0;
	}
	if (served_pool_serve(c, p, false, &e))
		return 0;
	log_error("pool %s: %s; nothing of it is served", p->name, e.message);
	served_pool_free(p);
	return -ENOMEM;
}

/* A name that two pools have is that of the first one's volume, and the other's is in error. A pool
 * that is away is the last one from the next change on: whoever has made a volume of that name
 * meanwhile keeps it when the pool is back. */
static void put_absent_last(struct control *c)
{
	struct model_pool absent;
	unsigned n = c->model.npools;

	for (unsigned left = n, i = 0; left; left--) {
		const struct served_pool *p = served_pool_find(c, c->model.pools[i].name);

		if (p && p->vp) {
			i++;
			continue;
		}
		absent = c->model.pools[i];
		memmove(&c->model.pools[i], &c->model.pools[i + 1], (n - 1 - i) * sizeof(absent));
		c->model.pools[n - 1] = absent;
	}
}

/* --- intents -------------------------------------------------------------------------------- */

static struct served *find_of(struct control *c, const struct model_intent *in)
{
	list_for_each (l, &c->served) {
		struct served *s = list_entry(l, struct served, link);

		if (s->pool && !strcmp(s->pool->name, in->pool) &&
		    !memcmp(s->v.uuid, in->id, sizeof(in->id)))
			return s;
	}
	return NULL;
}

/* True: there is nothing left to be done. */
static bool end_delete(struct control *c, const struct model_intent *in, struct served *s)
{
	char why[API_WHY_BYTES];
	int rc;

	if (!s)
		return true;
	(void)served_close(c, s);
	rc = vpool_delete(s->pool->vp, s->v.uuid, NULL, why, sizeof(why));
	if (rc && rc != -ENOENT) {
		log_error("volume %s was being deleted when the server ended: %s", in->volume, why);
		served_set_state(c, s, SERVED_ERROR, why);
		return false;
	}
	log_info("volume %s was being deleted when the server ended: it is gone now", in->volume);
	list_del(&s->link);
	served_free(s);
	return true;
}

static bool end_create(struct change *ch, const struct model_intent *in, const struct served *s)
{
	struct model_target *t;
	struct api_error e;

	if (!s)
		return true; /* its pool does not have it: nothing of it is left */
	log_info("volume %s was being made when the server ended: it is there", in->volume);
	if (!in->target)
		return true;
	t = change_need_target(ch, in->target, &e);
	if (t && !model_find_lun(t, in->lun) && !change_add_lun(ch, t, in->lun, s->v.name, &e))
		t = NULL;
	if (!t)
		log_error("volume %s: %s", in->volume, e.message);
	return t != NULL;
}

/* Nobody can tell before the pool is there. */
static bool is_pool_open(struct control *c, const char *name)
{
	const struct served_pool *p = served_pool_find(c, name);

	return p && p->vp;
}

static void end_intents(struct control *c)
{
	struct api_error e;
	struct change ch;

	if (!c->model.nintents)
		return;
	if (!change_begin(&ch, c, &e)) {
		log_error("%s; what a crash has interrupted is ended by the next start", e.message);
		return;
	}
	for (unsigned i = 0; i < c->model.nintents; i++) {
		const struct model_intent *in = &c->model.intents[i];
		struct served *s = find_of(c, in);

		if (!is_pool_open(c, in->pool))
			log_warn("volume %s was being %s when the server ended; that goes on when "
				 "pool %s can be opened",
				 in->volume, in->is_delete ? "deleted" : "made", in->pool);
		else if (in->is_delete ? end_delete(c, in, s) : end_create(&ch, in, s))
			change_remove_intent(&ch, in->id);
	}
	if (!change_commit(&ch, &e))
		log_error("%s; what a crash has interrupted is ended by the next start", e.message);
	change_end(&ch);
}

/* --- targets -------------------------------------------------------------------------------- */

static void say_missing(struct control *c)
{
	for (unsigned i = 0; i < c->model.ntargets; i++) {
		const struct model_target *t = &c->model.targets[i];

		for (unsigned k = 0; k < t->nluns; k++)
			if (!served_find(c, t->luns[k].volume))
				log_error("target %s: LUN %u is missing, as there is no volume %s",
					  t->name, t->luns[k].lun, t->luns[k].volume);
	}
}

static int show_all(struct control *c, char *why, size_t why_cap)
{
	struct api_error e;

	for (unsigned i = 0; i < c->model.ntargets; i++) {
		const char *name = c->model.targets[i].name;

		if (shown_sync(c, name, &e))
			continue;
		/* by a name of the command line, for one */
		log_error("target %s: %s; it is not served", name, e.message);
	}
	if (shown_sync_discovery(c, &e))
		return 0;
	snprintf(why, why_cap, "discovery: %s", e.message); /* not without its secrets */
	return -EINVAL;
}

int start_serving(struct control *c, char *why, size_t why_cap)
{
	int rc = 0;

	snprintf(why, why_cap, "out of memory");
	list_for_each (l, &c->volumes->all)
		if (!rc)
			rc = list_given(c, list_entry(l, struct volume, link));
	for (unsigned i = 0; i < c->model.npools && !rc; i++)
		rc = serve_pool(c, &c->model.pools[i]);
	if (rc)
		return rc;
	put_absent_last(c);
	end_intents(c);
	say_missing(c);
	return show_all(c, why, why_cap);
}
