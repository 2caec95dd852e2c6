/* PDUs before their turn.
 *
 * Non-immediate PDUs are delivered in the order of CmdSN; one that comes early waits with its
 * data, in copy, for the gap to be filled (RFC 7143 4.2.2.1), and so do the Data-Outs of a
 * command that waits, and task management that is for all before it. On a single TCP connection no
 * real initiator leaves gaps but where a request was rejected, so that all of this may be slow.
 *
 * Data-Outs belong to the command with their tag that came last before them, and share its fate:
 * they follow it when its turn comes, and go with it when it is aborted. By the tag alone they
 * could end up in a later command that the initiator gave the same one. */
#include "target/iscsi/parked.h"

#include "target/iscsi/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_PARKED_PDUS = 512,		 /* they are searched one by one */
	MAX_PARKED_BYTES = 4 << 20,	 /* of one connection; */
	FAIR_PARKED_BYTES = 128 << 10,	 /* no more than this, where all together have */
	REACTOR_PARKED_BYTES = 32 << 20, /* so much */
};

struct parked {
	struct list link;
	bool forgotten; /* aborted: its turn passes, and nothing happens */
	bool void_;	/* its number was another's: not even that; or data of such a one */
	bool free;	/* data whose command has had its turn */
	struct bhs bhs;
	uint32_t data_len;
	uint8_t data[];
};

static bool is_command(const struct parked *p)
{
	return (p->bhs.opcode & ISCSI_OPCODE_MASK) == ISCSI_SCSI_CMD;
}

static bool is_data(const struct parked *p)
{
	return (p->bhs.opcode & ISCSI_OPCODE_MASK) == ISCSI_DATA_OUT;
}

/* One that will run. */
static bool has(const struct conn *c, unsigned opcode, be32 itt)
{
	list_for_each (l, &c->parked) {
		const struct parked *p = list_entry(l, struct parked, link);

		if ((p->bhs.opcode & ISCSI_OPCODE_MASK) == opcode && !p->forgotten &&
		    be32_get(p->bhs.itt) == be32_get(itt))
			return true;
	}
	return false;
}

bool parked_has(const struct conn *c, be32 itt)
{
	return has(c, ISCSI_SCSI_CMD, itt);
}

bool parked_has_tmf(const struct conn *c, be32 itt)
{
	return has(c, ISCSI_TMF_REQ, itt);
}

bool parked_has_on(const struct conn *c, be32 itt, const uint8_t lun[8])
{
	list_for_each (l, &c->parked) {
		const struct parked *p = list_entry(l, struct parked, link);

		if (is_command(p) && !p->forgotten && !memcmp(p->bhs.lun, lun, 8) &&
		    (be32_get(itt) == ISCSI_NO_TAG || be32_get(p->bhs.itt) == be32_get(itt)))
			return true;
	}
	return false;
}

static bool may_park(const struct conn *c, size_t len)
{
	size_t bytes = c->parked_bytes + len;

	return c->nparked < MAX_PARKED_PDUS && bytes <= MAX_PARKED_BYTES &&
	       (bytes <= FAIR_PARKED_BYTES ||
		c->reactor->parked_bytes + len <= REACTOR_PARKED_BYTES);
}

static void count(struct conn *c, const struct parked *p)
{
	c->parked_bytes += sizeof(*p) + p->data_len;
	c->reactor->parked_bytes += sizeof(*p) + p->data_len;
	c->nparked++;
}

static void uncount(struct conn *c, const struct parked *p)
{
	c->parked_bytes -= sizeof(*p) + p->data_len;
	c->reactor->parked_bytes -= sizeof(*p) + p->data_len;
	c->nparked--;
}

int parked_add(struct conn *c)
{
	struct pdu_rx *rx = &c->parser;
	struct parked *p;

	if (!may_park(c, sizeof(*p) + rx->data_len))
		return conn_protocol_error(c, "too much data ahead of a missing CmdSN");
	p = calloc(1, sizeof(*p) + rx->data_len);
	if (!p) {
		conn_close(c, "out of memory");
		return -ENOMEM;
	}
	if (list_empty(&c->parked))
		c->parked_sn = c->session->exp_cmd_sn;
	p->bhs = rx->bhs;
	p->data_len = rx->data_len;
	count(c, p);
	list_add_tail(&c->parked, &p->link);
	rx->dst[0] = (struct iovec){ p->data, p->data_len };
	rx->dst_cnt = p->data_len > 0;
	return 0;
}

void parked_drop(struct conn *c)
{
	struct list *l;

	while ((l = list_pop(&c->parked))) {
		struct parked *p = list_entry(l, struct parked, link);

		uncount(c, p);
		free(p);
	}
}

