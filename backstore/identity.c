/* The sidecar file: text, one key=value a line, '#' comments.
 *
 *   # ringlun: the identity of the volume that this file is named after. …
 *   uuid=0d5a8a0e-5f53-4b3c-9d0a-5f0c8b1f6a11
 *   size=107374182400
 *   block-size=512
 *   device=dm:LVM-…             (in the state directory only)
 *
 * It is made before the volume is opened, with the UUID alone, and completed after: so a
 * size in it means that there was a volume of this size, and a file that is missing or
 * shorter has lost something. Unknown keys are a later version's, and left in place. */
#include "backstore/identity.h"

#include "backstore/sidecar.h"
#include "backstore/why.h"

#include "backstore/base/size.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of @line where its key is @key ("uuid="), or NULL. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);

	return strncmp(line, key, n) ? NULL : line + n;
}

static int take_size(struct identity *id, const char *value)
{
	return size_parse(value, &id->size_bytes) || !id->size_bytes ? -EBADMSG : 0;
}

static int take_block(struct identity *id, const char *value)
{
	uint64_t n;

	if (size_parse(value, &n) || (n != 512 && n != 4096))
		return -EBADMSG;
	id->block_bytes = (uint32_t)n;
	return 0;
}

static int take_device(struct identity *id, const char *value)
{
	size_t n = strlen(value);

	if (!n || n >= sizeof(id->device))
		return -EBADMSG;
	memcpy(id->device, value, n + 1);
	return 0;
}

static int take_uuid(struct identity *id, const char *value)
{
	return uuid_parse(value, id->uuid) ? -EBADMSG : 0;
}

static const struct key {
	const char *is; /* uuid is the first */
	int (*take)(struct identity *id, const char *value);
} keys[] = {
	{ "uuid=", take_uuid },
	{ "size=", take_size },
	{ "block-size=", take_block },
	{ "device=", take_device },
};

/* Which of the keys @line has, or ARRAY_SIZE(keys). */
static size_t key_of(const char *line, const char **value)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(keys) && !(*value = value_of(line, keys[i].is)))
		i++;
	return i;
}

/* 0, or -EBADMSG: no UUID, a key twice, a value or a line that is none. */
static int parse(char *text, struct identity *out)
{
	const char *value;
	unsigned seen = 0;
	char *save, *line;

	*out = (struct identity){ .size_bytes = 0 };
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t i = key_of(line, &value);

		if (*line == '#')
			continue;
		if (!strchr(line, '='))
			return -EBADMSG;
		if (i == ARRAY_SIZE(keys))
			continue;
		if (seen & 1u << i || keys[i].take(out, value))
			return -EBADMSG;
		seen |= 1u << i;
	}
	return seen & 1 ? 0 : -EBADMSG;
}

static int load(const char *path, struct identity *out)
{
	char text[SIDECAR_MAX_BYTES + 1];
	int rc = sidecar_read(path, text);

	return rc ? rc : parse(text, out);
}

static int create(const char *path, const uint8_t *given_or_null, struct identity *out)
{
	char id[UUID_TEXT_BYTES], text[256];
	int rc = 0;

	*out = (struct identity){ .size_bytes = 0 };
	if (given_or_null)
		memcpy(out->uuid, given_or_null, sizeof(out->uuid));
	else
		rc = uuid_generate(out->uuid);
	if (rc)
		return rc;
	uuid_format(out->uuid, id);
	snprintf(text, sizeof(text),
		 "# ringlun: the identity of the volume that this file is named after.\n"
		 "# Initiators know the volume by it: keep it with the data.\nuuid=%s\n",
		 id);
	rc = sidecar_create(path, text);
	return rc == -EEXIST ? load(path, out) : rc;
}

