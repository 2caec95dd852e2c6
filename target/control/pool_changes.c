/* Pools that are added to what is served, and taken away; their data stays. */
#include "target/control/volume_ops.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the model ------------------------------------------------------------------------------ */

static bool model_add_pool(struct change *ch, const struct served_pool *p, struct api_error *e)
{
	struct model *m = &ch->next;
	struct model_pool *more = realloc(m->pools, (m->npools + 1) * sizeof(*more));
	struct model_pool copy = {
		.name = strdup(p->name),
		.path = strdup(p->path),
		.volume_group = p->volume_group ? strdup(p->volume_group) : NULL,
	};

	if (more)
		m->pools = more;
	if (!more || !copy.name || !copy.path || (p->volume_group && !copy.volume_group)) {
		model_pool_fini(&copy);
		api_fail_errno(e, -ENOMEM, "out of memory");
		return false;
	}
	more[m->npools++] = copy;
	return true;
}

static void model_remove_pool(struct model *m, const char *name)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < m->npools; i++)
		if (!strcmp(m->pools[i].name, name))
			model_pool_fini(&m->pools[i]);
		else
			m->pools[kept++] = m->pools[i];
	m->npools = kept;
}

/* What a crash has interrupted there is not gone on with when the pool comes back: it may be
 * another by then, or a copy that was kept, and who imports it wants what is in it. */
static void forget_intents(struct model *m, const char *pool)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < m->nintents; i++) {
		struct model_intent *in = &m->intents[i];

		if (strcmp(in->pool, pool) != 0) {
			m->intents[kept++] = *in;
			continue;
		}
		log_warn("volume %s of pool %s was being %s, which is not ended any more",
			 in->volume, pool, in->is_delete ? "deleted" : "made");
		model_intent_fini(in);
	}
	m->nintents = kept;
}

/* --- adding --------------------------------------------------------------------------------- */

static bool check_new(struct control *c, const struct model_pool *m, struct api_error *e)
{
	bool may = true;

	pthread_mutex_lock(&c->lock);
	list_for_each (l, &c->pools) {
		const struct served_pool *p = list_entry(l, struct served_pool, link);

		if (strcmp(p->name, m->name) != 0 && strcmp(p->path, m->path) != 0)
			continue;
		api_fail(e, 409, "exists",
			 "there is a pool %s already, in %s; give another name and directory",
			 p->name, p->path);
		may = false;
		break;
	}
	pthread_mutex_unlock(&c->lock);
	return may;
}

/* With its volumes, which nobody shows. */
static void unlink_pool(struct control *c, struct served_pool *p, struct list *volumes)
{
	list_init(volumes);
	list_del(&p->link);
	list_for_each_safe (l, &c->served) {
		struct served *s = list_entry(l, struct served, link);

		if (s->pool != p)
			continue;
		list_del(&s->link);
		list_add_tail(volumes, &s->link);
	}
}

static void close_pool(struct control *c, struct served_pool *p, struct list *volumes)
{
	struct list *l;

	while ((l = list_pop(volumes))) {
		struct served *s = list_entry(l, struct served, link);

		(void)served_close(c, s);
		served_free(s);
	}
	served_pool_free(p);
}

/* With lock. Targets may have waited for it, as it could not be opened at the start. */
static bool touch_waiting(struct change *ch, const struct served_pool *p, struct api_error *e)
{
	bool done = true;

	list_for_each (l, &ch->c->served) {
		const struct served *s = list_entry(l, struct served, link);

		for (unsigned i = 0; s->pool == p && done && i < ch->next.ntargets; i++)
			if (model_shows(&ch->next.targets[i], s->v.name))
				done = change_touch(ch, ch->next.targets[i].name, e);
	}
	return done;
}

static bool keep(struct control *c, const struct served_pool *p, struct api_error *e)
{
	struct change ch;
	bool done;

	if (!change_begin(&ch, c, e))
		return false;
	pthread_mutex_lock(&c->lock);
	done = touch_waiting(&ch, p, e);
	pthread_mutex_unlock(&c->lock);
	done = done && model_add_pool(&ch, p, e) && change_commit(&ch, e);
	change_end(&ch);
	return done;
}

static bool open_and_keep(struct control *c, const struct model_pool *m, struct api_error *e)
{
	struct served_pool *p = served_pool_new(m);
	struct list volumes;
	int rc;

	if (!p) {
		api_fail_errno(e, -ENOMEM, "out of memory");
		return false;
	}
	rc = served_pool_open(p);
	if (rc)
		api_fail_errno(e, rc, p->error);
	if (rc || !served_pool_serve(c, p, true, e)) {
		served_pool_free(p);
		return false;
	}
	if (keep(c, p, e)) {
		log_info("pool %s: %s", p->name, p->path);
		return true;
	}
	pthread_mutex_lock(&c->lock);
	unlink_pool(c, p, &volumes);
	pthread_mutex_unlock(&c->lock);
	close_pool(c, p, &volumes);
	return false;
}

/* With pools_change. */
static bool add(struct control *c, const struct model_pool *m, bool import, struct api_error *e)
{
	char why[API_WHY_BYTES];
	int rc;

	if (!c->state) {
		api_fail(e, 503, "failed", "%s", c->refusal);
		return false;
	}
	if (!check_new(c, m, e))
		return false;
	rc = import ? 0 : vpool_make(m->path, m->volume_group, why, sizeof(why));
	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	return open_and_keep(c, m, e);
}

