/* Pools: made, imported, opened, closed.
 *
 * A pool is opened unlinked, and linked with all its volumes at once. One that cannot be opened is
 * listed, with the reason; what is served of others does not depend on it. */
#include "target/control/control_priv.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct served_pool *served_pool_new(const struct model_pool *m)
{
	struct served_pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	list_init(&p->link);
	p->name = strdup(m->name);
	p->path = strdup(m->path);
	p->volume_group = m->volume_group ? strdup(m->volume_group) : NULL;
	if (p->name && p->path && (p->volume_group || !m->volume_group))
		return p;
	served_pool_free(p);
	return NULL;
}

void served_pool_free(struct served_pool *p)
{
	if (p->vp)
		vpool_close(p->vp);
	free(p->name);
	free(p->path);
	free(p->volume_group);
	free(p->error);
	free(p);
}

struct served_pool *served_pool_find(struct control *c, const char *name)
{
	list_for_each (l, &c->pools) {
		struct served_pool *p = list_entry(l, struct served_pool, link);

		if (!strcmp(p->name, name))
			return p;
	}
	return NULL;
}

bool served_pool_claim(struct control *c, const char *name, struct served_pool **out,
		       struct api_error *e)
{
	struct served_pool *p;

	pthread_mutex_lock(&c->lock);
	p = served_pool_find(c, name);
	if (!p)
		api_fail(e, 404, "not_found",
			 "there is no pool %s; ringlun pool list shows those there are, ringlun "
			 "pool create %s DIR makes one",
			 name, name);
	else if (!p->vp)
		api_fail(e, 409, "damaged", "pool %s cannot be used: %s", name, p->error);
	else
		p->users++;
	*out = p;
	pthread_mutex_unlock(&c->lock);
	return p && p->vp;
}

void served_pool_release(struct control *c, struct served_pool *p)
{
	pthread_mutex_lock(&c->lock);
	p->users--;
	pthread_mutex_unlock(&c->lock);
}

int served_pool_open(struct served_pool *p)
{
	char why[API_WHY_BYTES];
	int rc = vpool_open(&p->vp, p->path, why, sizeof(why));
	const char *vg = rc ? NULL : vpool_volume_group(p->vp);

	if (!rc && p->volume_group && (!vg || strcmp(vg, p->volume_group) != 0)) {
		snprintf(why, sizeof(why),
			 "%s is a pool of %s%s, not of volume group %s; give the right directory",
			 p->path, vg ? "volume group " : "files", vg ? vg : "", p->volume_group);
		vpool_close(p->vp);
		rc = -EINVAL;
	}
	if (rc) {
		p->vp = NULL;
		p->error = strdup(why);
	} else if (vg && !p->volume_group) {
		p->volume_group = strdup(vg);
	}
	return rc;
}

/* --- its volumes ---------------------------------------------------------------------------- */

static void free_served(struct list *all)
{
	struct list *l;

	while ((l = list_pop(all)))
		served_free(list_entry(l, struct served, link));
}

/* All volumes of @p, which is open, as a list of their own. */
static int list_volumes(struct served_pool *p, struct list *out)
{
	struct vpool_volume *volumes;
	unsigned n;
	int rc = vpool_list(p->vp, &volumes, &n);

	list_init(out);
	if (rc)
		return rc;
	for (unsigned i = 0; i < n && !rc; i++) {
		struct served *s = served_new(p, &volumes[i]);

		if (s)
			list_add_tail(out, &s->link);
		else
			rc = -ENOMEM;
	}
	vpool_list_free(volumes, n);
	if (rc)
		free_served(out);
	return rc;
}

static void name_twin(const struct served *s, const struct served *twin, char *why, size_t why_cap)
{
	snprintf(why, why_cap,
		 "there is a volume of %s already, %s, %s%s; two would be taken for one",
		 strcmp(s->v.name, twin->v.name) ? "its id" : "its name", twin->v.name,
		 twin->pool ? "in pool " : "of the command line",
		 twin->pool ? twin->pool->name : "");
}

/* With lock. Those that have a twin get the reason as their error. @strict: false then, and @e says
 * which. */
static bool mark_twins(struct control *c, struct served_pool *p, struct list *volumes, bool strict,
		       struct api_error *e)
{
	char why[API_WHY_BYTES];

	list_for_each (l, volumes) {
		struct served *s = list_entry(l, struct served, link);
		const struct served *twin = served_twin(c, s);

		if (!twin)
			continue;
		name_twin(s, twin, why, sizeof(why));
		free(s->error);
		s->error = strdup(why);
		s->state = SERVED_ERROR;
		if (!strict)
			continue;
		api_fail(e, 409, "exists", "pool %s, volume %s: %s", p->path, s->v.name, why);
		return false;
	}
	return true;
}

static void open_all(struct control *c, struct list *volumes)
{
	struct api_error e;

	list_for_each (l, volumes) {
		struct served *s = list_entry(l, struct served, link);

		if (s->error)
			log_error("volume %s: %s; it is not served", s->v.name, s->error);
		else if (served_open(c, s, false, &e))
			served_set_state(c, s, SERVED_AVAILABLE, NULL);
		else
			served_set_state(c, s, SERVED_ERROR, e.message);
		if (s->state == SERVED_ERROR && !s->error)
			log_error("volume %s: out of memory", s->v.name);
		else if (s->state == SERVED_ERROR)
			log_error("volume %s: %s; until ringlun volume recover %s it is not served",
				  s->v.name, s->error, s->v.name);
	}
}

static void close_all(struct control *c, struct list *volumes)
{
	struct list *l;

	while ((l = list_pop(volumes))) {
		struct served *s = list_entry(l, struct served, link);

		(void)served_close(c, s);
		served_free(s);
	}
}

bool served_pool_serve(struct control *c, struct served_pool *p, bool strict, struct api_error *e)
{
	struct list volumes;
	bool may;
	int rc = list_volumes(p, &volumes);

	if (rc) {
		api_fail_errno(e, rc, "out of memory");
		return false;
	}
	pthread_mutex_lock(&c->lock);
	may = mark_twins(c, p, &volumes, strict, e);
	pthread_mutex_unlock(&c->lock);
	if (may) {
		open_all(c, &volumes);
		pthread_mutex_lock(&c->lock);
		may = mark_twins(c, p, &volumes, strict, e);
		if (may) {
			list_splice_tail(&c->served, &volumes);
			list_add_tail(&c->pools, &p->link);
		}
		pthread_mutex_unlock(&c->lock);
	}
	close_all(c, &volumes);
	return may;
}
