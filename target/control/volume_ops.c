/* What the API does to a volume: see volume_ops.h. */
#include "target/control/volume_ops.h"

#include "backstore/base/log.h"
#include "target/scsi/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- create --------------------------------------------------------------------------------- */

/* A target shows one of this name that is not there, as its pool could not be opened. */
static bool check_not_awaited(struct change *ch, const char *name, struct api_error *e)
{
	const struct served *s;

	pthread_mutex_lock(&ch->c->lock);
	s = served_find(ch->c, name);
	pthread_mutex_unlock(&ch->c->lock);
	for (unsigned i = 0; !s && i < ch->next.ntargets; i++) {
		if (!model_shows(&ch->next.targets[i], name))
			continue;
		api_fail(e, 409, "exists",
			 "target %s shows a volume %s that is not there now, as its pool cannot be "
			 "opened, for one; hosts would find another disk in its place: choose "
			 "another name, or delete the target (ringlun target delete %s)",
			 ch->next.targets[i].name, name, ch->next.targets[i].name);
		return false;
	}
	return true;
}

static bool begin_making(struct making *mk, struct control *c, const struct model_volume *want,
			 struct served_pool *pool, const struct exposure *x, struct api_error *e)
{
	struct change ch;
	bool begun, kept;

	if (!change_begin(&ch, c, e))
		return false;
	begun = check_not_awaited(&ch, want->name, e) && making_begin(mk, &ch, want, pool, x, e);
	kept = begun && change_commit(&ch, e);
	change_end(&ch);
	if (begun && !kept)
		making_undo(mk);
	return kept;
}

static bool finish_making(struct making *mk, struct api_error *e)
{
	struct change ch;
	bool done;

	if (!change_begin(&ch, mk->c, e))
		return false;
	done = making_finish(mk, &ch, e) && change_commit(&ch, e);
	change_end(&ch);
	return done;
}

static bool cancelled(const char *name, struct api_error *e)
{
	api_fail(e, 409, "cancelled", "volume %s: cancelled, and nothing of it is left", name);
	return false;
}

bool volume_create(struct control *c, struct job *job, const struct model_volume *want,
		   const struct exposure *x, struct api_error *e)
{
	struct making mk;
	struct served_pool *pool;
	bool done;

	if (!served_pool_need(c, want->pool ? want->pool : DEFAULT_POOL, &pool, e))
		return false;
	done = begin_making(&mk, c, want, pool, x, e);
	if (done) {
		done = making_data(&mk, job, e) && (job_commit(job) || cancelled(want->name, e)) &&
		       finish_making(&mk, e);
		if (done)
			making_end(&mk);
		else
			making_undo(&mk);
	}
	served_pool_release(c, pool);
	return done;
}

/* --- delete --------------------------------------------------------------------------------- */

static bool begin_leaving(struct leaving *lv, struct control *c, struct served *s, bool force,
			  struct api_error *e)
{
	struct change ch;
	bool begun, kept, is_shown;

	if (!change_begin(&ch, c, e)) {
		served_release(c, s);
		return false;
	}
	pthread_mutex_lock(&c->lock);
	is_shown = served_owns_name(c, s);
	pthread_mutex_unlock(&c->lock);
	if (!force && is_shown && !check_unused(c, s->v.name, NULL, e)) {
		change_end(&ch);
		served_release(c, s);
		return false;
	}
	begun = leaving_begin(lv, &ch, s, e);
	kept = begun && change_commit(&ch, e);
	if (begun && !kept)
		leaving_undo(lv);
	else if (!begun)
		served_release(c, s);
	change_end(&ch);
	return kept;
}

/* Its bytes are gone, or will be: a failure here is one of the state file, which the next start
 * mends. */
static void finish_leaving(struct leaving *lv)
{
	struct api_error e;
	struct change ch;

	if (change_begin(&ch, lv->c, &e)) {
		leaving_finish(lv, &ch);
		if (!change_commit(&ch, &e))
			log_error("volume %s is deleted, but the state file does not say so yet: "
				  "%s",
				  lv->name, e.message);
		change_end(&ch);
	}
	leaving_end(lv);
}

