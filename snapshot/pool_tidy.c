/* What a crash has left in a volume group is put in order by lvm2's commands, which look at every
 * disk of the host. One of those may be a disk that this very server serves, to an initiator on the
 * same host: then they wait for us, and opening must not wait for them. So they run on a thread of
 * its own:
 *
 *   open ──▶ thread: deletions ended, strays removed, resizes completed ──▶ changes go on
 *     └─ waits some seconds for it; then the volumes are served, and only changes wait
 */
#include "snapshot/pool_priv.h"

#include "backstore/base/log.h"
#include "backstore/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { TIDY_WAIT_S = 3 };

static void *tidy_main(void *arg)
{
	struct vpool *p = arg;
	char why[1024];
	bool closed;

	pthread_setname_np(pthread_self(), "pool-tidy");
	pool_end_deletions(p, true);
	if (pool_lv_recover(p, why, sizeof(why)))
		log_warn("%s: its logical volumes could not be looked for: %s; this is tried again "
			 "at the next start",
			 p->dir, why);
	pthread_mutex_lock(&p->lock);
	p->tidying = false;
	closed = p->closed;
	if (p->late && !closed)
		log_info("%s: the volume group %s has answered", p->dir, p->id.volume_group);
	pthread_cond_broadcast(&p->turn);
	pthread_mutex_unlock(&p->lock);
	if (closed)
		vpool_free(p);
	return NULL;
}

static void wait_some_seconds(struct vpool *p)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += TIDY_WAIT_S;
	pthread_mutex_lock(&p->lock);
	while (p->tidying && !rc)
		rc = pthread_cond_timedwait(&p->turn, &p->lock, &until);
	p->late = p->tidying;
	if (p->late)
		log_warn("%s: lvm2's commands do not answer for the volume group %s; its volumes "
			 "are served, changes wait",
			 p->dir, p->id.volume_group);
	pthread_mutex_unlock(&p->lock);
}

int pool_tidy_start(struct vpool *p, char *why, size_t why_cap)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	p->tidying = true;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = -pthread_create(&thread, &attr, tidy_main, p);
	pthread_attr_destroy(&attr);
	if (rc) {
		p->tidying = false;
		return why_say(why, why_cap, rc, "cannot start a thread for lvm2's commands: %s",
			       strerror(-rc));
	}
	wait_some_seconds(p);
	return 0;
}

void pool_tidy_wait(struct vpool *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->tidying)
		pthread_cond_wait(&p->turn, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

bool pool_tidy_leave(struct vpool *p)
{
	bool left;

	pthread_mutex_lock(&p->lock);
	left = p->closed = p->tidying;
	pthread_mutex_unlock(&p->lock);
	return left;
}
