/* Opening what the command line names. */
#include "target/volumes.h"

#include "backstore/base/log.h"
#include "backstore/base/uuid.h"
#include "backstore/identity.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_made_up(const char *path)
{
	return !strcmp(path, "memory:") || !strcmp(path, "null:");
}

/* A name mistyped there would become a file in memory, gone at the next boot. */
static bool is_among_devices(const char *dir)
{
	char *real = realpath(dir, NULL);
	bool among = real && (!strcmp(real, "/dev") ||
			      (!strncmp(real, "/dev/", 5) && strncmp(real, "/dev/shm", 8) != 0));

	free(real);
	return among;
}

/* What is not there can be made, if it is a file, a size is given, and its folder is there. */
static int look_absent(const struct volume_config *v, char *why, size_t why_cap)
{
	char *copy, *dir;
	struct stat st;
	int rc = 0;

	if (!lstat(v->path, &st)) {
		snprintf(why, why_cap, "%s is a symbolic link to nothing; remove or mend it",
			 v->path);
		return -ENOENT;
	}
	if (!v->size_bytes || v->read_only) {
		snprintf(why, why_cap, "%s does not exist; check the path%s", v->path,
			 v->read_only ? "" : ", or give a size= to make a file");
		return -ENOENT;
	}
	copy = strdup(v->path);
	if (!copy) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	dir = dirname(copy);
	if (is_among_devices(dir)) {
		rc = -ENOENT;
		snprintf(why, why_cap,
			 "there is no device %s, and no file is made there; check "
			 "the path",
			 v->path);
	} else if (access(dir, W_OK | X_OK)) {
		rc = -errno;
		snprintf(why, why_cap, "%s cannot be made in %s: %s; %s", v->path, dir,
			 strerror(-rc),
			 rc == -ENOENT ? "make that folder first, or check the path"
				       : "change its rights or the user, or choose another");
	}
	free(copy);
	return rc;
}

