/* Doing what a plan says: see apply.h. */
#include "target/control/apply.h"

#include "backstore/base/log.h"
#include "target/control/directions.h"
#include "target/control/model_json.h"
#include "target/control/portal_ops.h"
#include "target/control/target_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EACH_STEP(a, s)                                                                            \
	for (const struct plan_step *s = (a)->plan.steps; s < (a)->plan.steps + (a)->plan.n; s++)

static bool is_step(const struct plan_step *s, enum plan_action action, enum plan_kind kind)
{
	return s->action == action && s->kind == kind;
}

static unsigned count(const struct apply *a, enum plan_action action, enum plan_kind kind)
{
	unsigned n = 0;

	EACH_STEP(a, s)
	n += is_step(s, action, kind);
	return n;
}

static void step_done(struct apply *a, const struct plan_step *s)
{
	static const char *const actions[] = { "created", "changed", "deleted" };
	static const char *const kinds[] = { "pool", "volume", "target", "portal", "discovery" };

	a->ndone++;
	(void)job_progress(a->op->job, a->ndone, a->plan.n);
	job_say(a->op->job, "%s %s: %s", kinds[s->kind], s->name, actions[s->action]);
}

/* --- before anything is done ---------------------------------------------------------------- */

static bool check_step(struct apply *a, const struct plan_step *s)
{
	const struct served *other;

	switch (s->kind) {
	case PLAN_TARGET:
		return check_not_given(a->c, s->name, a->e) &&
		       directions_check(&a->wanted, &a->now, s->name, a->e) &&
		       (s->action != PLAN_DELETE || check_unused(a->c, NULL, s->name, a->e));
	case PLAN_VOLUME:
		if (s->action == PLAN_DELETE)
			return check_unused(a->c, s->name, NULL, a->e);
		if (s->action != PLAN_CREATE)
			return true;
		pthread_mutex_lock(&a->c->lock);
		other = served_find(a->c, s->name);
		if (other)
			api_fail(a->e, 409, other->pool ? "in_use" : "read_only_config",
				 "volume %s: there is one of this name %s", s->name,
				 other->pool ? other->busy : "on the command line of ringlund");
		pthread_mutex_unlock(&a->c->lock);
		return !other;
	case PLAN_DISCOVERY:
		return directions_check(&a->wanted, &a->now, NULL, a->e);
	case PLAN_POOL:
	case PLAN_PORTAL:
		return true;
	}
	return true;
}

bool apply_check(struct apply *a)
{
	bool may = true;

	pthread_mutex_lock(&a->c->change); /* of the model, which tells who shows what */
	EACH_STEP(a, s)
	may = may && check_step(a, s);
	pthread_mutex_unlock(&a->c->change);
	return may;
}

/* --- pools and portals ---------------------------------------------------------------------- */

static bool is_pool(const char *dir)
{
	char *path;
	bool yes;

	if (asprintf(&path, "%s/pool.json", dir) < 0)
		return false;
	yes = !access(path, F_OK);
	free(path);
	return yes;
}

static bool is_added(const struct apply *a, const char *pool)
{
	for (unsigned i = 0; i < a->npools; i++)
		if (!strcmp(a->pools[i]->name, pool))
			return true;
	return false;
}

/* Who wanted them to go has not been shown them: they were not there to be planned for. */
static bool check_brought(struct apply *a)
{
	EACH_STEP(a, s)
	{
		const struct model_volume *v = s->now;

		if (!is_step(s, PLAN_DELETE, PLAN_VOLUME) || !is_added(a, v->pool))
			continue;
		api_fail(a->e, 409, "exists",
			 "pool %s brings volume %s, which the document does not have, and which is "
			 "not deleted unseen; add it to \"volumes\", or import the pool first "
			 "(ringlun pool import)",
			 v->pool, v->name);
		return false;
	}
	return true;
}

