/* Volumes whose disk hangs: nothing shows them any more, but requests of them are still at the
 * disk, whose memory and descriptors cannot be given back before it lets go.
 *
 * One thread, which sleeps while there is nothing. */
#include "target/control/control_priv.h"

#include "backstore/base/log.h"
#include "backstore/base/signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	LOOK_NS = 1000000000, /* at each in turn */
	FREE_S = 10,
};

struct reaper {
	struct iscsi_node *node;
	pthread_mutex_t lock;
	pthread_cond_t news;
	struct list waiting; /* volume.link */
	bool is_closing;     /* one that is not among them any more: */
	uint8_t closing[16];
	pthread_t thread;
	bool stopping, ended, joined;
};

/* With the lock, which is let go meanwhile. */
static void look_at(struct reaper *r, struct volume *v)
{
	int rc;

	pthread_mutex_unlock(&r->lock);
	rc = iscsi_node_await_lu(r->node, v->lu, LOOK_NS);
	assert(rc != -EBUSY); /* no target shows it: it would be asked for without end */
	pthread_mutex_lock(&r->lock);
	list_del(&v->link);
	if (rc) {
		list_add_tail(&r->waiting, &v->link);
		return;
	}
	r->is_closing = true;
	memcpy(r->closing, v->uuid, sizeof(r->closing));
	pthread_mutex_unlock(&r->lock);
	log_info("volume %s: its disk has let go of it at last", v->name);
	volume_close(v);
	pthread_mutex_lock(&r->lock);
	r->is_closing = false;
	pthread_cond_broadcast(&r->news);
}

static void *reaper_main(void *arg)
{
	struct reaper *r = arg;

	pthread_setname_np(pthread_self(), "reaper");
	pthread_mutex_lock(&r->lock);
	while (!r->stopping)
		if (list_empty(&r->waiting))
			pthread_cond_wait(&r->news, &r->lock);
		else
			look_at(r, list_first(&r->waiting, struct volume, link));
	r->ended = true;
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

int reaper_new(struct reaper **out, struct iscsi_node *node)
{
	struct reaper *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	sigset_t all, before;
	int rc;

	if (!r)
		return -ENOMEM;
	r->node = node;
	list_init(&r->waiting);
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->news, &attr);
	pthread_condattr_destroy(&attr);
	signals_of_others(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&r->thread, NULL, reaper_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		pthread_cond_destroy(&r->news);
		pthread_mutex_destroy(&r->lock);
		free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void reaper_take(struct reaper *r, struct volume *v)
{
	log_warn("volume %s: its disk does not let go of commands; it is closed as soon as it does",
		 v->name);
	pthread_mutex_lock(&r->lock);
	list_add_tail(&r->waiting, &v->link);
	pthread_cond_broadcast(&r->news);
	pthread_mutex_unlock(&r->lock);
}

static bool has(const struct reaper *r, const uint8_t uuid[static 16])
{
	if (r->is_closing && !memcmp(r->closing, uuid, sizeof(r->closing)))
		return true;
	list_for_each (l, &r->waiting)
		if (!memcmp(list_entry(l, struct volume, link)->uuid, uuid, 16))
			return true;
	return false;
}

bool reaper_await(struct reaper *r, const uint8_t uuid[static 16], unsigned seconds)
{
	struct timespec until;
	bool gone;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&r->lock);
	while (has(r, uuid) && !r->stopping)
		if (pthread_cond_timedwait(&r->news, &r->lock, &until))
			break;
	gone = !has(r, uuid);
	pthread_mutex_unlock(&r->lock);
	return gone;
}

int reaper_stop(struct reaper *r, unsigned seconds)
{
	struct timespec until;
	bool ended;

	if (r->joined)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->news);
	/* not pthread_clockjoin_np, which ThreadSanitizer does not know */
	while (!r->ended && !pthread_cond_timedwait(&r->news, &r->lock, &until))
		;
	ended = r->ended;
	pthread_mutex_unlock(&r->lock);
	if (!ended)
		return -ETIMEDOUT;
	pthread_join(r->thread, NULL);
	r->joined = true;
	return 0;
}

void reaper_free(struct reaper *r)
{
	struct list *l;

	(void)!reaper_stop(r, FREE_S); /* it has been stopped, but where nothing was begun */
	while ((l = list_pop(&r->waiting)))
		volume_close(list_entry(l, struct volume, link));
	pthread_cond_destroy(&r->news);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
