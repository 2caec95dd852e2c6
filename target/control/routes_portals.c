/* /v1/portals: where we listen, beside what --listen says. */
#include "target/control/op.h"

#include "target/control/model_json.h"
#include "target/control/portal_ops.h"
#include "target/control/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void portals_api_list(const struct api_call *call, struct api_reply *reply)
{
	reply->body = json_pack("{s:o}", "portals", view_portals(call->ctx));
}

static bool parse(const char *text, char **out, struct api_error *e)
{
	char why[API_WHY_BYTES];
	int rc = model_portal_parse(out, text, why, sizeof(why));

	if (rc)
		api_fail_errno(e, rc, why);
	return !rc;
}

static bool add(struct op *op, const char *portal)
{
	struct change ch;
	bool done;

	if (!portal_listen(op->c, portal, &op->error))
		return false;
	done = change_begin(&ch, op->c, &op->error);
	if (done) {
		done = portal_keep(&ch, portal, &op->error) && change_commit(&ch, &op->error);
		change_end(&ch);
	}
	if (!done)
		portal_unlisten(op->c, portal);
	return done;
}

static bool run_add(struct op *op)
{
	const json_t *address = json_object_get(op->body, "address");
	char *portal;
	bool done;

	if (!json_is_string(address) || json_object_size(op->body) != 1) {
		api_fail(&op->error, 400, "invalid",
			 "give {\"address\": \"ADDR:PORT\"}, and nothing else");
		return false;
	}
	if (!parse(json_string_value(address), &portal, &op->error))
		return false;
	done = add(op, portal);
	if (done)
		op->result =
			json_pack("{s:{s:s, s:s}}", "portal", "address", portal, "origin", "state");
	free(portal);
	return done;
}

void portals_api_add(const struct api_call *call, struct api_reply *reply)
{
	const char *address = json_string_value(json_object_get(call->body, "address"));

	op_start(call, reply, "portal-add", "steps", address ? address : "", run_add);
}

static bool remove_portal(struct op *op, const char *portal)
{
	struct change ch;
	bool done;

	if (!change_begin(&ch, op->c, &op->error))
		return false;
	done = portal_forget(&ch, portal, &op->error) && change_commit(&ch, &op->error);
	change_end(&ch);
	if (done)
		portal_unlisten(op->c, portal);
	return done;
}

static bool run_remove(struct op *op)
{
	char *portal;
	bool done;

	if (!parse(op->args[0], &portal, &op->error))
		return false;
	done = remove_portal(op, portal);
	free(portal);
	if (done)
		op->result = json_object();
	return done;
}

void portals_api_remove(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "portal-remove", "steps", call->args[0], run_remove);
}