/* What is in a pool that was there is planned for anew. */
static bool add_pools(struct apply *a)
{
	a->pools = calloc(count(a, PLAN_CREATE, PLAN_POOL) + 1, sizeof(*a->pools));
	if (!a->pools) {
		api_fail_errno(a->e, -ENOMEM, "out of memory");
		return false;
	}
	EACH_STEP(a, s)
	{
		const struct model_pool *m = s->wanted;

		if (!is_step(s, PLAN_CREATE, PLAN_POOL))
			continue;
		if (!served_pool_add(a->c, m, is_pool(m->path), a->e))
			return false;
		a->pools[a->npools++] = m;
		step_done(a, s);
	}
	return !a->npools || (apply_plan_again(a) && check_brought(a) && apply_check(a));
}

static void undo_pools(struct apply *a)
{
	struct api_error e;

	while (a->npools) {
		const char *name = a->pools[--a->npools]->name;

		if (!served_pool_remove(a->c, name, &e))
			log_error("pool %s, which a document has added in vain, stays: %s", name,
				  e.message);
	}
}

static bool listen_to_new(struct apply *a)
{
	EACH_STEP(a, s)
	if (is_step(s, PLAN_CREATE, PLAN_PORTAL)) {
		if (!portal_listen(a->c, s->name, a->e))
			return false;
		a->nlistening++;
	}
	return true;
}

/* But for those that somebody else listens at. */
static void unlisten_new(struct apply *a)
{
	EACH_STEP(a, s)
	if (a->nlistening && is_step(s, PLAN_CREATE, PLAN_PORTAL)) {
		portal_unlisten(a->c, s->name);
		a->nlistening--;
	}
}

static void unlisten_gone(struct apply *a)
{
	EACH_STEP(a, s)
	if (is_step(s, PLAN_DELETE, PLAN_PORTAL))
		portal_unlisten(a->c, s->name);
}

/* --- volumes that are new ------------------------------------------------------------------- */

static void undo_makings(struct apply *a)
{
	while (a->nmakings) {
		struct making *mk = &a->makings[--a->nmakings];
		struct served_pool *pool = mk->pool;

		making_undo(mk);
		served_pool_release(a->c, pool);
	}
}

static bool begin_one(struct apply *a, struct change *ch, const struct model_volume *v)
{
	struct served_pool *pool;

	if (!served_pool_claim(a->c, v->pool ? v->pool : DEFAULT_POOL, &pool, a->e))
		return false;
	if (making_begin(&a->makings[a->nmakings], ch, v, pool, NULL, a->e)) {
		a->makings[a->nmakings++].is_step = true;
		return true;
	}
	served_pool_release(a->c, pool);
	return false;
}

static bool begin_makings(struct apply *a)
{
	struct change ch;
	bool done = true;

	a->makings = calloc(count(a, PLAN_CREATE, PLAN_VOLUME) + 1, sizeof(*a->makings));
	if (!a->makings) {
		api_fail_errno(a->e, -ENOMEM, "out of memory");
		return false;
	}
	if (!count(a, PLAN_CREATE, PLAN_VOLUME))
		return true;
	if (!change_begin(&ch, a->c, a->e))
		return false;
	EACH_STEP(a, s)
	if (done && is_step(s, PLAN_CREATE, PLAN_VOLUME))
		done = begin_one(a, &ch, s->wanted);
	done = done && change_commit(&ch, a->e);
	change_end(&ch);
	return done;
}

static bool make_data(struct apply *a)
{
	for (unsigned i = 0; i < a->nmakings; i++) {
		if (!making_data(&a->makings[i], a->op->job, a->e))
			return false;
		if (job_is_cancelled(a->op->job)) {
			api_fail(a->e, 409, "cancelled", "cancelled, and nothing was changed");
			return false;
		}
	}
	EACH_STEP(a, s)
	{
		const struct model_volume *v = s->wanted;

		if (is_step(s, PLAN_CHANGE, PLAN_VOLUME) &&
		    !volume_resize(a->c, s->name, v->size_bytes, a->e))
			return false;
	}
	return true;
}