bool volume_delete(struct control *c, struct job *job, const char *name, bool force,
		   struct api_error *e)
{
	struct leaving lv;
	struct served *s;

	if (!served_claim(c, name, "being deleted", &s, e))
		return false;
	if (!job_commit(job)) {
		served_release(c, s);
		api_fail(e, 409, "cancelled", "volume %s: cancelled before anything was done",
			 name);
		return false;
	}
	if (!begin_leaving(&lv, c, s, force, e))
		return false;
	if (leaving_data(&lv, job, e)) {
		finish_leaving(&lv);
		return true;
	}
	served_set_state(c, s, SERVED_ERROR, e->message);
	served_release(c, s);
	return false;
}

/* --- resize --------------------------------------------------------------------------------- */

static bool check_resize(const struct served *s, uint64_t size_bytes, struct api_error *e)
{
	if (s->state != SERVED_AVAILABLE || !s->open)
		api_fail(e, 409, "damaged", "volume %s is %s, and cannot be made larger: %s",
			 s->v.name, served_state_name(s), s->error ? s->error : "it is not open");
	else if (size_bytes % s->v.block_bytes || size_bytes > INT64_MAX)
		api_fail(e, 400, "invalid",
			 "size: %llu is no multiple of the block size of volume %s, %u",
			 (unsigned long long)size_bytes, s->v.name, s->v.block_bytes);
	else if (size_bytes < s->v.size_bytes)
		api_fail(e, 400, "invalid",
			 "volume %s has %llu bytes, and is never made smaller, to %llu: its end "
			 "would be lost",
			 s->v.name, (unsigned long long)s->v.size_bytes,
			 (unsigned long long)size_bytes);
	else
		return true;
	return false;
}

static bool grow(struct control *c, struct served *s, uint64_t size_bytes, struct api_error *e)
{
	struct backstore *bs = scsi_lu_backstore(s->open->lu);
	char why[API_WHY_BYTES];
	int rc = vpool_resize(s->pool->vp, s->v.uuid, size_bytes, why, sizeof(why));

	if (!rc)
		rc = bs_grow(bs, why, sizeof(why));
	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	size_bytes = MAX(size_bytes, bs->size_bytes); /* a logical volume has whole extents */
	pthread_mutex_lock(&c->lock);
	s->v.size_bytes = size_bytes;
	pthread_mutex_unlock(&c->lock);
	scsi_lu_grown(s->open->lu);
	log_info("volume %s: has %llu bytes now", s->v.name, (unsigned long long)size_bytes);
	return true;
}

bool volume_resize(struct control *c, const char *name, uint64_t size_bytes, struct api_error *e)
{
	struct served *s;
	bool done;

	if (!served_claim(c, name, "being resized", &s, e))
		return false;
	done = check_resize(s, size_bytes, e) &&
	       (size_bytes == s->v.size_bytes || grow(c, s, size_bytes, e));
	served_release(c, s);
	return done;
}

/* --- recover -------------------------------------------------------------------------------- */

static bool show(struct control *c, struct served *s, bool hidden, struct api_error *e)
{
	bool done;

	pthread_mutex_lock(&c->change);
	pthread_mutex_lock(&c->lock);
	s->hidden = hidden;
	pthread_mutex_unlock(&c->lock);
	done = shown_sync_volume(c, s->v.name, e);
	pthread_mutex_unlock(&c->change);
	return done;
}

static bool reopen(struct control *c, struct job *job, struct served *s, struct api_error *e)
{
	job_say(job, "taking volume %s from its targets", s->v.name);
	if (!show(c, s, true, e))
		return false;
	if (!served_close(c, s)) {
		api_fail(
			e, 504, "timed_out",
			"volume %s: its disk, %s, still has commands, and it cannot be opened anew "
			"before it has ended them; try again then",
			s->v.name, s->v.path);
		return false;
	}
	job_say(job, "opening volume %s", s->v.name);
	return served_open(c, s, true, e);
}

