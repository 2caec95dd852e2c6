/* Nexuses: what one session has of each unit of its target.
 *
 * A unit knows every (nexus, LUN) that reaches it, to post unit attentions there: the list is under
 * a mutex of the unit, the pending attentions themselves are an atomic word per (nexus, LUN), so
 * that the common path pays one relaxed load. An attention set at the very moment at which a
 * command starts may be told by the next one: the two are concurrent, either order is right.
 *
 * All else of a nexus is its own reactor's, which also replaces its map (map.c). */
#include "target/scsi/change.h"
#include "target/scsi/internal.h"

#include <errno.h>
#include <stdlib.h>

enum { ROOM_STEP = 8 };

static void link_lun(struct scsi_nexus *n, unsigned place)
{
	struct scsi_lu *lu = n->map->lus[place];
	struct nexus_lun *nl = &n->luns[place];

	nl->nexus = n;
	atomic_store(&nl->ua, SCSI_UA_POWER_ON);
	pthread_mutex_lock(&lu->nexus_lock);
	list_add_tail(&lu->nexuses, &nl->link);
	pthread_mutex_unlock(&lu->nexus_lock);
}

static void unlink_lun(struct scsi_nexus *n, unsigned place)
{
	struct scsi_lu *lu = n->map->lus[place];

	pthread_mutex_lock(&lu->nexus_lock);
	list_del(&n->luns[place].link);
	pthread_mutex_unlock(&lu->nexus_lock);
}

int scsi_nexus_new(struct scsi_nexus **out, struct scsi_target *t)
{
	struct scsi_nexus *n = calloc(1, sizeof(*n));
	struct scsi_map *m = scsi_target_map(t);

	if (!n || !m)
		goto err;
	n->map = m;
	n->room = MAX(m->nplaces, 1u);
	n->luns = calloc(n->room, sizeof(n->luns[0]));
	if (!n->luns)
		goto err;
	for (unsigned i = 0; i < m->nplaces; i++)
		if (m->lus[i])
			link_lun(n, i);
	*out = n;
	return 0;
err:
	scsi_map_put(m);
	free(n);
	return -ENOMEM;
}

void scsi_nexus_free(struct scsi_nexus *n)
{
	for (unsigned i = 0; i < n->map->nplaces; i++)
		if (n->map->lus[i])
			unlink_lun(n, i);
	scsi_map_put(n->map);
	free(n->luns);
	free(n);
}

/* --- taking another map -------------------------------------------------------------------- */

/* With the unit's lock nobody looks at either. */
static void move_lun(struct scsi_lu *lu, struct nexus_lun *to, struct nexus_lun *from)
{
	pthread_mutex_lock(&lu->nexus_lock);
	to->nexus = from->nexus;
	atomic_store(&to->ua, atomic_load(&from->ua));
	list_add_between(&to->link, from->link.prev, from->link.next);
	pthread_mutex_unlock(&lu->nexus_lock);
}

static int make_room(struct scsi_nexus *n, unsigned nplaces)
{
	struct nexus_lun *more;
	unsigned room = nplaces + ROOM_STEP;

	if (nplaces <= n->room)
		return 0;
	more = calloc(room, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (unsigned i = 0; i < n->map->nplaces; i++)
		if (n->map->lus[i])
			move_lun(n->map->lus[i], &more[i], &n->luns[i]);
	free(n->luns);
	n->luns = more;
	n->room = room;
	return 0;
}

int scsi_nexus_update(struct scsi_nexus *n, struct scsi_target *t)
{
	struct scsi_map *m = scsi_target_map(t), *old = n->map;

	if (!m || m == old) {
		scsi_map_put(m);
		return 0;
	}
	if (make_room(n, m->nplaces)) {
		scsi_map_put(m);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < old->nplaces; i++) {
		if (!old->lus[i])
			continue;
		if (map_at(m, i) == old->lus[i])
			atomic_fetch_or(&n->luns[i].ua, SCSI_UA_LUNS_CHANGED);
		else
			unlink_lun(n, i);
	}
	n->map = m;
	for (unsigned i = 0; i < m->nplaces; i++)
		if (m->lus[i] && map_at(old, i) != m->lus[i])
			link_lun(n, i);
	scsi_map_put(old);
	return 0;
}

struct scsi_map *scsi_nexus_map(struct scsi_nexus *n)
{
	return n->map;
}

/* --- looking --------------------------------------------------------------------------------- */

struct scsi_lu *scsi_nexus_lu(struct scsi_nexus *n, const uint8_t lun[8])
{
	int place = scsi_map_place(n->map, lun);

	return place < 0 ? NULL : n->map->lus[place];
}

bool scsi_cmd_is_stray(const struct scsi_cmd *cmd)
{
	return cmd->lu && scsi_nexus_lu(cmd->nexus, cmd->lun) != cmd->lu;
}

/* --- unit attentions -------------------------------------------------------------------------- */

unsigned scsi_nexus_take_ua(struct scsi_nexus *n, unsigned place)
{
	unsigned all = atomic_load(&n->luns[place].ua);
	unsigned first = all & -all; /* the enum is in falling priority */

	/* only this nexus clears, on one thread: the bit is still set */
	atomic_fetch_and(&n->luns[place].ua, ~first);
	return first;
}

void scsi_nexus_clear_ua(struct scsi_nexus *n, unsigned ua)
{
	for (unsigned i = 0; i < n->map->nplaces; i++)
		atomic_fetch_and(&n->luns[i].ua, ~ua);
}

void scsi_nexus_attention(struct scsi_nexus *n, const struct scsi_lu *lu, unsigned ua)
{
	for (unsigned i = 0; i < n->map->nplaces; i++)
		if (n->map->lus[i] && (!lu || n->map->lus[i] == lu))
			atomic_fetch_or(&n->luns[i].ua, ua);
}
