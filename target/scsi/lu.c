/* Logical units, the targets that show them, and the nexuses that use them.
 *
 *    target ──▶ LUN ──▶ place ──▶ unit ◀── nexus_lun ── nexus
 *
 * LUNs may be as far apart as they like: only a target's table of places, two bytes a number, is as
 * long as its highest one; what a nexus has is counted by units.
 *
 * A unit may stand behind several targets and LUNs. It knows every (nexus, LUN) that
 * reaches it, to post unit attentions there: the list is under a mutex, the pending
 * attentions themselves are an atomic word per (nexus, LUN), so that the common
 * path pays one relaxed load. An attention set at the very moment at which a command
 * starts may be told by the next one: the two are concurrent, either order is right. */
#include "target/scsi/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int lu_init_reactors(struct scsi_lu *lu, unsigned n)
{
	lu->reactors = aligned_alloc(_Alignof(struct lu_reactor), n * sizeof(struct lu_reactor));
	if (!lu->reactors)
		return -ENOMEM;
	memset(lu->reactors, 0, n * sizeof(struct lu_reactor));
	lu->nreactors = n;
	for (unsigned i = 0; i < n; i++) {
		struct lu_reactor *r = &lu->reactors[i];

		r->lu = lu;
		list_init(&r->writes);
		list_init(&r->busy);
	}
	return 0;
}

int scsi_lu_new(struct scsi_lu **out, const struct scsi_lu_config *cfg)
{
	const struct backstore *bs = cfg->bs;
	struct scsi_lu *lu;

	if (!cfg->reactors || (bs->block_bytes != 512 && bs->block_bytes != 4096) ||
	    bs->size_bytes < bs->block_bytes)
		return -EINVAL;
	lu = calloc(1, sizeof(*lu));
	if (!lu)
		return -ENOMEM;
	lu->name = strdup(cfg->name);
	if (!lu->name || lu_init_reactors(lu, cfg->reactors))
		goto err;
	memcpy(lu->uuid, cfg->uuid, sizeof(lu->uuid));
	lu->bs = cfg->bs;
	lu->shift = bs->block_bytes == 512 ? 9 : 12;
	lu->nblocks = bs->size_bytes >> lu->shift;
	lu->thin = bs->discard_bytes > 0;
	list_init(&lu->fences);
	list_init(&lu->waiters);
	list_init(&lu->nexuses);
	pthread_mutex_init(&lu->fence_lock, NULL);
	pthread_mutex_init(&lu->nexus_lock, NULL);
	*out = lu;
	return 0;
err:
	free(lu->name);
	free(lu);
	return -ENOMEM;
}

void scsi_lu_free(struct scsi_lu *lu)
{
	assert(list_empty(&lu->nexuses) && list_empty(&lu->fences) && list_empty(&lu->waiters));
	bs_close(lu->bs);
	pthread_mutex_destroy(&lu->fence_lock);
	pthread_mutex_destroy(&lu->nexus_lock);
	free(lu->reactors);
	free(lu->name);
	free(lu);
}

const char *scsi_lu_name(const struct scsi_lu *lu)
{
	return lu->name;
}

struct backstore *scsi_lu_backstore(struct scsi_lu *lu)
{
	return lu->bs;
}

bool scsi_lu_is_busy(const struct scsi_lu *lu, const struct io *io)
{
	return lu->reactors[io->index].running > 0;
}

/* --- target -------------------------------------------------------------------- */

int scsi_target_new(struct scsi_target **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
}

void scsi_target_free(struct scsi_target *t)
{
	free(t->lus);
	free(t->places);
	free(t);
}

static int reach(struct scsi_target *t, unsigned limit)
{
	uint16_t *more;

	if (limit <= t->limit)
		return 0;
	more = realloc(t->places, limit * sizeof(*more));
	if (!more)
		return -ENOMEM;
	memset(more + t->limit, 0, (limit - t->limit) * sizeof(*more));
	t->places = more;
	t->limit = limit;
	return 0;
}

int scsi_target_add(struct scsi_target *t, unsigned lun, struct scsi_lu *lu)
{
	struct scsi_lu **more;

	if (lun >= SCSI_MAX_LUNS)
		return -ERANGE;
	if (lun < t->limit && t->places[lun])
		return -EEXIST;
	more = realloc(t->lus, (t->nlus + 1) * sizeof(struct scsi_lu *));
	if (!more)
		return -ENOMEM;
	t->lus = more;
	if (reach(t, lun + 1))
		return -ENOMEM;
	t->lus[t->nlus++] = lu;
	if (!lu->nluns++)
		lu->target = t;
	t->places[lun] = (uint16_t)t->nlus;
	return 0;
}

int scsi_target_place(const struct scsi_target *t, const uint8_t lun[8])
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
	return number < t->limit ? t->places[number] - 1 : -1;
}

/* --- nexus ---------------------------------------------------------------------- */

int scsi_nexus_new(struct scsi_nexus **out, struct scsi_target *t)
{
	struct scsi_nexus *n = calloc(1, sizeof(*n) + t->nlus * sizeof(n->luns[0]));

	if (!n)
		return -ENOMEM;
	n->target = t;
	for (unsigned i = 0; i < t->nlus; i++) {
		struct nexus_lun *nl = &n->luns[i];

		nl->nexus = n;
		atomic_store(&nl->ua, SCSI_UA_POWER_ON);
		pthread_mutex_lock(&t->lus[i]->nexus_lock);
		list_add_tail(&t->lus[i]->nexuses, &nl->link);
		pthread_mutex_unlock(&t->lus[i]->nexus_lock);
	}
	*out = n;
	return 0;
}

void scsi_nexus_free(struct scsi_nexus *n)
{
	const struct scsi_target *t = n->target;

	for (unsigned i = 0; i < t->nlus; i++) {
		pthread_mutex_lock(&t->lus[i]->nexus_lock);
		list_del(&n->luns[i].link);
		pthread_mutex_unlock(&t->lus[i]->nexus_lock);
	}
	free(n);
}

void scsi_lu_attention(struct scsi_lu *lu, unsigned ua, const struct scsi_nexus *but)
{
	pthread_mutex_lock(&lu->nexus_lock);
	list_for_each (at, &lu->nexuses) {
		struct nexus_lun *nl = list_entry(at, struct nexus_lun, link);

		if (nl->nexus != but)
			atomic_fetch_or(&nl->ua, ua);
	}
	pthread_mutex_unlock(&lu->nexus_lock);
}

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
	for (unsigned i = 0; i < n->target->nlus; i++)
		atomic_fetch_and(&n->luns[i].ua, ~ua);
}

struct scsi_lu *scsi_nexus_lu(struct scsi_nexus *n, const uint8_t lun[8])
{
	int place = scsi_target_place(n->target, lun);

	return place < 0 ? NULL : n->target->lus[place];
}
