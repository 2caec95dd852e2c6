/* Task management: what tmf.c, reset.c and query.c share. */
#pragma once

#include "target/iscsi/conn.h"
#include "target/scsi/change.h"

/* Which commands: those on one unit, whatever target they came by; or those on any unit of a
 * target. */
struct tmf_scope {
	const struct iscsi_target *target;
	struct scsi_map *map; /* its LUNs, as the session that asks has them */
	struct scsi_lu *lu;   /* NULL: all of the target's */
};

/* tmf.c */
/* Neither aborted already nor answered: the status is not on its way. */
bool tmf_is_abortable(const struct task *t);
bool tmf_covers(const struct tmf_scope *scope, const struct task *t);
/* Ends a session's tasks; what the disk has of them is fenced. Returns how many. */
unsigned tmf_abort(struct conn *c, const struct tmf_scope *scope);
/* Return 0, or negative after conn_close. @info as in the PDU. */
int tmf_respond(struct conn *c, be32 itt, enum iscsi_tmf_response response);
int tmf_respond_with(struct conn *c, be32 itt, enum iscsi_tmf_response response,
		     const uint8_t info[static 3]);

/* reset.c */
/* CLEAR TASK SET and the resets: ends this session's tasks, reaches those of all others, and
 * answers; or rejects, and does neither. */
int tmf_reset(struct conn *c, be32 itt, enum iscsi_tmf function, const struct tmf_scope *scope);
/* One with this tag is under way. */
bool tmf_is_resetting(const struct session *s, be32 itt);

/* query.c: RFC 7144's functions that change nothing; the unit is there. */
int tmf_query(struct conn *c, const struct bhs_tmf_req *h, struct scsi_lu *lu);
