/* Opening what the command line names. */
#include "target/volumes.h"

#include "target/volume_identity.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* By whatever names. */
static bool is_same_file(const char *path, const char *other)
{
	struct stat a, b;

	return !stat(path, &a) && !stat(other, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Two disks of one identity are two paths to one disk for multipath, which mixes them. */
static int check_unique(const struct volumes *vs, const struct volume *vol,
			const struct config *cfg, char *why, size_t why_cap)
{
	for (const struct volume *v = vs->all; v < vol; v++) {
		const struct volume_config *other = &cfg->volumes[v - vs->all];
		const struct volume_config *this = &cfg->volumes[vol - vs->all];

		if (memcmp(v->uuid, vol->uuid, sizeof(v->uuid)) != 0)
			continue;
		if (is_same_file(this->path, other->path))
			snprintf(why, why_cap, "%s is served already, as volume %s; leave one out",
				 this->path, other->name);
		else
			snprintf(why, why_cap,
				 "%s has the identity of volume %s (%s), so initiators would take "
				 "them for one disk; give it its own: another id=, or, where it is "
				 "a copy, remove its .ringlun",
				 this->path, other->name, other->path);
		return -EEXIST;
	}
	return 0;
}

static int open_lu(struct volume *vol, struct volume_identity *id, const struct volume_config *v,
		   const struct config *cfg, char *why, size_t why_cap)
{
	struct scsi_lu_config lu = { .name = v->name, .reactors = cfg->reactors };
	struct bs_spec spec = {
		.path = v->path,
		.size_bytes = v->size_bytes,
		.block_bytes = v->block_bytes,
		.cache = v->cache,
		.writethrough = v->writethrough,
		.read_only = v->read_only,
		.recover = v->recover,
		.reactors = cfg->reactors,
		.runtime_dir = cfg->runtime_dir,
		.uuid = vol->uuid,
	};
	int rc;

	memcpy(lu.uuid, vol->uuid, sizeof(lu.uuid));
	rc = backstore_open(&lu.bs, &spec, why, why_cap);
	if (rc)
		return rc;
	rc = volume_identity_keep(id, v, lu.bs->size_bytes, why, why_cap);
	if (rc) {
		bs_close(lu.bs);
		return rc;
	}
	rc = scsi_lu_new(&vol->lu, &lu);
	if (rc) {
		bs_close(lu.bs);
		snprintf(why, why_cap, "%s", strerror(-rc));
	}
	return rc;
}

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

static int open_identified(const struct volumes *vs, struct volume *vol,
			   const struct volume_config *v, const struct config *cfg, char *why,
			   size_t why_cap)
{
	struct volume_identity id;
	int rc = volume_identity_load(&id, v, cfg->state_dir, why, why_cap);

	memcpy(vol->uuid, id.kept.uuid, sizeof(vol->uuid));
	if (!rc)
		rc = check_unique(vs, vol, cfg, why, why_cap);
	if (!rc)
		rc = open_lu(vol, &id, v, cfg, why, why_cap);
	volume_identity_fini(&id);
	return rc;
}

/* Behind the target that it names, which may be there already. */
static int show_volume(struct volumes *vs, const struct volume *vol, const struct volume_config *v,
		       struct iscsi_node *node, unsigned reactors)
{
	char name[ISCSI_NAME_BYTES];
	struct iscsi_target *shown;
	struct scsi_target *target;
	int rc;

	snprintf(name, sizeof(name), TARGET_NAME_PREFIX "%s", v->target);
	shown = iscsi_node_target(node, name);
	if (shown)
		return scsi_target_add(shown->scsi, v->lun, vol->lu);
	rc = scsi_target_new(&target);
	if (rc)
		return rc;
	vs->targets[vs->ntargets++] = target;
	rc = scsi_target_add(target, v->lun, vol->lu);
	return rc ? rc : iscsi_node_add_target(node, name, target, v->shared, reactors);
}

/* The last one of @vs. */
static int open_volume(struct volumes *vs, const struct config *cfg, struct iscsi_node *node,
		       char *why, size_t why_cap)
{
	struct volume *vol = &vs->all[vs->n - 1];
	const struct volume_config *v = &cfg->volumes[vs->n - 1];
	int rc = check_runtime_dir(v, cfg->runtime_dir, why, why_cap);

	if (!rc)
		rc = open_identified(vs, vol, v, cfg, why, why_cap);
	if (rc)
		return rc;
	rc = show_volume(vs, vol, v, node, cfg->reactors);
	if (rc) {
		snprintf(why, why_cap, "%s", strerror(-rc));
		return rc;
	}
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
	*vs = (struct volumes){ .all = calloc(cfg->nvolumes, sizeof(*vs->all)),
				.targets = calloc(cfg->nvolumes, sizeof(struct scsi_target *)) };
	if (!vs->all || !vs->targets) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < cfg->nvolumes; i++) {
		int rc;

		vs->n++;
		rc = open_volume(vs, cfg, node, reason, sizeof(reason));
		if (rc) {
			snprintf(why, why_cap, "volume %s: %s%s", cfg->volumes[i].name, reason,
				 rc == -EMFILE ? "; raise the limit of open files (ulimit -n, or "
						 "LimitNOFILE= of a unit), or serve fewer volumes"
					       : "");
			return rc;
		}
	}
	return 0;
}

void volumes_close(struct volumes *vs)
{
	while (vs->ntargets)
		scsi_target_free(vs->targets[--vs->ntargets]);
	while (vs->n) {
		struct volume *v = &vs->all[--vs->n];

		if (v->lu)
			scsi_lu_free(v->lu);
	}
	free(vs->targets);
	free(vs->all);
	vs->targets = NULL;
	vs->all = NULL;
}
