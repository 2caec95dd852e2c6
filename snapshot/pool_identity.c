/* pool.json, and the making of a pool, which ends with it. */
#include "snapshot/pool_priv.h"

#include "backstore/base/uuid.h"
#include "backstore/why.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1, JSON_MAX_BYTES = 64 * 1024 };

static const char format_key[] = "ringlun_pool";

void pool_identity_fini(struct pool_identity *id)
{
	free(id->volume_group);
	id->volume_group = NULL;
}

/* ── reading ── */

static bool is_group_name(const char *s)
{
	static const char ok[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+_.-";

	return *s && *s != '-' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 && strlen(s) < 128 &&
	       strspn(s, ok) == strlen(s);
}

static int take(struct pool_identity *id, json_t *root, const char *path, char *why, size_t why_cap)
{
	const char *uuid = json_string_value(json_object_get(root, "uuid"));
	json_t *format = json_object_get(root, format_key);
	json_t *group = json_object_get(root, "volume_group");
	size_t known = 2 + (group != NULL);

	if (!json_is_integer(format))
		return why_say(why, why_cap, -EBADMSG, "%s has no number \"%s\": it is no pool's",
			       path, format_key);
	if (json_integer_value(format) != FORMAT)
		return why_say(why, why_cap, -EPROTONOSUPPORT,
			       "%s has format %lld, and this version knows %d; use a newer one",
			       path, (long long)json_integer_value(format), FORMAT);
	if (json_object_size(root) != known)
		return why_say(why, why_cap, -EPROTONOSUPPORT,
			       "%s has a key that is not known; a newer version made it, use that",
			       path);
	if (!uuid || uuid_parse(uuid, id->uuid))
		return why_say(why, why_cap, -EBADMSG,
			       "%s has no \"uuid\" that is one; bring it back from a copy", path);
	if (group && (!json_is_string(group) || !is_group_name(json_string_value(group))))
		return why_say(why, why_cap, -EBADMSG,
			       "%s: \"volume_group\" is no name of one; bring it back from a copy",
			       path);
	if (!group)
		return 0;
	id->volume_group = strdup(json_string_value(group));
	return id->volume_group ? 0 : why_say(why, why_cap, -ENOMEM, "out of memory");
}

static int parse(struct pool_identity *id, const char *text, size_t len, const char *path,
		 char *why, size_t why_cap)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (!root)
		return why_say(why, why_cap, -EBADMSG,
			       "%s, line %d, column %d: %.200s; bring it back from a copy", path,
			       error.line, error.column, error.text);
	rc = take(id, root, path, why, why_cap);
	json_decref(root);
	return rc;
}

static int load(struct pool_identity *id, struct pool_fs *fs, int fd, const char *path, char *why,
		size_t why_cap)
{
	int64_t size = fs->size(fs, fd);
	char *text;
	int rc;

	if (size < 0 || size > JSON_MAX_BYTES)
		return why_say(why, why_cap, size < 0 ? (int)size : -EBADMSG,
			       "%s is not what a pool begins with; bring it back from a copy",
			       path);
	text = malloc((size_t)size + 1);
	if (!text)
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	rc = pool_fs_read_all(fs, fd, text, (size_t)size, 0);
	if (rc)
		why_say(why, why_cap, rc, "%s cannot be read: %s", path, strerror(-rc));
	else
		rc = parse(id, text, (size_t)size, path, why, why_cap);
	free(text);
	return rc;
}

static int any(void *arg, const char *name)
{
	(void)name;
	*(bool *)arg = true;
	return 1;
}

/* Without its head, what is left of a pool must not be taken for none. */
static int say_absent(struct pool_fs *fs, const char *dir, char *why, size_t why_cap)
{
	char layers[POOL_FILE_BYTES];
	bool has = false;

	if (snprintf(layers, sizeof(layers), "%s/layers", dir) < POOL_FILE_BYTES)
		(void)fs->list(fs, layers, any, &has); /* not there: has nothing */
	if (has)
		return why_say(why, why_cap, -EBADMSG,
			       "%s/pool.json is missing, and there is data in %s; bring it back "
			       "from a copy",
			       dir, layers);
	return why_say(why, why_cap, -ENOENT, "there is no pool in %s: it has no pool.json", dir);
}

int pool_identity_read(struct pool_identity *id, struct pool_fs *fs, const char *dir, int *fd,
		       bool read_only, char *why, size_t why_cap)
{
	char path[POOL_FILE_BYTES];
	int rc;

	*id = (struct pool_identity){ .volume_group = NULL };
	*fd = -1;
	if (snprintf(path, sizeof(path), "%s/pool.json", dir) >= POOL_FILE_BYTES)
		return why_say(why, why_cap, -ENAMETOOLONG, "%s is too long a path", dir);
	rc = fs->open(fs, path, read_only ? O_RDONLY : O_RDWR);
	if (rc == -ENOENT || rc == -ENOTDIR)
		return say_absent(fs, dir, why, why_cap);
	if (rc < 0)
		return why_say(why, why_cap, rc,
			       "%s cannot be opened: %s; change its rights or the "
			       "user",
			       path, strerror(-rc));
	*fd = rc;
	rc = load(id, fs, *fd, path, why, why_cap);
	if (!rc)
		return 0;
	fs->close(fs, *fd);
	*fd = -1;
	pool_identity_fini(id);
	return rc;
}