/* Looks before anything is made: a path that was mistyped must not leave an identity behind. */
static int look(const struct volume_config *v, bool *is_device, char *why, size_t why_cap)
{
	struct stat st;
	int rc = stat(v->path, &st) ? -errno : 0;

	*is_device = !rc && S_ISBLK(st.st_mode);
	if (rc == -ENOENT)
		return look_absent(v, why, why_cap);
	if (rc) {
		snprintf(why, why_cap, "%s cannot be looked at: %s; check the path and its rights",
			 v->path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		snprintf(why, why_cap,
			 "%s is neither a regular file nor a block device; give path= one of these",
			 v->path);
		return -EINVAL;
	}
	if (access(v->path, v->read_only ? R_OK : R_OK | W_OK)) {
		rc = -errno;
		snprintf(why, why_cap, "%s cannot be %s: %s; change its rights or the user%s",
			 v->path, v->read_only ? "read" : "written", strerror(-rc),
			 v->read_only ? "" : ", or add readonly");
	}
	return rc;
}

/* A file's identity is kept beside it (the file itself, not a link to it); a device has no
 * beside, so it is kept under the volume's name. */
static int sidecar_path(const struct volume_config *v, bool is_device, const char *state_dir,
			char **out)
{
	char *real;
	int n;

	if (is_device) {
		if (mkdir(state_dir, 0755) && errno != EEXIST)
			return -errno;
		n = asprintf(out, "%s/%s.ringlun", state_dir, v->name);
		return n < 0 ? -ENOMEM : 0;
	}
	real = realpath(v->path, NULL);
	n = asprintf(out, "%s.ringlun", real ? real : v->path);
	free(real);
	return n < 0 ? -ENOMEM : 0;
}

static int made_up_identity(const uint8_t *given, uint8_t uuid[16], char *why, size_t why_cap)
{
	int rc = 0;

	/* new data at every start, so a new disk at every start */
	if (given)
		memcpy(uuid, given, UUID_BYTES);
	else
		rc = uuid_generate(uuid);
	if (rc)
		snprintf(why, why_cap, "cannot make a UUID: %s", strerror(-rc));
	return rc;
}

/* On a medium that nobody can write to the operator keeps the identity. */
static int unkept_identity(const struct volume_config *v, const char *path, int err,
			   uint8_t uuid[16], char *why, size_t why_cap)
{
	if (v->has_id) {
		memcpy(uuid, v->id, UUID_BYTES);
		return 0;
	}
	snprintf(why, why_cap,
		 "its identity cannot be kept as %s: %s; give it an id=UUID (uuidgen makes one), "
		 "always the same",
		 path, strerror(-err));
	return err;
}

static int load_identity(const struct volume_config *v, const char *state_dir, uint8_t uuid[16],
			 char *why, size_t why_cap)
{
	const uint8_t *given = v->has_id ? v->id : NULL;
	bool is_device;
	char *path;
	int rc;

	if (is_made_up(v->path))
		return made_up_identity(given, uuid, why, why_cap);
	rc = look(v, &is_device, why, why_cap);
	if (rc)
		return rc;
	rc = sidecar_path(v, is_device, state_dir, &path);
	if (rc) {
		snprintf(why, why_cap,
			 "no place for the identity of %s in %s: %s; give another --state DIR",
			 v->path, state_dir, strerror(-rc));
		return rc;
	}
	rc = identity_load(path, given, uuid, why, why_cap);
	if (v->read_only && (rc == -EROFS || rc == -EACCES) && access(path, F_OK))
		rc = unkept_identity(v, path, rc, uuid, why, why_cap);
	free(path);
	return rc;
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
		if (!strcmp(this->path, other->path) && !is_made_up(this->path))
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

static int open_lu(struct volume *vol, const struct volume_config *v, const struct config *cfg,
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
		.uuid = vol->uuid,
	};
	int rc;

	memcpy(lu.uuid, vol->uuid, sizeof(lu.uuid));
	rc = backstore_open(&lu.bs, &spec, why, why_cap);
	if (rc)
		return rc;
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

	if (v->read_only || is_made_up(v->path) || !access(dir, W_OK | X_OK))
		return 0;
	rc = -errno;
	snprintf(why, why_cap,
		 "cannot write in %s, where failed flushes are remembered: %s; make it, or give "
		 "another --runtime DIR (best on a tmpfs)",
		 dir, strerror(-rc));
	return rc;
}

/* The last one of @vs. */
static int open_volume(struct volumes *vs, const struct config *cfg, struct iscsi_node *node,
		       char *why, size_t why_cap)
{
	struct volume *vol = &vs->all[vs->n - 1];
	const struct volume_config *v = &cfg->volumes[vs->n - 1];
	char name[ISCSI_NAME_BYTES];
	int rc = check_runtime_dir(v, cfg->runtime_dir, why, why_cap);

	if (!rc)
		rc = load_identity(v, cfg->state_dir, vol->uuid, why, why_cap);
	if (!rc)
		rc = check_unique(vs, vol, cfg, why, why_cap);
	if (!rc)
		rc = open_lu(vol, v, cfg, why, why_cap);
	if (rc)
		return rc;
	snprintf(name, sizeof(name), TARGET_NAME_PREFIX "%s", v->name);
	rc = scsi_target_new(&vol->target);
	if (!rc)
		rc = scsi_target_add(vol->target, 0, vol->lu);
	if (!rc)
		rc = iscsi_node_add_target(node, name, vol->target, v->shared, cfg->reactors);
	if (rc) {
		snprintf(why, why_cap, "%s", strerror(-rc));
		return rc;
	}
	log_info("volume %s: %s, %llu bytes%s", name, v->path,
		 (unsigned long long)scsi_lu_backstore(vol->lu)->size_bytes,
		 v->read_only ? ", read-only" : "");
	return 0;
}

int volumes_open(struct volumes *vs, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap)
{
	char reason[CONFIG_WHY_BYTES];

	/* where it cannot be made, check_runtime_dir says so, if a volume needs it */
	(void)!mkdir(cfg->runtime_dir, 0755);
	vs->n = 0;
	vs->all = calloc(cfg->nvolumes, sizeof(*vs->all));
	if (!vs->all) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < cfg->nvolumes; i++) {
		int rc;

		vs->n++;
		rc = open_volume(vs, cfg, node, reason, sizeof(reason));
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
