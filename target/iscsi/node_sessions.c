/* The list of sessions, and ending one of them. */
#include "target/iscsi/conn.h"
#include "target/iscsi/round.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* With the node's lock held, which keeps it and its connection. */
static void describe(const struct session *s, struct iscsi_session_info *i)
{
	*i = (struct iscsi_session_info){
		.id = s->serial,
		.tsih = s->tsih,
		.reactor = s->reactor->io->index,
		.discovery = !s->target,
		.header_digest = s->header_digest,
		.data_digest = s->data_digest,
		.state = s->replaced ? ISCSI_SESSION_ENDING
				     : (enum iscsi_session_state)atomic_load_explicit(
					       &s->shown, memory_order_relaxed),
		.since_s = s->since_s,
		.commands = load(&s->commands),
		.read_bytes = load(&s->read_bytes),
		.written_bytes = load(&s->written_bytes),
	};
	memcpy(i->isid, s->isid, sizeof(i->isid));
	snprintf(i->initiator, sizeof(i->initiator), "%s", s->initiator);
	snprintf(i->target, sizeof(i->target), "%s", s->target ? s->target->name : "");
	snprintf(i->address, sizeof(i->address), "%s", s->conn->peer);
}

int iscsi_node_sessions(struct iscsi_node *node, struct iscsi_session_info **out, unsigned *n)
{
	struct iscsi_session_info *all;
	size_t count = 0, i = 0;

	pthread_mutex_lock(&node->lock);
	list_for_each (l, &node->sessions)
		count++;
	all = calloc(count + 1, sizeof(*all));
	if (all)
		list_for_each (l, &node->sessions)
			describe(list_entry(l, struct session, link), &all[i++]);
	pthread_mutex_unlock(&node->lock);
	if (!all)
		return -ENOMEM;
	*out = all;
	*n = (unsigned)count;
	return 0;
}

const char *iscsi_session_state_name(enum iscsi_session_state state)
{
	static const char *const names[] = {
		[ISCSI_SESSION_LOGIN] = "login",
		[ISCSI_SESSION_ACTIVE] = "active",
		[ISCSI_SESSION_ASKED_OUT] = "asked-to-log-out",
		[ISCSI_SESSION_ENDING] = "ending",
	};

	return names[state];
}

/* --- ending one -------------------------------------------------------------------------- */

struct drop {
	uint64_t id;
	bool ask, found;
};

static void drop_here(struct iscsi_reactor *r, void *arg)
{
	struct drop *d = arg;

	list_for_each_safe (l, &r->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (!c->session || c->closed || !c->session->registered ||
		    c->session->serial != d->id)
			continue;
		d->found = true;
		if (d->ask && conn_is_full_feature(c))
			logout_ask(c, "it was to be asked to log out, and logs in yet");
		else
			conn_close(c, "it was dropped by the operator");
	}
}

int iscsi_node_drop_session(struct iscsi_node *node, uint64_t id, bool ask)
{
	struct drop d = { .id = id, .ask = ask };
	struct iscsi_reactor *r = NULL;

	pthread_mutex_lock(&node->change_lock);
	pthread_mutex_lock(&node->lock);
	list_for_each (l, &node->sessions) {
		const struct session *s = list_entry(l, struct session, link);

		if (s->serial == id)
			r = s->reactor;
	}
	pthread_mutex_unlock(&node->lock);
	if (r)
		round_one(node, r, drop_here, &d);
	pthread_mutex_unlock(&node->change_lock);
	return d.found ? 0 : -ENOENT;
}
