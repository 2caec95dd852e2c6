/* Who is logged in, where that keeps something from being changed. */
#include "target/control/volume_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NAMED = 3 }; /* initiators; the rest are counted */

struct users {
	char text[700];
	unsigned n;
};

static void note(struct users *u, const struct iscsi_session_info *s)
{
	size_t len = strlen(u->text);

	if (u->n++ < NAMED)
		snprintf(u->text + len, sizeof(u->text) - len, "%s%s (%s)", len ? ", " : "",
			 s->initiator, s->address);
}

static void find_users(const struct control *c, const char *volume, const char *target,
		       const struct iscsi_session_info *all, unsigned n, struct users *u)
{
	*u = (struct users){ .n = 0 };
	for (unsigned i = 0; i < n; i++) {
		const struct model_target *t;

		if (all[i].discovery || (target && strcasecmp(all[i].target, target) != 0))
			continue;
		t = model_find_target(&c->model, all[i].target);
		if (!volume || (t && model_shows(t, volume)))
			note(u, &all[i]);
	}
}

bool check_unused(struct control *c, const char *volume, const char *target, struct api_error *e)
{
	struct iscsi_session_info *all;
	struct users u;
	unsigned n;

	if (iscsi_node_sessions(c->node, &all, &n)) {
		api_fail_errno(e, -ENOMEM, "out of memory");
		return false;
	}
	find_users(c, volume, target, all, n, &u);
	free(all);
	if (!u.n)
		return true;
	if (u.n > NAMED) {
		size_t len = strlen(u.text);

		snprintf(u.text + len, sizeof(u.text) - len, " and %u more", u.n - NAMED);
	}
	api_fail(e, 409, "in_use",
		 "%s %s is in use by %s; log out there, or force it where that can be (--force), "
		 "which they take for a disk "
		 "that fails",
		 volume ? "volume" : "target", volume ? volume : target, u.text);
	return false;
}

bool check_not_given(const struct control *c, const char *target, struct api_error *e)
{
	const size_t len = strlen(TARGET_NAME_PREFIX);

	if (strncasecmp(target, TARGET_NAME_PREFIX, len) != 0)
		return true;
	for (unsigned i = 0; i < c->cfg->nvolumes; i++) {
		if (strcasecmp(c->cfg->volumes[i].target, target + len) != 0)
			continue;
		api_fail(e, 409, "read_only_config",
			 "target %s is given on the command line of ringlund (--volume %s), which "
			 "is the place to change it",
			 target, c->cfg->volumes[i].name);
		return false;
	}
	return true;
}