bool parked_forget(struct conn *c, be32 itt)
{
	list_for_each (l, &c->parked) {
		struct parked *p = list_entry(l, struct parked, link);

		if (!is_command(p) || p->forgotten || be32_get(p->bhs.itt) != be32_get(itt))
			continue;
		p->forgotten = true;
		return true;
	}
	return false;
}

void parked_forget_before(struct conn *c, const struct scsi_lu *lu, uint32_t cmd_sn)
{
	list_for_each (l, &c->parked) {
		struct parked *p = list_entry(l, struct parked, link);

		if (is_command(p) && sn_before(bhs_cmd_sn(&p->bhs), cmd_sn) &&
		    (!lu || scsi_nexus_lu(c->session->nexus, p->bhs.lun) == lu))
			p->forgotten = true;
	}
}

/* As though it had been received just now. */
static int replay(struct conn *c, const struct parked *p)
{
	struct pdu_rx *rx = &c->parser;
	uint32_t at = 0;
	int rc;

	if (p->void_)
		return 0;
	if (p->forgotten) {
		session_credit(c->session);
		return 0;
	}
	rx->bhs = p->bhs;
	rx->data_len = p->data_len;
	rx->ahs_len = 0;
	rx->dst_cnt = 0;
	rc = dispatch_run_header(c);
	if (rc || c->last_pdu_queued)
		return rc;
	for (int i = 0; i < rx->dst_cnt; i++) {
		memcpy(rx->dst[i].iov_base, p->data + at, rx->dst[i].iov_len);
		at += (uint32_t)rx->dst[i].iov_len;
	}
	return dispatch_run_pdu(c);
}

static bool is_skipped(const struct conn *c, uint32_t cmd_sn)
{
	list_for_each (l, &c->parked) {
		const struct parked *p = list_entry(l, struct parked, link);

		if (p->forgotten && is_command(p) && bhs_cmd_sn(&p->bhs) == cmd_sn)
			return true;
	}
	return false;
}

void parked_skip(struct conn *c, uint32_t cmd_sn)
{
	struct bhs_scsi_cmd h = {
		.opcode = ISCSI_SCSI_CMD,
		.itt = be32_of(ISCSI_NO_TAG),
		.cmd_sn = be32_of(cmd_sn),
	};
	struct parked *p;

	if (is_skipped(c, cmd_sn)) /* so there are no more than the window has numbers */
		return;
	p = calloc(1, sizeof(*p));
	if (!p) {
		conn_close(c, "out of memory");
		return;
	}
	memcpy(&p->bhs, &h, sizeof(p->bhs));
	p->forgotten = true;
	count(c, p);
	c->parked_skipped = true;
	list_add(&c->parked, &p->link); /* before one of this number that has come already */
}

/* Whether its turn has come, or has passed: a second one of the same number. */
static bool is_due(struct conn *c, struct parked *p)
{
	if (is_data(p))
		return p->free;
	if (p->bhs.opcode & ISCSI_IMMEDIATE) /* tmf_order */
		return !sn_before(c->session->exp_cmd_sn, bhs_cmd_sn(&p->bhs));
	switch (dispatch_take_turn(c, &p->bhs)) {
	case SESSION_EARLY:
		return false;
	case SESSION_IGNORE:
		p->void_ = true;
		return true;
	case SESSION_NOW:
		break;
	}
	return true;
}

/* A command's turn has come: its data follow it. */
static void free_data(struct conn *c, const struct parked *cmd)
{
	for (struct list *l = cmd->link.next; l != &c->parked; l = l->next) {
		struct parked *p = list_entry(l, struct parked, link);

		if (be32_get(p->bhs.itt) != be32_get(cmd->bhs.itt))
			continue;
		if (is_command(p)) /* what follows is that one's */
			return;
		if (!is_data(p))
			continue;
		p->free = true;
		p->void_ = cmd->void_ || cmd->forgotten;
	}
}

/* The first parked PDU whose turn has come, taken off the list; NULL: none. */
static struct parked *next_in_order(struct conn *c)
{
	list_for_each (l, &c->parked) {
		struct parked *p = list_entry(l, struct parked, link);

		if (!is_due(c, p))
			continue;
		if (is_command(p))
			free_data(c, p);
		list_del(&p->link);
		uncount(c, p);
		return p;
	}
	return NULL;
}

int parked_replay(struct conn *c)
{
	const struct session *s = c->session;
	struct pdu_rx saved;
	struct parked *p;
	int rc = 0;

	/* Nothing else lets a turn come; most PDUs would have all searched for nothing. */
	if (s->exp_cmd_sn == c->parked_sn && !c->parked_skipped)
		return 0;
	saved = c->parser;
	while (!rc && !c->closed && !c->last_pdu_queued && (p = next_in_order(c))) {
		rc = replay(c, p);
		free(p);
	}
	c->parser = saved;
	c->parked_sn = s->exp_cmd_sn;
	c->parked_skipped = false;
	return rc;
}
