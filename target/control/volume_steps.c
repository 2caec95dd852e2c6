/* Making and deleting volumes, step by step: see volume_ops.h. */
#include "target/control/volume_ops.h"

#include "backstore/base/log.h"
#include "backstore/base/uuid.h"

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

static bool job_step(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	return job_progress(arg, done_bytes, total_bytes);
}

/* Of a job that counts in steps. */
static bool job_listen(void *arg, uint64_t done_bytes, uint64_t total_bytes)
{
	(void)done_bytes, (void)total_bytes;
	return !job_is_cancelled(arg);
}

/* --- making -------------------------------------------------------------------------------------
 */

static struct served *new_served(const struct making *mk, const uint8_t uuid[static 16])
{
	struct vpool_volume v = {
		.kind = mk->want.path ? VPOOL_EXTERNAL : VPOOL_FILE,
		.path = strdup(mk->want.path ? mk->want.path : ""),
		.device = strdup(""),
		.size_bytes = mk->want.size_bytes,
		.block_bytes = mk->want.block_bytes,
		.buffered = mk->want.buffered,
		.writethrough = mk->want.writethrough,
		.read_only = mk->want.read_only,
	};
	struct served *s = NULL;

	memcpy(v.uuid, uuid, sizeof(v.uuid));
	snprintf(v.name, sizeof(v.name), "%s", mk->want.name);
	if (v.path && v.device)
		s = served_new(mk->pool, &v);
	if (!s) {
		vpool_volume_fini(&v);
		return NULL;
	}
	s->state = SERVED_CREATING;
	s->busy = "being created";
	return s;
}

/* With lock. */
static bool check_name(struct control *c, const struct served *s, struct api_error *e)
{
	list_for_each (l, &c->served) {
		const struct served *other = list_entry(l, struct served, link);

		if (!strcmp(other->v.name, s->v.name)) {
			api_fail(e, 409, "exists",
				 "there is a volume %s already (%s%s); choose another name",
				 s->v.name, other->pool ? "in pool " : "on the command line",
				 other->pool ? other->pool->name : "");
			return false;
		}
		if (!memcmp(other->v.uuid, s->v.uuid, sizeof(s->v.uuid))) {
			api_fail(e, 409, "exists",
				 "volume %s has this id already, and initiators would take both "
				 "for one disk; give another, or none",
				 other->v.name);
			return false;
		}
	}
	if (!served_twin(c, s))
		return true;
	api_fail(e, 409, "exists",
		 "the name of volume %s would be the id of volume %s, or the other way round; "
		 "choose another",
		 s->v.name, served_twin(c, s)->v.name);
	return false;
}

static bool enlist(struct making *mk, struct api_error *e)
{
	uint8_t uuid[UUID_BYTES];
	bool may;
	int rc = 0;

	if (mk->want.has_id)
		memcpy(uuid, mk->want.id, sizeof(uuid));
	else
		rc = uuid_generate(uuid);
	if (rc) {
		api_fail_errno(e, rc, "cannot make a UUID");
		return false;
	}
	mk->s = new_served(mk, uuid);
	if (!mk->s)
		return no_memory(e);
	pthread_mutex_lock(&mk->c->lock);
	may = check_name(mk->c, mk->s, e);
	if (may)
		list_add_tail(&mk->c->served, &mk->s->link);
	pthread_mutex_unlock(&mk->c->lock);
	if (!may)
		served_free(mk->s);
	return may;
}

static void delist(struct control *c, struct served *s)
{
	pthread_mutex_lock(&c->lock);
	list_del(&s->link);
	pthread_mutex_unlock(&c->lock);
	served_free(s);
}

static bool choose_lun(struct making *mk, struct change *ch, const struct exposure *x,
		       struct api_error *e)
{
	int n;

	if (x->target)
		n = asprintf(&mk->target, "%s", x->target);
	else
		n = asprintf(&mk->target, TARGET_NAME_PREFIX "%s", mk->want.name);
	if (n < 0) {
		mk->target = NULL;
		return no_memory(e);
	}
	if (!check_not_given(mk->c, mk->target, e))
		return false;
	mk->lun = x->lun;
	if (x->has_lun)
		return change_check_lun(ch, mk->target, x->lun, e);
	return change_free_lun(ch, mk->target, NULL, &mk->lun, e);
}

static bool intend(struct making *mk, struct change *ch, struct api_error *e)
{
	struct model_intent in = {
		.pool = mk->pool->name,
		.volume = mk->s->v.name,
		.target = mk->target,
		.lun = mk->lun,
	};

	memcpy(in.id, mk->s->v.uuid, sizeof(in.id));
	return change_add_intent(ch, &in, e);
}

