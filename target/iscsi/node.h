/* The iSCSI target node: its targets, its reactors, and who is logged in where.
 *
 * Targets, rules and portals are fixed before the reactors run. The register of sessions is
 * shared by all reactors under a mutex, which only logins and ends of sessions take. */
#pragma once

#include "backstore/base/list.h"
#include "target/iscsi/logins.h"
#include "target/iscsi/params.h"
#include "target/scsi/scsi.h"

#include <pthread.h>
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
	struct list link;
	struct iscsi_target *next_named; /* in its bucket */
	char name[ISCSI_NAME_BYTES];
	struct scsi_target *scsi;	/* borrowed */
	bool shared;			/* takes several initiator names at a time */
	struct iscsi_account *accounts; /* by reactor */
	struct list sessions;		/* session.target_link; under the node's lock */
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
	uint32_t window;     /* commands that one session may have unanswered */
	struct list targets; /* in the order of adding */
	struct iscsi_target *by_name[ISCSI_TARGET_BUCKETS];
	unsigned max_sessions; /* at a time */
	struct logins logins;
	struct iscsi_portal portals[ISCSI_MAX_PORTALS];
	unsigned nportals;
	const char *const *allow; /* patterns of initiator names (fnmatch); empty: all */
	unsigned nallow;
	struct iscsi_reactor *reactors[ISCSI_MAX_REACTORS];
	unsigned nreactors;

	pthread_mutex_t lock; /* of the rest */
	struct list sessions;
	unsigned nsessions; /* but for those that are replaced */
	uint16_t last_tsih;
	uint8_t tsihs[(UINT16_MAX + 1) / 8]; /* a bit for each that is in use */
	uint64_t last_serial;
};

int iscsi_node_init(struct iscsi_node *node) MUST_CHECK;
/* No session is left. Frees the targets, not what they borrow. */
void iscsi_node_fini(struct iscsi_node *node);
int iscsi_node_add_target(struct iscsi_node *node, const char *name, struct scsi_target *scsi,
			  bool shared, unsigned reactors) MUST_CHECK;
struct iscsi_target *iscsi_node_target(struct iscsi_node *node, const char *name);
bool iscsi_node_allows(const struct iscsi_node *node, const char *initiator);

enum node_verdict {
	NODE_ENTERED,
	NODE_HELD, /* another initiator has the target: its name is in @holder */
	NODE_FULL, /* as many sessions as there may be */
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
