/* /v1/volumes */
#include "target/control/op.h"

#include "target/control/model_json.h"
#include "target/control/view.h"
#include "target/control/volume_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void volumes_list(const struct api_call *call, struct api_reply *reply)
{
	reply->body = json_pack("{s:o}", "volumes", view_volumes(call->ctx, NULL));
}

void volumes_show(const struct api_call *call, struct api_reply *reply)
{
	json_t *all = view_volumes(call->ctx, call->args[0]);

	if (json_array_size(all))
		reply->body = json_pack("{s:O}", "volume", json_array_get(all, 0));
	else
		api_fail(&reply->error, 404, "not_found",
			 "there is no volume %s; ringlun volume list shows those there are",
			 call->args[0]);
	json_decref(all);
}

/* --- create --------------------------------------------------------------------------------- */

/* {"target"?, "lun"?}. x->target is to be freed. */
static bool parse_exposure(json_t *j, struct exposure *x, char **target, struct api_error *e)
{
	const json_t *lun = json_object_get(j, "lun"), *name = json_object_get(j, "target");
	const char *key;
	json_t *v;

	*target = NULL;
	*x = (struct exposure){ .has_lun = lun && !json_is_null(lun) };
	json_object_foreach(j, key, v) if (strcmp(key, "lun") && strcmp(key, "target"))
	{
		api_fail(e, 400, "invalid", "%.100s: unknown key; target and lun are known here",
			 key);
		return false;
	}
	if (x->has_lun && (!json_is_integer(lun) || json_integer_value(lun) < 0 ||
			   json_integer_value(lun) > CONFIG_MAX_LUN)) {
		api_fail(e, 400, "invalid", "lun: give a number from 0 to %d", CONFIG_MAX_LUN);
		return false;
	}
	x->lun = (unsigned)json_integer_value(lun);
	if (!name || json_is_null(name))
		return true;
	if (!json_is_string(name)) {
		api_fail(e, 400, "invalid", "target: give a name, in quotes");
		return false;
	}
	if (!target_name(json_string_value(name), target, e))
		return false;
	x->target = *target;
	return true;
}

/* true, false, or where. */
static bool parse_expose(json_t *j, bool *wanted, struct exposure *x, char **target,
			 struct api_error *e)
{
	*wanted = !json_is_false(j);
	*x = (struct exposure){ .target = NULL };
	*target = NULL;
	if (!j || json_is_boolean(j) || json_is_null(j))
		return true;
	if (json_is_object(j))
		return parse_exposure(j, x, target, e);
	api_fail(e, 400, "invalid", "expose: give true, false or {\"target\", \"lun\"}");
	return false;
}

static bool create(struct op *op, const struct model_volume *want, json_t *expose)
{
	struct exposure x;
	char *target, name[VPOOL_NAME_BYTES];
	bool shown, done;

	if (!parse_expose(expose, &shown, &x, &target, &op->error)) {
		free(target);
		return false;
	}
	snprintf(name, sizeof(name), "%s", want->name);
	done = volume_create(op->c, op->job, want, shown ? &x : NULL, &op->error);
	free(target);
	return done && op_show_volume(op, name);
}

static bool run_create(struct op *op)
{
	json_t *expose = json_incref(json_object_get(op->body, "expose"));
	struct model_volume want;
	char why[API_WHY_BYTES];
	bool done;
	int rc;

	json_object_del(op->body, "expose"); /* the rest is as in a document */
	rc = model_volume_from_json(&want, op->body, "", why, sizeof(why));
	if (rc) {
		api_fail_errno(&op->error, rc, why);
		json_decref(expose);
		return false;
	}
	done = create(op, &want, expose);
	json_decref(expose);
	model_volume_fini(&want);
	return done;
}

void volumes_create(const struct api_call *call, struct api_reply *reply)
{
	const char *name = json_string_value(json_object_get(call->body, "name"));

	op_start(call, reply, "volume-create", "bytes", name ? name : "", run_create);
}

/* --- the others ----------------------------------------------------------------------------- */

static bool run_delete(struct op *op)
{
	op->result = json_object();
	if (volume_delete(op->c, op->job, op->args[0], op->force, &op->error))
		return true;
	json_decref(op->result);
	return false;
}

void volumes_delete(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "volume-delete", "bytes", call->args[0], run_delete);
}

static bool run_grow(struct op *op)
{
	const json_t *size = json_object_get(op->body, "size");

	if (!json_is_integer(size) || json_object_size(op->body) != 1 ||
	    json_integer_value(size) <= 0) {
		api_fail(&op->error, 400, "invalid",
			 "give {\"size\": BYTES}, a positive whole number, and nothing else");
		return false;
	}
	return volume_resize(op->c, op->args[0], (uint64_t)json_integer_value(size), &op->error) &&
	       op_show_volume(op, op->args[0]);
}

void volumes_grow(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "volume-resize", "bytes", call->args[0], run_grow);
}

static bool run_expose(struct op *op)
{
	struct exposure x;
	char *target;
	bool done;

	done = parse_exposure(op->body, &x, &target, &op->error) &&
	       volume_expose(op->c, op->args[0], &x, &op->error);
	free(target);
	return done && op_show_volume(op, op->args[0]);
}

void volumes_expose(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "volume-expose", "steps", call->args[0], run_expose);
}

static bool run_unexpose(struct op *op)
{
	struct exposure x;
	char *target;
	bool done;

	if (json_object_get(op->body, "lun")) {
		api_fail(
			&op->error, 400, "invalid",
			"lun: unknown key; target is known here, from which it goes with all LUNs");
		return false;
	}
	done = parse_exposure(op->body, &x, &target, &op->error) &&
	       volume_unexpose(op->c, op->args[0], target, op->force, &op->error);
	free(target);
	return done && op_show_volume(op, op->args[0]);
}

void volumes_unexpose(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "volume-unexpose", "steps", call->args[0], run_unexpose);
}

static bool run_recover(struct op *op)
{
	return volume_recover(op->c, op->job, op->args[0], &op->error) &&
	       op_show_volume(op, op->args[0]);
}

void volumes_recover(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "volume-recover", "steps", call->args[0], run_recover);
}
