/* One change of what is served.
 *
 *   begin: lock, copy ─▶ the copy is changed ─▶ commit: state file ─▶ model ─▶ node ─▶ end: unlock
 *
 * Nothing is seen of a change before it is durable; and where it cannot be made durable, nothing
 * has changed. */
#include "target/control/control_priv.h"

#include "backstore/base/log.h"
#include "target/control/directions.h"
#include "target/control/model_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool no_memory(struct api_error *e)
{
	api_fail_errno(e, -ENOMEM, "out of memory");
	return false;
}

/* Nobody has it, and its pool would know: what could not be written when its job ended. */
static bool is_stale(struct control *c, const struct model_intent *in)
{
	const struct served_pool *p = served_pool_find(c, in->pool);

	if (!p || !p->vp)
		return false;
	list_for_each (l, &c->served)
		if (!memcmp(list_entry(l, struct served, link)->v.uuid, in->id, sizeof(in->id)))
			return false;
	return true;
}

static void forget_stale(struct change *ch)
{
	struct model *m = &ch->next;
	unsigned kept = 0;

	pthread_mutex_lock(&ch->c->lock);
	for (unsigned i = 0; i < m->nintents; i++)
		if (is_stale(ch->c, &m->intents[i]))
			model_intent_fini(&m->intents[i]);
		else
			m->intents[kept++] = m->intents[i];
	m->nintents = kept;
	pthread_mutex_unlock(&ch->c->lock);
}

bool change_begin(struct change *ch, struct control *c, struct api_error *e)
{
	*ch = (struct change){ .c = c };
	if (!c->state) {
		api_fail(e, 503, "failed", "%s", c->refusal);
		return false;
	}
	pthread_mutex_lock(&c->change);
	if (!model_copy(&ch->next, &c->model)) {
		forget_stale(ch);
		return true;
	}
	pthread_mutex_unlock(&c->change);
	return no_memory(e);
}

void change_end(struct change *ch)
{
	pthread_mutex_unlock(&ch->c->change);
	model_fini(&ch->next);
	for (unsigned i = 0; i < ch->ntouched; i++)
		free(ch->touched[i]);
	free(ch->touched);
}

bool change_touch(struct change *ch, const char *target, struct api_error *e)
{
	char **more;

	for (unsigned i = 0; i < ch->ntouched; i++)
		if (!strcasecmp(ch->touched[i], target))
			return true;
	more = realloc(ch->touched, (ch->ntouched + 1) * sizeof(*more));
	if (!more)
		return no_memory(e);
	ch->touched = more;
	more[ch->ntouched] = strdup(target);
	if (!more[ch->ntouched])
		return no_memory(e);
	ch->ntouched++;
	return true;
}

/* The next model takes the place of the model, which is then the next one. */
static void swap(struct change *ch)
{
	struct control *c = ch->c;
	struct model old = c->model;

	pthread_mutex_lock(&c->lock);
	c->model = ch->next;
	pthread_mutex_unlock(&c->lock);
	ch->next = old;
}

static bool store_and_swap(struct change *ch, struct api_error *e)
{
	char why[API_WHY_BYTES];
	int rc = state_file_store(ch->c->state, &ch->next, why, sizeof(why));

	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	swap(ch);
	return true;
}

static bool sync_touched(struct change *ch, struct api_error *e)
{
	for (unsigned i = 0; i < ch->ntouched; i++)
		if (!shown_sync(ch->c, ch->touched[i], e))
			return false;
	return !ch->discovery || shown_sync_discovery(ch->c, e);
}

static bool check_directions(const struct change *ch, struct api_error *e)
{
	const struct model *now = &ch->c->model;

	for (unsigned i = 0; i < ch->ntouched; i++)
		if (!directions_check(&ch->next, now, ch->touched[i], e))
			return false;
	return !ch->discovery || directions_check(&ch->next, now, NULL, e);
}

bool change_commit(struct change *ch, struct api_error *e)
{
	struct api_error more;

	if (!check_directions(ch, e))
		return false;
	if (!store_and_swap(ch, e))
		return false;
	if (sync_touched(ch, e))
		return true;
	/* the node has no memory for it: as it was before, in the file, too */
	if (!store_and_swap(ch, &more) || !sync_touched(ch, &more))
		log_error("a change that failed (%s) cannot be taken back: %s; ringlun state shows "
			  "what is kept, which a restart serves",
			  e->message, more.message);
	return false;
}

/* --- targets and LUNs --------------------------------------------------------------------------
 */

