/* How many connections of one address have not logged in.
 *
 * IPv4 counts by address. IPv6 counts by /64: that is what one host commonly has, and may take any
 * address of; but for link-local addresses, of which all hosts of a link share one /64.
 *
 * Up to max they are served, up to twice that each is answered that it shall come again
 * (initiators do: RFC 7143 11.13.5, status class 3), beyond that they are closed at once. */
#include "target/iscsi/logins.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int logins_init(struct logins *l, unsigned max)
{
	l->max = max;
	memset(&l->counts, 0, sizeof(l->counts));
	for (unsigned i = 0; i < LOGINS_BUCKETS; i++)
		list_init(&l->buckets[i]);
	return -pthread_mutex_init(&l->lock, NULL);
}

void logins_fini(struct logins *l)
{
	pthread_mutex_destroy(&l->lock);
}

static bool key_of(const struct sockaddr_storage *sa, uint8_t key[static LOGINS_KEY_BYTES])
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)sa;

	memset(key, 0, LOGINS_KEY_BYTES);
	key[0] = (uint8_t)sa->ss_family;
	if (sa->ss_family == AF_INET) {
		memcpy(key + 1, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return true;
	}
	if (sa->ss_family != AF_INET6)
		return false;
	if (IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr) || IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		memcpy(key + 1, &six->sin6_addr, 16);
		memcpy(key + 17, &six->sin6_scope_id, sizeof(six->sin6_scope_id));
	} else {
		memcpy(key + 1, &six->sin6_addr, 8);
	}
	return true;
}

/* FNV-1a. Whoever makes keys collide needs an address for each: no more than connections. */
static struct list *bucket_of(struct logins *l, const uint8_t key[static LOGINS_KEY_BYTES])
{
	uint32_t hash = 2166136261u;

	for (unsigned i = 0; i < LOGINS_KEY_BYTES; i++)
		hash = (hash ^ key[i]) * 16777619u;
	return &l->buckets[hash % LOGINS_BUCKETS];
}

static struct login_source *find(struct list *bucket, const uint8_t key[static LOGINS_KEY_BYTES])
{
	list_for_each (at, bucket) {
		struct login_source *s = list_entry(at, struct login_source, link);

		if (!memcmp(s->key, key, LOGINS_KEY_BYTES))
			return s;
	}
	return NULL;
}

static struct login_source *find_or_make(struct logins *l,
					 const uint8_t key[static LOGINS_KEY_BYTES])
{
	struct list *bucket = bucket_of(l, key);
	struct login_source *s = find(bucket, key);

	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	memcpy(s->key, key, LOGINS_KEY_BYTES);
	list_add(bucket, &s->link);
	return s;
}

enum login_verdict logins_enter(struct logins *l, const struct sockaddr_storage *sa,
				struct login_source **out)
{
	enum login_verdict verdict = LOGIN_CLOSE;
	uint8_t key[LOGINS_KEY_BYTES];
	struct login_source *s;

	*out = NULL;
	if (!key_of(sa, key))
		return LOGIN_MAY;
	pthread_mutex_lock(&l->lock);
	s = find_or_make(l, key);
	if (s && s->n / 2 < l->max) {
		verdict = s->n < l->max ? LOGIN_MAY : LOGIN_REFUSE;
		s->n++;
		*out = s;
	}
	pthread_mutex_unlock(&l->lock);
	return verdict;
}

void logins_leave(struct logins *l, struct login_source *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&l->lock);
	if (--s->n == 0) {
		list_del(&s->link);
		free(s);
	}
	pthread_mutex_unlock(&l->lock);
}
