/* A session: one initiator port at one target, with its command window and its tasks.
 *
 * With one connection a session (MaxConnections=1, ErrorRecoveryLevel 0) it lives and
 * dies with that connection, on that connection's reactor. */
#pragma once

#include "target/iscsi/node.h"
#include "target/iscsi/proto.h"

#include <stdatomic.h>

struct conn;
struct task;

enum {
	SESSION_ITT_BUCKETS = 128,
	SESSION_MAX_IMMEDIATE = 32, /* immediate SCSI commands unanswered */
	SESSION_MAX_RESETS = 8,	    /* task management under way on all reactors */
};

struct session {
	struct list link;	 /* in the node's register, */
	struct list target_link; /* and its target's sessions there */
	bool registered;
	bool header_digest, data_digest; /* as agreed, for lists */
	bool replaced; /* by one of the same nexus: counts no more, and is about to end */
	struct conn *conn;
	struct iscsi_reactor *reactor;
	struct iscsi_target *target; /* counted; NULL: discovery */
	/* What it logs in by, both counted: its target's, or that of discovery; and the node's own
	 * rules. NULL: everybody may. */
	struct iscsi_policy *policy, *defaults;
	struct scsi_nexus *nexus;
	char initiator[ISCSI_NAME_BYTES];
	uint8_t isid[6];
	uint16_t tsih;
	uint64_t serial;       /* never used twice in a process */
	uint64_t since_s;      /* the time of its login, since 1970 */
	_Atomic uint8_t shown; /* enum iscsi_session_state, for lists */

	uint32_t exp_cmd_sn, max_cmd_sn;
	uint32_t told_cmd_sn; /* ExpCmdSN, as it was last sent */
	struct list tasks;    /* in order of arrival */
	unsigned ntasks, nimmediate;
	unsigned nordered, nheld; /* ORDERED ones; those that wait for or behind one */
	struct task *by_itt[SESSION_ITT_BUCKETS];
	struct list resets; /* see reset.c */
	unsigned nresets;
	uint32_t last_ttt;
	uint64_t used_bytes; /* buffers of its tasks, answered ones included */
	/* Answered commands, and the data of those that ended GOOD; written by our reactor alone,
	 * read by any thread (under the node's lock the session stays). */
	_Atomic uint64_t commands, read_bytes, written_bytes;
	bool ended;
};

/* For lists of sessions. */
static inline void session_show(struct session *s, enum iscsi_session_state state)
{
	atomic_store_explicit(&s->shown, (uint8_t)state, memory_order_relaxed);
}

struct session *session_new(struct conn *conn);
/* Aborts what runs, leaves the register and the device server. The session's
 * memory, and tasks that are being received or sent, stay until session_free. */
void session_end(struct session *s);
void session_free(struct session *s);
/* It logs in no more: nobody needs them, and they may have secrets. */
void session_drop_policies(struct session *s);

enum session_order { SESSION_NOW, SESSION_EARLY, SESSION_IGNORE };
/* Where a non-immediate PDU stands in the command window (4.2.2.1). SESSION_NOW takes
 * its number: ExpCmdSN moves on. */
enum session_order session_take_sn(struct session *s, uint32_t cmd_sn);
/* The number that was just taken has not been received after all. False: it was acknowledged
 * meanwhile, which stands. */
bool session_untake_sn(struct session *s);
/* A non-immediate command has been answered, or will never be: one more may come. */
static inline void session_credit(struct session *s)
{
	s->max_cmd_sn++;
}

/* Initiators count their tags up, or index a table with them (low bits), or put the
 * index in the upper half: fold both. */
static inline unsigned session_bucket(uint32_t tag)
{
	return (tag ^ tag >> 16 ^ tag >> 24) % SESSION_ITT_BUCKETS;
}
struct task *session_find(const struct session *s, be32 itt);
uint32_t session_new_ttt(struct session *s);