int identity_load(const char *path, const uint8_t *given_or_null, struct identity *out, char *why,
		  size_t why_cap)
{
	char kept[UUID_TEXT_BYTES], given[UUID_TEXT_BYTES];
	int rc = load(path, out);

	if (rc == -ENOENT)
		rc = create(path, given_or_null, out);
	if (rc == -EBADMSG)
		return why_say(why, why_cap, rc,
			       "%s, which keeps the volume's identity, is damaged: put the line "
			       "uuid=<the volume's UUID> back into it and nothing else, or remove "
			       "it (initiators will then see a new disk)",
			       path);
	if (rc)
		return why_say(why, why_cap, rc,
			       "%s, which keeps the volume's identity, cannot be used: %s; make "
			       "its directory writable",
			       path, strerror(-rc));
	if (!given_or_null || !memcmp(given_or_null, out->uuid, sizeof(out->uuid)))
		return 0;
	uuid_format(out->uuid, kept);
	uuid_format(given_or_null, given);
	return why_say(why, why_cap, -EEXIST,
		       "%s says that this volume is %s, not %s; leave the id out, or correct that "
		       "file",
		       path, kept, given);
}

/* ── is it the same? ── */

int identity_check_size(const struct identity *kept, const char *path, const char *data,
			uint64_t size_bytes, char *why, size_t why_cap)
{
	unsigned long long was = kept->size_bytes, is = size_bytes;

	if (is >= was)
		return 0;
	if (!is)
		return why_say(why, why_cap, -ENODATA,
			       "%s is empty or not there, and had %llu bytes when it was last "
			       "served; bring it back, or, for a new disk, remove %s",
			       data, was, path);
	return why_say(why, why_cap, -ENODATA,
		       "%s has %llu bytes, and had %llu when it was last served: its end is lost; "
		       "bring it back, or, where it was made smaller on purpose, remove the line "
		       "size= from %s",
		       data, is, was, path);
}

int identity_check_block(const struct identity *kept, const char *path, const char *data,
			 uint32_t block_bytes, char *why, size_t why_cap)
{
	if (!kept->block_bytes || kept->block_bytes == block_bytes)
		return 0;
	return why_say(why, why_cap, -EINVAL,
		       "%s was served with blocks of %u bytes, not %u, which what is on it does "
		       "not survive; give block-size=%u, or, where nothing is on it yet, remove "
		       "the line block-size= from %s",
		       data, kept->block_bytes, block_bytes, kept->block_bytes, path);
}

int identity_check_device(const struct identity *kept, const char *path, const char *data,
			  const char *device, char *why, size_t why_cap)
{
	char id[UUID_TEXT_BYTES];

	if (!kept->device[0] || device_id_is_same(kept->device, device))
		return 0;
	uuid_format(kept->uuid, id);
	return why_say(why, why_cap, -EXDEV,
		       "%s is another device (%.70s) than was served by this name (%.70s); check "
		       "the path; for another disk remove %s or give another --state, and where "
		       "the same data has moved, give id=%s once",
		       data, device, kept->device, path, id);
}

/* ── keeping it ── */

/* The lines of others, then ours. NULL: no memory. */
static char *rewritten(char *text, const struct identity *now)
{
	char *out = NULL, *save, *line;
	const char *value;
	size_t len;
	FILE *f = open_memstream(&out, &len);
	bool failed;

	if (!f)
		return NULL;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t i = key_of(line, &value);

		if (i == 0 || i == ARRAY_SIZE(keys))
			fprintf(f, "%s\n", line);
	}
	if (now->size_bytes)
		fprintf(f, "size=%llu\n", (unsigned long long)now->size_bytes);
	if (now->block_bytes)
		fprintf(f, "block-size=%u\n", now->block_bytes);
	if (now->device[0])
		fprintf(f, "device=%s\n", now->device);
	failed = ferror(f);
	if (fclose(f) || failed) {
		free(out);
		return NULL;
	}
	return out;
}

int identity_keep(const char *path, const struct identity *kept, const struct identity *now)
{
	char text[SIDECAR_MAX_BYTES + 1], *next;
	int rc;

	if (kept->size_bytes == now->size_bytes && kept->block_bytes == now->block_bytes &&
	    !strcmp(kept->device, now->device))
		return 0;
	rc = sidecar_read(path, text);
	if (rc)
		return rc;
	next = rewritten(text, now);
	if (!next)
		return -ENOMEM;
	rc = sidecar_replace(path, next);
	free(next);
	return rc;
}
