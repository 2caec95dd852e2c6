/* The register of targets and sessions.
 *
 * A volume takes one initiator name at a time, all its paths, unless it is shared: two
 * hosts that mount one ext4 lose data. A session of the same initiator, ISID and
 * target as an older one replaces it (session reinstatement, RFC 7143 6.3.5); both
 * are registered until the older one has ended on its own reactor. */
#include "target/iscsi/node.h"

#include "target/iscsi/access.h"
#include "target/iscsi/task.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static bool wait_until(sem_t *done, uint64_t max_ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(max_ns / NS_PER_S);
	until.tv_nsec += (long)(max_ns % NS_PER_S);
	if (until.tv_nsec >= (long)NS_PER_S) {
		until.tv_nsec -= (long)NS_PER_S;
		until.tv_sec++;
	}
	while (sem_clockwait(done, CLOCK_MONOTONIC, &until))
		if (errno != EINTR)
			return false;
	return true;
}

static bool wait_for(struct iscsi_node *node, sem_t *done, uint64_t max_ns)
{
	(void)node;
	if (max_ns != UINT64_MAX)
		return wait_until(done, max_ns);
	while (sem_wait(done))
		; /* interrupted */
	return true;
}

static int init_locks(struct iscsi_node *node)
{
	int rc = logins_init(&node->logins, ISCSI_MAX_LOGINS);

	if (rc)
		return rc;
	rc = -pthread_mutex_init(&node->lock, NULL);
	if (rc)
		goto err_logins;
	rc = -pthread_mutex_init(&node->change_lock, NULL);
	if (!rc)
		return 0;
	pthread_mutex_destroy(&node->lock);
err_logins:
	logins_fini(&node->logins);
	return rc;
}

int iscsi_node_init(struct iscsi_node *node)
{
	memset(node, 0, sizeof(*node));
	node->offer = (struct params_offer){
		.MaxRecvDataSegmentLength = 256 << 10,
		.MaxBurstLength = 1 << 20,
		.FirstBurstLength = 64 << 10,
		.MaxOutstandingR2T = TASK_MAX_R2TS,
		.InitialR2T = false,
		.ImmediateData = true,
	};
	node->timeouts = (struct iscsi_timeouts){
		.login_ns = UINT64_C(15000000000),
		.quiet_ns = UINT64_C(15000000000),
		.linger_ns = UINT64_C(2000000000),
		.logout_ns = UINT64_C(5000000000),
	};
	node->window = 128;
	list_init(&node->targets);
	list_init(&node->sessions);
	node->max_sessions = ISCSI_MAX_SESSIONS;
	node->wait = wait_for;
	return init_locks(node);
}

void iscsi_node_fini(struct iscsi_node *node)
{
	struct list *l;

	while ((l = list_pop(&node->targets)))
		iscsi_target_put(list_entry(l, struct iscsi_target, link));
	policy_put(node->default_policy);
	policy_put(node->discovery_policy);
	logins_fini(&node->logins);
	pthread_mutex_destroy(&node->change_lock);
	pthread_mutex_destroy(&node->lock);
}

/* --- targets -------------------------------------------------------------------------- */

struct iscsi_target *iscsi_target_get(struct iscsi_target *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void iscsi_target_put(struct iscsi_target *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) > 1)
		return;
	policy_put(t->policy);
	scsi_target_free(t->scsi);
	free(t->accounts);
	free(t);
}

static struct iscsi_target *target_new(const char *name, struct iscsi_policy *policy,
				       unsigned reactors)
{
	struct iscsi_target *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	reactors = MAX(reactors, 1u);
	t->accounts = aligned_alloc(sizeof(*t->accounts), reactors * sizeof(*t->accounts));
	if (!t->accounts || scsi_target_new(&t->scsi)) {
		free(t->accounts);
		free(t);
		return NULL;
	}
	memset(t->accounts, 0, reactors * sizeof(*t->accounts));
	atomic_init(&t->refs, 1);
	strcpy(t->name, name);
	t->policy = policy;
	list_init(&t->sessions);
	return t;
}

/* FNV-1a of the folded name: names compare without regard to case (RFC 3722). */
static struct iscsi_target **bucket_of(struct iscsi_node *node, const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)tolower((unsigned char)*name)) * 16777619u;
	return &node->by_name[hash % ISCSI_TARGET_BUCKETS];
}

/* True: @t is in the register. */
static bool register_target(struct iscsi_node *node, struct iscsi_target *t)
{
	struct iscsi_target **bucket = bucket_of(node, t->name);
	bool is_new;

	pthread_mutex_lock(&node->lock);
	is_new = !iscsi_node_target(node, t->name);
	if (is_new) {
		list_add_tail(&node->targets, &t->link);
		node->ntargets++;
		t->next_named = *bucket;
		*bucket = t;
	}
	pthread_mutex_unlock(&node->lock);
	return is_new;
}

