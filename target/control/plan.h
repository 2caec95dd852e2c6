/* The difference of two documents, as steps in an order in which they can be taken. */
#pragma once

#include "target/control/model.h"

#include <jansson.h>

enum plan_action { PLAN_CREATE, PLAN_CHANGE, PLAN_DELETE };
enum plan_kind { PLAN_POOL, PLAN_VOLUME, PLAN_TARGET, PLAN_PORTAL, PLAN_DISCOVERY };

struct plan_step {
	enum plan_action action;
	enum plan_kind kind;
	const char *name; /* borrowed from the documents, as are these; "" of discovery: */
	const void *now;  /* struct model_pool, model_volume, model_target, char, model_chap */
	const void *wanted;
	json_t *changes; /* [{"what": "size", "now": .., "wanted": ..}]; owned; no secrets */
};

struct plan {
	struct plan_step *steps;
	unsigned n;
};

/* Parts that @wanted does not have (has_...) stay as they are, and so does what its volumes and
 * targets leave out: give it to model_inherit first, so that the steps' @wanted is complete.
 * -EINVAL: @why names what cannot be done: a volume that shrinks, or gets another block size, pool,
 * path, id, cache or mode; a LUN of a volume, or a volume of a pool, that will not be there. Both
 * documents outlive the plan. Order: pools, volumes that grow or are new, targets that go or lose
 * something, then targets that are new or change else, portals, discovery, volumes that go, pools
 * that go. */
int plan_make(struct plan *out, const struct model *now, const struct model *wanted, char *why,
	      size_t why_cap) MUST_CHECK;
/* [{"action": "create", "kind": "volume", "name": .., "changes": [..]}] */
json_t *plan_to_json(const struct plan *p);
void plan_fini(struct plan *p);
