/* Volumes as the control plane knows them: found, claimed, opened, closed.
 *
 *   creating ──▶ available ⇄ in-use ──▶ deleting ──▶ gone
 *                    │                      │
 *                    └───▶ error ◀──────────┘    its disk, its file, its pool
 *
 * Between available and in-use is only whether somebody is logged in. Opening and closing block on
 * disks: by the job that has claimed the volume, with no lock. */
#include "target/control/control_priv.h"

#include "backstore/base/log.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LET_GO_NS = 1000000000 }; /* for a disk to end what it has, before the reaper gets it */

struct served *served_new(struct served_pool *p, struct vpool_volume *v)
{
	struct served *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->pool = p;
	s->v = *v;
	*v = (struct vpool_volume){ .path = NULL };
	return s;
}

void served_free(struct served *s)
{
	vpool_volume_fini(&s->v);
	free(s->error);
	free(s);
}

struct served *served_find(struct control *c, const char *name)
{
	struct served *by_id = NULL;
	uint8_t uuid[UUID_BYTES];
	bool is_uuid = !uuid_parse(name, uuid);

	list_for_each (l, &c->served) {
		struct served *s = list_entry(l, struct served, link);

		if (!strcmp(s->v.name, name))
			return s;
		if (is_uuid && !memcmp(s->v.uuid, uuid, sizeof(uuid)))
			by_id = s;
	}
	return by_id;
}

static bool is_name_of(const char *name, const uint8_t id[static UUID_BYTES])
{
	uint8_t uuid[UUID_BYTES];

	return !uuid_parse(name, uuid) && !memcmp(uuid, id, sizeof(uuid));
}

const struct served *served_twin(struct control *c, const struct served *s)
{
	uint8_t uuid[UUID_BYTES];
	bool is_uuid = !uuid_parse(s->v.name, uuid);

	list_for_each (l, &c->served) {
		const struct served *other = list_entry(l, struct served, link);

		if (other == s)
			return NULL;
		if (!strcmp(other->v.name, s->v.name) ||
		    !memcmp(other->v.uuid, s->v.uuid, sizeof(s->v.uuid)) ||
		    is_name_of(other->v.name, s->v.uuid) ||
		    (is_uuid && !memcmp(uuid, other->v.uuid, sizeof(uuid))))
			return other;
	}
	return NULL;
}

bool served_owns_name(struct control *c, const struct served *s)
{
	list_for_each (l, &c->served) {
		const struct served *other = list_entry(l, struct served, link);

		if (!strcmp(other->v.name, s->v.name))
			return other == s;
	}
	return false;
}

bool served_check_twin(struct control *c, const struct served *s, struct api_error *e)
{
	const struct served *twin;

	pthread_mutex_lock(&c->lock);
	twin = served_twin(c, s);
	if (twin)
		api_fail(e, 409, "exists",
			 "volume %s of pool %s would be taken for volume %s, %s%s, by its name or "
			 "its id; delete one of them, or take one's pool away (ringlun pool "
			 "remove)",
			 s->v.name, s->pool->name, twin->v.name,
			 twin->pool ? "of pool " : "of the command line",
			 twin->pool ? twin->pool->name : "");
	pthread_mutex_unlock(&c->lock);
	return !twin;
}

static bool check_claim(const struct served *s, const char *name, struct api_error *e)
{
	if (!s)
		api_fail(e, 404, "not_found",
			 "there is no volume %s; ringlun volume list shows those there are", name);
	else if (!s->pool)
		api_fail(e, 409, "read_only_config",
			 "volume %s is given on the command line of ringlund (--volume), which is "
			 "the place to change it",
			 s->v.name);
	else if (s->busy)
		api_fail(e, 409, "in_use", "volume %s is %s; try again when that has ended",
			 s->v.name, s->busy);
	else
		return true;
	return false;
}

bool served_claim(struct control *c, const char *name, const char *what, struct served **out,
		  struct api_error *e)
{
	struct served *s;
	bool may;

