/* Changing a target: see target_ops.h. */
#include "target/control/target_ops.h"

#include "backstore/base/log.h"
#include "target/control/volume_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void target_not_found(const char *name, struct api_error *e)
{
	api_fail(e, 404, "not_found",
		 "there is no target %s; ringlun target list shows those there are", name);
}

void target_name_whole(json_t *target)
{
	const char *text = json_string_value(json_object_get(target, "name"));
	struct api_error e;
	char *name;

	if (!text || !target_name(text, &name, &e))
		return;
	json_object_set_new(target, "name", json_string(name));
	free(name);
}

static bool change_named(struct op *op, const char *name,
			 bool (*change)(struct op *op, struct change *ch, struct model_target *t))
{
	struct model_target *t;
	struct change ch;
	bool done = false;

	if (!change_begin(&ch, op->c, &op->error))
		return false;
	t = change_target(&ch, name);
	if (!t)
		target_not_found(name, &op->error);
	else
		done = change_touch(&ch, name, &op->error) && change(op, &ch, t) &&
		       change_commit(&ch, &op->error);
	change_end(&ch);
	return done;
}

bool target_change(struct op *op,
		   bool (*change)(struct op *op, struct change *ch, struct model_target *t))
{
	char *name;
	bool done;

	if (!target_name(op->args[0], &name, &op->error))
		return false;
	done = check_not_given(op->c, name, &op->error) && change_named(op, name, change) &&
	       (!op->drop || target_drop_others(op->c, name, &op->error)) &&
	       op_show_target(op, name);
	free(name);
	return done;
}

/* --- LUNs ----------------------------------------------------------------------------------- */

static bool check_volume(struct control *c, const char *target, const struct model_lun *l,
			 struct api_error *e)
{
	const struct served *s;

	pthread_mutex_lock(&c->lock);
	s = served_find(c, l->volume);
	if (!s || strcmp(s->v.name, l->volume) != 0)
		api_fail(e, 404, "not_found", "LUN %u of target %s: there is no volume %s", l->lun,
			 target, l->volume);
	else if (!s->pool)
		api_fail(e, 409, "read_only_config",
			 "LUN %u of target %s: volume %s is given on the command line of ringlund, "
			 "which says where it is to be seen",
			 l->lun, target, l->volume);
	else if (s->state == SERVED_CREATING || s->state == SERVED_DELETING)
		api_fail(e, 409, "in_use", "LUN %u of target %s: volume %s is %s", l->lun, target,
			 l->volume, s->busy ? s->busy : served_state_name(s));
	pthread_mutex_unlock(&c->lock);
	return !e->status;
}

static bool has_same(const struct model_target *t, const struct model_lun *l)
{
	const struct model_lun *now = t ? model_find_lun(t, l->lun) : NULL;

	return now && !strcmp(now->volume, l->volume);
}

bool target_check_luns(struct change *ch, const struct model_target *t,
		       const struct model_target *old, struct api_error *e)
{
	e->status = 0;
	for (unsigned i = 0; old && i < old->nluns; i++)
		if (!has_same(t, &old->luns[i]) &&
		    !check_unused(ch->c, old->luns[i].volume, old->name, e))
			return false;
	for (unsigned i = 0; i < t->nluns; i++)
		if (!has_same(old, &t->luns[i]) && !check_volume(ch->c, t->name, &t->luns[i], e))
			return false;
	/* numbers that are promised to volumes which are being made */
	for (unsigned i = 0; i < ch->next.nintents; i++) {
		const struct model_intent *in = &ch->next.intents[i];

		if (in->is_delete || !in->target || strcasecmp(in->target, t->name) != 0 ||
		    !model_find_lun(t, in->lun))
			continue;
		api_fail(e, 409, "exists",
			 "LUN %u of target %s is volume %s, which is being made; give another "
			 "number",
			 in->lun, t->name, in->volume);
		return false;
	}
	return true;
}

/* --- sessions ------------------------------------------------------------------------------- */

bool target_drop_others(struct control *c, const char *target, struct api_error *e)
{
	struct iscsi_session_info *all;
	unsigned n;

	if (iscsi_node_sessions(c->node, &all, &n)) {
		api_fail_errno(e, -ENOMEM, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < n; i++) {
		if (all[i].discovery || strcasecmp(all[i].target, target) != 0 ||
		    shown_admits(c, target, &all[i]))
			continue;
		log_info("%s, %s: may not use target %s any more: its session is dropped",
			 all[i].initiator, all[i].address, target);
		(void)!iscsi_node_drop_session(c->node, all[i].id, false); /* it may be gone */
	}
	free(all);
	return true;
}
