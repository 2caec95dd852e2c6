/* Two documents side by side, one kind of thing after the other, in the order of the steps.
 *
 *   pools +   volumes +/~   targets -/loses   targets +/~   portals   discovery   volumes -   pools
 * -
 *
 * So nothing is used before it is there, and nothing goes while it is used; and a disk that moves
 * from one target to another is never behind neither for longer than it must. */
#include "target/control/plan_priv.h"

#include "backstore/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *at_or_null(void *list, size_t size, long index)
{
	return index < 0 ? NULL : (char *)list + size * (size_t)index;
}

const struct model_volume *plan_volume_now(const struct plan_view *v, const char *name)
{
	return at_or_null(v->now->volumes, sizeof(*v->now->volumes),
			  names_find(&v->volumes_now, name));
}

const struct model_volume *plan_volume_wanted(const struct plan_view *v, const char *name)
{
	return at_or_null(v->wanted->volumes, sizeof(*v->wanted->volumes),
			  names_find(&v->volumes, name));
}

const struct model_target *plan_target_now(const struct plan_view *v, const char *name)
{
	return at_or_null(v->now->targets, sizeof(*v->now->targets),
			  names_find(&v->targets_now, name));
}

const struct model_target *plan_target_wanted(const struct plan_view *v, const char *name)
{
	return at_or_null(v->wanted->targets, sizeof(*v->wanted->targets),
			  names_find(&v->targets, name));
}

/* --- steps --------------------------------------------------------------------------- */

/* @step.changes is taken over. */
static int add(struct plan *p, struct plan_step step)
{
	struct plan_step *more;

	if (!step.changes)
		return -ENOMEM;
	more = reallocarray(p->steps, p->n + 1, sizeof(*more));
	if (!more) {
		json_decref(step.changes);
		return -ENOMEM;
	}
	p->steps = more;
	p->steps[p->n++] = step;
	return 0;
}

/* A change that changes nothing is none. */
static int add_if_any(struct plan *p, struct plan_step step)
{
	if (!step.changes || json_array_size(step.changes))
		return add(p, step);
	json_decref(step.changes);
	return 0;
}

static int add_new_pools(struct plan *p, const struct plan_view *v)
{
	int rc = 0;

	for (unsigned i = 0; !rc && v->wanted->has_pools && i < v->wanted->npools; i++) {
		const struct model_pool *pool = &v->wanted->pools[i];

		if (names_find(&v->pools_now, pool->name) < 0)
			rc = add(p, (struct plan_step){ .action = PLAN_CREATE,
							.kind = PLAN_POOL,
							.name = pool->name,
							.wanted = pool,
							.changes = plan_diff_pool(NULL, pool) });
	}
	return rc;
}

static int add_volumes(struct plan *p, const struct plan_view *v)
{
	int rc = 0;

	for (unsigned i = 0; !rc && v->wanted->has_volumes && i < v->wanted->nvolumes; i++) {
		const struct model_volume *volume = &v->wanted->volumes[i];
		const struct model_volume *now = plan_volume_now(v, volume->name);
		struct plan_step step = { .action = now ? PLAN_CHANGE : PLAN_CREATE,
					  .kind = PLAN_VOLUME,
					  .name = volume->name,
					  .now = now,
					  .wanted = volume,
					  .changes = plan_diff_volume(now, volume) };

		rc = now ? add_if_any(p, step) : add(p, step);
	}
	return rc;
}

static int add_gone_targets(struct plan *p, const struct plan_view *v)
{
	int rc = 0;

	for (unsigned i = 0; !rc && v->wanted->has_targets && i < v->now->ntargets; i++) {
		const struct model_target *now = &v->now->targets[i];

		if (!plan_target_wanted(v, now->name))
			rc = add(p, (struct plan_step){ .action = PLAN_DELETE,
							.kind = PLAN_TARGET,
							.name = now->name,
							.now = now,
							.changes = json_array() });
	}
	return rc;
}

/* Those that lose something, or else the others. */
static int add_targets(struct plan *p, const struct plan_view *v, bool losers)
{
	int rc = 0;

	for (unsigned i = 0; !rc && v->wanted->has_targets && i < v->wanted->ntargets; i++) {
		const struct model_target *target = &v->wanted->targets[i];
		const struct model_target *now = plan_target_now(v, target->name);
		struct plan_step step = { .action = now ? PLAN_CHANGE : PLAN_CREATE,
					  .kind = PLAN_TARGET,
					  .name = target->name,
					  .now = now,
					  .wanted = target };

		if (losers != (now && plan_target_loses(now, target)))
			continue;
		step.changes = plan_diff_target(now, target);
		rc = now ? add_if_any(p, step) : add(p, step);
	}
	return rc;
}

static bool has_text(char *const *texts, unsigned n, const char *text)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(texts[i], text))
			return true;
	return false;
}

/* New ones first: who comes by one of both always finds a way. */
static int add_portals(struct plan *p, const struct plan_view *v)
{
	const struct model *now = v->now, *wanted = v->wanted;
	int rc = 0;

	for (unsigned i = 0; !rc && wanted->has_portals && i < wanted->nportals; i++)
		if (!has_text(now->portals, now->nportals, wanted->portals[i]))
			rc = add(p, (struct plan_step){ .action = PLAN_CREATE,
							.kind = PLAN_PORTAL,
							.name = wanted->portals[i],
							.wanted = wanted->portals[i],
							.changes = json_array() });
	for (unsigned i = 0; !rc && wanted->has_portals && i < now->nportals; i++)
		if (!has_text(wanted->portals, wanted->nportals, now->portals[i]))
			rc = add(p, (struct plan_step){ .action = PLAN_DELETE,
							.kind = PLAN_PORTAL,
							.name = now->portals[i],
							.now = now->portals[i],
							.changes = json_array() });
	return rc;
}

