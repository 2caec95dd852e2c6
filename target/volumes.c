/* Opening what the command line names. */
#include "target/volumes.h"

#include "backstore/base/uuid.h"
#include "backstore/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_made_up(const char *path)
{
	return !strcmp(path, "memory:") || !strcmp(path, "null:");
}

/* A file's identity is kept beside it; a device has no beside, so it is kept under the
 * volume's name. */
static int sidecar_path(const struct volume_config *v, const char *state_dir, char *out, size_t cap)
{
	struct stat st;
	int n;

	if (!stat(v->path, &st) && S_ISBLK(st.st_mode)) {
		if (mkdir(state_dir, 0755) && errno != EEXIST)
			return -errno;
		n = snprintf(out, cap, "%s/%s.ringlun", state_dir, v->name);
	} else {
		n = snprintf(out, cap, "%s.ringlun", v->path);
	}
	return n < 0 || (size_t)n >= cap ? -ENAMETOOLONG : 0;
}

static int load_identity(const struct volume_config *v, const char *state_dir, uint8_t uuid[16],
			 char *why, size_t why_cap)
{
	const uint8_t *given = v->has_id ? v->id : NULL;
	char path[4096];
	int rc;

	if (is_made_up(v->path)) {
		/* new data at every start, so a new disk at every start */
		if (given) {
			memcpy(uuid, given, UUID_BYTES);
			return 0;
		}
		rc = uuid_generate(uuid);
		if (rc)
			snprintf(why, why_cap, "cannot make a UUID: %s", strerror(-rc));
		return rc;
	}
	rc = sidecar_path(v, state_dir, path, sizeof(path));
	if (rc) {
		snprintf(why, why_cap,
			 "no place for the identity of %s in %s: %s; give another --state DIR",
			 v->path, state_dir, strerror(-rc));
		return rc;
	}
	return identity_load(path, given, uuid, why, why_cap);
}

static int open_lu(struct scsi_lu **out, const struct volume_config *v, const struct config *cfg,
		   char *why, size_t why_cap)
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
		.uuid = lu.uuid,
	};
	int rc = load_identity(v, cfg->state_dir, lu.uuid, why, why_cap);

	if (rc)
		return rc;
	rc = backstore_open(&lu.bs, &spec, why, why_cap);
	if (rc)
		return rc;
	rc = scsi_lu_new(out, &lu);
	if (rc) {
		bs_close(lu.bs);
		snprintf(why, why_cap, "%s", strerror(-rc));
	}
	return rc;
}

static int open_volume(struct volume *vol, const struct volume_config *v, const struct config *cfg,
		       struct iscsi_node *node, char *why, size_t why_cap)
{
	char name[ISCSI_NAME_BYTES];
	int rc = open_lu(&vol->lu, v, cfg, why, why_cap);

	if (rc)
		return rc;
	snprintf(name, sizeof(name), TARGET_NAME_PREFIX "%s", v->name);
	rc = scsi_target_new(&vol->target);
	if (!rc)
		rc = scsi_target_add(vol->target, 0, vol->lu);
	if (!rc)
		rc = iscsi_node_add_target(node, name, vol->target, v->shared, cfg->reactors);
	if (rc)
		snprintf(why, why_cap, "%s", strerror(-rc));
	return rc;
}

int volumes_open(struct volumes *vs, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap)
{
	char reason[CONFIG_WHY_BYTES];

	/* where it cannot be made, the volume that needs it says so */
	(void)!mkdir(cfg->runtime_dir, 0755);
	vs->n = 0;
	vs->all = calloc(cfg->nvolumes, sizeof(*vs->all));
	if (!vs->all) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < cfg->nvolumes; i++) {
		int rc = open_volume(&vs->all[vs->n++], &cfg->volumes[i], cfg, node, reason,
				     sizeof(reason));

		if (rc) {
			snprintf(why, why_cap, "volume %s: %s", cfg->volumes[i].name, reason);
			return rc;
		}
	}
	return 0;
}

void volumes_close(struct volumes *vs)
{
	while (vs->n) {
		struct volume *v = &vs->all[--vs->n];

		if (v->target)
			scsi_target_free(v->target);
		if (v->lu)
			scsi_lu_free(v->lu);
	}
	free(vs->all);
	vs->all = NULL;
}
