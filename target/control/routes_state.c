/* /v1/state: the document, and making it so. */
#include "target/control/apply.h"

#include "target/control/model_json.h"
#include "target/control/target_ops.h"
#include "target/control/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED = 4 }; /* volumes in a sentence, at most */

static int copy_now(struct control *c, struct model *out)
{
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = model_copy(out, &c->model);
	pthread_mutex_unlock(&c->lock);
	if (rc)
		return rc;
	out->has_pools = out->has_targets = out->has_portals = out->has_discovery = true;
	rc = view_add_volumes(c, out);
	if (rc)
		model_fini(out);
	return rc;
}

void state_show(const struct api_call *call, struct api_reply *reply)
{
	struct model now;

	if (copy_now(call->ctx, &now)) {
		api_fail_errno(&reply->error, -ENOMEM, "out of memory");
		return;
	}
	reply->body = model_to_json(&now, MODEL_SHOWN);
	model_fini(&now);
}

/* --- planning ------------------------------------------------------------------------------- */

/* A document without pools may have volumes of the default one, which is made with the first. */
static bool needs_default(const struct apply *a)
{
	if (a->wanted.has_pools || model_find_pool(&a->now, DEFAULT_POOL))
		return false;
	for (unsigned i = 0; i < a->wanted.nvolumes; i++)
		if (!a->wanted.volumes[i].pool || !strcmp(a->wanted.volumes[i].pool, DEFAULT_POOL))
			return true;
	return false;
}

static bool add_default(struct apply *a)
{
	struct model_pool *more;
	struct served_pool *p;

	if (!a->op->dry_run) {
		if (!served_pool_need(a->c, DEFAULT_POOL, &p, a->e))
			return false;
		served_pool_release(a->c, p);
		model_fini(&a->now);
		if (!copy_now(a->c, &a->now))
			return true;
		a->now = (struct model){ .npools = 0 };
	} else {
		more = realloc(a->now.pools, (a->now.npools + 1) * sizeof(*more));
		if (more) {
			a->now.pools = more;
			more[a->now.npools++] =
				(struct model_pool){ strdup(DEFAULT_POOL), strdup("/"), NULL };
			return true;
		}
	}
	api_fail_errno(a->e, -ENOMEM, "out of memory");
	return false;
}

/* Volumes are not deleted because somebody forgot a line. */
static bool check_deletions(struct apply *a)
{
	char names[600] = "";
	unsigned n = 0;

	for (unsigned i = 0; a->wanted.has_volumes && i < a->now.nvolumes; i++) {
		const char *name = a->now.volumes[i].name;
		size_t len = strlen(names);

		if (!model_find_volume(&a->wanted, name) && n++ < NAMED)
			snprintf(names + len, sizeof(names) - len, "%s%s", len ? ", " : "", name);
	}
	if (!n || a->op->delete_volumes || a->op->dry_run) /* which only shows them */
		return true;
	api_fail(
		a->e, 400, "invalid",
		"the document leaves out %u volume%s that %s there: %s%s; nothing was changed: put "
		"%s in, or give --delete-volumes, which destroys the data",
		n, n == 1 ? "" : "s", n == 1 ? "is" : "are", names, n > NAMED ? " ..." : "",
		n == 1 ? "it" : "them");
	return false;
}

static bool plan(struct apply *a)
{
	char why[API_WHY_BYTES];
	int rc;

	if (!check_deletions(a))
		return false;
	rc = model_inherit(&a->wanted, &a->now, why, sizeof(why));

	if (!rc)
		rc = plan_make(&a->plan, &a->now, &a->wanted, why, sizeof(why));
	if (rc)
		api_fail_errno(a->e, rc == -ENOKEY ? -EINVAL : rc, why);
	return !rc;
}

bool apply_plan_again(struct apply *a)
{
	plan_fini(&a->plan);
	a->plan = (struct plan){ .n = 0 };
	model_fini(&a->now);
	a->now = (struct model){ .npools = 0 };
	if (copy_now(a->c, &a->now)) {
		api_fail_errno(a->e, -ENOMEM, "out of memory");
		return false;
	}
	return plan(a);
}

bool apply_prepare(struct apply *a)
{
	json_t *targets = json_object_get(a->op->body, "targets"), *t;
	char why[API_WHY_BYTES];
	size_t i;
	int rc;

	json_array_foreach(targets, i, t) target_name_whole(t);
	rc = model_from_json(&a->wanted, a->op->body, MODEL_SHOWN, why, sizeof(why));
	if (!rc) {
		rc = copy_now(a->c, &a->now);
		snprintf(why, sizeof(why), "%s", rc ? "out of memory" : "");
	}
	if (rc) {
		api_fail_errno(a->e, rc == -ENOTSUP ? -EINVAL : rc, why);
		return false;
	}
	return (!needs_default(a) || add_default(a)) && plan(a);
}

void apply_fini(struct apply *a)
{
	plan_fini(&a->plan);
	model_fini(&a->now);
	model_fini(&a->wanted);
	free(a->pools);
	free(a->makings);
	free(a->leavings);
}

/* --- the call ------------------------------------------------------------------------------- */

static bool run(struct op *op)
{
	struct apply a = { .op = op, .c = op->c, .e = &op->error };
	json_t *steps = NULL;
	bool done = apply_prepare(&a) && apply_check(&a);

	if (done)
		steps = plan_to_json(&a.plan);
	if (done && !op->dry_run)
		done = apply_run(&a);
	apply_fini(&a);
	if (done)
		op->result = json_pack("{s:O, s:b}", "steps", steps, "applied", (int)!op->dry_run);
	json_decref(steps);
	return done;
}

void state_apply(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "apply", "steps", "state", run);
}
