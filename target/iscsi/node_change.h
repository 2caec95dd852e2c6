/* What can be changed, listed and ended while reactors run.
 *
 * From any thread that is no reactor's. A call returns when every reactor has taken note, which
 * takes what messages take: reactors never block. Changes wait for each other. Before the reactors
 * run (iscsi_node_run) the same calls work without messages. */
#pragma once

#include "backstore/base/compiler.h"
#include "target/iscsi/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct iscsi_node;
struct scsi_lu;

/* Reactors take messages from now on; or, when they are about to end, no longer: what they still
 * have then cannot be told. */
void iscsi_node_run(struct iscsi_node *node, bool running);

/* --- targets ------------------------------------------------------------------------- */

/* An empty target. The reference to @policy is taken over, also on failure; NULL: by the node's own
 * rules, one initiator at a time. -EEXIST, -EINVAL, -ENOMEM with @why. */
int iscsi_node_add_target(struct iscsi_node *node, const char *name, struct iscsi_policy *policy,
			  char *why, size_t why_cap) MUST_CHECK;
/* Nobody can log in to it any more, and its connections close. Commands that disks have do not hold
 * it up. -ENOENT. */
int iscsi_node_remove_target(struct iscsi_node *node, const char *name) MUST_CHECK;
/* For logins from now on, those under way too: after it no session enters by the old one. Sessions
 * stay. References are taken over. -ENOENT. */
int iscsi_node_set_policy(struct iscsi_node *node, const char *name,
			  struct iscsi_policy *policy) MUST_CHECK;
/* For targets whose policy is by_default. NULL: everybody. */
void iscsi_node_set_default_policy(struct iscsi_node *node, struct iscsi_policy *policy);
/* Who may discover, and by which CHAP users; NULL, or by_default: everybody, who is told of what he
 * may log in to. */
void iscsi_node_set_discovery_policy(struct iscsi_node *node, struct iscsi_policy *policy);

/* --- LUNs ---------------------------------------------------------------------------- */

/* Sessions stay: they hear REPORTED LUNS DATA HAS CHANGED on their other units, POWER ON on the new
 * one. The unit is borrowed. -ENOENT: no such target; -EEXIST: the LUN is taken; -ERANGE, -ENOMEM.
 */
int iscsi_node_map_lun(struct iscsi_node *node, const char *name, unsigned lun,
		       struct scsi_lu *lu) MUST_CHECK;
/* Its commands end: all are answered, LOGICAL UNIT NOT SUPPORTED, and none waits for the disk. The
 * unit stays the caller's. -ENOENT: no such target, or no unit there. -ENOMEM: nothing has changed.
 */
int iscsi_node_unmap_lun(struct iscsi_node *node, const char *name, unsigned lun) MUST_CHECK;
/* 0: no target shows it, and no reactor has to do with it: it may be freed (scsi_lu_free). -EBUSY:
 * a target shows it. -ETIMEDOUT: a disk still has commands of it, or nobody can tell any more. */
int iscsi_node_await_lu(struct iscsi_node *node, struct scsi_lu *lu,
			uint64_t timeout_ns) MUST_CHECK;
/* Sessions of targets that show it. */
unsigned iscsi_node_lun_sessions(struct iscsi_node *node, const struct scsi_lu *lu);

/* --- portals: what SendTargets tells ------------------------------------------------------ */

/* -EEXIST, -ENOSPC (ISCSI_MAX_PORTALS). */
int iscsi_node_add_portal(struct iscsi_node *node, const struct sockaddr_storage *sa) MUST_CHECK;
/* -ENOENT */
int iscsi_node_remove_portal(struct iscsi_node *node, const struct sockaddr_storage *sa);

/* --- sessions ------------------------------------------------------------------------ */

enum iscsi_session_state {
	ISCSI_SESSION_LOGIN,	 /* waits for an older one of its nexus to end */
	ISCSI_SESSION_ACTIVE,	 /* full feature phase */
	ISCSI_SESSION_ASKED_OUT, /* was asked to log out */
	ISCSI_SESSION_ENDING,
};

struct iscsi_session_info {
	uint64_t id;	     /* never used twice in a process */
	char initiator[224]; /* names as in RFC 7143 4.2.7 */
	char target[224];    /* "": discovery */
	char address[64];    /* of the peer, with port */
	uint8_t isid[6];
	uint16_t tsih;
	unsigned reactor;
	bool discovery, header_digest, data_digest;
	enum iscsi_session_state state;
	uint64_t since_s; /* seconds since 1970 */
	uint64_t commands, read_bytes, written_bytes;
};

/* Copies, in the order of login; free() releases them. -ENOMEM. */
int iscsi_node_sessions(struct iscsi_node *node, struct iscsi_session_info **out,
			unsigned *n) MUST_CHECK;
/* @ask: it is asked to log out, and its connection closes when it has not within the node's logout
 * time; else it closes now. -ENOENT: it is gone. */
int iscsi_node_drop_session(struct iscsi_node *node, uint64_t id, bool ask) MUST_CHECK;
const char *iscsi_session_state_name(enum iscsi_session_state state);
