/* The iSCSI target node: its targets, its reactors, and who is logged in where.
 *
 * The register of targets, policies, portals and sessions is shared by all reactors under a mutex,
 * which only logins, discovery, changes (node_change.h) and ends of sessions take, and briefly. */
#pragma once

#include "backstore/base/list.h"
#include "target/iscsi/logins.h"
#include "target/iscsi/node_change.h"
#include "target/iscsi/params.h"
#include "target/iscsi/policy.h"
#include "target/scsi/scsi.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>

struct iscsi_reactor;
struct session;

enum {
	ISCSI_NAME_BYTES = 224, /* 223 and the NUL (RFC 7143 4.2.7.1) */
	ISCSI_MAX_PORTALS = 64,
	ISCSI_MAX_REACTORS = 128,
	ISCSI_PORTAL_GROUP = 1,
	ISCSI_TARGET_BUCKETS = 1024,
	ISCSI_MAX_SESSIONS = 65535,
	ISCSI_MAX_LOGINS = 512,
};

/* A target's buffers on one reactor, which alone looks at it; a cache line of its own. */
struct iscsi_account {
	_Alignas(64) uint64_t used_bytes;
};

struct iscsi_target {
	_Atomic unsigned refs; /* the register's, and those of sessions, logins and zombies */
	char name[ISCSI_NAME_BYTES];
	struct scsi_target *scsi;	/* owned */
	struct iscsi_account *accounts; /* by reactor */

	/* under the node's lock */
	struct list link;
	struct iscsi_target *next_named; /* in its bucket */
	struct list sessions;		 /* session.target_link */
	struct iscsi_policy *policy;
	bool removed;
};

/* Where we listen, as SendTargets tells it. */
struct iscsi_portal {
	struct sockaddr_storage addr;
};

struct iscsi_timeouts {
	uint64_t login_ns;  /* from accept to full feature phase */
	uint64_t quiet_ns;  /* without a byte from the peer before we ping, and again before we give
			       up */
	uint64_t linger_ns; /* for the peer to close after our last PDU */
	uint64_t logout_ns; /* for the peer to log out when it was asked to */
};

struct iscsi_node {
	struct params_offer offer;
	struct iscsi_timeouts timeouts;
	uint32_t window;       /* commands that one session may have unanswered */
	unsigned max_sessions; /* at a time */
	struct logins logins;
	struct iscsi_reactor *reactors[ISCSI_MAX_REACTORS];
	unsigned nreactors;

	pthread_mutex_t change_lock; /* of changes; held while reactors take note: taken first */
	bool running, has_run;	     /* they take messages, or did; under change_lock */
	/* Waits for @done, at most @max_ns (UINT64_MAX: for ever). False: time is up. A fake world
	 * goes on meanwhile. */
	bool (*wait)(struct iscsi_node *node, sem_t *done, uint64_t max_ns);

	pthread_mutex_t lock; /* of the rest */
	struct list targets;  /* in the order of adding */
	unsigned ntargets;
	struct iscsi_target *by_name[ISCSI_TARGET_BUCKETS];
	struct iscsi_policy *default_policy;   /* of targets without rules of their own */
	struct iscsi_policy *discovery_policy; /* either may be NULL: everybody */
	struct iscsi_portal portals[ISCSI_MAX_PORTALS];
	unsigned nportals;
	struct list sessions;
	unsigned nsessions; /* but for those that are replaced */
	uint16_t last_tsih;
	uint8_t tsihs[(UINT16_MAX + 1) / 8]; /* a bit for each that is in use */
	uint64_t last_serial;
};

int iscsi_node_init(struct iscsi_node *node) MUST_CHECK;
/* No session is left. Frees the targets, not the units behind them. */
void iscsi_node_fini(struct iscsi_node *node);
/* With the lock held, or before the reactors run. */
struct iscsi_target *iscsi_node_target(struct iscsi_node *node, const char *name);
/* Out of the register, with the register's reference; NULL: there is none. */
struct iscsi_target *iscsi_node_take_target(struct iscsi_node *node, const char *name);
struct iscsi_target *iscsi_target_get(struct iscsi_target *t);
/* NULL: nothing. */
void iscsi_target_put(struct iscsi_target *t);

enum node_verdict {
	NODE_ENTERED,
	NODE_HELD,    /* another initiator has the target: its name is in @holder */
	NODE_FULL,    /* as many sessions as there may be */
	NODE_REMOVED, /* its target is gone */
	NODE_CHANGED, /* what it logs in by holds no more: access_again */
};

/* Registers @s (its target, initiator, isid, reactor are set; target NULL for discovery), gives it
 * a TSIH and a serial number. Older sessions of the same nexus (RFC 7143 6.3.5) stay registered:
 * their serial numbers and reactors are returned in @old, at most @cap, *nold of them; the caller
 * has them ended before it answers. */
struct node_old {
	struct iscsi_reactor *reactor;
	uint64_t serial;
};
enum node_verdict iscsi_node_enter(struct iscsi_node *node, struct session *s, struct node_old *old,
				   unsigned cap, unsigned *nold,
				   char holder[static ISCSI_NAME_BYTES]);
/* Harmless when it is not registered. */
void iscsi_node_leave(struct iscsi_node *node, struct session *s);
/* True where a session has this handle, whoever's. */
bool iscsi_node_has_tsih(struct iscsi_node *node, uint16_t tsih);
