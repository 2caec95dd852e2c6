/* SendTargets (RFC 7143 appendix C): which targets there are for who asks, and where.
 *
 * Only those that it could log in to, by their rules and from its address, and only the portals by
 * which it could come to each. */
#include "target/iscsi/access.h"
#include "target/iscsi/conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	ADDRESS_BYTES = 96, /* of one TargetAddress pair, at most */
	NAME_BYTES = ISCSI_NAME_BYTES + 16,
};

/* What an answer is made from, taken from the register at one time. */
struct shown {
	struct iscsi_portal portals[ISCSI_MAX_PORTALS];
	unsigned nportals;
	struct sockaddr_storage here; /* AF_UNSPEC: not known */
	struct {
		struct iscsi_target *target;
		struct iscsi_policy *policy;
	} * targets; /* both counted */
	unsigned ntargets;
	struct sockaddr_storage found[ISCSI_MAX_PORTALS]; /* of one of them, for now */
};

static void write_address(struct keys_writer *w, const struct sockaddr_storage *sa, in_port_t port)
{
	char addr[SOCKADDR_TEXT_BYTES], value[ADDRESS_BYTES];

	sockaddr_text(sa, port, addr);
	snprintf(value, sizeof(value), "%s,%d", addr, ISCSI_PORTAL_GROUP);
	keys_write(w, "TargetAddress", value);
}

/* Of no use to whoever came from outside. */
static bool is_private(const struct shown *s, const struct sockaddr_storage *sa)
{
	return s->here.ss_family != AF_UNSPEC && !sockaddr_is_loopback(&s->here) &&
	       sockaddr_is_loopback(sa);
}

/* A wildcard stands for the address that this peer used, if it is of its family: nobody listens to
 * IPv4 behind [::] (portals.c). */
static bool find_portal(const struct shown *s, unsigned i, struct sockaddr_storage *sa)
{
	*sa = s->portals[i].addr;
	if (!sockaddr_is_any(sa))
		return !is_private(s, sa);
	if (s->here.ss_family != sa->ss_family)
		return false;
	*sa = s->here;
	sockaddr_set_port(sa, sockaddr_port(&s->portals[i].addr));
	return true;
}

/* The target's own portal is one that we listen to. */
static bool is_listened_to(const struct shown *s, const struct sockaddr_storage *sa)
{
	for (unsigned i = 0; i < s->nportals; i++)
		if (sockaddr_covers(&s->portals[i].addr, sa))
			return true;
	return false;
}

/* Every portal by which this peer could come, at most ISCSI_MAX_PORTALS. */
static unsigned find_addresses(struct shown *s, const struct iscsi_policy *policy)
{
	struct sockaddr_storage *found = s->found;
	unsigned n = 0;

	for (unsigned i = 0; i < s->nportals; i++)
		if (find_portal(s, i, &found[n]) && policy_is_behind(policy, &found[n]))
			n++;
	/* behind a wildcard, too, which this peer has used by another address */
	for (unsigned i = 0; i < policy->nportals && n < ISCSI_MAX_PORTALS; i++) {
		const struct sockaddr_storage *sa = &policy->portals[i];
		unsigned j = 0;

		while (j < n && !sockaddr_equal(&found[j], sa))
			j++;
		if (j == n && !sockaddr_is_any(sa) && !is_private(s, sa) && is_listened_to(s, sa))
			found[n++] = *sa;
	}
	return n;
}

/* Appendix C: All in discovery sessions only, an empty value in normal ones only; a name in both.
 */
static bool is_asked_for(const struct conn *c, const struct iscsi_target *t)
{
	const char *wanted = c->params.SendTargets;

	if (c->session->target)
		return t == c->session->target && (!*wanted || !strcasecmp(wanted, t->name));
	return !strcmp(wanted, "All") || !strcasecmp(wanted, t->name);
}

/* Those that it could log in to, and its own. With the node's lock held. */
static bool is_shown(const struct conn *c, const struct iscsi_target *t)
{
	return is_asked_for(c, t) && (t == c->session->target ||
				      access_admits(t->policy, c->reactor->node->default_policy,
						    c->session->initiator, &c->peer_addr));
}

static int look(const struct conn *c, struct shown *s)
{
	struct iscsi_node *node = c->reactor->node;

	conn_here(c, &s->here);
	pthread_mutex_lock(&node->lock);
	s->nportals = node->nportals;
	memcpy(s->portals, node->portals, sizeof(s->portals));
	s->targets = calloc(node->ntargets + 1, sizeof(*s->targets));
	list_for_each (l, &node->targets) {
		struct iscsi_target *t = list_entry(l, struct iscsi_target, link);

		if (!s->targets || !is_shown(c, t))
			continue;
		s->targets[s->ntargets].target = iscsi_target_get(t);
		s->targets[s->ntargets++].policy = policy_get(t->policy);
	}
	pthread_mutex_unlock(&node->lock);
	return s->targets ? 0 : -ENOMEM;
}

static void look_away(struct shown *s)
{
	for (unsigned i = 0; i < s->ntargets; i++) {
		iscsi_target_put(s->targets[i].target);
		policy_put(s->targets[i].policy);
	}
	free(s->targets);
	free(s);
}

static int make_room(const struct shown *s, struct keys_writer *w)
{
	size_t more = 0;
	char *buf;

	for (unsigned i = 0; i < s->ntargets; i++)
		more += NAME_BYTES +
			(size_t)(s->nportals + s->targets[i].policy->nportals) * ADDRESS_BYTES;
	buf = realloc(w->buf, w->len + more + 1);
	if (!buf)
		return -ENOMEM;
	w->buf = buf;
	w->cap = w->len + more + 1;
	return 0;
}

/* One without an address would seem to be where the answer came from: with portals of its own, it
 * is not. */
static void write_targets(struct shown *s, struct keys_writer *w)
{
	for (unsigned i = 0; i < s->ntargets; i++) {
		const struct iscsi_policy *policy = s->targets[i].policy;
		unsigned n = find_addresses(s, policy);

		if (!n && policy->nportals)
			continue;
		keys_write(w, "TargetName", s->targets[i].target->name);
		for (unsigned j = 0; j < n; j++)
			write_address(w, &s->found[j], sockaddr_port(&s->found[j]));
	}
}

int send_targets(struct conn *c, struct keys_writer *w)
{
	bool all = !strcmp(c->params.SendTargets, "All");
	struct shown *s;
	int rc;

	if (c->session->target ? all : !*c->params.SendTargets) {
		keys_write(w, "SendTargets", "Reject");
		return 0;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	rc = look(c, s);
	if (!rc)
		rc = make_room(s, w);
	if (!rc)
		write_targets(s, w);
	look_away(s);
	return rc;
}
