/* Opening volumes, and the set of those that are open.
 *
 * A volume is opened unlinked, by whoever wants it, at whatever time that takes; the set's lock is
 * only held to link it. The command line's are opened here, with the identity that is kept beside
 * their data (volume_identity.c); those of pools have theirs from the pool (control/). */
#include "target/volumes.h"

#include "target/volume_identity.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- one volume ---------------------------------------------------------------------------- */

static void volume_free(struct volume *v)
{
	free(v->name);
	free(v->path);
	free(v);
}

static int open_lu(struct volume *v, const struct volume_spec *spec, char *why, size_t why_cap)
{
	struct scsi_lu_config lu = { .name = spec->name, .reactors = spec->reactors };
	struct bs_spec bs = {
		.path = spec->path,
		.size_bytes = spec->size_bytes,
		.block_bytes = spec->block_bytes,
		.cache = spec->cache,
		.writethrough = spec->writethrough,
		.read_only = spec->read_only,
		.recover = spec->recover,
		.reactors = spec->reactors,
		.runtime_dir = spec->runtime_dir,
		.uuid = spec->uuid,
	};
	int rc = backstore_open(&lu.bs, &bs, why, why_cap);

	if (rc)
		return rc;
	memcpy(lu.uuid, spec->uuid, sizeof(lu.uuid));
	rc = scsi_lu_new(&v->lu, &lu);
	if (rc) {
		bs_close(lu.bs);
		snprintf(why, why_cap, "%s", strerror(-rc));
	}
	return rc;
}

int volume_open(struct volume **out, const struct volume_spec *spec, char *why, size_t why_cap)
{
	struct volume *v = calloc(1, sizeof(*v));
	int rc = -ENOMEM;

	if (!v) {
		snprintf(why, why_cap, "out of memory");
		return rc;
	}
	list_init(&v->link);
	memcpy(v->uuid, spec->uuid, sizeof(v->uuid));
	v->name = strdup(spec->name);
	v->path = strdup(spec->path);
	if (v->name && v->path)
		rc = open_lu(v, spec, why, why_cap);
	else
		snprintf(why, why_cap, "out of memory");
	if (rc) {
		volume_free(v);
		return rc;
	}
	*out = v;
	return 0;
}

void volume_close(struct volume *v)
{
	scsi_lu_free(v->lu);
	volume_free(v);
}

/* --- the set ------------------------------------------------------------------------------- */

int volumes_init(struct volumes *vs)
{
	*vs = (struct volumes){ .n = 0 };
	list_init(&vs->all);
	return -pthread_mutex_init(&vs->lock, NULL);
}

void volumes_fini(struct volumes *vs)
{
	struct list *l;

	while ((l = list_pop(&vs->all)))
		volume_close(list_entry(l, struct volume, link));
	pthread_mutex_destroy(&vs->lock);
}

void volumes_add(struct volumes *vs, struct volume *v)
{
	pthread_mutex_lock(&vs->lock);
	v->set = vs;
	list_add_tail(&vs->all, &v->link);
	vs->n++;
	pthread_mutex_unlock(&vs->lock);
}

void volumes_remove(struct volumes *vs, struct volume *v)
{
	pthread_mutex_lock(&vs->lock);
	list_del(&v->link);
	v->set = NULL;
	vs->n--;
	pthread_mutex_unlock(&vs->lock);
}

