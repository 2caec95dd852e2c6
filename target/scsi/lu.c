/* Logical units. Those who show them are in map.c, those who use them in nexus.c.
 *
 *    target ──▶ map ──▶ LUN ──▶ place ──▶ unit ◀── nexus_lun ── nexus
 *
 * A unit may stand behind several targets and LUNs. It is freed when no LUN is its any more, and no
 * reactor has to do with it: commands that look at it are counted (stats.c), those that its disk
 * has, too, aborted ones among them; and a reset that has yet to tell its nexuses holds it. */
#include "target/scsi/change.h"
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
	atomic_init(&lu->nblocks, bs->size_bytes >> lu->shift);
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

/* --- while reactors run ----------------------------------------------------------------- */

void scsi_lu_grown(struct scsi_lu *lu)
{
	uint64_t now = lu->bs->size_bytes >> lu->shift, was = atomic_load(&lu->nblocks);

	/* The backstore takes the new size before anybody is let there (bs_grow). */
	while (was < now)
		if (atomic_compare_exchange_weak(&lu->nblocks, &was, now)) {
			scsi_lu_attention(lu, SCSI_UA_CAPACITY, NULL);
			return;
		}
}

bool scsi_lu_is_shown(const struct scsi_lu *lu)
{
	return atomic_load(&lu->nshown) > 0;
}

void scsi_lu_hold(struct scsi_lu *lu)
{
	atomic_fetch_add(&lu->nholds, 1);
}

void scsi_lu_release(struct scsi_lu *lu)
{
	atomic_fetch_sub(&lu->nholds, 1);
}

bool scsi_lu_is_held(const struct scsi_lu *lu)
{
	return atomic_load(&lu->nholds) > 0;
}

bool scsi_lu_leave(struct scsi_lu *lu, const struct io *io)
{
	struct lu_reactor *r = lu_reactor(lu, io);

	if (r->running || atomic_load_explicit(&r->counts.queue, memory_order_acquire))
		return false;
	list_del(&r->busy); /* scsi_fence_slow would look there once more */
	return true;
}
