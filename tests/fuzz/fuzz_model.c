/* Documents: JSON that people, scripts and a damaged disk give us.
 *
 * Input: a byte whose lowest bit says which kind (asked for, or kept as the state file), then the
 * text. Whatever comes: it is taken or refused with a sentence that fits its room and has no secret
 * in it ("hush" stands in all those of the corpus); what is taken holds together, comes out as a
 * document that is taken again and is the same, differs from itself in nothing, and can be copied.
 */
#include "target/control/model_json.h"
#include "target/control/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

enum { WHY = 512 };

static void check_plan(const struct model *m)
{
	char why[WHY];
	struct plan p;

	REQUIRE(plan_make(&p, m, m, why, sizeof(why)) == 0);
	REQUIRE(p.n == 0);
	plan_fini(&p);
}

static void check_copy(const struct model *m, const json_t *form, enum model_json how)
{
	struct model copy;
	json_t *j;

	REQUIRE(model_copy(&copy, m) == 0);
	j = model_to_json(&copy, how);
	REQUIRE(json_equal(j, form));
	json_decref(j);
	model_fini(&copy);
}

static void check_taken(const struct model *m, enum model_json how)
{
	json_t *form = model_to_json(m, how), *again;
	struct model second;
	char why[WHY];

	REQUIRE(form);
	check_plan(m);
	check_copy(m, form, how);
	REQUIRE(model_from_json(&second, form, how, why, sizeof(why)) == 0);
	again = model_to_json(&second, how);
	REQUIRE(json_equal(form, again));
	json_decref(again);
	model_fini(&second);
	json_wipe(form);
	json_decref(form);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum model_json how;
	struct model m;
	char *why;
	json_t *j;
	int rc;

	if (!len)
		return 0;
	how = data[0] & 1 ? MODEL_KEPT : MODEL_SHOWN;
	j = json_loadb((const char *)data + 1, len - 1, JSON_REJECT_DUPLICATES, NULL);
	if (!j)
		return 0;
	why = malloc(WHY);
	REQUIRE(why);
	memset(why, 'x', WHY);
	rc = model_from_json(&m, j, how, why, WHY);
	if (rc) {
		REQUIRE(rc == -EINVAL || rc == -ENOTSUP);
		REQUIRE(memchr(why, '\0', WHY) && strstr(why, ": "));
		REQUIRE(!m.targets && !m.volumes && !m.pools && !m.portals && !m.intents);
	} else {
		check_taken(&m, how);
		model_fini(&m);
	}
	free(why);
	json_wipe(j);
	json_decref(j);
	return 0;
}
