/* The register of targets and sessions.
 *
 * A volume takes one initiator name at a time, all its paths, unless it is shared: two
 * hosts that mount one ext4 lose data. A session of the same initiator, ISID and
 * target as an older one replaces it (session reinstatement, RFC 7143 6.3.5); both
 * are registered until the older one has ended on its own reactor. */
#include "target/iscsi/node.h"

#include "target/iscsi/task.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int iscsi_node_init(struct iscsi_node *node)
{
	int rc;

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
	rc = logins_init(&node->logins, ISCSI_MAX_LOGINS);
	if (rc)
		return rc;
	rc = -pthread_mutex_init(&node->lock, NULL);
	if (rc)
		logins_fini(&node->logins);
	return rc;
}

void iscsi_node_fini(struct iscsi_node *node)
{
	struct list *l;

	while ((l = list_pop(&node->targets))) {
		struct iscsi_target *t = list_entry(l, struct iscsi_target, link);

		free(t->accounts);
		free(t);
	}
	logins_fini(&node->logins);
	pthread_mutex_destroy(&node->lock);
}

/* FNV-1a of the folded name: names compare without regard to case (RFC 3722). */
static struct iscsi_target **bucket_of(struct iscsi_node *node, const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)tolower((unsigned char)*name)) * 16777619u;
	return &node->by_name[hash % ISCSI_TARGET_BUCKETS];
}

int iscsi_node_add_target(struct iscsi_node *node, const char *name, struct scsi_target *scsi,
			  bool shared, unsigned reactors)
{
	struct iscsi_target *t, **bucket;

	if (strlen(name) >= ISCSI_NAME_BYTES)
		return -ENAMETOOLONG;
	if (iscsi_node_target(node, name))
		return -EEXIST;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->accounts = aligned_alloc(sizeof(*t->accounts), reactors * sizeof(*t->accounts));
	if (!t->accounts) {
		free(t);
		return -ENOMEM;
	}
	memset(t->accounts, 0, reactors * sizeof(*t->accounts));
	strcpy(t->name, name);
	t->scsi = scsi;
	t->shared = shared;
	list_init(&t->sessions);
	list_add_tail(&node->targets, &t->link);
	bucket = bucket_of(node, name);
	t->next_named = *bucket;
	*bucket = t;
	return 0;
}

struct iscsi_target *iscsi_node_target(struct iscsi_node *node, const char *name)
{
	struct iscsi_target *t = *bucket_of(node, name);

	while (t && strcasecmp(t->name, name) != 0)
		t = t->next_named;
	return t;
}

bool iscsi_node_allows(const struct iscsi_node *node, const char *initiator)
{
	for (unsigned i = 0; i < node->nallow; i++)
		if (!fnmatch(node->allow[i], initiator, FNM_CASEFOLD))
			return true;
	return !node->nallow;
}

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
	if (!s->target || s->target->shared)
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
	s->replaced = false;
	s->registered = true;
}

enum node_verdict iscsi_node_enter(struct iscsi_node *node, struct session *s, struct node_old *old,
				   unsigned cap, unsigned *nold,
				   char holder[static ISCSI_NAME_BYTES])
{
	enum node_verdict verdict = NODE_ENTERED;
	const struct session *other;
	unsigned nfreed;
	uint16_t tsih;

	*nold = 0;
	pthread_mutex_lock(&node->lock);
	other = holder_of(s);
	if (other) {
		strcpy(holder, other->initiator);
		verdict = NODE_HELD;
	} else if (!older_of(s, old, cap, nold, &nfreed) ||
		   node->nsessions - nfreed >= node->max_sessions || !(tsih = new_tsih(node))) {
		verdict = NODE_FULL;
	} else {
		add(node, s, tsih);
		stop_counting_older(node, s); /* on their way out: not to be waited for */
	}
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