int iscsi_node_add_target(struct iscsi_node *node, const char *name, struct iscsi_policy *policy,
			  char *why, size_t why_cap)
{
	struct policy_spec by_default = { .by_default = true };
	struct iscsi_target *t;
	int rc = 0;

	if (strlen(name) >= ISCSI_NAME_BYTES) {
		policy_put(policy);
		snprintf(why, why_cap, "target %.60s...: a name has at most %d bytes", name,
			 ISCSI_NAME_BYTES - 1);
		return -EINVAL;
	}
	if (!policy)
		rc = policy_new(&policy, &by_default, why, why_cap);
	if (rc)
		return rc;
	t = target_new(name, policy, node->nreactors);
	if (!t) {
		policy_put(policy);
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	if (register_target(node, t))
		return 0;
	iscsi_target_put(t);
	snprintf(why, why_cap, "there is a target %s already", name);
	return -EEXIST;
}

struct iscsi_target *iscsi_node_take_target(struct iscsi_node *node, const char *name)
{
	struct iscsi_target *t, **at;

	pthread_mutex_lock(&node->lock);
	t = iscsi_node_target(node, name);
	if (t) {
		for (at = bucket_of(node, name); *at != t;)
			at = &(*at)->next_named;
		*at = t->next_named;
		list_del(&t->link);
		node->ntargets--;
		t->removed = true;
	}
	pthread_mutex_unlock(&node->lock);
	return t;
}

struct iscsi_target *iscsi_node_target(struct iscsi_node *node, const char *name)
{
	struct iscsi_target *t = *bucket_of(node, name);

	while (t && strcasecmp(t->name, name) != 0)
		t = t->next_named;
	return t;
}

/* --- sessions ------------------------------------------------------------------------- */

static bool tsih_in_use(const struct iscsi_node *node, uint16_t tsih)
{
	return node->tsihs[tsih / 8] & 1 << tsih % 8;
}

/* 0 is reserved (11.12.6). Returns 0 where none is left. */
static uint16_t new_tsih(struct iscsi_node *node)
{
	for (unsigned tries = 0; tries < UINT16_MAX; tries++) {
		if (!++node->last_tsih)
			node->last_tsih = 1;
		if (!tsih_in_use(node, node->last_tsih))
			return node->last_tsih;
	}
	return 0;
}

/* With the same target. */
static bool same_nexus(const struct session *a, const struct session *b)
{
	return !strcasecmp(a->initiator, b->initiator) &&
	       !memcmp(a->isid, b->isid, sizeof(a->isid));
}

/* Another initiator that is logged in to the target of @s, or NULL. */
static const struct session *holder_of(const struct session *s)
{
	if (!s->target || s->target->policy->shared)
		return NULL;
	list_for_each (l, &s->target->sessions) {
		const struct session *other = list_entry(l, struct session, target_link);

		if (strcasecmp(other->initiator, s->initiator))
			return other;
	}
	return NULL;
}

/* The older sessions of its nexus; false: more than @cap. Discovery sessions replace nobody.
 * *nfreed: those that nobody has replaced before, so that they still count. */
static bool older_of(const struct session *s, struct node_old *old, unsigned cap, unsigned *nold,
		     unsigned *nfreed)
{
	*nold = *nfreed = 0;
	if (!s->target)
		return true;
	list_for_each (l, &s->target->sessions) {
		const struct session *o = list_entry(l, struct session, target_link);

		if (!same_nexus(o, s))
			continue;
		if (*nold == cap)
			return false;
		old[(*nold)++] = (struct node_old){ o->reactor, o->serial };
		*nfreed += !o->replaced;
	}
	return true;
}

static void stop_counting(struct iscsi_node *node, struct session *s)
{
	if (!s->replaced)
		node->nsessions--;
	s->replaced = true;
}

static void stop_counting_older(struct iscsi_node *node, const struct session *s)
{
	if (!s->target)
		return;
	list_for_each (l, &s->target->sessions) {
		struct session *o = list_entry(l, struct session, target_link);

		if (o != s && same_nexus(o, s))
			stop_counting(node, o);
	}
}

static void add(struct iscsi_node *node, struct session *s, uint16_t tsih)
{
	s->tsih = tsih;
	node->tsihs[tsih / 8] |= (uint8_t)(1 << tsih % 8);
	s->serial = ++node->last_serial;
	list_add_tail(&node->sessions, &s->link);
	if (s->target)
		list_add_tail(&s->target->sessions, &s->target_link);
	node->nsessions++;
	s->since_s = (uint64_t)time(NULL);
	s->replaced = false;
	s->registered = true;
}

/* With the lock held. */
static enum node_verdict enter(struct iscsi_node *node, struct session *s, struct node_old *old,
			       unsigned cap, unsigned *nold, char holder[static ISCSI_NAME_BYTES])
{
	const struct session *other;
	unsigned nfreed;
	uint16_t tsih;

	if (s->target && s->target->removed)
		return NODE_REMOVED;
	if (!access_holds(node, s))
		return NODE_CHANGED;
	other = holder_of(s);
	if (other) {
		strcpy(holder, other->initiator);
		return NODE_HELD;
	}
	if (!older_of(s, old, cap, nold, &nfreed) ||
	    node->nsessions - nfreed >= node->max_sessions || !(tsih = new_tsih(node)))
		return NODE_FULL;
	add(node, s, tsih);
	stop_counting_older(node, s); /* on their way out: not to be waited for */
	return NODE_ENTERED;
}

enum node_verdict iscsi_node_enter(struct iscsi_node *node, struct session *s, struct node_old *old,
				   unsigned cap, unsigned *nold,
				   char holder[static ISCSI_NAME_BYTES])
{
	enum node_verdict verdict;

	*nold = 0;
	pthread_mutex_lock(&node->lock);
	verdict = enter(node, s, old, cap, nold, holder);
	pthread_mutex_unlock(&node->lock);
	return verdict;
}

void iscsi_node_leave(struct iscsi_node *node, struct session *s)
{
	pthread_mutex_lock(&node->lock);
	if (s->registered) {
		list_del(&s->link);
		if (s->target)
			list_del(&s->target_link);
		node->tsihs[s->tsih / 8] &= (uint8_t) ~(1 << s->tsih % 8);
		stop_counting(node, s);
	}
	s->registered = false;
	pthread_mutex_unlock(&node->lock);
}

bool iscsi_node_has_tsih(struct iscsi_node *node, uint16_t tsih)
{
	bool found;

	pthread_mutex_lock(&node->lock);
	found = tsih_in_use(node, tsih);
	pthread_mutex_unlock(&node->lock);
	return found;
}