/* ── making ── */

/* What a crashed making may have left behind is no obstacle; anything else is. */
static int is_leftover(void *arg, const char *name)
{
	static const char *const ours[] = { "structure.log", "structure.ckpt.a", "structure.ckpt.b",
					    "pool.json.new", "layers",		 "lost+found" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (!strcmp(name, ours[i]))
			return 0;
	snprintf(arg, VPOOL_NAME_BYTES, "%.*s", VPOOL_NAME_BYTES - 1, name);
	return !strcmp(name, "pool.json") ? -EEXIST : -ENOTEMPTY;
}

static int check_empty(struct pool_fs *fs, const char *dir, const char *layers, char *why,
		       size_t why_cap)
{
	char name[VPOOL_NAME_BYTES];
	bool has = false;
	int rc = fs->list(fs, dir, is_leftover, name);

	if (rc == -EEXIST)
		return why_say(why, why_cap, rc, "there is a pool in %s already; import it", dir);
	if (rc == -ENOTEMPTY)
		return why_say(why, why_cap, rc,
			       "%s is not empty: it has %s; choose an empty directory", dir, name);
	if (rc)
		return why_say(why, why_cap, rc, "%s cannot be read: %s", dir, strerror(-rc));
	rc = fs->list(fs, layers, any, &has);
	if (has)
		return why_say(
			why, why_cap, -ENOTEMPTY,
			"%s has no pool.json, but data in %s; bring that file back, or choose "
			"an empty directory",
			dir, layers);
	return rc == -ENOENT ? 0 : rc;
}

static int write_json(struct pool_fs *fs, const char *dir, const uint8_t uuid[static 16],
		      const char *volume_group)
{
	char path[POOL_FILE_BYTES], new[POOL_FILE_BYTES], id[UUID_TEXT_BYTES], text[512];
	int fd, rc, len;

	uuid_format(uuid, id);
	len = snprintf(text, sizeof(text), "{\"%s\": %d, \"uuid\": \"%s\"%s%s%s}\n", format_key,
		       FORMAT, id, volume_group ? ", \"volume_group\": \"" : "",
		       volume_group ? volume_group : "", volume_group ? "\"" : "");
	snprintf(path, sizeof(path), "%s/pool.json", dir);
	if (snprintf(new, sizeof(new), "%s/pool.json.new", dir) >= POOL_FILE_BYTES)
		return -ENAMETOOLONG;
	fd = fs->open(fs, new, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	rc = fs->truncate(fs, fd, 0);
	if (!rc)
		rc = pool_fs_write_all(fs, fd, text, (size_t)len, 0);
	if (!rc)
		rc = fs->sync(fs, fd);
	fs->close(fs, fd);
	if (!rc)
		rc = fs->rename(fs, new, path);
	return rc ? rc : pool_fs_sync_dir(fs, dir);
}

static int fill(struct pool_fs *fs, const char *dir, const char *layers, const char *volume_group,
		char *why, size_t why_cap)
{
	uint8_t uuid[16];
	int rc = uuid_generate(uuid);

	if (rc)
		return why_say(why, why_cap, rc, "cannot make a UUID: %s", strerror(-rc));
	rc = slog_make(fs, dir, uuid, why, why_cap);
	if (rc)
		return rc;
	rc = fs->mkdir(fs, layers);
	if (rc == -EEXIST)
		rc = 0;
	if (!rc)
		rc = pool_fs_sync_dir(fs, layers);
	if (!rc)
		rc = pool_fs_sync_dir(fs, dir);
	if (!rc)
		rc = write_json(fs, dir, uuid, volume_group);
	if (rc)
		why_say(why, why_cap, rc, "a pool cannot be made in %s: %s", dir, strerror(-rc));
	return rc;
}

int vpool_make_on(struct pool_fs *fs, const char *dir, const char *volume_group, char *why,
		  size_t why_cap)
{
	char layers[POOL_FILE_BYTES];
	int fd, rc;

	if (volume_group && !is_group_name(volume_group))
		return why_say(why, why_cap, -EINVAL, "%s is no name of a volume group; see vgs",
			       volume_group);
	if (snprintf(layers, sizeof(layers), "%s/layers", dir) >= POOL_FILE_BYTES)
		return why_say(why, why_cap, -ENAMETOOLONG, "%s is too long a path", dir);
	fd = fs->open(fs, dir, O_RDONLY | O_DIRECTORY); /* two that make it at once take turns */
	if (fd < 0)
		return why_say(why, why_cap, fd, "%s cannot be opened: %s", dir, strerror(-fd));
	rc = fs->lock(fs, fd, dir, false, 1000, why, why_cap);
	if (!rc)
		rc = check_empty(fs, dir, layers, why, why_cap);
	if (!rc && volume_group)
		rc = pool_lv_check_group(volume_group, why, why_cap);
	if (!rc)
		rc = fill(fs, dir, layers, volume_group, why, why_cap);
	fs->close(fs, fd);
	return rc;
}