bool served_pool_add(struct control *c, const struct model_pool *m, bool import,
		     struct api_error *e)
{
	bool done;

	pthread_mutex_lock(&c->pools_change);
	done = add(c, m, import, e);
	pthread_mutex_unlock(&c->pools_change);
	return done;
}

/* --- the default pool ----------------------------------------------------------------------- */

/* One that is there already is taken where it is empty: a crash came between making and keeping. */
static bool check_leftover(const char *path, struct api_error *e)
{
	struct vpool_volume *volumes;
	char why[API_WHY_BYTES];
	struct vpool *vp;
	unsigned n;
	int rc = vpool_open(&vp, path, why, sizeof(why));

	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	rc = vpool_list(vp, &volumes, &n);
	vpool_close(vp);
	if (rc) {
		api_fail_errno(e, rc, "out of memory");
		return false;
	}
	vpool_list_free(volumes, n);
	if (!n)
		return true;
	api_fail(e, 409, "exists",
		 "in %s is a pool with %u volume%s that is not served: ringlun pool import %s %s "
		 "serves it; or name another with --pool",
		 path, n, n == 1 ? "" : "s", DEFAULT_POOL, path);
	return false;
}

static bool make_default(struct control *c, struct api_error *e)
{
	char name[] = DEFAULT_POOL, why[API_WHY_BYTES];
	struct model_pool m = { .name = name };
	char *dir = realpath(c->cfg->state_dir, NULL);
	bool done = false;
	int rc;

	if (!dir || asprintf(&m.path, "%s/pool", dir) < 0) {
		api_fail_errno(e, -ENOMEM, "out of memory");
		free(dir);
		return false;
	}
	rc = vpool_make(m.path, NULL, why, sizeof(why));
	if (rc && rc != -EEXIST)
		api_fail_errno(e, rc, why);
	else
		done = (!rc || check_leftover(m.path, e)) && open_and_keep(c, &m, e);
	free(m.path);
	free(dir);
	return done;
}

static bool is_there(struct control *c, const char *name)
{
	bool found;

	pthread_mutex_lock(&c->lock);
	found = served_pool_find(c, name) != NULL;
	pthread_mutex_unlock(&c->lock);
	return found;
}

bool served_pool_need(struct control *c, const char *name, struct served_pool **out,
		      struct api_error *e)
{
	bool done = true;

	if (!strcmp(name, DEFAULT_POOL) && !is_there(c, name) && c->state) {
		pthread_mutex_lock(&c->pools_change);
		done = is_there(c, name) || make_default(c, e);
		pthread_mutex_unlock(&c->pools_change);
	}
	return done && served_pool_claim(c, name, out, e);
}

/* --- taking away ---------------------------------------------------------------------------- */

/* Its volumes are in use by nobody, and no LUN any more. */
static bool hide_volumes(struct change *ch, const struct served_pool *p, struct api_error *e)
{
	unsigned nremoved = 0;

	list_for_each (l, &ch->c->served) {
		const struct served *s = list_entry(l, struct served, link);

		if (s->pool == p && served_owns_name(ch->c, s) &&
		    (!check_unused(ch->c, s->v.name, NULL, e) ||
		     !exposure_remove(ch, s->v.name, NULL, false, &nremoved, e)))
			return false;
	}
	return true;
}

/* NULL, with @e: there is none, or somebody works on it. From now on nobody finds it. */
static struct served_pool *unlink_unused(struct change *ch, const char *name, struct list *volumes,
					 struct api_error *e)
{
	struct control *c = ch->c;
	struct served_pool *p;

	pthread_mutex_lock(&c->lock);
	p = served_pool_find(c, name);
	if (!p)
		api_fail(e, 404, "not_found",
			 "there is no pool %s; ringlun pool list shows those there are", name);
	else if (p->users)
		api_fail(e, 409, "in_use",
			 "pool %s: a job works on it (ringlun job list); try again when that has "
			 "ended",
			 name);
	if (p && (p->users || !hide_volumes(ch, p, e)))
		p = NULL;
	if (p)
		unlink_pool(c, p, volumes);
	pthread_mutex_unlock(&c->lock);
	return p;
}

bool served_pool_remove(struct control *c, const char *name, struct api_error *e)
{
	struct list volumes;
	struct change ch;
	struct served_pool *p;
	bool done = false;

	pthread_mutex_lock(&c->pools_change);
	if (!change_begin(&ch, c, e)) {
		pthread_mutex_unlock(&c->pools_change);
		return false;
	}
	p = unlink_unused(&ch, name, &volumes, e);
	if (p) {
		model_remove_pool(&ch.next, p->name);
		forget_intents(&ch.next, p->name);
		done = change_commit(&ch, e);
	}
	if (p && !done) {
		pthread_mutex_lock(&c->lock);
		list_splice_tail(&c->served, &volumes);
		list_add_tail(&c->pools, &p->link);
		pthread_mutex_unlock(&c->lock);
	}
	change_end(&ch);
	if (done) {
		log_info("pool %s is not served any more", p->name);
		close_pool(c, p, &volumes);
	}
	pthread_mutex_unlock(&c->pools_change);
	return done;
}
