/* What cannot be done, said before anything is: a document is applied whole or not at all. */
#include "target/control/plan_priv.h"

#include "backstore/base/uuid.h"
#include "backstore/why.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *pool_of(const struct model_volume *v)
{
	return v->pool ? v->pool : "default";
}

static const char *or_none(const char *text)
{
	return text ? text : "none";
}

static bool differ(const char *a, const char *b)
{
	return strcmp(or_none(a), or_none(b)) != 0;
}

/* --- what is fixed when it is made --------------------------------------------------- */

static int refuse_change(const struct plan_view *v, const char *kind, const char *name,
			 const char *what, const char *now, const char *wanted)
{
	return why_say(v->why, v->why_cap, -EINVAL,
		       "%s %s: its %s is %.300s, fixed when it was made, and cannot become %.300s; "
		       "correct the document",
		       kind, name, what, now, wanted);
}

static int check_pool(const struct plan_view *v, const struct model_pool *now,
		      const struct model_pool *wanted)
{
	if (differ(now->path, wanted->path))
		return refuse_change(v, "pool", now->name, "path", or_none(now->path),
				     or_none(wanted->path));
	if (wanted->volume_group && differ(now->volume_group, wanted->volume_group))
		return refuse_change(v, "pool", now->name, "volume_group",
				     or_none(now->volume_group), wanted->volume_group);
	return 0;
}

static int check_size(const struct plan_view *v, const struct model_volume *now,
		      const struct model_volume *wanted)
{
	if (!wanted->size_bytes || wanted->size_bytes >= now->size_bytes)
		return 0;
	return why_say(v->why, v->why_cap, -EINVAL,
		       "volume %s has %" PRIu64 " bytes and cannot shrink to %" PRIu64
		       ": what is at its end would be lost; give at least what it has",
		       now->name, now->size_bytes, wanted->size_bytes);
}

static int check_id(const struct plan_view *v, const struct model_volume *now,
		    const struct model_volume *wanted)
{
	char is[UUID_TEXT_BYTES] = "none", wants[UUID_TEXT_BYTES];

	if (!wanted->has_id || (now->has_id && !memcmp(now->id, wanted->id, sizeof(now->id))))
		return 0;
	if (now->has_id)
		uuid_format(now->id, is);
	uuid_format(wanted->id, wants);
	return refuse_change(v, "volume", now->name, "id", is, wants);
}

static int check_volume(const struct plan_view *v, const struct model_volume *now,
			const struct model_volume *wanted)
{
	unsigned out = wanted->left_out;
	const char *name = now->name;

	if (!(out & MODEL_POOL) && differ(pool_of(now), pool_of(wanted)))
		return refuse_change(v, "volume", name, "pool", pool_of(now), pool_of(wanted));
	if (!(out & MODEL_PATH) && differ(now->path, wanted->path))
		return refuse_change(v, "volume", name, "path", or_none(now->path),
				     or_none(wanted->path));
	if (!(out & MODEL_BLOCK) && now->block_bytes != wanted->block_bytes)
		return refuse_change(v, "volume", name, "block_size",
				     now->block_bytes == 512 ? "512" : "4096",
				     wanted->block_bytes == 512 ? "512" : "4096");
	if (!(out & MODEL_CACHE) && now->buffered != wanted->buffered)
		return refuse_change(v, "volume", name, "cache",
				     now->buffered ? "buffered" : "direct",
				     wanted->buffered ? "buffered" : "direct");
	if (!(out & MODEL_WRITETHROUGH) && now->writethrough != wanted->writethrough)
		return refuse_change(v, "volume", name, "writethrough",
				     now->writethrough ? "true" : "false",
				     wanted->writethrough ? "true" : "false");
	if (!(out & MODEL_READ_ONLY) && now->read_only != wanted->read_only)
		return refuse_change(v, "volume", name, "read_only",
				     now->read_only ? "true" : "false",
				     wanted->read_only ? "true" : "false");
	if (check_size(v, now, wanted))
		return -EINVAL;
	return check_id(v, now, wanted);
}

/* --- what must be there afterwards ----------------------------------------------------- */

static bool pool_will_be_there(const struct plan_view *v, const char *pool)
{
	if (!strcmp(pool, "default"))
		return true; /* made when it is needed */
	if (v->wanted->has_pools)
		return names_find(&v->pools, pool) >= 0;
	return !v->now->has_pools || names_find(&v->pools_now, pool) >= 0;
}

