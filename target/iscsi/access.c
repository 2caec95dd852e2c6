/* Who may log in to what: a target's own rules, or the node's, and its portals.
 *
 *   names are known ─▶ access_begin: by the policy as it is now ─▶ CHAP, keys ─▶ iscsi_node_enter
 *                                                                        │ policy was changed
 *                                        access_again: by the new one  ◀─┘
 *
 * So a login ends by the rules that hold when it enters the register, though it may have begun by
 * others; whoever takes a rule away and then looks at the list of sessions misses none. */
#include "target/iscsi/access.h"

#include "target/iscsi/session.h"
#include "target/iscsi/sockaddr.h"

#include <stdio.h>
#include <string.h>

static struct iscsi_policy *get(struct iscsi_policy *p)
{
	return p ? policy_get(p) : NULL;
}

static struct iscsi_policy *policy_of(const struct iscsi_node *node, const struct session *s)
{
	return s->target ? s->target->policy : node->discovery_policy;
}

/* With the lock held. */
static void take_policies(struct iscsi_node *node, struct session *s)
{
	s->policy = get(policy_of(node, s));
	s->defaults = get(node->default_policy);
}

bool access_holds(const struct iscsi_node *node, const struct session *s)
{
	return s->policy == policy_of(node, s) && s->defaults == node->default_policy;
}

bool access_admits(const struct iscsi_policy *policy, const struct iscsi_policy *defaults,
		   const char *initiator, const struct sockaddr_storage *peer)
{
	if (!policy->by_default)
		return policy_admits(policy, initiator, peer);
	return !defaults || policy_admits(defaults, initiator, peer);
}

/* --- verdicts -------------------------------------------------------------------------- */

static void say_no_rule(const struct session *s, const char *where, char *why, size_t why_cap)
{
	const struct iscsi_policy *p = s->policy;

	if (p->by_default)
		snprintf(why, why_cap, "%s: no --allow rule matches this initiator", where);
	else if (!p->nrules)
		snprintf(why, why_cap,
			 "%s: it has no rules, so nobody may; allow this initiator or its address",
			 where);
	else
		snprintf(why, why_cap,
			 "%s: none of its %u rules matches this initiator at this address; allow "
			 "it",
			 where, p->nrules);
}

static enum iscsi_login_status judge_target(const struct session *s, const struct access_path *path,
					    char *why, size_t why_cap)
{
	const struct iscsi_policy *p = s->policy;
	char here[SOCKADDR_TEXT_BYTES];

	if (!access_admits(p, s->defaults, s->initiator, &path->peer)) {
		say_no_rule(s, s->target->name, why, why_cap);
		return ISCSI_LOGIN_FORBIDDEN;
	}
	if (!policy_is_behind(p, &path->here)) {
		sockaddr_text(&path->here,
			      path->here.ss_family == AF_UNSPEC ? 0 : sockaddr_port(&path->here),
			      here);
		snprintf(why, why_cap, "%s is not served at %s: it has portals of its own",
			 s->target->name, here);
		return ISCSI_LOGIN_NOT_FOUND; /* 11.13.5: "at this address" */
	}
	if (p->redirect)
		return p->redirect_forever ? ISCSI_LOGIN_MOVED_FOREVER : ISCSI_LOGIN_MOVED;
	return ISCSI_LOGIN_SUCCESS;
}

/* By default everybody may ask: he is told of what he may have. */
static enum iscsi_login_status
judge_discovery(const struct session *s, const struct access_path *path, char *why, size_t why_cap)
{
	const struct iscsi_policy *p = s->policy;

	if (!p || p->by_default || policy_admits(p, s->initiator, &path->peer))
		return ISCSI_LOGIN_SUCCESS;
	say_no_rule(s, "discovery", why, why_cap);
	return ISCSI_LOGIN_FORBIDDEN;
}

static enum iscsi_login_status judge(const struct session *s, const struct access_path *path,
				     char *why, size_t why_cap)
{
	return s->target ? judge_target(s, path, why, why_cap)
			 : judge_discovery(s, path, why, why_cap);
}

enum iscsi_login_status access_begin(struct iscsi_node *node, struct session *s, const char *target,
				     const struct access_path *path, char *why, size_t why_cap)
{
	struct iscsi_target *t = NULL;

	pthread_mutex_lock(&node->lock);
	if (target)
		t = iscsi_node_target(node, target);
	if (t)
		s->target = iscsi_target_get(t);
	if (t || !target)
		take_policies(node, s);
	pthread_mutex_unlock(&node->lock);
	if (target && !t) {
		snprintf(why, why_cap, "there is no target %s", target);
		return ISCSI_LOGIN_NOT_FOUND;
	}
	return judge(s, path, why, why_cap);
}

/* --- changed meanwhile -------------------------------------------------------------------- */

static bool same_secret(const struct policy_secret *a, const struct policy_secret *b)
{
	return !strcmp(a->name, b->name) && a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static bool same_users(const struct iscsi_policy *a, const struct iscsi_policy *b)
{
	unsigned na = a ? a->nusers : 0, nb = b ? b->nusers : 0;

	for (unsigned i = 0; na == nb && i < na; i++)
		if (!same_secret(&a->users[i], &b->users[i]))
			return false;
	return na == nb;
}

enum iscsi_login_status access_again(struct iscsi_node *node, struct session *s,
				     const struct access_path *path, char *why, size_t why_cap)
{
	struct iscsi_policy *old = s->policy, *old_defaults = s->defaults;
	bool same;

	pthread_mutex_lock(&node->lock);
	take_policies(node, s);
	pthread_mutex_unlock(&node->lock);
	same = same_users(old, s->policy);
	policy_put(old);
	policy_put(old_defaults);
	if (same)
		return judge(s, path, why, why_cap);
	snprintf(why, why_cap, "the CHAP users of %s were changed during this login",
		 s->target ? s->target->name : "discovery");
	return ISCSI_LOGIN_UNAVAILABLE; /* class 3: it comes again */
}
