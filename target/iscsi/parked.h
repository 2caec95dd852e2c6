/* PDUs that came before their turn, and what they need of dispatch.c. */
#pragma once

#include "target/iscsi/session.h"

struct scsi_lu;

/* A command with this tag waits and will run: its Data-Outs wait behind it. */
bool parked_has(const struct conn *c, be32 itt);
/* The PDU whose header has just come: its data segment is received into a copy. Returns 0, or
 * negative after conn_close. */
int parked_add(struct conn *c);
/* Delivers those whose turn has come. Returns as parked_add. */
int parked_replay(struct conn *c);
void parked_drop(struct conn *c);
/* A command that waits for its turn will not run. False: there is none with this tag. */
bool parked_forget(struct conn *c, be32 itt);
/* Nor will those for the unit (NULL: for any) whose numbers come before @cmd_sn. */
void parked_forget_before(struct conn *c, const struct scsi_lu *lu, uint32_t cmd_sn);
/* A task management request with this tag waits. */
bool parked_has_tmf(const struct conn *c, be32 itt);
/* A command with this tag (ISCSI_NO_TAG: any) for the LUN waits and will run. */
bool parked_has_on(const struct conn *c, be32 itt, const uint8_t lun[8]);
/* A number that no command will come with: its turn passes (11.6.1). */
void parked_skip(struct conn *c, uint32_t cmd_sn);

static inline uint32_t bhs_cmd_sn(const struct bhs *h)
{
	return be32_get(((const struct bhs_scsi_cmd *)h)->cmd_sn); /* all have it there */
}

/* dispatch.c: the steps of a PDU in the connection's parser. The last two return as parked_add. */
enum session_order dispatch_take_turn(struct conn *c, const struct bhs *h);
int dispatch_run_header(struct conn *c);
int dispatch_run_pdu(struct conn *c);
