/* Before a volume is opened, and after.
 *
 *   look        is there something that can be opened, or made? else nothing is made
 *     ▼
 *   load        the sidecar: found, or made with a UUID alone
 *     ▼
 *   check       block size; device; is the file as long as it was?
 *     ▼
 *   (volumes.c opens the backstore, which locks it, and may make the file)
 *     ▼
 *   keep        size checked again under the lock; the sidecar is completed
 *
 * The sidecar learns the size last, so it never tells of a file that was not made. */
#include "target/volume_identity.h"

#include "backstore/base/log.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool volume_is_made_up(const struct volume_config *v)
{
	return !strcmp(v->path, "memory:") || !strcmp(v->path, "null:");
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
static int look(const struct volume_config *v, struct stat *st, char *why, size_t why_cap)
{
	int rc = stat(v->path, st) ? -errno : 0;

	if (rc == -ENOENT) {
		*st = (struct stat){ .st_mode = S_IFREG };
		return look_absent(v, why, why_cap);
	}
	if (rc) {
		snprintf(why, why_cap, "%s cannot be looked at: %s; check the path and its rights",
			 v->path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode)) {
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
static int unkept_identity(struct volume_identity *id, const struct volume_config *v, int err,
			   char *why, size_t why_cap)
{
	if (v->has_id) {
		memcpy(id->kept.uuid, v->id, UUID_BYTES);
		free(id->path);
		id->path = NULL;
		return 0;
	}
	snprintf(why, why_cap,
		 "its identity cannot be kept as %s: %s; give it an id=UUID (uuidgen makes one), "
		 "always the same",
		 id->path, strerror(-err));
	return err;
}

/* Whether what was found at the path, before it is opened, fits. */
static int check(struct volume_identity *id, const struct volume_config *v, const struct stat *st,
		 char *why, size_t why_cap)
{
	int rc = identity_check_block(&id->kept, id->path, v->path, v->block_bytes, why, why_cap);

	if (rc)
		return rc;
	if (!S_ISBLK(st->st_mode)) /* a missing or empty file would be made anew */
		return identity_check_size(&id->kept, id->path, v->path, (uint64_t)st->st_size, why,
					   why_cap);
	rc = identity_check_device(&id->kept, id->path, v->path, id->now.device, why, why_cap);
	if (rc == -EXDEV && v->has_id) { /* said on purpose: it is the same one as was kept */
		log_warn("%s: volume %s was on another device, %s, and is on %s from now on",
			 v->path, v->name, id->kept.device, id->now.device);
		return 0;
	}
	/* an older kernel tells less: keep what is known */
	if (!rc && strlen(id->kept.device) > strlen(id->now.device))
		memcpy(id->now.device, id->kept.device, sizeof(id->now.device));
	return rc;
}

static int load(struct volume_identity *id, const struct volume_config *v, const char *state_dir,
		const struct stat *st, char *why, size_t why_cap)
{
	int rc = sidecar_path(v, S_ISBLK(st->st_mode), state_dir, &id->path);

	if (rc) {
		id->path = NULL;
		snprintf(why, why_cap,
			 "no place for the identity of %s in %s: %s; give another --state DIR",
			 v->path, state_dir, strerror(-rc));
		return rc;
	}
	rc = identity_load(id->path, v->has_id ? v->id : NULL, &id->kept, why, why_cap);
	if (v->read_only && (rc == -EROFS || rc == -EACCES) && access(id->path, F_OK))
		rc = unkept_identity(id, v, rc, why, why_cap);
	return rc;
}

int volume_identity_load(struct volume_identity *id, const struct volume_config *v,
			 const char *state_dir, char *why, size_t why_cap)
{
	struct stat st;
	int rc;

	*id = (struct volume_identity){ .path = NULL };
	if (volume_is_made_up(v))
		return made_up_identity(v->has_id ? v->id : NULL, id->kept.uuid, why, why_cap);
	rc = look(v, &st, why, why_cap);
	if (!rc)
		rc = load(id, v, state_dir, &st, why, why_cap);
	if (rc || !id->path)
		return rc;
	id->now = (struct identity){ .block_bytes = v->block_bytes };
	if (S_ISBLK(st.st_mode))
		device_id_read(id->now.device, "/sys", st.st_rdev);
	return check(id, v, &st, why, why_cap);
}

int volume_identity_keep(struct volume_identity *id, const struct volume_config *v,
			 uint64_t size_bytes, char *why, size_t why_cap)
{
	int rc;

	if (!id->path)
		return 0;
	id->now.size_bytes = size_bytes;
	rc = identity_check_size(&id->kept, id->path, v->path, size_bytes, why, why_cap);
	if (rc)
		return rc;
	if (id->kept.size_bytes && id->kept.size_bytes < size_bytes)
		log_info("%s has grown from %llu to %llu bytes", v->path,
			 (unsigned long long)id->kept.size_bytes, (unsigned long long)size_bytes);
	rc = identity_keep(id->path, &id->kept, &id->now);
	/* It protects a later start; this one is as good without it. */
	if (rc && !(v->read_only && (rc == -EROFS || rc == -EACCES || rc == -EPERM)))
		log_warn("%s cannot be brought up to date: %s; a later start will not notice when "
			 "%s has lost its end. Make it and its directory writable",
			 id->path, strerror(-rc), v->path);
	return 0;
}

void volume_identity_fini(struct volume_identity *id)
{
	free(id->path);
	id->path = NULL;
}
