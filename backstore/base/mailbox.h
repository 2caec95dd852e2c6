/* Messages to one thread from any other: a stack that is taken whole, and an
 * eventfd that is written only when the owner may be asleep.
 *
 * What the engines of the waist share; others use io_post. Takes no lock and
 * allocates nothing. */
#pragma once

#include "backstore/base/compiler.h"
#include "backstore/base/io.h"

#include <stdatomic.h>
#include <stdbool.h>

struct mailbox {
	_Atomic(struct io_msg *) newest;
	atomic_bool asleep;
	atomic_uint posters; /* threads inside mailbox_post */
	int wake_fd;	     /* eventfd, blocking: readable when a sleeper has mail */
};

/* Returns 0 or -errno. */
int mailbox_init(struct mailbox *box) MUST_CHECK;
/* Waits for posters that are about to return: a message may have been run, and be
 * the last one, before the call that posted it has. */
void mailbox_fini(struct mailbox *box);

/* From any thread. */
void mailbox_post(struct mailbox *box, struct io_msg *m);

/* The owner is about to wait on wake_fd. False where there is mail: then it must
 * not sleep. After true, mailbox_wake when it is awake again. */
bool mailbox_sleep(struct mailbox *box) MUST_CHECK;
void mailbox_wake(struct mailbox *box);

/* Runs what was there when it was called, in the order of posting. */
void mailbox_run(struct mailbox *box);
