/* What initiators see: the node's targets are made what the model says.
 *
 * For each target we know what the node has of it, so the way there is the difference: a policy
 * that is another, LUNs that go, LUNs that come. Sessions of what stays the same notice nothing.
 * A LUN whose volume is not open is left out until it is. */
#include "target/control/control_priv.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct shown_lun {
	unsigned lun;
	struct volume *unit;
};

/* A number that a volume has left while somebody was logged in. */
struct left_lun {
	unsigned lun;
	uint8_t uuid[16];
};

struct shown { /* what the node has of a target of the model */
	struct list link;
	struct model_target as; /* but for its LUNs */
	struct shown_lun *luns;
	unsigned nluns;
	struct left_lun *left;
	unsigned nleft;
};

static bool failed(struct api_error *e, const char *target, const char *what, int rc)
{
	api_fail(e, rc == -ENOMEM ? 503 : 500, rc == -ENOMEM ? "out_of_memory" : "failed",
		 "target %s: cannot %s: %s", target, what, strerror(-rc));
	return false;
}

/* --- policies ----------------------------------------------------------------------------------
 */

static struct policy_user *users_of(const struct model_chap *c)
{
	struct policy_user *users = calloc(c->nusers + 1, sizeof(*users));

	for (unsigned i = 0; users && i < c->nusers; i++)
		users[i] = (struct policy_user){ c->users[i].name, c->users[i].secret };
	return users;
}

static struct policy_rule *rules_of(const struct model_target *t)
{
	struct policy_rule *rules = calloc(t->nallow + 1, sizeof(*rules));

	for (unsigned i = 0; rules && i < t->nallow; i++)
		rules[i] = (struct policy_rule){ t->allow[i].initiator, t->allow[i].address };
	return rules;
}

