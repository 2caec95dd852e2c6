/* Names for the log: of the session once there is one, before that as they were said in the login.
 */
#include "target/iscsi/who.h"

#include "target/iscsi/conn.h"

static const char *or_nobody(const char *name)
{
	return *name ? name : "-";
}

const char *who_peer(const struct conn *c)
{
	return c->peer;
}

const char *who_initiator(const struct conn *c)
{
	if (c->session && *c->session->initiator)
		return c->session->initiator;
	return or_nobody(c->params.InitiatorName);
}

const char *who_target(const struct conn *c)
{
	if (c->session && c->session->target)
		return c->session->target->name;
	return c->params.discovery ? "discovery" : or_nobody(c->params.TargetName);
}
