/* Who may log in: rules and secrets of targets, and of discovery. */
#include "target/control/target_ops.h"

#include "target/control/model_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- rules ---------------------------------------------------------------------------------- */

static bool parse_rule(struct op *op, struct model_rule *rule)
{
	char why[API_WHY_BYTES];
	int rc = model_rule_from_json(rule, op->body, "", why, sizeof(why));

	if (rc)
		api_fail_errno(&op->error, rc, why);
	return !rc;
}

static unsigned find_rule(const struct model_target *t, const struct model_rule *rule)
{
	unsigned i = 0;

	while (i < t->nallow && !model_rule_is_same(&t->allow[i], rule))
		i++;
	return i;
}

static bool allow(struct op *op, struct change *ch, struct model_target *t)
{
	struct model_rule *more, rule;

	(void)ch;
	if (!parse_rule(op, &rule))
		return false;
	t->has_allow = true;
	if (find_rule(t, &rule) < t->nallow) { /* it is so already */
		model_rule_fini(&rule);
		return true;
	}
	more = realloc(t->allow, (t->nallow + 1) * sizeof(*more));
	if (!more) {
		model_rule_fini(&rule);
		api_fail_errno(&op->error, -ENOMEM, "out of memory");
		return false;
	}
	t->allow = more;
	more[t->nallow++] = rule;
	return true;
}

static bool run_allow(struct op *op)
{
	return target_change(op, allow);
}

void targets_allow(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "target-allow", "steps", call->args[0], run_allow);
}

static bool deny(struct op *op, struct change *ch, struct model_target *t)
{
	struct model_rule rule;
	unsigned at;

	(void)ch;
	if (!parse_rule(op, &rule))
		return false;
	at = find_rule(t, &rule);
	model_rule_fini(&rule);
	if (at == t->nallow) {
		api_fail(&op->error, 404, "not_found",
			 "target %s has no such rule; ringlun target show %s shows those it has%s",
			 t->name, t->name,
			 t->has_allow ? "" : ": none of its own, so the server's own hold");
		return false;
	}
	model_rule_fini(&t->allow[at]);
	t->nallow--;
	memmove(&t->allow[at], &t->allow[at + 1], (t->nallow - at) * sizeof(*t->allow));
	return true;
}

static bool run_deny(struct op *op)
{
	return target_change(op, deny);
}

void targets_deny(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "target-deny", "steps", call->args[0], run_deny);
}

/* --- CHAP ----------------------------------------------------------------------------------- */

static bool set_chap(struct op *op, struct model_chap *chap)
{
	char why[API_WHY_BYTES];
	struct model_chap new;
	int rc = model_chap_from_json(&new, op->body, "", why, sizeof(why));

	if (rc) {
		api_fail_errno(&op->error, rc, why);
		return false;
	}
	rc = model_chap_inherit(&new, chap, "", why, sizeof(why));
	if (rc) {
		model_chap_fini(&new);
		api_fail_errno(&op->error, rc == -ENOKEY ? -EINVAL : rc, why);
		return false;
	}
	model_chap_fini(chap);
	*chap = new;
	return true;
}

static bool set_target_chap(struct op *op, struct change *ch, struct model_target *t)
{
	(void)ch;
	return set_chap(op, &t->chap);
}

static bool run_set_chap(struct op *op)
{
	return target_change(op, set_target_chap);
}

void targets_set_chap(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "target-chap", "steps", call->args[0], run_set_chap);
}

static bool clear_target_chap(struct op *op, struct change *ch, struct model_target *t)
{
	(void)op, (void)ch;
	model_chap_fini(&t->chap);
	return true;
}

static bool run_clear_chap(struct op *op)
{
	return target_change(op, clear_target_chap);
}

void targets_clear_chap(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "target-chap", "steps", call->args[0], run_clear_chap);
}

/* --- discovery ------------------------------------------------------------------------------ */

static json_t *discovery_to_json(struct control *c)
{
	json_t *j;

	pthread_mutex_lock(&c->lock);
	j = json_pack("{s:o}", "chap", model_chap_to_json(&c->model.discovery, MODEL_SHOWN));
	pthread_mutex_unlock(&c->lock);
	return j;
}

void discovery_show(const struct api_call *call, struct api_reply *reply)
{
	reply->body = discovery_to_json(call->ctx);
}

/* The body's users, or none. */
static bool run_discovery(struct op *op)
{
	struct change ch;
	bool done = true;

	if (!change_begin(&ch, op->c, &op->error))
		return false;
	if (op->body)
		done = set_chap(op, &ch.next.discovery);
	else
		model_chap_fini(&ch.next.discovery);
	ch.discovery = true;
	done = done && change_commit(&ch, &op->error);
	change_end(&ch);
	if (done)
		op->result = discovery_to_json(op->c);
	return done;
}

void discovery_set(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "discovery-chap", "steps", "discovery", run_discovery);
}

void discovery_clear(const struct api_call *call, struct api_reply *reply)
{
	op_start(call, reply, "discovery-chap", "steps", "discovery", run_discovery);
}