bool making_begin(struct making *mk, struct change *ch, const struct model_volume *want,
		  struct served_pool *pool, const struct exposure *x, struct api_error *e)
{
	*mk = (struct making){ .c = ch->c, .want = *want, .pool = pool };
	if (!enlist(mk, e))
		return false;
	if ((!x || choose_lun(mk, ch, x, e)) && intend(mk, ch, e))
		return true;
	delist(mk->c, mk->s);
	free(mk->target);
	return false;
}

static bool make_in_pool(struct making *mk, struct job *job, struct api_error *e)
{
	const struct vpool_spec spec = {
		.name = mk->s->v.name,
		.uuid = mk->s->v.uuid,
		.path = mk->want.path,
		.size_bytes = mk->want.size_bytes,
		.block_bytes = mk->want.block_bytes,
		.buffered = mk->want.buffered,
		.writethrough = mk->want.writethrough,
		.read_only = mk->want.read_only,
		.preallocate = mk->want.preallocate,
	};
	const struct vpool_progress progress = { mk->is_step ? job_listen : job_step, job };
	struct vpool_volume v, old;
	char why[API_WHY_BYTES];
	int rc = vpool_create(mk->pool->vp, &spec, &v, &progress, why, sizeof(why));

	if (rc) { /* what is not there is the path that was given, and not what was asked for */
		api_fail_errno(e, rc == -ENOENT ? -EINVAL : rc, why);
		return false;
	}
	mk->made = true;
	pthread_mutex_lock(&mk->c->lock);
	old = mk->s->v;
	mk->s->v = v;
	pthread_mutex_unlock(&mk->c->lock);
	vpool_volume_fini(&old);
	return true;
}

bool making_data(struct making *mk, struct job *job, struct api_error *e)
{
	job_say(job, "making volume %s in pool %s", mk->s->v.name, mk->pool->name);
	return make_in_pool(mk, job, e) && served_open(mk->c, mk->s, false, e);
}

/* Targets may have waited for it: of a volume that was lost. */
static bool touch_waiting(struct change *ch, const char *volume, struct api_error *e)
{
	for (unsigned i = 0; i < ch->next.ntargets; i++)
		if (model_shows(&ch->next.targets[i], volume) &&
		    !change_touch(ch, ch->next.targets[i].name, e))
			return false;
	return true;
}

bool making_finish(struct making *mk, struct change *ch, struct api_error *e)
{
	struct model_target *t;

	change_remove_intent(ch, mk->s->v.uuid);
	if (!touch_waiting(ch, mk->s->v.name, e))
		return false;
	if (mk->target) {
		t = change_need_target(ch, mk->target, e);
		if (!t || !change_add_lun(ch, t, mk->lun, mk->s->v.name, e))
			return false;
	}
	served_set_state(mk->c, mk->s, SERVED_AVAILABLE, NULL); /* for the node to show it */
	return true;
}

void making_end(struct making *mk)
{
	log_info("volume %s: made in pool %s: %s, %llu bytes%s%s", mk->s->v.name, mk->pool->name,
		 mk->s->v.path, (unsigned long long)mk->s->v.size_bytes,
		 mk->target ? ", behind " : "", mk->target ? mk->target : "");
	pthread_mutex_lock(&mk->c->lock);
	mk->s->busy = NULL;
	pthread_mutex_unlock(&mk->c->lock);
	free(mk->target);
}

/* What a pool has of it, it is to lose: now, or at the next start. */
static bool unmake(struct making *mk)
{
	char why[API_WHY_BYTES], all[API_WHY_BYTES + 100];
	int rc;

	if (!mk->made)
		return true;
	(void)served_close(mk->c, mk->s);
	rc = vpool_delete(mk->pool->vp, mk->s->v.uuid, NULL, why, sizeof(why));
	if (!rc)
		return true;
	snprintf(all, sizeof(all), "it could not be made, nor taken back: %s", why);
	log_error("volume %s: %s", mk->s->v.name, all);
	served_set_state(mk->c, mk->s, SERVED_ERROR, all);
	return false;
}

static void forget_intent(struct making *mk, bool is_gone)
{
	struct model_intent in = { .is_delete = true,
				   .pool = mk->pool->name,
				   .volume = mk->s->v.name };
	struct api_error e;
	struct change ch;

	memcpy(in.id, mk->s->v.uuid, sizeof(in.id));
	if (!change_begin(&ch, mk->c, &e)) {
		log_error("volume %s: %s; the next start forgets it", mk->s->v.name, e.message);
		return;
	}
	change_remove_intent(&ch, in.id);
	if ((!is_gone && !change_add_intent(&ch, &in, &e)) || !change_commit(&ch, &e))
		log_error("volume %s: %s; the next start forgets it", mk->s->v.name, e.message);
	change_end(&ch);
}

