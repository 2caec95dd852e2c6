/* /v1/pools */
#include "target/control/op.h"

#include "target/control/model_json.h"
#include "target/control/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void pools_list(const struct api_call *call, struct api_reply *reply)
{
	reply->body = json_pack("{s:o}", "pools", view_pools(call->ctx, NULL));
}

static bool run_create(struct op *op)
{
	const json_t *import = json_object_get(op->body, "import");
	bool is_import = json_is_true(import), done;
	char why[API_WHY_BYTES];
	struct model_pool m;
	json_t *all;
	int rc;

	if (import && !json_is_boolean(import)) {
		api_fail(&op->error, 400, "invalid", "import: give true or false");
		return false;
	}
	json_object_del(op->body, "import"); /* the rest is as in a document */
	rc = model_pool_from_json(&m, op->body, "", why, sizeof(why));
	if (rc) {
		api_fail_errno(&op->error, rc, why);
		return false;
	}
	done = served_pool_add(op->c, &m, is_import, &op->error);
	if (done) {
		all = view_pools(op->c, m.name);
		op->result = json_pack("{s:O}", "pool", json_array_get(all, 0));
		json_decref(all);
	}
	model_pool_fini(&m);
	return done;
}

void pools_create(const struct api_call *call, struct api_reply *reply)
{
	const char *name = json_string_value(json_object_get(call->body, "name"));

	op_start(call, reply, "pool-create", "steps", name ? name : "", run_create);
}

static bool run_remove(struct op *op)
{
	if (!served_pool_remove(op->c, op->args[0], &op->error))
		return false;
	op->result = json_object();
	return true;
}

void pools_remove(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "pool-remove", "steps", call->args[0], run_remove);
}