/* A host that goes on with what it remembers of a disk that has lost writes destroys more; and the
 * volume is away for a moment. */
static bool check_logged_out(struct control *c, const struct served *s, struct api_error *e)
{
	bool is_unused;
	char *end;
	size_t at;

	if (!s->open)
		return true;
	pthread_mutex_lock(&c->change);
	is_unused = check_unused(c, s->v.name, NULL, e);
	pthread_mutex_unlock(&c->change);
	if (is_unused)
		return true;
	end = strchr(e->message, ';');
	at = end ? (size_t)(end - e->message) : strlen(e->message);
	snprintf(e->message + at, sizeof(e->message) - at,
		 "; log out there first: a host must not go on with what it remembers of a disk "
		 "that may have lost writes");
	return false;
}

/* Of a deletion that failed, or of one that was being made: the next start would end it. */
static bool forget_intent(struct control *c, const struct served *s, struct api_error *e)
{
	struct change ch;
	unsigned before;
	bool done = true;

	if (!change_begin(&ch, c, e))
		return false;
	before = ch.next.nintents;
	change_remove_intent(&ch, s->v.uuid);
	if (ch.next.nintents != before)
		done = change_commit(&ch, e);
	change_end(&ch);
	return done;
}

bool volume_recover(struct control *c, struct job *job, const char *name, struct api_error *e)
{
	struct api_error more;
	struct served *s;
	bool done;

	if (!served_claim(c, name, "being recovered", &s, e))
		return false;
	if (!served_check_twin(c, s, e) || !check_logged_out(c, s, e) || !forget_intent(c, s, e)) {
		served_release(c, s);
		return false;
	}
	done = reopen(c, job, s, e);
	if (s->open)
		served_set_state(c, s, SERVED_AVAILABLE, NULL);
	else
		served_set_state(c, s, SERVED_ERROR, e->message);
	if (!show(c, s, false, &more) && done) {
		*e = more;
		done = false;
	}
	if (done)
		log_warn("volume %s: recovered: what a failed flush may have lost is accepted",
			 s->v.name);
	served_release(c, s);
	return done;
}

/* --- expose, unexpose ----------------------------------------------------------------------- */

bool volume_expose(struct control *c, const char *name, const struct exposure *x,
		   struct api_error *e)
{
	char own[ISCSI_NAME_BYTES];
	struct change ch;
	struct served *s;
	bool done;

	if (!served_claim(c, name, "being exposed", &s, e))
		return false;
	snprintf(own, sizeof(own), TARGET_NAME_PREFIX "%s", s->v.name);
	done = served_check_twin(c, s, e) && check_not_given(c, x->target ? x->target : own, e) &&
	       change_begin(&ch, c, e);
	if (done) {
		done = exposure_add(&ch, s->v.name, x->target ? x->target : own, x, e) &&
		       change_commit(&ch, e);
		change_end(&ch);
	}
	served_release(c, s);
	return done;
}

static bool remove_luns(struct change *ch, const char *volume, const char *target,
			struct api_error *e)
{
	unsigned nremoved = 0;

	if (!exposure_remove(ch, volume, target, false, &nremoved, e))
		return false;
	if (nremoved)
		return true;
	api_fail(e, 404, "not_found", "volume %s is behind no target%s%s", volume,
		 target ? " " : "", target ? target : "");
	return false;
}

bool volume_unexpose(struct control *c, const char *name, const char *target, bool force,
		     struct api_error *e)
{
	struct change ch;
	struct served *s;
	bool done;

	if (!served_claim(c, name, "being unexposed", &s, e))
		return false;
	done = served_check_twin(c, s, e) && (!target || check_not_given(c, target, e)) &&
	       change_begin(&ch, c, e);
	if (done) {
		done = remove_luns(&ch, s->v.name, target, e) &&
		       (force || check_unused(c, s->v.name, target, e)) && change_commit(&ch, e);
		change_end(&ch);
	}
	served_release(c, s);
	return done;
}