void making_undo(struct making *mk)
{
	bool is_gone;

	served_set_state(mk->c, mk->s, SERVED_CREATING, NULL);
	is_gone = unmake(mk);
	forget_intent(mk, is_gone);
	if (is_gone) {
		delist(mk->c, mk->s);
	} else {
		pthread_mutex_lock(&mk->c->lock);
		mk->s->busy = NULL;
		pthread_mutex_unlock(&mk->c->lock);
	}
	free(mk->target);
}

/* --- deleting ------------------------------------------------------------------------------------
 */

bool leaving_begin(struct leaving *lv, struct change *ch, struct served *s, struct api_error *e)
{
	struct model_intent in = { .is_delete = true, .pool = s->pool->name, .volume = s->v.name };
	unsigned nremoved = 0;
	bool is_shown;

	*lv = (struct leaving){ .c = ch->c, .s = s, .was = s->state };
	snprintf(lv->name, sizeof(lv->name), "%s", s->v.name);
	memcpy(in.id, s->v.uuid, sizeof(in.id));
	change_remove_intent(ch, in.id); /* of a deletion that failed */
	pthread_mutex_lock(&ch->c->lock);
	is_shown = served_owns_name(ch->c, s);
	pthread_mutex_unlock(&ch->c->lock);
	if ((is_shown && !exposure_remove(ch, s->v.name, NULL, true, &nremoved, e)) ||
	    !change_add_intent(ch, &in, e))
		return false;
	pthread_mutex_lock(&lv->c->lock);
	s->state = SERVED_DELETING; /* the error, if there is one, stays for leaving_undo */
	pthread_mutex_unlock(&lv->c->lock);
	return true;
}

void leaving_undo(struct leaving *lv)
{
	pthread_mutex_lock(&lv->c->lock);
	lv->s->state = lv->was;
	pthread_mutex_unlock(&lv->c->lock);
	served_release(lv->c, lv->s);
}

/* A logical volume cannot be removed while it is open; files and what is elsewhere can. */
static bool await_disk(struct leaving *lv, struct job *job, struct api_error *e)
{
	if (lv->s->v.kind != VPOOL_LV)
		return true;
	job_say(job, "volume %s is not served any more; its disk, %s, has still to end commands",
		lv->name, lv->s->v.path);
	while (!reaper_await(lv->c->reaper, lv->s->v.uuid, 1))
		if (!job_progress(job, 0, 0) || jobs_are_stopping(lv->c->jobs)) {
			api_fail(e, 409, "cancelled",
				 "volume %s: its disk, %s, has not ended its commands; the next "
				 "start deletes it, or ringlun volume delete %s",
				 lv->name, lv->s->v.path, lv->name);
			return false;
		}
	return true;
}

static bool is_in_pool(const struct served *s)
{
	struct vpool_volume *all;
	bool found = false;
	unsigned n;

	if (vpool_list(s->pool->vp, &all, &n))
		return true; /* nobody knows */
	for (unsigned i = 0; i < n; i++)
		found |= !memcmp(all[i].uuid, s->v.uuid, sizeof(s->v.uuid));
	vpool_list_free(all, n);
	return found;
}

bool leaving_data(struct leaving *lv, struct job *job, struct api_error *e)
{
	const struct vpool_progress progress = { lv->is_step ? job_listen : job_step, job };
	char why[API_WHY_BYTES];
	int rc;

	if (!served_close(lv->c, lv->s) && !await_disk(lv, job, e))
		return false;
	job_say(job, "deleting volume %s from pool %s", lv->name, lv->s->pool->name);
	rc = vpool_delete(lv->s->pool->vp, lv->s->v.uuid, &progress, why, sizeof(why));
	if (!rc || rc == -ENOENT)
		return true;
	if (!is_in_pool(lv->s)) { /* it is gone, but not all of its bytes */
		log_warn("volume %s: %s", lv->name, why);
		return true;
	}
	api_fail_errno(e, rc, why);
	return false;
}

void leaving_finish(struct leaving *lv, struct change *ch)
{
	change_remove_intent(ch, lv->s->v.uuid);
}

void leaving_end(struct leaving *lv)
{
	log_info("volume %s: deleted", lv->name);
	pthread_mutex_lock(&lv->c->lock); /* both at once: nobody can claim it in between */
	lv->s->pool->users--;
	list_del(&lv->s->link);
	pthread_mutex_unlock(&lv->c->lock);
	served_free(lv->s);
}
