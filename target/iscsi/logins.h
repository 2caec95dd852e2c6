/* Connections that serve no volume (they log in, or discover), counted by where they come from:
 * one address must not take all that there is for others.
 *
 * From any thread; under a mutex that only arrivals, logins and ends of connections take. */
#pragma once

#include "backstore/base/compiler.h"
#include "backstore/base/list.h"
#include "target/iscsi/counters.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	LOGINS_BUCKETS = 256,
	LOGINS_KEY_BYTES = 24,
};

struct logins {
	unsigned max; /* of one address; fixed before it is used */
	pthread_mutex_t lock;
	struct list buckets[LOGINS_BUCKETS];
	struct login_counters counts;
};

/* An address that has any. */
struct login_source {
	struct list link;
	uint8_t key[LOGINS_KEY_BYTES];
	unsigned n;
};

enum login_verdict {
	LOGIN_MAY,
	LOGIN_REFUSE, /* one too many: it is told to come again */
	LOGIN_CLOSE,  /* far too many (or no memory): not even that */
};

int logins_init(struct logins *l, unsigned max) MUST_CHECK;
/* Nobody is counted any more. */
void logins_fini(struct logins *l);
/* One more from @sa. *out is for logins_leave, NULL where it is not counted: after LOGIN_CLOSE, and
 * what is no internet address. */
enum login_verdict logins_enter(struct logins *l, const struct sockaddr_storage *sa,
				struct login_source **out);
/* @s may be NULL. */
void logins_leave(struct logins *l, struct login_source *s);
