/* Each allocation of what is done with documents fails once: it is said, and nothing is left or
 * half done (the sanitizer looks for leaks). */
#include "tests/component/alloc_fault.h"
#include "tests/unit/target/control/random_doc.h"

#include "target/control/plan.h"
#include "target/control/state_text.h"

#include <errno.h>
#include <limits.h>

#if ALLOC_FAULT
/* The sanitizer's own would not fail. */
char *strdup(const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = malloc(len);

	return copy ? memcpy(copy, text, len) : NULL;
}

void *reallocarray(void *old, size_t n, size_t len)
{
	return realloc(old, n * len);
}
#endif

struct given {
	json_t *doc, *other_doc;
	struct model m, other;
	char *text;
	size_t len;
};

static char why[960];

static int run_from_json(struct given *g)
{
	struct model m;
	int rc = model_from_json(&m, g->doc, MODEL_SHOWN, why, sizeof(why));

	model_fini(&m);
	return rc;
}

static int run_to_json(struct given *g)
{
	json_t *shown = model_to_json(&g->m, MODEL_SHOWN), *kept = NULL;
	int rc = shown ? 0 : -ENOMEM;

	if (!rc)
		kept = model_to_json(&g->m, MODEL_KEPT);
	if (!kept)
		rc = -ENOMEM;
	json_decref(shown);
	json_decref(kept);
	return rc;
}

static int run_copy(struct given *g)
{
	struct model copy;
	int rc = model_copy(&copy, &g->m);

	model_fini(&copy);
	return rc;
}

static int run_put(struct given *g)
{
	struct model_target t;
	struct model m;
	int rc = model_copy(&m, &g->other);

	if (rc)
		return rc;
	rc = g->m.ntargets ? model_target_copy(&t, &g->m.targets[0]) : 0;
	if (!rc && g->m.ntargets) {
		rc = model_put_target(&m, &t);
		model_target_fini(&t); /* empty where it was taken over */
	}
	model_fini(&m);
	return rc;
}

static int run_inherit(struct given *g)
{
	struct model m;
	int rc = model_copy(&m, &g->other);

	for (unsigned i = 0; !rc && i < m.ntargets; i++)
		m.targets[i].left_out = UINT_MAX;
	if (!rc)
		rc = model_inherit(&m, &g->m, why, sizeof(why));
	model_fini(&m);
	return rc;
}

static int run_plan(struct given *g)
{
	struct plan p;
	json_t *j;
	int rc = plan_make(&p, &g->m, &g->other, why, sizeof(why));

	if (rc)
		return rc;
	j = plan_to_json(&p);
	rc = j ? 0 : -ENOMEM;
	json_decref(j);
	plan_fini(&p);
	return rc;
}

static int run_write(struct given *g)
{
	char *text;
	size_t len;
	int rc = state_text_write(&g->m, &text, &len);

	if (rc)
		return rc;
	assert_int_equal(len, g->len);
	assert_memory_equal(text, g->text, len);
	state_text_free(text, len);
	return 0;
}

static int run_read(struct given *g)
{
	struct model m;
	int rc = state_text_read(&m, g->text, g->len, "state.json", why, sizeof(why));

	model_fini(&m);
	return rc;
}

/* Volumes of @other are none smaller, so that there is a plan. */
static void given_init(struct given *g, uint64_t seed)
{
	struct dice d = { seed };

	g->doc = random_doc(&d);
	g->other_doc = random_doc(&d);
	read_model(&g->m, g->doc, MODEL_SHOWN);
	read_model(&g->other, g->other_doc, MODEL_SHOWN);
	for (unsigned i = 0; i < g->other.nvolumes; i++) {
		g->other.volumes[i].size_bytes = UINT64_C(8) << 30;
		g->other.volumes[i].has_id = false;
	}
	assert_int_equal(state_text_write(&g->m, &g->text, &g->len), 0);
}

static void given_fini(struct given *g)
{
	json_decref(g->doc);
	json_decref(g->other_doc);
	model_fini(&g->m);
	model_fini(&g->other);
	state_text_free(g->text, g->len);
}

static unsigned fail_each(struct given *g, int (*run)(struct given *g))
{
	for (unsigned nth = 0;; nth++) {
		int rc;

		alloc_fault.fired = false;
		alloc_fault.fail_at = nth;
		alloc_fault.armed = true;
		rc = run(g);
		alloc_fault.armed = false;
		alloc_fault.fail_at = UINT64_MAX;
		if (!alloc_fault.fired) {
			assert_int_equal(rc, 0);
			return nth;
		}
		if (rc != -ENOMEM)
			fail_msg("allocation %u failed, and it returned %d: %s", nth, rc, why);
	}
}

static void each_allocation_fails_once(void **state)
{
	static int (*const runs[])(struct given * g) = {
		run_from_json, run_to_json, run_copy,  run_put,
		run_inherit,   run_plan,    run_write, run_read,
	};

	(void)state;
	if (!ALLOC_FAULT)
		skip();
	for (uint64_t seed = 1; seed < 4; seed++)
		for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
			struct given g;

			given_init(&g, seed);
			assert_true(fail_each(&g, runs[i]) > 10);
			given_fini(&g);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