static int add_discovery(struct plan *p, const struct plan_view *v)
{
	const struct model_chap *now = &v->now->discovery, *wanted = &v->wanted->discovery;

	if (!v->wanted->has_discovery)
		return 0;
	return add_if_any(p, (struct plan_step){ .action = PLAN_CHANGE,
						 .kind = PLAN_DISCOVERY,
						 .name = "",
						 .now = now,
						 .wanted = wanted,
						 .changes = plan_diff_chap(now, wanted) });
}

static int add_gone_volumes(struct plan *p, const struct plan_view *v)
{
	int rc = 0;

	for (unsigned i = 0; !rc && v->wanted->has_volumes && i < v->now->nvolumes; i++) {
		const struct model_volume *now = &v->now->volumes[i];

		if (!plan_volume_wanted(v, now->name))
			rc = add(p, (struct plan_step){ .action = PLAN_DELETE,
							.kind = PLAN_VOLUME,
							.name = now->name,
							.now = now,
							.changes = json_array() });
	}
	return rc;
}

/* Nobody has to name the pool "default". */
static bool default_is_used(const struct plan_view *v)
{
	const struct model *m = v->wanted->has_volumes ? v->wanted : v->now;

	for (unsigned i = 0; i < m->nvolumes; i++)
		if (!m->volumes[i].pool || !strcmp(m->volumes[i].pool, "default"))
			return true;
	return false;
}

static int add_gone_pools(struct plan *p, const struct plan_view *v)
{
	int rc = 0;

	for (unsigned i = 0; !rc && v->wanted->has_pools && i < v->now->npools; i++) {
		const struct model_pool *now = &v->now->pools[i];

		if (names_find(&v->pools, now->name) >= 0 ||
		    (!strcmp(now->name, "default") && default_is_used(v)))
			continue;
		rc = add(p, (struct plan_step){ .action = PLAN_DELETE,
						.kind = PLAN_POOL,
						.name = now->name,
						.now = now,
						.changes = json_array() });
	}
	return rc;
}

/* --- the plan -------------------------------------------------------------------------- */

#define INDEX(names, m, list, count)                                                               \
	do {                                                                                       \
		if (names_init(&(names), (m)->count))                                              \
			return -ENOMEM;                                                            \
		for (unsigned i_ = 0; i_ < (m)->count; i_++)                                       \
			names_add(&(names), (m)->list[i_].name, i_);                               \
		names_sort(&(names));                                                              \
	} while (0)

static int view_init(struct plan_view *v)
{
	INDEX(v->pools_now, v->now, pools, npools);
	INDEX(v->volumes_now, v->now, volumes, nvolumes);
	INDEX(v->targets_now, v->now, targets, ntargets);
	INDEX(v->pools, v->wanted, pools, npools);
	INDEX(v->volumes, v->wanted, volumes, nvolumes);
	INDEX(v->targets, v->wanted, targets, ntargets);
	return 0;
}

static void view_fini(struct plan_view *v)
{
	names_fini(&v->pools_now);
	names_fini(&v->volumes_now);
	names_fini(&v->targets_now);
	names_fini(&v->pools);
	names_fini(&v->volumes);
	names_fini(&v->targets);
}

static int add_all(struct plan *p, const struct plan_view *v)
{
	int rc = add_new_pools(p, v);

	if (!rc)
		rc = add_volumes(p, v);
	if (!rc)
		rc = add_gone_targets(p, v);
	if (!rc)
		rc = add_targets(p, v, true);
	if (!rc)
		rc = add_targets(p, v, false);
	if (!rc)
		rc = add_portals(p, v);
	if (!rc)
		rc = add_discovery(p, v);
	if (!rc)
		rc = add_gone_volumes(p, v);
	return rc ? rc : add_gone_pools(p, v);
}

int plan_make(struct plan *out, const struct model *now, const struct model *wanted, char *why,
	      size_t why_cap)
{
	struct plan_view v = { .now = now, .wanted = wanted, .why = why, .why_cap = why_cap };
	int rc = view_init(&v);

	*out = (struct plan){ .steps = NULL };
	if (!rc)
		rc = plan_check(&v);
	if (!rc)
		rc = add_all(out, &v);
	view_fini(&v);
	if (!rc)
		return 0;
	plan_fini(out);
	return rc == -ENOMEM ? why_say(why, why_cap, rc, "out of memory") : rc;
}

void plan_fini(struct plan *p)
{
	for (unsigned i = 0; i < p->n; i++)
		json_decref(p->steps[i].changes);
	free(p->steps);
	*p = (struct plan){ .steps = NULL };
}

json_t *plan_to_json(const struct plan *p)
{
	static const char *const actions[] = {
		[PLAN_CREATE] = "create", [PLAN_CHANGE] = "change", [PLAN_DELETE] = "delete"
	};
	static const char *const kinds[] = { [PLAN_POOL] = "pool",
					     [PLAN_VOLUME] = "volume",
					     [PLAN_TARGET] = "target",
					     [PLAN_PORTAL] = "portal",
					     [PLAN_DISCOVERY] = "discovery" };
	json_t *j = json_array();

	for (unsigned i = 0; j && i < p->n; i++) {
		const struct plan_step *s = &p->steps[i];

		if (!json_array_append_new(j, json_pack("{s:s, s:s, s:s, s:O}", "action",
							actions[s->action], "kind", kinds[s->kind],
							"name", s->name, "changes", s->changes)))
			continue;
		json_decref(j);
		j = NULL;
	}
	return j;
}
