/* Targets, and which unit is behind which LUN.
 *
 *    target ──▶ map ──▶ LUN ──▶ place ──▶ unit
 *                ▲
 *    nexus ──────┘
 *
 * LUNs may be as far apart as they like: only a map's table of places, two bytes a number, is as
 * long as the highest one; what a nexus has is counted by places.
 *
 * A map never changes, so that a command finds its unit without a lock: a change makes another one,
 * which each nexus takes on its own reactor when it is told to. A unit keeps its place as long as
 * it has its LUN; a place that was left may be another's in a later map, so there must be no nexus
 * left with the map before the last (node_change.c sees to that). */
#include "target/scsi/change.h"
#include "target/scsi/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct scsi_map *map_new(unsigned nplaces, unsigned limit)
{
	struct scsi_map *m = calloc(1, sizeof(*m) + limit * sizeof(m->places[0]));

	if (!m)
		return NULL;
	m->lus = calloc(nplaces + 1, sizeof(struct scsi_lu *));
	if (!m->lus) {
		free(m);
		return NULL;
	}
	atomic_init(&m->refs, 1);
	m->nplaces = nplaces;
	m->limit = limit;
	return m;
}

/* With room for @nplaces and @limit, or as much as @old has. */
static struct scsi_map *map_copy(const struct scsi_map *old, unsigned nplaces, unsigned limit)
{
	struct scsi_map *m = map_new(MAX(nplaces, old->nplaces), MAX(limit, old->limit));

	if (!m)
		return NULL;
	m->nluns = old->nluns;
	if (old->nplaces)
		memcpy(m->lus, old->lus, old->nplaces * sizeof(struct scsi_lu *));
	if (old->limit)
		memcpy(m->places, old->places, old->limit * sizeof(m->places[0]));
	return m;
}

struct scsi_map *scsi_map_get(struct scsi_map *m)
{
	atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

void scsi_map_put(struct scsi_map *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1)
		return;
	free(m->lus);
	free(m);
}

int scsi_map_place(const struct scsi_map *m, const uint8_t lun[8])
{
	static const uint8_t no_more[6];
	unsigned number;

	if (memcmp(lun + 2, no_more, sizeof(no_more)) != 0)
		return -1; /* hierarchical: further levels */
	number = get_be16(lun);
	/* peripheral device addressing is for bus 0 only, and its numbers are those of flat space
	 * addressing; an initiator may use either below 256 */
	if (number >> 14 == 1)
		number &= SCSI_MAX_LUNS - 1;
	else if (number > UINT8_MAX)
		return -1;
	return number < m->limit ? m->places[number] - 1 : -1;
}

bool scsi_map_shares(const struct scsi_map *m, const struct scsi_lu *lu)
{
	/* A reset asks for each command of the server: most units have but one LUN. */
	if (!lu || atomic_load_explicit(&lu->nshown, memory_order_relaxed) <= 1)
		return false;
	for (unsigned i = 0; i < m->nplaces; i++)
		if (m->lus[i] == lu)
			return true;
	return false;
}

/* --- targets ----------------------------------------------------------------------------- */

int scsi_target_new(struct scsi_target **out)
{
	struct scsi_target *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->map = map_new(0, 0);
	if (!t->map) {
		free(t);
		return -ENOMEM;
	}
	pthread_mutex_init(&t->lock, NULL);
	*out = t;
	return 0;
}

void scsi_target_free(struct scsi_target *t)
{
	if (!t)
		return;
	scsi_target_clear(t);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

struct scsi_map *scsi_target_map(struct scsi_target *t)
{
	struct scsi_map *m;

	pthread_mutex_lock(&t->lock);
	m = t->map ? scsi_map_get(t->map) : NULL;
	pthread_mutex_unlock(&t->lock);
	return m;
}

static void replace_map(struct scsi_target *t, struct scsi_map *m)
{
	struct scsi_map *old;

	pthread_mutex_lock(&t->lock);
	old = t->map;
	t->map = m;
	pthread_mutex_unlock(&t->lock);
	scsi_map_put(old);
}

static unsigned free_place(const struct scsi_map *m)
{
	unsigned i = 0;

	while (i < m->nplaces && m->lus[i])
		i++;
	return i;
}

/* Only one who changes at a time: nobody else replaces the map that is copied. */
int scsi_target_add(struct scsi_target *t, unsigned lun, struct scsi_lu *lu)
{
	const struct scsi_map *old = t->map;
	struct scsi_map *m;
	unsigned place;

	if (lun >= SCSI_MAX_LUNS)
		return -ERANGE;
	if (lun < old->limit && old->places[lun])
		return -EEXIST;
	place = free_place(old);
	m = map_copy(old, place + 1, lun + 1);
	if (!m)
		return -ENOMEM;
	m->lus[place] = lu;
	m->places[lun] = (uint16_t)(place + 1);
	m->nluns++;
	atomic_fetch_add(&lu->nshown, 1);
	replace_map(t, m);
	return 0;
}

int scsi_target_remove(struct scsi_target *t, unsigned lun)
{
	const struct scsi_map *old = t->map;
	struct scsi_map *m;
	struct scsi_lu *lu;

	if (lun >= old->limit || !old->places[lun])
		return -ENOENT;
	m = map_copy(old, 0, 0);
	if (!m)
		return -ENOMEM;
	lu = m->lus[m->places[lun] - 1];
	m->lus[m->places[lun] - 1] = NULL;
	m->places[lun] = 0;
	m->nluns--;
	replace_map(t, m);
	atomic_fetch_sub(&lu->nshown, 1);
	return 0;
}

void scsi_target_clear(struct scsi_target *t)
{
	struct scsi_map *m = scsi_target_map(t);

	replace_map(t, NULL);
	for (unsigned i = 0; m && i < m->nplaces; i++)
		if (m->lus[i])
			atomic_fetch_sub(&m->lus[i]->nshown, 1);
	scsi_map_put(m);
}

bool scsi_target_has(struct scsi_target *t, const struct scsi_lu *lu)
{
	bool has = false;

	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; lu && t->map && i < t->map->nplaces && !has; i++)
		has = t->map->lus[i] == lu;
	pthread_mutex_unlock(&t->lock);
	return has;
}

/* The lock keeps its units: one that leaves the map may be freed after that. */
void scsi_target_attention(struct scsi_target *t, unsigned ua)
{
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; t->map && i < t->map->nplaces; i++)
		if (t->map->lus[i])
			scsi_lu_attention(t->map->lus[i], ua, NULL);
	pthread_mutex_unlock(&t->lock);
}