static int check_new_volume(const struct plan_view *v, const struct model_volume *new)
{
	if (!new->size_bytes && !new->path)
		return why_say(v->why, v->why_cap, -EINVAL,
			       "volume %s is new, and has neither \"size\" nor \"path\"; give one",
			       new->name);
	if (!pool_will_be_there(v, pool_of(new)))
		return why_say(v->why, v->why_cap, -EINVAL,
			       "volume %s: there is no pool %s; add it to \"pools\"", new->name,
			       pool_of(new));
	return 0;
}

static bool volume_will_be_there(const struct plan_view *v, const char *name)
{
	if (v->wanted->has_volumes)
		return names_find(&v->volumes, name) >= 0;
	return !v->now->has_volumes || names_find(&v->volumes_now, name) >= 0;
}

/* A LUN that is there already may have a volume that nobody knows: one of a pool that could not be
 * opened. */
static int check_target(const struct plan_view *v, const struct model_target *wanted)
{
	const struct model_target *now = plan_target_now(v, wanted->name);

	for (unsigned i = 0; i < wanted->nluns; i++) {
		const struct model_lun *l = &wanted->luns[i];
		const struct model_lun *was = now ? model_find_lun(now, l->lun) : NULL;

		if (was && !strcmp(was->volume, l->volume) && !v->wanted->has_volumes)
			continue;
		if (!volume_will_be_there(v, l->volume))
			return why_say(v->why, v->why_cap, -EINVAL,
				       "target %s: LUN %u is volume %s, which is not there; make "
				       "it first, or add it to \"volumes\"",
				       wanted->name, l->lun, l->volume);
	}
	return 0;
}

/* Targets that stay as they are, but lose a volume under them. */
static int check_kept_targets(const struct plan_view *v)
{
	const struct model *now = v->now;

	if (v->wanted->has_targets || !v->wanted->has_volumes)
		return 0;
	for (unsigned i = 0; i < now->ntargets; i++)
		for (unsigned k = 0; k < now->targets[i].nluns; k++) {
			const struct model_lun *l = &now->targets[i].luns[k];

			if (names_find(&v->volumes_now, l->volume) >= 0 &&
			    names_find(&v->volumes, l->volume) < 0)
				return why_say(v->why, v->why_cap, -EINVAL,
					       "volume %s is to go, and is LUN %u of target %s, "
					       "which stays; give \"targets\", too",
					       l->volume, l->lun, now->targets[i].name);
		}
	return 0;
}

static int check_gone_pool(const struct plan_view *v, const struct model_pool *gone)
{
	const struct model *m = v->wanted->has_volumes ? v->wanted : v->now;

	if (!strcmp(gone->name, "default"))
		return 0; /* stays as long as something is in it: plan.c */
	for (unsigned i = 0; i < m->nvolumes; i++)
		if (!strcmp(pool_of(&m->volumes[i]), gone->name))
			return why_say(
				v->why, v->why_cap, -EINVAL,
				"pool %s is to go, and volume %s is in it; leave the pool in "
				"\"pools\", or the volume out of \"volumes\"",
				gone->name, m->volumes[i].name);
	return 0;
}

int plan_check(const struct plan_view *v)
{
	const struct model *now = v->now, *wanted = v->wanted;
	int rc = check_kept_targets(v);

	for (unsigned i = 0; !rc && wanted->has_pools && i < wanted->npools; i++) {
		long was = names_find(&v->pools_now, wanted->pools[i].name);

		if (was >= 0)
			rc = check_pool(v, &now->pools[was], &wanted->pools[i]);
	}
	for (unsigned i = 0; !rc && wanted->has_pools && i < now->npools; i++)
		if (names_find(&v->pools, now->pools[i].name) < 0)
			rc = check_gone_pool(v, &now->pools[i]);
	for (unsigned i = 0; !rc && wanted->has_volumes && i < wanted->nvolumes; i++) {
		const struct model_volume *w = &wanted->volumes[i];
		const struct model_volume *was = plan_volume_now(v, w->name);

		rc = was ? check_volume(v, was, w) : check_new_volume(v, w);
	}
	for (unsigned i = 0; !rc && wanted->has_targets && i < wanted->ntargets; i++)
		rc = check_target(v, &wanted->targets[i]);
	return rc;
}
