/* Portals that are listened to before they are kept, as that may fail, and left after. */
#include "target/control/portal_ops.h"

#include "backstore/base/log.h"
#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Port 0 would be another one at each start. */
static bool has_port(const char *portal)
{
	const char *colon = strrchr(portal, ':');

	return colon && strcmp(colon, ":0") != 0;
}

static bool is_listened_to(struct control *c, const char *portal)
{
	char text[SOCKADDR_TEXT_BYTES];
	bool found = false;

	pthread_mutex_lock(&c->node->lock);
	for (unsigned i = 0; i < c->node->nportals && !found; i++) {
		const struct sockaddr_storage *sa = &c->node->portals[i].addr;

		sockaddr_text(sa, sockaddr_port(sa), text);
		found = !strcmp(text, portal);
	}
	pthread_mutex_unlock(&c->node->lock);
	return found;
}

bool portal_listen(struct control *c, const char *portal, struct api_error *e)
{
	struct sockaddr_storage sa;
	char why[API_WHY_BYTES];
	int rc;

	if (!has_port(portal)) {
		api_fail(e, 400, "invalid",
			 "%s: give a port, as initiators have to find it after a restart, too",
			 portal);
		return false;
	}
	if (is_listened_to(c, portal)) {
		api_fail(e, 409, "exists", "%s is a portal already", portal);
		return false;
	}
	rc = server_listen(c->server, portal, &sa, why, sizeof(why));
	if (rc)
		api_fail_errno(e, rc == -EADDRINUSE ? -EBUSY : rc, why);
	return !rc;
}

void portal_unlisten(struct control *c, const char *portal)
{
	char why[API_WHY_BYTES];

	if (server_unlisten(c->server, portal, why, sizeof(why)))
		log_warn("%s", why);
}

static unsigned find(const struct model *m, const char *portal)
{
	unsigned i = 0;

	while (i < m->nportals && strcmp(m->portals[i], portal) != 0)
		i++;
	return i;
}

bool portal_keep(struct change *ch, const char *portal, struct api_error *e)
{
	struct model *m = &ch->next;
	char **more;

	if (find(m, portal) < m->nportals) {
		api_fail(e, 409, "exists", "%s is a portal already", portal);
		return false;
	}
	more = realloc(m->portals, (m->nportals + 1) * sizeof(*more));
	if (more)
		m->portals = more;
	if (!more || !(more[m->nportals] = strdup(portal))) {
		api_fail_errno(e, -ENOMEM, "out of memory");
		return false;
	}
	m->nportals++;
	return true;
}

static bool is_given(const struct control *c, const char *portal)
{
	for (unsigned i = 0; i < c->cfg->nlisten; i++) {
		const struct sockaddr_storage *sa = &c->cfg->listen[i].addr;
		char text[SOCKADDR_TEXT_BYTES];

		sockaddr_text(sa, sockaddr_port(sa), text);
		if (!strcmp(text, portal))
			return true;
	}
	return false;
}

bool portal_forget(struct change *ch, const char *portal, struct api_error *e)
{
	struct model *m = &ch->next;
	unsigned at = find(m, portal);

	if (at == m->nportals && is_given(ch->c, portal)) {
		api_fail(e, 409, "read_only_config",
			 "%s is given on the command line of ringlund (--listen), which is the "
			 "place to change it",
			 portal);
		return false;
	}
	if (at == m->nportals) {
		api_fail(e, 404, "not_found",
			 "%s is no portal; ringlun portal list shows those there are", portal);
		return false;
	}
	free(m->portals[at]);
	m->nportals--;
	memmove(&m->portals[at], &m->portals[at + 1], (m->nportals - at) * sizeof(*m->portals));
	return true;
}
