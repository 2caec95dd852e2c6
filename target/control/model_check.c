/* What belongs together in a document: sorted once, so that thousands are no trouble. */
#include "target/control/model_parse.h"
#include "target/control/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Sorts them, and refuses one that is there twice: at @list[i].@key, "NAME is ...". */
static int sort(struct names *names, const struct place *list, const char *key)
{
	const struct name_entry *e = names->entries;

	names_sort(names);
	for (unsigned i = 1; i < names->n; i++) {
		struct place at = place_element(list, e[i].index), here = place_key(&at, key);

		if (!strcmp(e[i - 1].name, e[i].name))
			return place_refuse(&here, "'%.230s' is that of [%u], too; change one",
					    e[i].name, e[i - 1].index);
	}
	return 0;
}

static int room(struct names *names, unsigned n, const struct place *at)
{
	return names_init(names, n) ? place_no_memory(at) : 0;
}

/* --- parts ----------------------------------------------------------------------------- */

/* @names gets them all, in any case. */
static int check_pools(const struct model *m, struct names *names, const struct place *top)
{
	struct place list = place_key(top, "pools");
	struct names paths;
	int rc = room(names, m->npools, &list);

	for (unsigned i = 0; !rc && i < m->npools; i++)
		names_add(names, m->pools[i].name, i);
	if (!rc)
		rc = sort(names, &list, "name");
	if (rc)
		return rc;
	rc = room(&paths, m->npools, &list);
	for (unsigned i = 0; !rc && i < m->npools; i++)
		names_add(&paths, m->pools[i].path, i);
	if (!rc)
		rc = sort(&paths, &list, "path");
	names_fini(&paths);
	return rc;
}

/* "default" is made by whoever needs it first. */
static int check_volume_pools(const struct model *m, const struct names *pools,
			      const struct place *list)
{
	for (unsigned i = 0; m->has_pools && i < m->nvolumes; i++) {
		struct place at = place_element(list, i), here = place_key(&at, "pool");
		const char *pool = m->volumes[i].pool ? m->volumes[i].pool : "default";

		if (strcmp(pool, "default") != 0 && names_find(pools, pool) < 0)
			return place_refuse(&here,
					    "there is no pool '%.140s' in \"pools\"; add it, or "
					    "leave \"pools\" out to have them stay as they are",
					    pool);
	}
	return 0;
}

static int check_ids(const struct model *m, const struct place *list)
{
	/* few documents have them; and those of a state are of a pool, which knows better */
	for (unsigned i = 0; i < m->nvolumes; i++)
		for (unsigned k = 0; m->volumes[i].has_id && k < i; k++) {
			struct place at = place_element(list, i), here = place_key(&at, "id");

			if (m->volumes[k].has_id &&
			    !memcmp(m->volumes[k].id, m->volumes[i].id, sizeof(m->volumes[i].id)))
				return place_refuse(&here,
						    "it is that of [%u], too, and hosts would take "
						    "both for one disk; change one",
						    k);
		}
	return 0;
}

static int check_volumes(const struct model *m, struct names *names, const struct names *pools,
			 const struct place *top)
{
	struct place list = place_key(top, "volumes");
	int rc = room(names, m->nvolumes, &list);

	for (unsigned i = 0; !rc && i < m->nvolumes; i++)
		names_add(names, m->volumes[i].name, i);
	if (!rc)
		rc = sort(names, &list, "name");
	if (!rc)
		rc = check_ids(m, &list);
	return rc ? rc : check_volume_pools(m, pools, &list);
}

static int check_luns(const struct model_target *t, const struct names *volumes,
		      const struct place *target)
{
	struct place list = place_key(target, "luns");

	for (unsigned i = 0; i < t->nluns; i++)
		if (names_find(volumes, t->luns[i].volume) < 0)
			return place_refuse(&list,
					    "LUN %u is volume '%.140s', which is not in "
					    "\"volumes\"; add it there, or leave \"volumes\" out "
					    "to have them stay as they are",
					    t->luns[i].lun, t->luns[i].volume);
	return 0;
}

static int check_targets(const struct model *m, const struct names *volumes,
			 const struct place *top)
{
	struct place list = place_key(top, "targets");
	struct names names;
	int rc = room(&names, m->ntargets, &list);

	for (unsigned i = 0; !rc && i < m->ntargets; i++)
		names_add(&names, m->targets[i].name, i);
	if (!rc)
		rc = sort(&names, &list, "name");
	names_fini(&names);
	for (unsigned i = 0; !rc && m->has_volumes && i < m->ntargets; i++) {
		struct place at = place_element(&list, i);

		rc = check_luns(&m->targets[i], volumes, &at);
	}
	return rc;
}

int model_check(const struct model *m, char *why, size_t why_cap)
{
	struct place top = place_top("", why, why_cap);
	struct names pools = { .n = 0 }, volumes = { .n = 0 };
	int rc = check_pools(m, &pools, &top);

	if (!rc)
		rc = check_volumes(m, &volumes, &pools, &top);
	if (!rc)
		rc = check_targets(m, &volumes, &top);
	names_fini(&pools);
	names_fini(&volumes);
	return rc;
}
