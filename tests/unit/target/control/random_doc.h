/* Documents at random, valid ones: few names, so that two of them have much in common. */
#pragma once

#include "target/control/model_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* xorshift: the same documents everywhere */
struct dice {
	uint64_t state;
};

static inline unsigned roll(struct dice *d, unsigned n)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (unsigned)(d->state >> 11) % n;
}

enum { POOLS = 3, VOLUMES = 8, TARGETS = 6, USERS = 3, RULES = 4, PORTALS = 4 };

static const char *const doc_pools[POOLS] = { "default", "fast", "lvs" };
static const char *const doc_portals[PORTALS] = { "0.0.0.0:3260", "192.0.2.1:3261", "[::1]:3260",
						  "10.0.0.9:860" };

static inline json_t *random_pools(void)
{
	json_t *j = json_array();

	for (unsigned i = 0; i < POOLS; i++) {
		char path[64];
		json_t *pool;

		snprintf(path, sizeof(path), "/var/lib/pools/%s", doc_pools[i]);
		pool = json_pack("{s:s, s:s}", "name", doc_pools[i], "path", path);
		if (i == 2)
			json_object_set_new(pool, "volume_group", json_string("vg0"));
		json_array_append_new(j, pool);
	}
	return j;
}

/* All but its size is as its number says. */
static inline json_t *random_volume(struct dice *d, unsigned i)
{
	char name[16], id[40], path[32];
	json_t *j;

	snprintf(name, sizeof(name), "v%u", i);
	snprintf(id, sizeof(id), "01234567-89ab-4def-8123-00000000000%u", i);
	snprintf(path, sizeof(path), "/dev/disk%u", i);
	j = json_pack("{s:s, s:s, s:I}", "name", name, "pool", doc_pools[i % POOLS], "size",
		      (json_int_t)(1 + roll(d, 4)) << 30);
	if (i & 1)
		json_object_set_new(j, "block_size", json_integer(4096));
	if (i & 2)
		json_object_set_new(j, "cache", json_string("buffered"));
	if (i & 4)
		json_object_set_new(j, "read_only", json_true());
	if (i == 5)
		json_object_set_new(j, "path", json_string(path));
	if (i % 3 == 1 && roll(d, 2))
		json_object_set_new(j, "id", json_string(id));
	return j;
}

static inline json_t *random_user(struct dice *d, const char *name, unsigned kind)
{
	char secret[32];

	snprintf(secret, sizeof(secret), "secret-%u-of-%u..", kind, roll(d, 3));
	return json_pack("{s:s, s:s}", "user", name, "secret", secret);
}

static inline json_t *random_chap(struct dice *d)
{
	static const char *const users[USERS] = { "alice", "bob", "iqn.1993-08.org.debian:01:x" };
	json_t *j, *list;

	if (roll(d, 2))
		return json_null();
	j = json_pack("{s:[]}", "users");
	list = json_object_get(j, "users");
	for (unsigned i = 0, first = roll(d, USERS); i <= roll(d, USERS) && i < USERS; i++)
		json_array_append_new(list, random_user(d, users[(first + i) % USERS], 1));
	if (roll(d, 2))
		json_object_set_new(j, "mutual", random_user(d, "target", 2));
	return j;
}

static inline json_t *random_allow(struct dice *d)
{
	static const struct {
		const char *initiator, *address;
	} rules[RULES] = {
		{ "iqn.2004-10.com.example:*", NULL },
		{ NULL, "10.1.0.0/16" },
		{ "iqn.1993-08.org.debian:01:x", "2001:db8::/32" },
		{ "*", NULL },
	};
	json_t *j;

	if (roll(d, 3) == 0)
		return json_null();
	j = json_array();
	for (unsigned i = 0, first = roll(d, RULES), n = roll(d, RULES + 1); i < n; i++) {
		unsigned k = (first + i) % RULES;

		json_array_append_new(j, json_pack("{s:s?, s:s?}", "initiator", rules[k].initiator,
						   "address", rules[k].address));
	}
	return j;
}

static inline json_t *random_portals(struct dice *d)
{
	json_t *j = json_array();

	for (unsigned i = 0, first = roll(d, PORTALS), n = roll(d, PORTALS + 1); i < n; i++)
		json_array_append_new(j, json_string(doc_portals[(first + i) % PORTALS]));
	return j;
}

/* Of @volumes: the names that are there. */
static inline json_t *random_luns(struct dice *d, const json_t *volumes)
{
	json_t *j = json_array(), *v;
	size_t i;

	json_array_foreach(volumes, i, v)
	{
		if (roll(d, 3))
			continue;
		json_array_append_new(j, json_pack("{s:i, s:s}", "lun",
						   (int)(100 - 7 * i + roll(d, 2)), "volume",
						   json_string_value(json_object_get(v, "name"))));
	}
	return j;
}

static inline json_t *random_target(struct dice *d, unsigned i, const json_t *volumes)
{
	char name[64];
	json_t *j;

	snprintf(name, sizeof(name), "iqn.2026-11.io.ringlun:t%u", i);
	j = json_pack("{s:s, s:o, s:b, s:o, s:o, s:o}", "name", name, "luns",
		      random_luns(d, volumes), "shared", roll(d, 2), "allow", random_allow(d),
		      "chap", random_chap(d), "portals", random_portals(d));
	if (roll(d, 4) == 0)
		json_object_set_new(j, "redirect",
				    json_pack("{s:s, s:b}", "address", "192.0.2.77:3260",
					      "permanent", roll(d, 2)));
	return j;
}

/* A whole document, with secrets, and in an order of its own. */
static inline json_t *random_doc(struct dice *d)
{
	json_t *volumes = json_array(), *targets = json_array();
	unsigned first = roll(d, TARGETS);

	for (unsigned i = 0; i < VOLUMES; i++)
		if (roll(d, 4))
			json_array_append_new(volumes, random_volume(d, i));
	for (unsigned i = 0; i < TARGETS; i++)
		if (roll(d, 3))
			json_array_append_new(targets,
					      random_target(d, (first + i) % TARGETS, volumes));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:{s:o}}", "ringlun", 1, "pools",
			 random_pools(), "volumes", volumes, "targets", targets, "portals",
			 random_portals(d), "discovery", "chap", random_chap(d));
}

static inline void read_model(struct model *m, const json_t *j, enum model_json how)
{
	char why[960] = "";

	if (model_from_json(m, j, how, why, sizeof(why)))
		fail_msg("%s", why);
}

static inline void random_model(struct model *m, struct dice *d)
{
	json_t *j = random_doc(d);

	read_model(m, j, MODEL_SHOWN);
	json_decref(j);
}

/* With secrets, without intents. */
static inline json_t *whole_json(const struct model *m)
{
	json_t *j = model_to_json(m, MODEL_SHOWN), *targets = json_object_get(j, "targets");

	assert_non_null(j);
	for (unsigned i = 0; i < m->ntargets && m->has_targets; i++)
		json_array_set_new(targets, i, model_target_to_json(&m->targets[i], MODEL_KEPT));
	if (m->has_discovery)
		json_object_set_new(json_object_get(j, "discovery"), "chap",
				    model_chap_to_json(&m->discovery, MODEL_KEPT));
	return j;
}