static int make_policy(struct iscsi_policy **out, const struct model_target *t, char *why,
		       size_t why_cap)
{
	const struct policy_user mutual = { t->chap.mutual.name, t->chap.mutual.secret };
	struct policy_user *users = users_of(&t->chap);
	struct policy_rule *rules = rules_of(t);
	const struct policy_spec spec = {
		.shared = t->shared,
		.by_default = !t->has_allow,
		.rules = rules,
		.nrules = t->nallow,
		.users = users,
		.nusers = t->chap.nusers,
		.mutual = t->chap.has_mutual ? &mutual : NULL,
		.portals = (const char *const *)t->portals,
		.nportals = t->nportals,
		.redirect = t->redirect,
		.redirect_forever = t->redirect_forever,
	};
	int rc = -ENOMEM;

	snprintf(why, why_cap, "out of memory");
	if (users && rules)
		rc = policy_new(out, &spec, why, why_cap);
	free(users); /* the secrets are the model's */
	free(rules);
	return rc;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_chap(const struct model_chap *a, const struct model_chap *b)
{
	if (a->nusers != b->nusers || a->has_mutual != b->has_mutual)
		return false;
	for (unsigned i = 0; i < a->nusers; i++)
		if (!same_text(a->users[i].name, b->users[i].name) ||
		    !same_text(a->users[i].secret, b->users[i].secret))
			return false;
	return same_text(a->mutual.name, b->mutual.name) &&
	       same_text(a->mutual.secret, b->mutual.secret);
}

static bool same_policy(const struct model_target *a, const struct model_target *b)
{
	if (a->shared != b->shared || a->has_allow != b->has_allow || a->nallow != b->nallow ||
	    a->nportals != b->nportals || !same_text(a->redirect, b->redirect) ||
	    a->redirect_forever != b->redirect_forever || !same_chap(&a->chap, &b->chap))
		return false;
	for (unsigned i = 0; i < a->nallow; i++)
		if (!same_text(a->allow[i].initiator, b->allow[i].initiator) ||
		    !same_text(a->allow[i].address, b->allow[i].address))
			return false;
	for (unsigned i = 0; i < a->nportals; i++)
		if (!same_text(a->portals[i], b->portals[i]))
			return false;
	return true;
}

/* --- targets ------------------------------------------------------------------------------------
 */

static struct shown *find(struct control *c, const char *name)
{
	list_for_each (l, &c->shown) {
		struct shown *s = list_entry(l, struct shown, link);

		if (!strcasecmp(s->as.name, name))
			return s;
	}
	return NULL;
}

static void shown_free(struct shown *s)
{
	model_target_fini(&s->as);
	free(s->luns);
	free(s->left);
	free(s);
}

static bool keep_policy(struct shown *s, const struct model_target *t, struct api_error *e)
{
	struct model_target copy;

	if (model_target_copy(&copy, t))
		return failed(e, t->name, "keep its rules", -ENOMEM);
	model_target_fini(&s->as);
	s->as = copy;
	return true;
}

static bool add_target(struct control *c, const struct model_target *t, struct shown **out,
		       struct api_error *e)
{
	struct shown *s = calloc(1, sizeof(*s));
	struct iscsi_policy *policy;
	char why[API_WHY_BYTES];
	int rc;

	if (!s || !keep_policy(s, t, e)) {
		free(s);
		return failed(e, t->name, "be added", -ENOMEM);
	}
	rc = make_policy(&policy, t, why, sizeof(why));
	if (!rc)
		rc = iscsi_node_add_target(c->node, t->name, policy, why, sizeof(why));
	if (rc) {
		api_fail_errno(e, rc, why);
		shown_free(s);
		return false;
	}
	list_add_tail(&c->shown, &s->link);
	*out = s;
	return true;
}

static bool set_policy(struct control *c, struct shown *s, const struct model_target *t,
		       struct api_error *e)
{
	struct iscsi_policy *policy;
	char why[API_WHY_BYTES];
	int rc;

	if (same_policy(&s->as, t))
		return true;
	rc = make_policy(&policy, t, why, sizeof(why));
	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	rc = iscsi_node_set_policy(c->node, t->name, policy);
	return rc ? failed(e, t->name, "take its rules", rc) : keep_policy(s, t, e);
}

static void remove_target(struct control *c, struct shown *s)
{
	int rc = iscsi_node_remove_target(c->node, s->as.name);

	if (rc)
		log_error("target %s: cannot be removed: %s", s->as.name, strerror(-rc));
	list_del(&s->link);
	shown_free(s);
}

/* --- LUNs ---------------------------------------------------------------------------------------
 */

/* What is to be there; NULL: nothing. */
static struct volume *unit_of(struct control *c, const char *name)
{
	struct served *s;
	struct volume *unit = NULL;

	pthread_mutex_lock(&c->lock);
	s = served_find(c, name);
	if (s && s->pool && s->state == SERVED_AVAILABLE && !s->hidden)
		unit = s->open;
	pthread_mutex_unlock(&c->lock);
	return unit;
}

static bool is_wanted(struct control *c, const struct model_target *t, const struct shown_lun *sl)
{
	const struct model_lun *l = model_find_lun(t, sl->lun);

	return l && unit_of(c, l->volume) == sl->unit;
}

static void forget_left(struct shown *s, unsigned lun)
{
	for (unsigned i = 0; i < s->nleft; i++)
		if (s->left[i].lun == lun)
			s->left[i--] = s->left[--s->nleft];
}

static bool note_left(struct shown *s, const struct shown_lun *sl)
{
	struct left_lun *more = realloc(s->left, (s->nleft + 1) * sizeof(*more));

	if (!more)
		return false;
	s->left = more;
	forget_left(s, sl->lun);
	more[s->nleft].lun = sl->lun;
	memcpy(more[s->nleft++].uuid, sl->unit->uuid, sizeof(more->uuid));
	return true;
}

static bool has_sessions(struct control *c, const char *target)
{
	struct iscsi_session_info *all;
	bool found = false;
	unsigned n;

	if (iscsi_node_sessions(c->node, &all, &n))
		return true; /* no memory to tell */
	for (unsigned i = 0; i < n && !found; i++)
		found = !all[i].discovery && !strcasecmp(all[i].target, target);
	free(all);
	return found;
}

bool shown_lun_is_free(struct control *c, const char *target, unsigned lun, const uint8_t *uuid)
{
	struct shown *s = find(c, target);

	for (unsigned i = 0; s && i < s->nleft; i++) {
		if (s->left[i].lun != lun ||
		    (uuid && !memcmp(s->left[i].uuid, uuid, sizeof(s->left[i].uuid))))
			continue;
		if (has_sessions(c, target))
			return false;
		s->nleft = 0; /* who comes from now on looks anew */
	}
	return true;
}

static bool unmap(struct control *c, struct shown *s, const struct model_target *t,
		  struct api_error *e)
{
	for (unsigned i = 0; i < s->nluns;) {
		int rc;

		if (is_wanted(c, t, &s->luns[i])) {
			i++;
			continue;
		}
		rc = note_left(s, &s->luns[i]) ? 0 : -ENOMEM;
		if (!rc)
			rc = iscsi_node_unmap_lun(c->node, t->name, s->luns[i].lun);
		if (rc)
			return failed(e, t->name, "take a LUN away", rc);
		memmove(&s->luns[i], &s->luns[i + 1], (--s->nluns - i) * sizeof(*s->luns));
	}
	return true;
}

static bool has_lun(const struct shown *s, unsigned lun)
{
	for (unsigned i = 0; i < s->nluns; i++)
		if (s->luns[i].lun == lun)
			return true;
	return false;
}

static bool map(struct control *c, struct shown *s, const struct model_target *t,
		struct api_error *e)
{
	struct shown_lun *more = realloc(s->luns, (t->nluns + 1) * sizeof(*more));

	if (!more)
		return failed(e, t->name, "show its LUNs", -ENOMEM);
	s->luns = more;
	for (unsigned i = 0; i < t->nluns; i++) {
		struct volume *unit = unit_of(c, t->luns[i].volume);
		unsigned lun = t->luns[i].lun;
		int rc;

		if (!unit || has_lun(s, lun))
			continue;
		rc = iscsi_node_map_lun(c->node, t->name, lun, unit->lu);
		if (rc)
			return failed(e, t->name, "show a LUN", rc);
		s->luns[s->nluns++] = (struct shown_lun){ lun, unit };
	}
	return true;
}

bool shown_sync(struct control *c, const char *target, struct api_error *e)
{
	const struct model_target *t = model_find_target(&c->model, target);
	struct shown *s = find(c, target);

	if (!t) {
		if (s)
			remove_target(c, s);
		return true;
	}
	if (!s && !add_target(c, t, &s, e))
		return false;
	return set_policy(c, s, t, e) && unmap(c, s, t, e) && map(c, s, t, e);
}

bool shown_sync_volume(struct control *c, const char *volume, struct api_error *e)
{
	for (unsigned i = 0; i < c->model.ntargets; i++)
		if (model_shows(&c->model.targets[i], volume) &&
		    !shown_sync(c, c->model.targets[i].name, e))
			return false;
	return true;
}

bool shown_sync_discovery(struct control *c, struct api_error *e)
{
	const struct model_target anybody = { .chap = c->model.discovery };
	struct iscsi_policy *policy = NULL;
	char why[API_WHY_BYTES];
	int rc = 0;

	if (c->model.discovery.nusers)
		rc = make_policy(&policy, &anybody, why, sizeof(why));
	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	iscsi_node_set_discovery_policy(c->node, policy);
	return true;
}

void shown_free_all(struct control *c)
{
	struct list *l;

	while ((l = list_pop(&c->shown)))
		shown_free(list_entry(l, struct shown, link));
}

bool shown_admits(struct control *c, const char *target, const struct iscsi_session_info *session)
{
	struct listen_config peer; /* reads an address with its port */
	struct iscsi_policy *policy;
	char why[API_WHY_BYTES];
	bool admits = true;

	pthread_mutex_lock(&c->lock);
	if (!listen_config_parse(&peer, session->address, why, sizeof(why))) {
		const struct model_target *t = model_find_target(&c->model, target);

		if (t && t->has_allow && !make_policy(&policy, t, why, sizeof(why))) {
			admits = policy_admits(policy, session->initiator, &peer.addr);
			policy_put(policy);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return admits;
}
