/* --volume NAME,path=PATH[,size=1G][,cache=direct|buffered][,writethrough]
 *          [,block-size=512|4096][,readonly][,target=NAME][,lun=N][,shared][,recover][,id=UUID]
 *
 * One row per key; every mistake is answered with the key, the value and what would be right. */
#include "target/config.h"

#include "backstore/base/size.h"
#include "backstore/base/uuid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key {
	const char *name;
	bool has_value;
	/* NULL, or what a right value would be */
	const char *(*take)(struct volume_config *v, const char *value);
};

static const char *take_path(struct volume_config *v, const char *value)
{
	free(v->path);
	v->path = *value ? strdup(value) : NULL;
	return v->path ? NULL : "a file, a device, memory: or null:";
}

static const char *take_size(struct volume_config *v, const char *value)
{
	return size_parse(value, &v->size_bytes) || !v->size_bytes || v->size_bytes > INT64_MAX
		       ? "a number of bytes, with K, M, G or T, as in 100G; less than 8E"
		       : NULL;
}

static const char *take_cache(struct volume_config *v, const char *value)
{
	if (!strcmp(value, "direct"))
		v->cache = BS_CACHE_DIRECT;
	else if (!strcmp(value, "buffered"))
		v->cache = BS_CACHE_BUFFERED;
	else
		return "direct or buffered";
	return NULL;
}

static const char *take_block_size(struct volume_config *v, const char *value)
{
	if (!strcmp(value, "512"))
		v->block_bytes = 512;
	else if (!strcmp(value, "4096"))
		v->block_bytes = 4096;
	else
		return "512 or 4096";
	return NULL;
}

static const char *take_id(struct volume_config *v, const char *value)
{
	static const uint8_t nil[sizeof(v->id)];

	/* No example: it would be copied, and two disks would look like one. */
	v->has_id = !uuid_parse(value, v->id) && memcmp(v->id, nil, sizeof(nil)) != 0;
	return v->has_id ? NULL : "a UUID of its own, as uuidgen prints them";
}

static const char *take_writethrough(struct volume_config *v, const char *value)
{
	(void)value;
	v->writethrough = true;
	return NULL;
}

static const char *take_readonly(struct volume_config *v, const char *value)
{
	(void)value;
	v->read_only = true;
	return NULL;
}

static const char *take_shared(struct volume_config *v, const char *value)
{
	(void)value;
	v->shared = true;
	return NULL;
}

static const char *take_recover(struct volume_config *v, const char *value)
{
	(void)value;
	v->recover = true;
	return NULL;
}

/* The name becomes the end of an iSCSI name: RFC 3722 leaves these characters. */
static bool name_is_good(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-:");

	return n && !name[n] && n < CONFIG_NAME_BYTES;
}

static const char *take_target(struct volume_config *v, const char *value)
{
	if (!strncmp(value, "iqn.", 4))
		return "the end of the target's name alone, what follows " TARGET_NAME_PREFIX;
	if (!name_is_good(value))
		return "the end of the target's name: up to 127 of a-z, 0-9, '.', '-' and ':'";
	strcpy(v->target, value);
	return NULL;
}

static const char *take_lun(struct volume_config *v, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || n > CONFIG_MAX_LUN)
		return "a number from 0 to 16383";
	v->lun = (unsigned)n;
	v->has_lun = true;
	return NULL;
}

static const struct key keys[] = {
	{ "path", true, take_path },
	{ "size", true, take_size },
	{ "cache", true, take_cache },
	{ "writethrough", false, take_writethrough },
	{ "block-size", true, take_block_size },
	{ "readonly", false, take_readonly },
	{ "target", true, take_target },
	{ "lun", true, take_lun },
	{ "shared", false, take_shared },
	{ "recover", false, take_recover },
	{ "id", true, take_id },
};

static int take_key(struct volume_config *v, unsigned *seen, char *item, char *why, size_t why_cap)
{
	char *value = strchr(item, '=');
	const char *wanted;

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, item) != 0)
			continue;
		if (keys[i].has_value != (value != NULL)) {
			snprintf(why, why_cap, "--volume %s: '%s' %s", v->name, item,
				 value ? "takes no value" : "needs a value, as in key=value");
			return -EINVAL;
		}
		if (*seen & 1u << i) {
			snprintf(why, why_cap, "--volume %s: '%s' is given twice; leave one out",
				 v->name, item);
			return -EINVAL;
		}
		*seen |= 1u << i;
		wanted = keys[i].take(v, value);
		if (!wanted)
			return 0;
		snprintf(why, why_cap, "--volume %s: %s=%.160s is not right: give %s", v->name,
			 item, value ? value : "", wanted);
		return -EINVAL;
	}
	snprintf(why, why_cap,
		 "--volume %s: unknown key '%.100s'; there are path, size, cache, writethrough, "
		 "block-size, readonly, target, lun, shared, recover, id (and no value can have a "
		 "comma)",
		 v->name, item);
	return -EINVAL;
}

static int check(const struct volume_config *v, char *why, size_t why_cap)
{
	bool made_up;

	if (!v->path) {
		snprintf(why, why_cap,
			 "--volume %s: path= is missing; give path=FILE, path=DEVICE, path=memory: "
			 "or path=null:",
			 v->name);
		return -EINVAL;
	}
	made_up = !strcmp(v->path, "memory:") || !strcmp(v->path, "null:");
	if (made_up && !v->size_bytes) {
		snprintf(why, why_cap, "--volume %s: path=%s needs a size, as in size=1G", v->name,
			 v->path);
		return -EINVAL;
	}
	if (v->size_bytes % v->block_bytes) {
		snprintf(why, why_cap,
			 "--volume %s: size=%llu is no multiple of the block size %u; give a size "
			 "that is",
			 v->name, (unsigned long long)v->size_bytes, v->block_bytes);
		return -EINVAL;
	}
	return 0;
}

int volume_config_parse(struct volume_config *v, const char *spec, char *why, size_t why_cap)
{
	char *text = strdup(spec), *rest = text, *item;
	unsigned seen = 0;
	int rc = -EINVAL;

	*v = (struct volume_config){ .block_bytes = 512, .cache = BS_CACHE_DIRECT };
	if (!text) {
		snprintf(why, why_cap, "--volume %s: out of memory", spec);
		return -ENOMEM;
	}
	item = strsep(&rest, ",");
	if (!name_is_good(item)) {
		snprintf(why, why_cap,
			 "--volume '%.160s': a volume begins with its name, up to %d of a-z, 0-9, "
			 "'.', '-' and ':', then a comma",
			 item, CONFIG_NAME_BYTES - 1);
		goto out;
	}
	strcpy(v->name, item);
	strcpy(v->target, item);
	while ((item = strsep(&rest, ",")))
		if (take_key(v, &seen, item, why, why_cap))
			goto out;
	rc = check(v, why, why_cap);
out:
	free(text);
	return rc;
}
