/* Between the parts of the plan. */
#pragma once

#include "target/control/plan.h"

#include "target/control/names.h"

/* Both documents, and where their names stand. */
struct plan_view {
	const struct model *now, *wanted;
	struct names pools_now, volumes_now, targets_now;
	struct names pools, volumes, targets; /* of wanted */
	char *why;
	size_t why_cap;
};

const struct model_volume *plan_volume_now(const struct plan_view *v, const char *name);
const struct model_volume *plan_volume_wanted(const struct plan_view *v, const char *name);
const struct model_target *plan_target_now(const struct plan_view *v, const char *name);
const struct model_target *plan_target_wanted(const struct plan_view *v, const char *name);

/* plan_diff.c: lists of changes, empty where nothing differs; NULL: no memory. @now NULL: new. */
json_t *plan_diff_pool(const struct model_pool *now, const struct model_pool *wanted);
json_t *plan_diff_volume(const struct model_volume *now, const struct model_volume *wanted);
json_t *plan_diff_target(const struct model_target *now, const struct model_target *wanted);
json_t *plan_diff_chap(const struct model_chap *now, const struct model_chap *wanted);
bool plan_target_loses(const struct model_target *now, const struct model_target *wanted);

/* plan_check.c: 0, or -EINVAL with the sentence: what cannot be done. */
int plan_check(const struct plan_view *v) MUST_CHECK;
