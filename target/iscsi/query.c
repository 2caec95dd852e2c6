/* What task management may ask (RFC 7144; SAM-5 7.9 to 7.11): FUNCTION SUCCEEDED is yes, FUNCTION
 * COMPLETE is no. Of this nexus only, so all of it is on this reactor. */
#include "target/iscsi/tmf.h"

#include "target/iscsi/parked.h"

#include <string.h>

/* Until its answer has left, it is in the task set; an aborted one is not. */
static bool is_there(const struct task *t)
{
	return t->state != TASK_DROPPED;
}

static bool has_task(const struct conn *c, const struct bhs_tmf_req *h)
{
	const struct task *t = session_find(c->session, h->ref_itt);

	if (t)
		return is_there(t) && !memcmp(t->cmd.lun, h->lun, sizeof(h->lun));
	return parked_has_on(c, h->ref_itt, h->lun);
}

static bool has_tasks(const struct conn *c, const struct bhs_tmf_req *h, const struct scsi_lu *lu)
{
	list_for_each (l, &c->session->tasks) {
		const struct task *t = list_entry(l, struct task, link);

		if (is_there(t) && scsi_cmd_is_on(&t->cmd, lu))
			return true;
	}
	return parked_has_on(c, be32_of(ISCSI_NO_TAG), h->lun);
}

int tmf_query(struct conn *c, const struct bhs_tmf_req *h, struct scsi_lu *lu)
{
	uint8_t info[3] = { 0 };
	bool yes = false;

	switch (h->flags & 0x7f) {
	case ISCSI_TMF_QUERY_TASK:
		yes = has_task(c, h);
		break;
	case ISCSI_TMF_QUERY_TASK_SET:
		yes = has_tasks(c, h, lu);
		break;
	case ISCSI_TMF_QUERY_EVENT:
		yes = scsi_nexus_event(c->session->nexus, h->lun, info);
		break;
	}
	return tmf_respond_with(c, h->itt, yes ? ISCSI_TMF_SUCCEEDED : ISCSI_TMF_COMPLETE, info);
}
