/* Volumes and targets as JSON.
 *
 * Who is where is found out in one pass each over sessions and targets: asking for each volume
 * would take a thousand times a thousand looks. */
#include "target/control/view.h"

#include "backstore/base/uuid.h"
#include "target/control/model_json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

json_t *view_time(uint64_t at_s)
{
	time_t at = (time_t)at_s;
	struct tm tm;
	char text[32];

	if (!at)
		return json_null();
	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

/* --- who is logged in ----------------------------------------------------------------------------
 */

static void fold(char *name)
{
	for (; *name; name++)
		*name = (char)tolower((unsigned char)*name);
}

/* {target: number} */
static json_t *count_sessions(struct control *c)
{
	struct iscsi_session_info *all;
	json_t *counts = json_object();
	unsigned n;

	if (iscsi_node_sessions(c->node, &all, &n))
		return counts;
	for (unsigned i = 0; i < n; i++) {
		json_int_t before;

		if (all[i].discovery)
			continue;
		fold(all[i].target);
		before = json_integer_value(json_object_get(counts, all[i].target));
		json_object_set_new(counts, all[i].target, json_integer(before + 1));
	}
	free(all);
	return counts;
}

static json_int_t sessions_of(const json_t *counts, const char *target)
{
	char folded[ISCSI_NAME_BYTES];

	snprintf(folded, sizeof(folded), "%s", target);
	fold(folded);
	return json_integer_value(json_object_get(counts, folded));
}

/* --- who is shown where --------------------------------------------------------------------------
 */

static void add_exposure(json_t *exposed, const char *volume, const char *target, unsigned lun)
{
	json_t *all = json_object_get(exposed, volume);

	if (!all) {
		all = json_array();
		json_object_set_new(exposed, volume, all);
	}
	json_array_append_new(all, json_pack("{s:s, s:i}", "target", target, "lun", (int)lun));
}

/* With lock. {volume: [{target, lun}]}; @only NULL: of all. */
static json_t *find_exposures(struct control *c, const char *only)
{
	json_t *exposed = json_object();
	char target[ISCSI_NAME_BYTES];

	for (unsigned i = 0; i < c->model.ntargets; i++) {
		const struct model_target *t = &c->model.targets[i];

		for (unsigned k = 0; k < t->nluns; k++)
			if (!only || !strcmp(t->luns[k].volume, only))
				add_exposure(exposed, t->luns[k].volume, t->name, t->luns[k].lun);
	}
	for (unsigned i = 0; i < c->cfg->nvolumes; i++) {
		const struct volume_config *v = &c->cfg->volumes[i];

		if (only && strcmp(v->name, only) != 0)
			continue;
		snprintf(target, sizeof(target), TARGET_NAME_PREFIX "%s", v->target);
		add_exposure(exposed, v->name, target, v->lun);
	}
	return exposed;
}

/* --- volumes -------------------------------------------------------------------------------------
 */

static const char *kind_of(const struct served *s)
{
	static const char *const kinds[] = {
		[VPOOL_FILE] = "file",
		[VPOOL_EXTERNAL] = "external",
		[VPOOL_LV] = "lv",
	};

	return s->pool ? kinds[s->v.kind] : s->given_kind;
}

static json_t *volume_to_json(const struct served *s, const json_t *exposures, const json_t *counts)
{
	json_t *exposed = json_object_get(exposures, s->v.name), *at;
	const char *state = served_state_name(s);
	json_int_t sessions = 0;
	char id[UUID_TEXT_BYTES];
	size_t i;

	json_array_foreach(exposed, i, at) sessions +=
		sessions_of(counts, json_string_value(json_object_get(at, "target")));
	if (sessions && s->state == SERVED_AVAILABLE)
		state = "in-use";
	uuid_format(s->v.uuid, id);
	return json_pack(
		"{s:s, s:s, s:s?, s:s, s:s, s:s?, s:I, s:i, s:s?, s:s, s:b, s:b, s:n, s:o, s:o, "
		"s:I, s:s}",
		"name", s->v.name, "id", id, "pool", s->pool ? s->pool->name : NULL, "kind",
		kind_of(s), "state", state, "error", s->state == SERVED_ERROR ? s->error : NULL,
		"size",
		(json_int_t)(s->open ? scsi_lu_backstore(s->open->lu)->size_bytes
				     : s->v.size_bytes),
		"block_size", (int)s->v.block_bytes, "path", *s->v.path ? s->v.path : NULL, "cache",
		s->v.buffered ? "buffered" : "direct", "writethrough", (int)s->v.writethrough,
		"read_only", (int)s->v.read_only, "allocated", "created", view_time(s->v.made_s),
		"exposed", exposed ? json_incref(exposed) : json_array(), "sessions", sessions,
		"origin", s->pool ? "pool" : "command-line");
}

/* What it takes on its disk: without a lock, as that may hang. */
static void add_allocated(json_t *volume)
{
	const char *path = json_string_value(json_object_get(volume, "path"));
	struct stat st;

	if (path && !stat(path, &st) && S_ISREG(st.st_mode))
		json_object_set_new(volume, "allocated",
				    json_integer((json_int_t)st.st_blocks * 512));
}

static int by_name(const void *left, const void *right)
{
	const json_t *a = *(json_t *const *)left, *b = *(json_t *const *)right;

	return strcmp(json_string_value(json_object_get(a, "name")),
		      json_string_value(json_object_get(b, "name")));
}

/* A new array; the old one is let go. */
static json_t *sorted(json_t *all)
{
	size_t n = json_array_size(all);
	json_t **items = calloc(n + 1, sizeof(json_t *)), *out = json_array();

	for (size_t i = 0; items && i < n; i++)
		items[i] = json_array_get(all, i);
	if (items)
		qsort(items, n, sizeof(json_t *), by_name);
	for (size_t i = 0; items && i < n; i++)
		json_array_append(out, items[i]);
	free(items);
	json_decref(all);
	return out;
}

json_t *view_volumes(struct control *c, const char *only)
{
	json_t *counts = count_sessions(c), *exposures, *all = json_array(), *v;
	const struct served *one;
	size_t i;

	pthread_mutex_lock(&c->lock);
	one = only ? served_find(c, only) : NULL;
	exposures = find_exposures(c, one ? one->v.name : NULL);
	list_for_each (l, &c->served) {
		const struct served *s = list_entry(l, struct served, link);

		if (!only || s == one)
			json_array_append_new(all, volume_to_json(s, exposures, counts));
	}
	pthread_mutex_unlock(&c->lock);
	json_decref(exposures);
	json_decref(counts);
	json_array_foreach(all, i, v) add_allocated(v);
	return sorted(all);
}

/* --- targets -------------------------------------------------------------------------------------
 */

static void add_counted(json_t *all, json_t *target, const json_t *counts, const char *origin)
{
	const char *name = json_string_value(json_object_get(target, "name"));

	json_object_set_new(target, "sessions", json_integer(sessions_of(counts, name)));
	json_object_set_new(target, "origin", json_string(origin));
	json_array_append_new(all, target);
}

/* Those of the command line, whose volumes are in the order in which they were given. */
static json_t *given_target(struct control *c, const char *end)
{
	struct model_target t = { .name = NULL };
	struct model_lun *luns = calloc(c->cfg->nvolumes, sizeof(*luns));
	char name[ISCSI_NAME_BYTES];
	json_t *j;

	if (!luns)
		return NULL;
	snprintf(name, sizeof(name), TARGET_NAME_PREFIX "%s", end);
	t.name = name;
	t.luns = luns;
	for (unsigned i = 0; i < c->cfg->nvolumes; i++) {
		struct volume_config *v = &c->cfg->volumes[i];
		unsigned at = t.nluns;

		if (strcmp(v->target, end) != 0)
			continue;
		for (; at && luns[at - 1].lun > v->lun; at--)
			luns[at] = luns[at - 1];
		luns[at] = (struct model_lun){ v->lun, v->name };
		t.nluns++;
		t.shared = v->shared;
	}
	j = model_target_to_json(&t, MODEL_SHOWN);
	free(luns);
	return j;
}

static bool is_first_of_target(const struct config *cfg, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (!strcmp(cfg->volumes[k].target, cfg->volumes[i].target))
			return false;
	return true;
}

static void add_given(struct control *c, const char *only, const json_t *counts, json_t *all)
{
	const size_t len = strlen(TARGET_NAME_PREFIX);
	const char *end = only && !strncasecmp(only, TARGET_NAME_PREFIX, len) ? only + len : "";

	for (unsigned i = 0; i < c->cfg->nvolumes; i++) {
		const struct volume_config *v = &c->cfg->volumes[i];
		json_t *t;

		if ((only && strcasecmp(end, v->target) != 0) || !is_first_of_target(c->cfg, i))
			continue;
		t = given_target(c, v->target);
		if (t)
			add_counted(all, t, counts, "command-line");
	}
}

json_t *view_targets(struct control *c, const char *only)
{
	json_t *counts = count_sessions(c), *all = json_array();

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < c->model.ntargets; i++) {
		const struct model_target *t = &c->model.targets[i];

		if (!only || !strcasecmp(t->name, only))
			add_counted(all, model_target_to_json(t, MODEL_SHOWN), counts, "pool");
	}
	pthread_mutex_unlock(&c->lock);
	add_given(c, only, counts, all);
	json_decref(counts);
	return sorted(all);
}
