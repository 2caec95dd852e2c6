/* What there is to serve, as a document: pools, volumes, targets, portals, who may log in. It is
 * what `ringlun state` prints, what `ringlun apply` takes, and, but for volumes, what the state
 * file keeps.
 *
 * Plain data, owned by whoever has it; strings are owned, NULL where nothing was said. Secrets are
 * wiped by model_fini and its like. What was read has one spelling (model_json.h): names of targets
 * and initiators in lower case, portals as ADDR:PORT, pools never NULL. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a document does not say of a volume or a target that is there already stays as it is
 * (model_inherit); the fields then have what a new one gets. */
enum model_left_out {
	MODEL_BLOCK = 1 << 0, /* of volumes; a size that is left out is 0 */
	MODEL_PATH = 1 << 1,
	MODEL_CACHE = 1 << 2,
	MODEL_WRITETHROUGH = 1 << 3,
	MODEL_READ_ONLY = 1 << 4,
	MODEL_POOL = 1 << 5,
	MODEL_LUNS = 1 << 8, /* of targets */
	MODEL_SHARED = 1 << 9,
	MODEL_ALLOW = 1 << 10,
	MODEL_CHAP = 1 << 11,
	MODEL_PORTALS = 1 << 12,
	MODEL_REDIRECT = 1 << 13,
};

struct model_pool {
	char *name;
	char *path;	    /* of its directory, absolute */
	char *volume_group; /* NULL: files */
};

struct model_volume { /* of documents that are shown or asked for; pools keep the truth */
	char *name;
	char *pool; /* NULL: "default" */
	bool has_id;
	uint8_t id[16];
	uint64_t size_bytes; /* 0: as large as what is at path */
	uint32_t block_bytes;
	char *path; /* of an external one; NULL: the pool's own */
	bool buffered, writethrough, read_only, preallocate;
	unsigned left_out;
};

struct model_rule { /* of model_target.allow: see policy_rule */
	char *initiator;
	char *address;
};

struct model_user {
	char *name;
	char *secret; /* NULL: as it is */
};

struct model_chap {
	struct model_user *users;
	unsigned nusers;
	bool has_mutual;
	struct model_user mutual;
};

struct model_lun {
	unsigned lun;
	char *volume;
};

struct model_target {
	char *name;		/* iqn. */
	struct model_lun *luns; /* by rising number */
	unsigned nluns;
	bool shared;
	bool has_allow; /* its own rules count, and not the server's */
	struct model_rule *allow;
	unsigned nallow;
	struct model_chap chap; /* no users: none */
	char **portals;
	unsigned nportals;
	char *redirect;
	bool redirect_forever;
	unsigned left_out;
};

/* What the state file says beside: a change of a pool that was under way. A start ends it: a volume
 * of @id that is to be made is exposed as @target says if its pool has it, and forgotten if not;
 * one that is to be deleted is deleted. */
struct model_intent {
	bool is_delete;
	uint8_t id[16];
	char *pool, *volume;
	char *target; /* NULL: not exposed */
	unsigned lun;
};

struct model {
	bool has_pools, has_volumes, has_targets, has_portals, has_discovery; /* said at all */
	struct model_pool *pools;
	unsigned npools;
	struct model_volume *volumes;
	unsigned nvolumes;
	struct model_target *targets;
	unsigned ntargets;
	char **portals; /* beside those of the command line */
	unsigned nportals;
	struct model_chap discovery;
	struct model_intent *intents;
	unsigned nintents;
};

void model_fini(struct model *m);
void model_pool_fini(struct model_pool *p);
void model_volume_fini(struct model_volume *v);
void model_rule_fini(struct model_rule *r);
void model_chap_fini(struct model_chap *c);
void model_target_fini(struct model_target *t);
void model_intent_fini(struct model_intent *i);

/* On failure (-ENOMEM) nothing is left in @out. */
int model_copy(struct model *out, const struct model *m) MUST_CHECK;
int model_chap_copy(struct model_chap *out, const struct model_chap *c) MUST_CHECK;
int model_target_copy(struct model_target *out, const struct model_target *t) MUST_CHECK;

/* NULL: there is none. Names of targets compare without regard to case. */
struct model_target *model_find_target(const struct model *m, const char *name);
struct model_volume *model_find_volume(const struct model *m, const char *name);
struct model_pool *model_find_pool(const struct model *m, const char *name);
struct model_lun *model_find_lun(const struct model_target *t, unsigned lun);
bool model_shows(const struct model_target *t, const char *volume);
bool model_rule_is_same(const struct model_rule *a, const struct model_rule *b);

/* The target is taken over (put in the place of one of its name); on failure it stays the
 * caller's. */
int model_put_target(struct model *m, struct model_target *t) MUST_CHECK;
void model_remove_target(struct model *m, const char *name);

/* The secrets that @m leaves out, where @old has them under the same name. -ENOKEY: @why names one
 * that is nowhere. */
int model_inherit_secrets(struct model *m, const struct model *old, char *why,
			  size_t why_cap) MUST_CHECK;
int model_chap_inherit(struct model_chap *c, const struct model_chap *old, const char *where,
		       char *why, size_t why_cap) MUST_CHECK;
/* The fields, too, that @m's volumes and targets leave out and @old's of their name have. */
int model_inherit(struct model *m, const struct model *old, char *why, size_t why_cap) MUST_CHECK;

#include "target/control/model_json.h"
