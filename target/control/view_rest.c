/* Pools, portals and sessions as JSON, and volumes as a model has them. */
#include "target/control/view.h"

#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- pools ---------------------------------------------------------------------------------- */

/* With lock. */
static unsigned volumes_of(struct control *c, const struct served_pool *p)
{
	unsigned n = 0;

	list_for_each (l, &c->served)
		n += list_entry(l, struct served, link)->pool == p;
	return n;
}

json_t *view_pools(struct control *c, const char *only)
{
	json_t *all = json_array();

	pthread_mutex_lock(&c->lock);
	list_for_each (l, &c->pools) {
		const struct served_pool *p = list_entry(l, struct served_pool, link);

		if (only && strcmp(p->name, only) != 0)
			continue;
		json_array_append_new(all,
				      json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:i}", "name", p->name,
						"path", p->path, "volume_group", p->volume_group,
						"state", p->vp ? "available" : "error", "error",
						p->error, "volumes", (int)volumes_of(c, p)));
	}
	pthread_mutex_unlock(&c->lock);
	return all;
}

/* --- portals -------------------------------------------------------------------------------- */

/* With lock. */
static bool is_kept(const struct control *c, const char *portal)
{
	for (unsigned i = 0; i < c->model.nportals; i++)
		if (!strcmp(c->model.portals[i], portal))
			return true;
	return false;
}

/* Those that are listened to, with their ports as they turned out; then those of the model that
 * cannot be. */
json_t *view_portals(struct control *c)
{
	char text[ISCSI_MAX_PORTALS][SOCKADDR_TEXT_BYTES];
	json_t *all = json_array();
	unsigned n;

	pthread_mutex_lock(&c->node->lock);
	n = c->node->nportals;
	for (unsigned i = 0; i < n; i++) {
		const struct sockaddr_storage *sa = &c->node->portals[i].addr;

		sockaddr_text(sa, sockaddr_port(sa), text[i]);
	}
	pthread_mutex_unlock(&c->node->lock);
	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < n; i++)
		if (!is_kept(c, text[i]))
			json_array_append_new(all, json_pack("{s:s, s:s}", "address", text[i],
							     "origin", "command-line"));
	for (unsigned i = 0; i < c->model.nportals; i++)
		json_array_append_new(all, json_pack("{s:s, s:s}", "address", c->model.portals[i],
						     "origin", "state"));
	pthread_mutex_unlock(&c->lock);
	return all;
}

/* --- sessions ------------------------------------------------------------------------------- */

static json_t *session_to_json(const struct iscsi_session_info *s)
{
	char isid[sizeof(s->isid) * 2 + 1];

	for (unsigned i = 0; i < sizeof(s->isid); i++)
		snprintf(isid + 2 * i, sizeof(isid) - 2 * i, "%02x", s->isid[i]);
	return json_pack("{s:I, s:s, s:s?, s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:s, s:o, s:I, s:I, "
			 "s:I}",
			 "id", (json_int_t)s->id, "initiator", s->initiator, "target",
			 s->discovery ? NULL : s->target, "kind",
			 s->discovery ? "discovery" : "normal", "address", s->address, "isid", isid,
			 "tsih", (int)s->tsih, "state", iscsi_session_state_name(s->state),
			 "reactor", (int)s->reactor, "header_digest",
			 s->header_digest ? "CRC32C" : "None", "data_digest",
			 s->data_digest ? "CRC32C" : "None", "since", view_time(s->since_s),
			 "commands", (json_int_t)s->commands, "read_bytes",
			 (json_int_t)s->read_bytes, "written_bytes", (json_int_t)s->written_bytes);
}

json_t *view_sessions(struct control *c, const char *target)
{
	struct iscsi_session_info *sessions;
	json_t *all = json_array();
	unsigned n;

	if (iscsi_node_sessions(c->node, &sessions, &n)) {
		json_decref(all);
		return NULL;
	}
	for (unsigned i = 0; i < n; i++)
		if (!target || (!sessions[i].discovery && !strcasecmp(sessions[i].target, target)))
			json_array_append_new(all, session_to_json(&sessions[i]));
	free(sessions);
	return all;
}

/* --- the model ------------------------------------------------------------------------------ */

static int fill(struct model_volume *out, const struct served *s)
{
	*out = (struct model_volume){
		.name = strdup(s->v.name),
		.pool = strdup(s->pool->name),
		.has_id = true,
		.size_bytes = s->v.size_bytes,
		.block_bytes = s->v.block_bytes,
		.path = s->v.kind == VPOOL_EXTERNAL ? strdup(s->v.path) : NULL,
		.buffered = s->v.buffered,
		.writethrough = s->v.writethrough,
		.read_only = s->v.read_only,
	};
	memcpy(out->id, s->v.uuid, sizeof(out->id));
	return out->name && out->pool && (out->path || s->v.kind != VPOOL_EXTERNAL) ? 0 : -ENOMEM;
}

/* With lock. Those that are about to be or not to be are jobs' affair; and of two of a name a
 * document can have one only. */
static bool is_lasting(struct control *c, const struct served *s)
{
	return s->pool && s->state != SERVED_CREATING && s->state != SERVED_DELETING &&
	       (s->state != SERVED_ERROR || served_owns_name(c, s));
}

static int by_name(const void *left, const void *right)
{
	const struct model_volume *a = left, *b = right;

	return strcmp(a->name, b->name);
}

/* In an order that a restart keeps: documents are compared by their text, too. */
int view_add_volumes(struct control *c, struct model *m)
{
	unsigned n = 0;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	list_for_each (l, &c->served)
		n += is_lasting(c, list_entry(l, struct served, link));
	m->volumes = calloc(n + 1, sizeof(*m->volumes));
	if (!m->volumes)
		rc = -ENOMEM;
	m->has_volumes = true;
	list_for_each (l, &c->served) {
		const struct served *s = list_entry(l, struct served, link);

		if (rc || !is_lasting(c, s))
			continue;
		rc = fill(&m->volumes[m->nvolumes++], s);
	}
	pthread_mutex_unlock(&c->lock);
	if (!rc)
		qsort(m->volumes, m->nvolumes, sizeof(*m->volumes), by_name);
	return rc;
}