/* --- what others do meanwhile --------------------------------------------------------------- */

/* Both are let go. */
static bool same_json(json_t *one, json_t *other)
{
	bool same = one && other && json_equal(one, other);

	json_wipe(one); /* secrets, too */
	json_wipe(other);
	json_decref(one);
	json_decref(other);
	return same;
}

static bool same_target(const struct model_target *one, const struct model_target *other)
{
	if (!one || !other)
		return one == other;
	return same_json(model_target_to_json(one, MODEL_KEPT),
			 model_target_to_json(other, MODEL_KEPT));
}

/* With change: what the step changes is still as it was when that was planned. */
static bool is_fresh(struct apply *a, const struct plan_step *s)
{
	const struct model *m = &a->c->model;

	if (s->kind == PLAN_TARGET)
		return same_target(s->now, model_find_target(m, s->name));
	return s->kind != PLAN_DISCOVERY ||
	       same_json(model_chap_to_json(&a->now.discovery, MODEL_KEPT),
			 model_chap_to_json(&m->discovery, MODEL_KEPT));
}

static bool check_fresh(struct apply *a)
{
	EACH_STEP(a, s)
	{
		if (is_fresh(a, s))
			continue;
		api_fail(a->e, 409, "in_use",
			 "%s%s was changed by somebody else meanwhile, and nothing of the document "
			 "was done; see what it would do now (--dry-run), and apply it again",
			 s->kind == PLAN_TARGET ? "target " : "discovery", s->name);
		return false;
	}
	return true;
}

static bool check_same_volume(struct apply *a, const struct served *s,
			      const struct model_volume *now)
{
	if (!memcmp(s->v.uuid, now->id, sizeof(now->id)))
		return true;
	api_fail(a->e, 409, "in_use",
		 "volume %s is another one than when this was planned; see what the document would "
		 "do now (--dry-run), and apply it again",
		 now->name);
	return false;
}

/* --- the rest ------------------------------------------------------------------------------- */

static bool put_target(struct apply *a, struct change *ch, const struct model_target *wanted)
{
	const struct model_target *old = change_target(ch, wanted->name);
	struct model_target copy;

	if (!target_check_luns(ch, wanted, old, a->e) || !change_touch(ch, wanted->name, a->e))
		return false;
	if (model_target_copy(&copy, wanted)) {
		api_fail_errno(a->e, -ENOMEM, "out of memory");
		return false;
	}
	if (!model_put_target(&ch->next, &copy))
		return true;
	model_target_fini(&copy);
	api_fail_errno(a->e, -ENOMEM, "out of memory");
	return false;
}

static bool begin_leaving(struct apply *a, struct change *ch, const struct model_volume *now)
{
	struct served *s;

	if (!check_unused(a->c, now->name, NULL, a->e) ||
	    !served_claim(a->c, now->name, "being deleted", &s, a->e))
		return false;
	if (check_same_volume(a, s, now) &&
	    leaving_begin(&a->leavings[a->nleavings], ch, s, a->e)) {
		a->leavings[a->nleavings++].is_step = true;
		return true;
	}
	served_release(a->c, s);
	return false;
}

static bool set_discovery(struct apply *a, struct change *ch, const struct model_chap *wanted)
{
	struct model_chap copy;

	if (model_chap_copy(&copy, wanted)) {
		api_fail_errno(a->e, -ENOMEM, "out of memory");
		return false;
	}
	model_chap_fini(&ch->next.discovery);
	ch->next.discovery = copy;
	ch->discovery = true;
	return true;
}

