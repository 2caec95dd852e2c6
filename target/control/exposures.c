/* Volumes as LUNs of targets, in the next model. */
#include "target/control/volume_ops.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool free_lun(const struct change *ch, const char *volume, const char *target, unsigned *lun,
		     struct api_error *e)
{
	const struct served *s;
	uint8_t uuid[16] = { 0 };

	pthread_mutex_lock(&ch->c->lock);
	s = served_find(ch->c, volume);
	if (s)
		memcpy(uuid, s->v.uuid, sizeof(uuid));
	pthread_mutex_unlock(&ch->c->lock);
	return change_free_lun(ch, target, uuid, lun, e);
}

bool exposure_add(struct change *ch, const char *volume, const char *target,
		  const struct exposure *x, struct api_error *e)
{
	struct model_target *t = change_target(ch, target);
	unsigned lun = x->lun;

	for (unsigned i = 0; t && i < t->nluns; i++)
		if (!strcmp(t->luns[i].volume, volume)) {
			api_fail(e, 409, "exists", "volume %s is LUN %u of target %s already",
				 volume, t->luns[i].lun, target);
			return false;
		}
	if (x->has_lun ? !change_check_lun(ch, target, lun, e)
		       : !free_lun(ch, volume, target, &lun, e))
		return false;
	t = change_need_target(ch, target, e);
	return t && change_add_lun(ch, t, lun, volume, e);
}

/* Its own by name: made for the volume alone. */
static bool is_own(const struct model_target *t, const char *volume)
{
	const size_t len = strlen(TARGET_NAME_PREFIX);

	return !strncasecmp(t->name, TARGET_NAME_PREFIX, len) && !strcasecmp(t->name + len, volume);
}

/* Nobody has said anything of it that would be lost. */
static bool is_plain(const struct model_target *t)
{
	return !t->shared && !t->has_allow && !t->chap.nusers && !t->nportals && !t->redirect;
}

static bool remove_from(struct change *ch, struct model_target *t, const char *volume,
			bool for_good, unsigned *nremoved, struct api_error *e)
{
	unsigned before = t->nluns;

	for (unsigned k = t->nluns; k--;)
		if (!strcmp(t->luns[k].volume, volume))
			change_remove_lun(t, t->luns[k].lun);
	*nremoved += before - t->nluns;
	if (before == t->nluns)
		return true;
	if (!change_touch(ch, t->name, e))
		return false;
	if (t->nluns)
		return true;
	if (for_good ? is_own(t, volume) || is_plain(t) : is_own(t, volume) && is_plain(t))
		model_remove_target(&ch->next, t->name);
	return true;
}

bool exposure_remove(struct change *ch, const char *volume, const char *target, bool for_good,
		     unsigned *nremoved, struct api_error *e)
{
	struct model *m = &ch->next;

	for (unsigned i = m->ntargets; i--;)
		if ((!target || !strcasecmp(m->targets[i].name, target)) &&
		    !remove_from(ch, &m->targets[i], volume, for_good, nremoved, e))
			return false;
	return true;
}
