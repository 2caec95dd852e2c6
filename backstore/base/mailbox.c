/* Posting pushes onto a stack; the owner takes the whole stack with one exchange
 * and turns it round, so there is neither a lock nor the ABA problem.
 *
 * No wake-up is lost:       owner                      poster
 *                           asleep = true              push
 *                           look at the stack          look at asleep
 * All four are sequentially consistent, so at least one of them sees what the
 * other did: the owner stays awake, or the poster writes the eventfd. The poster
 * takes asleep back with an exchange, so only one of many posters pays for the
 * system call. A write that comes after the owner woke up by itself costs it one
 * empty turn. */
#include "backstore/base/mailbox.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *box)
{
	atomic_init(&box->newest, NULL);
	atomic_init(&box->asleep, false);
	atomic_init(&box->posters, 0);
	box->wake_fd = eventfd(0, EFD_CLOEXEC);
	return box->wake_fd < 0 ? -errno : 0;
}

void mailbox_fini(struct mailbox *box)
{
	while (atomic_load(&box->posters))
		sched_yield();
	close(box->wake_fd);
}

static void ring_bell(struct mailbox *box)
{
	const uint64_t one = 1;

	/* Fails only when interrupted: the counter cannot run full. */
	while (write(box->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void mailbox_post(struct mailbox *box, struct io_msg *m)
{
	struct io_msg *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);

	atomic_fetch_add_explicit(&box->posters, 1, memory_order_relaxed);
	do
		m->next = newest;
	while (!atomic_compare_exchange_weak(&box->newest, &newest, m));
	if (atomic_load(&box->asleep) && atomic_exchange(&box->asleep, false))
		ring_bell(box);
	atomic_fetch_sub_explicit(&box->posters, 1, memory_order_release);
}

bool mailbox_sleep(struct mailbox *box)
{
	atomic_store(&box->asleep, true);
	if (!atomic_load(&box->newest))
		return true;
	atomic_store(&box->asleep, false);
	return false;
}

void mailbox_wake(struct mailbox *box)
{
	atomic_store_explicit(&box->asleep, false, memory_order_relaxed);
}

void mailbox_run(struct mailbox *box)
{
	struct io_msg *newest, *oldest = NULL;

	/* Usually empty: a plain load is cheaper than the exchange. */
	if (!atomic_load_explicit(&box->newest, memory_order_relaxed))
		return;
	newest = atomic_exchange(&box->newest, NULL);
	while (newest) {
		struct io_msg *m = newest;

		newest = m->next;
		m->next = oldest;
		oldest = m;
	}
	while (oldest) {
		struct io_msg *m = oldest;

		oldest = m->next; /* run() may free m, or post it again */
		m->run(m);
	}
}
