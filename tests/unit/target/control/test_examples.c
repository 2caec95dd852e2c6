/* What we show people is taken: tools/examples, and what stands in ringlun-state(5). */
#include "tests/unit/target/control/random_doc.h"

#include "target/control/plan.h"

#include <dirent.h>

static void path_in_tree(char out[static 4096], const char *name)
{
	const char *tests = strstr(__FILE__, "tests/unit/");

	assert_non_null(tests);
	snprintf(out, 4096, "%.*s%s", (int)(tests - __FILE__), __FILE__, name);
}

/* From nothing, all of it is made. */
static void assert_is_taken(const char *what, json_t *j, const json_error_t *error)
{
	struct model none = { .has_pools = true, .has_volumes = true, .has_targets = true };
	struct model m, again;
	char why[960] = "";
	struct plan p;

	if (!j)
		fail_msg("%s, line %d: %s", what, error->line, error->text);
	if (model_from_json(&m, j, MODEL_SHOWN, why, sizeof(why)))
		fail_msg("%s: %s", what, why);
	json_decref(j);
	if (model_inherit(&m, &none, why, sizeof(why)))
		fail_msg("%s: %s", what, why);
	if (plan_make(&p, &none, &m, why, sizeof(why)))
		fail_msg("%s: %s", what, why);
	assert_true(p.n >= m.npools + m.nvolumes + m.ntargets && p.n > 0);
	plan_fini(&p);
	j = whole_json(&m);
	read_model(&again, j, MODEL_SHOWN);
	json_decref(j);
	model_fini(&again);
	model_fini(&m);
}

static void examples(void **state)
{
	char dir[4096], path[8192];
	struct dirent *d;
	unsigned n = 0;
	DIR *all;

	(void)state;
	path_in_tree(dir, "tools/examples");
	all = opendir(dir);
	assert_non_null(all);
	while ((d = readdir(all))) {
		json_error_t error;

		if (!strstr(d->d_name, ".json"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
		assert_is_taken(d->d_name, json_load_file(path, JSON_REJECT_DUPLICATES, &error),
				&error);
		n++;
	}
	closedir(all);
	assert_true(n >= 4);
}

/* Each display of it that begins with a brace. */
static void examples_of_the_manual(void **state)
{
	char path[4096], line[512], text[8192] = "";
	bool inside = false;
	unsigned n = 0;
	FILE *f;

	(void)state;
	path_in_tree(path, "tools/man/ringlun-state.5");
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, ".Bd -literal", 12)) {
			inside = true;
			text[0] = '\0';
		} else if (!strcmp(line, ".Ed\n")) {
			json_error_t error;

			inside = false;
			if (text[0] != '{')
				continue;
			assert_is_taken("ringlun-state(5)",
					json_loads(text, JSON_REJECT_DUPLICATES, &error), &error);
			n++;
		} else if (inside) {
			assert_true(strlen(text) + strlen(line) < sizeof(text));
			strcat(text, line);
		}
	}
	fclose(f);
	assert_true(n > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples),
		cmocka_unit_test(examples_of_the_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
