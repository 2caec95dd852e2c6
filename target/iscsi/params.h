/* The operational keys of RFC 7143 section 13 as a table: type, range, result function,
 * default, when it may be offered, and where the result lands.
 *
 * Pure: text in, text out. One struct params per connection (with one connection a
 * session, that is the session's too). */
#pragma once

#include "target/iscsi/keys.h"

enum params_phase { PARAMS_LOGIN_SECURITY, PARAMS_LOGIN_OPERATIONAL, PARAMS_FULL_FEATURE };

enum task_reporting { /* 13.23 */
		      TASK_REPORTING_RFC3720,
		      /* With one connection a session there is nothing to do for it (4.2.2.3). */
		      TASK_REPORTING_RESPONSE_FENCE,
		      TASK_REPORTING_FAST_ABORT,
};

/* What holds; the RFC's spelling. params_init sets the RFC's defaults. */
struct params {
	/* negotiated */
	uint32_t MaxConnections, MaxBurstLength, FirstBurstLength;
	uint32_t DefaultTime2Wait, DefaultTime2Retain, MaxOutstandingR2T, ErrorRecoveryLevel;
	bool InitialR2T, ImmediateData, DataPDUInOrder, DataSequenceInOrder;
	bool header_digest, data_digest;
	uint32_t TaskReporting; /* enum task_reporting */
	uint32_t iSCSIProtocolLevel;
	/* declared by the initiator */
	uint32_t MaxRecvDataSegmentLength;
	char InitiatorName[224], InitiatorAlias[KEY_VALUE_MAX + 1];
	char TargetName[224];
	bool discovery; /* SessionType */
	/* AuthMethod was offered, and what was among it; login_security.h answers it */
	bool auth_offered, auth_none, auth_chap;
	bool send_targets;     /* SendTargets was asked for, with: */
	char SendTargets[224]; /* "All", "" or a name */

	/* private: keys already negotiated in this login, and keys that we offered and the
	 * initiator has yet to answer, as bits of the table */
	uint64_t seen, offered;
	bool operational_begun; /* params_declare has run */
	bool session_type_said, max_recv_said;
};

/* Our side of the values, the same for all connections. */
struct params_offer {
	uint32_t MaxRecvDataSegmentLength, MaxBurstLength, FirstBurstLength, MaxOutstandingR2T;
	bool InitialR2T, ImmediateData;
};

void params_init(struct params *p);

enum params_result {
	PARAMS_OK,
	PARAMS_BAD,	 /* the peer broke a rule: login fails with INITIATOR_ERROR (6.x) */
	PARAMS_TOO_LONG, /* the answers do not fit in the writer */
};

/* Takes one whole text and writes the answers. Keys whose answer is NotUnderstood, Reject or
 * Irrelevant are answered so, as 6.2 says. @why_buf is set with PARAMS_BAD: the key, the value and
 * what is wrong, cut to @why_cap, printable. Unless it returns PARAMS_OK, @p is as it was. */
enum params_result params_negotiate(struct params *p, const struct params_offer *ours,
				    enum params_phase phase, const void *text, size_t len,
				    struct keys_writer *answer, char *why_buf,
				    size_t why_cap) MUST_CHECK;

/* Writes what we declare or offer ourselves and the peer did not ask for yet
 * (MaxRecvDataSegmentLength, once per login; in the operational stage). */
void params_declare(struct params *p, const struct params_offer *ours, struct keys_writer *w);

/* FirstBurstLength <= MaxBurstLength and the like, once all is agreed (13.14). */
void params_settle(struct params *p);