	pthread_mutex_lock(&c->lock);
	s = served_find(c, name);
	may = check_claim(s, name, e);
	if (may) {
		s->busy = what;
		s->pool->users++;
	}
	pthread_mutex_unlock(&c->lock);
	*out = s;
	return may;
}

void served_release(struct control *c, struct served *s)
{
	pthread_mutex_lock(&c->lock);
	s->busy = NULL;
	s->pool->users--;
	pthread_mutex_unlock(&c->lock);
}

void served_set_state(struct control *c, struct served *s, enum served_state state, const char *why)
{
	char *error = why ? strdup(why) : NULL;
	char *old;

	pthread_mutex_lock(&c->lock);
	old = s->error;
	s->state = state;
	s->error = error;
	pthread_mutex_unlock(&c->lock);
	free(old);
}

const char *served_state_name(const struct served *s)
{
	static const char *const names[] = {
		[SERVED_CREATING] = "creating",
		[SERVED_AVAILABLE] = "available",
		[SERVED_DELETING] = "deleting",
		[SERVED_ERROR] = "error",
	};

	return names[s->state];
}

/* --- opening ------------------------------------------------------------------------------------
 */

/* What is opened without a size must be as long as the pool says: what is missing would read as
 * zeros that look like data. */
static int check_size(const struct served *s, const struct volume *v, char *why, size_t why_cap)
{
	uint64_t size = scsi_lu_backstore(v->lu)->size_bytes;

	if (size >= s->v.size_bytes)
		return 0;
	snprintf(why, why_cap,
		 "%s has %llu bytes, and had %llu: its end is lost; bring it back, then ringlun "
		 "volume recover %s",
		 s->v.path, (unsigned long long)size, (unsigned long long)s->v.size_bytes,
		 s->v.name);
	return -ENODATA;
}

static int open_volume(struct control *c, struct served *s, bool recover, struct volume **out,
		       char *why, size_t why_cap)
{
	struct volume_spec spec = {
		.name = s->v.name,
		.path = s->v.path,
		/* never made here: a file that is gone must not become an empty disk */
		.size_bytes = 0,
		.block_bytes = s->v.block_bytes,
		.cache = s->v.buffered ? BS_CACHE_BUFFERED : BS_CACHE_DIRECT,
		.writethrough = s->v.writethrough,
		.read_only = s->v.read_only,
		.recover = recover,
		.reactors = c->cfg->reactors,
		.runtime_dir = c->cfg->runtime_dir,
	};
	int rc = vpool_check_volume(&s->v, why, why_cap);

	if (rc)
		return rc;
	memcpy(spec.uuid, s->v.uuid, sizeof(spec.uuid));
	rc = volumes_check_unique(c->volumes, s->v.path, s->v.uuid, why, why_cap);
	if (!rc)
		rc = volume_open(out, &spec, why, why_cap);
	if (rc)
		return rc;
	rc = check_size(s, *out, why, why_cap);
	if (rc)
		volume_close(*out);
	return rc;
}

bool served_open(struct control *c, struct served *s, bool recover, struct api_error *e)
{
	char why[API_WHY_BYTES];
	struct volume *v;
	int rc = open_volume(c, s, recover, &v, why, sizeof(why));

	if (rc) {
		api_fail_errno(e, rc, why);
		return false;
	}
	volumes_add(c->volumes, v);
	pthread_mutex_lock(&c->lock);
	s->open = v;
	pthread_mutex_unlock(&c->lock);
	return true;
}

bool served_close(struct control *c, struct served *s)
{
	struct volume *v = s->open;
	int rc;

	if (!v)
		return true;
	pthread_mutex_lock(&c->lock);
	s->open = NULL; /* nobody counts it any more */
	pthread_mutex_unlock(&c->lock);
	volumes_remove(c->volumes, v);
	rc = iscsi_node_await_lu(c->node, v->lu, LET_GO_NS);
	if (rc) {
		reaper_take(c->reaper, v);
		return false;
	}
	volume_close(v);
	return true;
}