/* By whatever names. */
static bool is_same_file(const char *path, const char *other)
{
	struct stat a, b;

	return !stat(path, &a) && !stat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Copies of its name and path, or false. */
static bool find_uuid(struct volumes *vs, const uint8_t uuid[static 16], char **name, char **path)
{
	bool found = false;

	*name = *path = NULL;
	pthread_mutex_lock(&vs->lock);
	list_for_each (l, &vs->all) {
		const struct volume *v = list_entry(l, struct volume, link);

		if (memcmp(v->uuid, uuid, sizeof(v->uuid)) != 0)
			continue;
		*name = strdup(v->name);
		*path = strdup(v->path);
		found = true;
		break;
	}
	pthread_mutex_unlock(&vs->lock);
	return found;
}

int volumes_check_unique(struct volumes *vs, const char *path, const uint8_t uuid[static 16],
			 char *why, size_t why_cap)
{
	char *name, *other;

	if (!find_uuid(vs, uuid, &name, &other))
		return 0;
	if (!name || !other)
		snprintf(why, why_cap, "out of memory");
	else if (is_same_file(path, other))
		snprintf(why, why_cap, "%s is served already, as volume %s; leave one out", path,
			 name);
	else
		snprintf(why, why_cap,
			 "%s has the identity of volume %s (%s), so initiators would take them for "
			 "one disk; give it its own: another id=, or, where it is a copy, remove "
			 "its .ringlun",
			 path, name, other);
	free(name);
	free(other);
	return -EEXIST;
}

/* --- those of the command line ------------------------------------------------------------- */

/* A failed flush is remembered there: found out before a file is made. */
static int check_runtime_dir(const struct volume_config *v, const char *dir, char *why,
			     size_t why_cap)
{
	int rc;

	if (v->read_only || volume_is_made_up(v) || !access(dir, W_OK | X_OK))
		return 0;
	rc = -errno;
	snprintf(why, why_cap,
		 "cannot write in %s, where failed flushes are remembered: %s; make it, or give "
		 "another --runtime DIR (best on a tmpfs)",
		 dir, strerror(-rc));
	return rc;
}

static int open_kept(struct volume **out, struct volume_identity *id, const struct volume_config *v,
		     const struct config *cfg, char *why, size_t why_cap)
{
	struct volume_spec spec = {
		.name = v->name,
		.path = v->path,
		.size_bytes = v->size_bytes,
		.block_bytes = v->block_bytes,
		.cache = v->cache,
		.writethrough = v->writethrough,
		.read_only = v->read_only,
		.recover = v->recover,
		.reactors = cfg->reactors,
		.runtime_dir = cfg->runtime_dir,
	};
	int rc;

	memcpy(spec.uuid, id->kept.uuid, sizeof(spec.uuid));
	rc = volume_open(out, &spec, why, why_cap);
	if (rc)
		return rc;
	rc = volume_identity_keep(id, v, scsi_lu_backstore((*out)->lu)->size_bytes, why, why_cap);
	if (rc)
		volume_close(*out);
	return rc;
}

static int open_identified(struct volumes *vs, struct volume **out, const struct volume_config *v,
			   const struct config *cfg, char *why, size_t why_cap)
{
	struct volume_identity id;
	int rc = volume_identity_load(&id, v, cfg->state_dir, why, why_cap);

	if (!rc)
		rc = volumes_check_unique(vs, v->path, id.kept.uuid, why, why_cap);
	if (!rc)
		rc = open_kept(out, &id, v, cfg, why, why_cap);
	volume_identity_fini(&id);
	return rc;
}

/* Behind the target that it names, which may be there already. */
static int show_volume(const struct volume *vol, const struct volume_config *v,
		       struct iscsi_node *node, char *why, size_t why_cap)
{
	struct policy_spec spec = { .by_default = true, .shared = v->shared };
	struct iscsi_policy *policy;
	char name[ISCSI_NAME_BYTES];
	int rc;

	snprintf(name, sizeof(name), TARGET_NAME_PREFIX "%s", v->target);
	rc = policy_new(&policy, &spec, why, why_cap);
	if (!rc)
		rc = iscsi_node_add_target(node, name, policy, why, why_cap);
	if (rc && rc != -EEXIST)
		return rc;
	rc = iscsi_node_map_lun(node, name, v->lun, vol->lu);
	if (rc)
		snprintf(why, why_cap, "LUN %u: %s", v->lun, strerror(-rc));
	return rc;
}

static int open_volume(struct volumes *vs, const struct volume_config *v, const struct config *cfg,
		       struct iscsi_node *node, char *why, size_t why_cap)
{
	struct volume *vol;
	int rc = check_runtime_dir(v, cfg->runtime_dir, why, why_cap);

	if (!rc)
		rc = open_identified(vs, &vol, v, cfg, why, why_cap);
	if (rc)
		return rc;
	vol->given = v;
	volumes_add(vs, vol);
	rc = show_volume(vol, v, node, why, why_cap);
	if (rc)
		return rc;
	log_info("volume %s: " TARGET_NAME_PREFIX "%s LUN %u: %s, %llu bytes%s", v->name, v->target,
		 v->lun, v->path, (unsigned long long)scsi_lu_backstore(vol->lu)->size_bytes,
		 v->read_only ? ", read-only" : "");
	return 0;
}

int volumes_open(struct volumes *vs, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap)
{
	char reason[CONFIG_WHY_BYTES];

	/* where it cannot be made, check_runtime_dir says so, if a volume needs it */
	(void)!mkdir(cfg->runtime_dir, 0755);
	for (unsigned i = 0; i < cfg->nvolumes; i++) {
		const struct volume_config *v = &cfg->volumes[i];
		int rc = open_volume(vs, v, cfg, node, reason, sizeof(reason));

		if (rc) {
			snprintf(why, why_cap, "volume %s: %s%s", v->name, reason,
				 rc == -EMFILE ? "; raise the limit of open files (ulimit -n, or "
						 "LimitNOFILE= of a unit), or serve fewer volumes"
					       : "");
			return rc;
		}
	}
	return 0;
}
