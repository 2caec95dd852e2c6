/* /v1/targets: made, changed, deleted. */
#include "target/control/target_ops.h"

#include "target/control/model_json.h"
#include "target/control/view.h"
#include "target/control/volume_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void targets_list(const struct api_call *call, struct api_reply *reply)
{
	reply->body = json_pack("{s:o}", "targets", view_targets(call->ctx, NULL));
}

void targets_show(const struct api_call *call, struct api_reply *reply)
{
	json_t *all;
	char *name;

	if (!target_name(call->args[0], &name, &reply->error))
		return;
	all = view_targets(call->ctx, name);
	if (json_array_size(all))
		reply->body = json_pack("{s:O}", "target", json_array_get(all, 0));
	else
		target_not_found(name, &reply->error);
	json_decref(all);
	free(name);
}

/* --- create --------------------------------------------------------------------------------- */

static bool put_new(struct op *op, struct change *ch, struct model_target *t)
{
	char why[API_WHY_BYTES];
	int rc;

	if (change_target(ch, t->name)) {
		api_fail(&op->error, 409, "exists", "there is a target %s already", t->name);
		return false;
	}
	rc = model_chap_inherit(&t->chap, NULL, "chap", why, sizeof(why));
	if (rc) {
		api_fail(&op->error, 400, "invalid", "%s", why);
		return false;
	}
	if (!target_check_luns(ch, t, NULL, &op->error) || !change_touch(ch, t->name, &op->error))
		return false;
	if (!model_put_target(&ch->next, t))
		return true;
	api_fail_errno(&op->error, -ENOMEM, "out of memory");
	return false;
}

static bool create(struct op *op, struct model_target *t)
{
	struct change ch;
	bool put, done;

	if (!check_not_given(op->c, t->name, &op->error) || !change_begin(&ch, op->c, &op->error)) {
		model_target_fini(t);
		return false;
	}
	put = put_new(op, &ch, t);
	done = put && change_commit(&ch, &op->error);
	change_end(&ch);
	if (!put)
		model_target_fini(t);
	return done;
}

static bool run_create(struct op *op)
{
	char why[API_WHY_BYTES], name[ISCSI_NAME_BYTES];
	struct model_target t;
	int rc;

	target_name_whole(op->body);
	rc = model_target_from_json(&t, op->body, "", why, sizeof(why));
	if (rc) {
		api_fail_errno(&op->error, rc, why);
		return false;
	}
	snprintf(name, sizeof(name), "%s", t.name);
	return create(op, &t) && op_show_target(op, name);
}

void targets_create(const struct api_call *call, struct api_reply *reply)
{
	const char *name = json_string_value(json_object_get(call->body, "name"));

	op_start(call, reply, "target-create", "steps", name ? name : "", run_create);
}

/* --- change --------------------------------------------------------------------------------- */

/* What @t does not say it has from the old one. */
static bool inherit(struct change *ch, struct model_target *t, struct api_error *e)
{
	struct model one = { .has_targets = true, .targets = t, .ntargets = 1 };
	char why[API_WHY_BYTES];
	int rc = model_inherit(&one, &ch->next, why, sizeof(why));

	if (!rc)
		return true;
	api_fail_errno(e, rc == -ENOKEY ? -EINVAL : rc, why);
	return false;
}

/* @t is taken over, or freed. */
static bool replace(struct change *ch, struct model_target *old, struct model_target *t,
		    struct api_error *e)
{
	if (inherit(ch, t, e) && target_check_luns(ch, t, old, e)) {
		if (!model_put_target(&ch->next, t))
			return true;
		api_fail_errno(e, -ENOMEM, "out of memory");
	}
	model_target_fini(t);
	return false;
}

static bool change(struct op *op, struct change *ch, struct model_target *old)
{
	static const char *const not_here[] = { "name", "chap" };
	char why[API_WHY_BYTES];
	struct model_target t;
	int rc;

	for (unsigned i = 0; i < ARRAY_SIZE(not_here); i++)
		if (json_object_get(op->body, not_here[i])) {
			api_fail(&op->error, 400, "invalid", "%s cannot be changed here%s",
				 not_here[i],
				 i ? "; PUT /v1/targets/{target}/chap does (ringlun target chap)"
				   : "");
			return false;
		}
	json_object_set_new(op->body, "name", json_string(old->name));
	rc = model_target_from_json(&t, op->body, "", why, sizeof(why));
	if (rc) {
		api_fail_errno(&op->error, rc, why);
		return false;
	}
	return replace(ch, old, &t, &op->error);
}

static bool run_change(struct op *op)
{
	return target_change(op, change);
}

void targets_change(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "target-change", "steps", call->args[0], run_change);
}

/* --- delete --------------------------------------------------------------------------------- */

static bool remove_target(struct op *op, const char *name)
{
	struct change ch;
	bool done = false;

	if (!change_begin(&ch, op->c, &op->error))
		return false;
	if (!change_target(&ch, name)) {
		target_not_found(name, &op->error);
	} else if ((op->force || check_unused(op->c, NULL, name, &op->error)) &&
		   change_touch(&ch, name, &op->error)) {
		model_remove_target(&ch.next, name);
		done = change_commit(&ch, &op->error);
	}
	change_end(&ch);
	return done;
}

static bool run_delete(struct op *op)
{
	char *name;
	bool done;

	if (!target_name(op->args[0], &name, &op->error))
		return false;
	done = check_not_given(op->c, name, &op->error) && remove_target(op, name);
	free(name);
	if (done)
		op->result = json_object();
	return done;
}

void targets_delete(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "target-delete", "steps", call->args[0], run_delete);
}
