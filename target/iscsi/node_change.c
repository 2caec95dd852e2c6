/* Changing a node while reactors run.
 *
 *   changing thread: the register, the target's map ──a message each──▶ reactors: what theirs is
 *          ▲                                                            │         changes, or ends
 *          └───────────────── the last one has taken note ◀─────────────┘
 *
 * What is new is in the register before the messages go. A session enters the register and makes
 * its nexus on its own reactor, without a turn in between; so either it finds the new state, or the
 * message finds the session, and it ends up with all of it. One change at a time: what a map has
 * left is known to all reactors before the next one could use its place again.
 *
 * The lock of changes is never taken by a reactor, and the register's never held while we wait. */
#include "target/iscsi/conn.h"
#include "target/iscsi/node.h"
#include "target/iscsi/round.h"
#include "target/iscsi/sockaddr.h"
#include "target/scsi/change.h"

#include "backstore/base/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* How long a unit is not asked about again: at first, and at most. */
#define FIRST_PAUSE_NS UINT64_C(1000000)
#define LAST_PAUSE_NS  UINT64_C(250000000)

void iscsi_node_run(struct iscsi_node *node, bool running)
{
	pthread_mutex_lock(&node->change_lock);
	node->running = running;
	node->has_run |= running;
	pthread_mutex_unlock(&node->change_lock);
}

/* Counted; NULL: there is none. */
static struct iscsi_target *find(struct iscsi_node *node, const char *name)
{
	struct iscsi_target *t;

	pthread_mutex_lock(&node->lock);
	t = iscsi_node_target(node, name);
	if (t)
		iscsi_target_get(t);
	pthread_mutex_unlock(&node->lock);
	return t;
}

/* --- targets ------------------------------------------------------------------------- */

static void close_its_connections(struct iscsi_reactor *r, void *arg)
{
	const struct iscsi_target *t = arg;

	list_for_each_safe (l, &r->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (c->session && c->session->target == t)
			conn_close(c, "its target was removed");
	}
}

int iscsi_node_remove_target(struct iscsi_node *node, const char *name)
{
	struct iscsi_target *t;

	pthread_mutex_lock(&node->change_lock);
	t = iscsi_node_take_target(node, name);
	if (t) {
		round_all(node, close_its_connections, t);
		scsi_target_clear(t->scsi);
	}
	pthread_mutex_unlock(&node->change_lock);
	iscsi_target_put(t);
	return t ? 0 : -ENOENT;
}

int iscsi_node_set_policy(struct iscsi_node *node, const char *name, struct iscsi_policy *policy)
{
	struct iscsi_policy *old = policy;
	struct iscsi_target *t;

	assert(policy);
	pthread_mutex_lock(&node->lock);
	t = iscsi_node_target(node, name);
	if (t) {
		old = t->policy;
		t->policy = policy;
	}
	pthread_mutex_unlock(&node->lock);
	policy_put(old);
	return t ? 0 : -ENOENT;
}

static void replace_policy(struct iscsi_node *node, struct iscsi_policy **at,
			   struct iscsi_policy *policy)
{
	struct iscsi_policy *old;

	pthread_mutex_lock(&node->lock);
	old = *at;
	*at = policy;
	pthread_mutex_unlock(&node->lock);
	policy_put(old);
}

void iscsi_node_set_default_policy(struct iscsi_node *node, struct iscsi_policy *policy)
{
	replace_policy(node, &node->default_policy, policy);
}

void iscsi_node_set_discovery_policy(struct iscsi_node *node, struct iscsi_policy *policy)
{
	replace_policy(node, &node->discovery_policy, policy);
}

/* --- LUNs ---------------------------------------------------------------------------- */

/* What came by a LUN that it has no more: the newest first, as in tmf_abort. */
static void end_strays(struct conn *c)
{
	struct list *tasks = &c->session->tasks, *older;

	for (struct list *l = tasks->prev; l != tasks && !c->closed; l = older) {
		struct task *t = list_entry(l, struct task, link);

		older = l->prev;
		if (t->state != TASK_ANSWERING && scsi_cmd_is_stray(&t->cmd))
			task_lose_lu(t);
	}
}

static void take_map(struct iscsi_reactor *r, void *arg)
{
	const struct iscsi_target *t = arg;

	list_for_each_safe (l, &r->conns) {
		struct conn *c = list_entry(l, struct conn, link);

		if (!c->session || c->session->target != t || !c->session->nexus)
			continue; /* one that has ended has nothing on any unit (session_end) */
		if (scsi_nexus_update(c->session->nexus, t->scsi))
			conn_close(c, "out of memory for the LUNs of its target");
		else
			end_strays(c);
	}
}