static bool take_step(struct apply *a, struct change *ch, const struct plan_step *s)
{
	switch (s->kind) {
	case PLAN_TARGET:
		if (s->action != PLAN_DELETE)
			return put_target(a, ch, s->wanted);
		if (!check_unused(a->c, NULL, s->name, a->e)) /* somebody may have come meanwhile */
			return false;
		model_remove_target(&ch->next, s->name);
		return change_touch(ch, s->name, a->e);
	case PLAN_PORTAL:
		return s->action == PLAN_CREATE ? portal_keep(ch, s->name, a->e)
						: portal_forget(ch, s->name, a->e);
	case PLAN_DISCOVERY:
		return set_discovery(a, ch, s->wanted);
	case PLAN_VOLUME:
		return s->action != PLAN_DELETE || begin_leaving(a, ch, s->now);
	case PLAN_POOL:
		return true; /* before and after */
	}
	return true;
}

/* One write of the state file, and then the node. */
static bool change_all(struct apply *a)
{
	struct change ch;
	bool done;

	a->leavings = calloc(count(a, PLAN_DELETE, PLAN_VOLUME) + 1, sizeof(*a->leavings));
	if (!a->leavings) {
		api_fail_errno(a->e, -ENOMEM, "out of memory");
		return false;
	}
	if (!change_begin(&ch, a->c, a->e))
		return false;
	done = check_fresh(a);
	for (unsigned i = 0; i < a->nmakings && done; i++)
		done = making_finish(&a->makings[i], &ch, a->e);
	EACH_STEP(a, s)
	done = done && take_step(a, &ch, s);
	done = done && change_commit(&ch, a->e);
	for (unsigned i = 0; i < a->nleavings && !done; i++)
		leaving_undo(&a->leavings[i]);
	change_end(&ch);
	return done;
}

static void end_makings(struct apply *a)
{
	for (unsigned i = 0; i < a->nmakings; i++) {
		struct served_pool *pool = a->makings[i].pool;

		making_end(&a->makings[i]);
		served_pool_release(a->c, pool);
	}
	a->nmakings = 0;
}

/* --- volumes that go ------------------------------------------------------------------------ */

static void forget_intents(struct apply *a)
{
	struct api_error e;
	struct change ch;

	if (!a->nleavings || !change_begin(&ch, a->c, &e))
		return; /* the next start does it */
	for (unsigned i = 0; i < a->nleavings; i++)
		leaving_finish(&a->leavings[i], &ch);
	if (!change_commit(&ch, &e))
		log_error("volumes are deleted, but the state file does not say so yet: %s",
			  e.message);
	change_end(&ch);
}

static bool delete_data(struct apply *a)
{
	unsigned ndeleted = 0;
	bool done = true;

	for (unsigned i = 0; i < a->nleavings; i++) {
		struct leaving *lv = &a->leavings[i];
		struct api_error e;

		if (leaving_data(lv, a->op->job, &e)) {
			a->leavings[ndeleted++] = *lv;
			continue;
		}
		served_set_state(a->c, lv->s, SERVED_ERROR, e.message);
		served_release(a->c, lv->s);
		*a->e = e;
		done = false;
	}
	a->nleavings = ndeleted;
	forget_intents(a);
	for (unsigned i = 0; i < ndeleted; i++)
		leaving_end(&a->leavings[i]);
	return done;
}

static bool remove_pools(struct apply *a)
{
	EACH_STEP(a, s)
	if (is_step(s, PLAN_DELETE, PLAN_POOL) && !served_pool_remove(a->c, s->name, a->e))
		return false;
	return true;
}

bool apply_run(struct apply *a)
{
	bool done;

	if (!a->plan.n)
		return true;
	done = add_pools(a) && listen_to_new(a) && begin_makings(a) && make_data(a) &&
	       change_all(a);
	if (!done) {
		undo_makings(a);
		unlisten_new(a);
		undo_pools(a);
		return false;
	}
	end_makings(a);
	unlisten_gone(a);
	return delete_data(a) && remove_pools(a);
}