struct model_target *change_target(struct change *ch, const char *name)
{
	return model_find_target(&ch->next, name);
}

struct model_target *change_need_target(struct change *ch, const char *name, struct api_error *e)
{
	struct model_target *t = change_target(ch, name), made = { .name = NULL };

	if (t)
		return t;
	made.name = strdup(name);
	if (!made.name || model_put_target(&ch->next, &made)) {
		free(made.name);
		no_memory(e);
		return NULL;
	}
	return change_target(ch, name);
}

bool change_add_lun(struct change *ch, struct model_target *t, unsigned lun, const char *volume,
		    struct api_error *e)
{
	struct model_lun *more = realloc(t->luns, (t->nluns + 1) * sizeof(*more));
	char *copy = strdup(volume);
	unsigned at;

	if (more)
		t->luns = more;
	if (!more || !copy) {
		free(copy);
		return no_memory(e);
	}
	for (at = t->nluns; at && more[at - 1].lun > lun; at--)
		more[at] = more[at - 1];
	more[at] = (struct model_lun){ .lun = lun, .volume = copy };
	t->nluns++;
	return change_touch(ch, t->name, e);
}

void change_remove_lun(struct model_target *t, unsigned lun)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < t->nluns; i++)
		if (t->luns[i].lun == lun)
			free(t->luns[i].volume);
		else
			t->luns[kept++] = t->luns[i];
	t->nluns = kept;
}

/* Of a volume that is being made, and will be there. */
static const struct model_intent *intent_at(const struct change *ch, const char *target,
					    unsigned lun)
{
	for (unsigned i = 0; i < ch->next.nintents; i++) {
		const struct model_intent *in = &ch->next.intents[i];

		if (in->target && !in->is_delete && in->lun == lun &&
		    !strcasecmp(in->target, target))
			return in;
	}
	return NULL;
}

bool change_check_lun(const struct change *ch, const char *target, unsigned lun,
		      struct api_error *e)
{
	const struct model_target *t = model_find_target(&ch->next, target);
	const struct model_lun *l = t ? model_find_lun(t, lun) : NULL;
	const struct model_intent *in = intent_at(ch, target, lun);

	if (lun > CONFIG_MAX_LUN) {
		api_fail(e, 400, "invalid", "LUN %u is no number from 0 to %d", lun,
			 CONFIG_MAX_LUN);
		return false;
	}
	if (!l && !in)
		return true;
	api_fail(e, 409, "exists",
		 "LUN %u of target %s is volume %s%s; give another number, or none for the first "
		 "that is free",
		 lun, target, l ? l->volume : in->volume, l ? "" : ", which is being made");
	return false;
}

bool change_free_lun(const struct change *ch, const char *target, const uint8_t *uuid,
		     unsigned *lun, struct api_error *e)
{
	const struct model_target *t = model_find_target(&ch->next, target);
	unsigned at = 0;

	for (*lun = 0; *lun <= CONFIG_MAX_LUN; (*lun)++) {
		while (t && at < t->nluns && t->luns[at].lun < *lun)
			at++;
		if (t && at < t->nluns && t->luns[at].lun == *lun)
			continue;
		if (!intent_at(ch, target, *lun) && shown_lun_is_free(ch->c, target, *lun, uuid))
			return true;
	}
	api_fail(e, 409, "exists", "target %s has no free LUN; give another target", target);
	return false;
}

/* --- intents ------------------------------------------------------------------------------------
 */

bool change_add_intent(struct change *ch, const struct model_intent *i, struct api_error *e)
{
	struct model *m = &ch->next;
	struct model_intent *more = realloc(m->intents, (m->nintents + 1) * sizeof(*more));
	struct model_intent copy = *i;

	if (more)
		m->intents = more;
	copy.pool = strdup(i->pool);
	copy.volume = strdup(i->volume);
	copy.target = i->target ? strdup(i->target) : NULL;
	if (!more || !copy.pool || !copy.volume || (i->target && !copy.target)) {
		model_intent_fini(&copy);
		return no_memory(e);
	}
	more[m->nintents++] = copy;
	return true;
}

void change_remove_intent(struct change *ch, const uint8_t id[static 16])
{
	struct model *m = &ch->next;
	unsigned kept = 0;

	for (unsigned i = 0; i < m->nintents; i++)
		if (!memcmp(m->intents[i].id, id, sizeof(m->intents[i].id)))
			model_intent_fini(&m->intents[i]);
		else
			m->intents[kept++] = m->intents[i];
	m->nintents = kept;
}