int iscsi_node_map_lun(struct iscsi_node *node, const char *name, unsigned lun, struct scsi_lu *lu)
{
	struct iscsi_target *t;
	int rc = -ENOENT;

	pthread_mutex_lock(&node->change_lock);
	t = find(node, name);
	if (t)
		rc = scsi_target_add(t->scsi, lun, lu);
	if (!rc)
		round_all(node, take_map, t);
	pthread_mutex_unlock(&node->change_lock);
	iscsi_target_put(t);
	return rc;
}

int iscsi_node_unmap_lun(struct iscsi_node *node, const char *name, unsigned lun)
{
	struct iscsi_target *t;
	int rc = -ENOENT;

	pthread_mutex_lock(&node->change_lock);
	t = find(node, name);
	if (t)
		rc = scsi_target_remove(t->scsi, lun);
	if (!rc)
		round_all(node, take_map, t);
	pthread_mutex_unlock(&node->change_lock);
	iscsi_target_put(t);
	return rc;
}

struct leaving {
	struct scsi_lu *lu;
	_Atomic unsigned nbusy; /* reactors that have to do with it */
};

static void leave_lu(struct iscsi_reactor *r, void *arg)
{
	struct leaving *leaving = arg;

	if (!scsi_lu_leave(leaving->lu, r->io))
		atomic_fetch_add(&leaving->nbusy, 1);
}

static bool is_free(struct iscsi_node *node, struct scsi_lu *lu)
{
	struct leaving leaving = { .lu = lu };
	bool can_tell;

	pthread_mutex_lock(&node->change_lock);
	can_tell = node->running || !node->has_run;
	round_all(node, leave_lu, &leaving);
	pthread_mutex_unlock(&node->change_lock);
	return can_tell && !atomic_load(&leaving.nbusy) && !scsi_lu_is_held(lu);
}

int iscsi_node_await_lu(struct iscsi_node *node, struct scsi_lu *lu, uint64_t timeout_ns)
{
	uint64_t left_ns = timeout_ns, pause_ns = FIRST_PAUSE_NS;
	bool done;
	sem_t never;

	if (scsi_lu_is_shown(lu))
		return -EBUSY;
	sem_init(&never, 0, 0);
	while (!(done = is_free(node, lu)) && left_ns) {
		uint64_t now_ns = MIN(pause_ns, left_ns);

		(void)node->wait(node, &never, now_ns);
		left_ns -= now_ns;
		pause_ns = MIN(2 * pause_ns, LAST_PAUSE_NS);
	}
	sem_destroy(&never);
	return done ? 0 : -ETIMEDOUT;
}

unsigned iscsi_node_lun_sessions(struct iscsi_node *node, const struct scsi_lu *lu)
{
	unsigned n = 0;

	pthread_mutex_lock(&node->lock);
	list_for_each (l, &node->targets) {
		const struct iscsi_target *t = list_entry(l, struct iscsi_target, link);

		if (list_empty(&t->sessions) || !scsi_target_has(t->scsi, lu))
			continue;
		list_for_each (s, &t->sessions)
			n += !list_entry(s, struct session, target_link)->replaced;
	}
	pthread_mutex_unlock(&node->lock);
	return n;
}

/* --- portals ------------------------------------------------------------------------- */

/* With the lock held. */
static struct iscsi_portal *find_portal(struct iscsi_node *node, const struct sockaddr_storage *sa)
{
	for (unsigned i = 0; i < node->nportals; i++)
		if (sockaddr_equal(&node->portals[i].addr, sa))
			return &node->portals[i];
	return NULL;
}

int iscsi_node_add_portal(struct iscsi_node *node, const struct sockaddr_storage *sa)
{
	int rc = 0;

	pthread_mutex_lock(&node->lock);
	if (find_portal(node, sa))
		rc = -EEXIST;
	else if (node->nportals == ISCSI_MAX_PORTALS)
		rc = -ENOSPC;
	else
		node->portals[node->nportals++].addr = *sa;
	pthread_mutex_unlock(&node->lock);
	return rc;
}

int iscsi_node_remove_portal(struct iscsi_node *node, const struct sockaddr_storage *sa)
{
	struct iscsi_portal *p;

	pthread_mutex_lock(&node->lock);
	p = find_portal(node, sa);
	if (p) {
		const struct iscsi_portal *end = &node->portals[node->nportals--];

		memmove(p, p + 1, (size_t)(end - (p + 1)) * sizeof(*p));
	}
	pthread_mutex_unlock(&node->lock);
	return p ? 0 : -ENOENT;
}
