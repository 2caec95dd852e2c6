/* From sysfs, whose attributes are small texts; the first that says something is taken.
 * A partition's folder lies in its disk's. */
#include "backstore/device_id.h"

#include "backstore/base/compiler.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { VALUE_BYTES = 1024, DIR_BYTES = 256, KEPT_BYTES = 300 };

static const char partuuid[] = " partuuid:";

/* Blanks at the ends go; what is not printable, or a line's end, must not get into ours. */
static void tidy(char *s)
{
	size_t n = strlen(s), skip = 0;

	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	while (isspace((unsigned char)s[skip]))
		skip++;
	memmove(s, s + skip, n - skip + 1);
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			*s = '_';
}

static bool read_text(char out[static VALUE_BYTES], const char *dir, const char *name)
{
	char path[DIR_BYTES + 32];
	ssize_t n;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, out, VALUE_BYTES - 1);
	close(fd);
	out[MAX(n, 0)] = '\0';
	return n > 0;
}

/* False where there is none, or nothing in it. */
static bool read_value(char out[static VALUE_BYTES], const char *dir, const char *name)
{
	if (!read_text(out, dir, name))
		return false;
	tidy(out);
	return *out;
}

/* A line "NAME=value" of the partition's uevent. */
static bool read_partuuid(char out[static VALUE_BYTES], const char *dir)
{
	char text[VALUE_BYTES], *at;

	if (!read_text(text, dir, "uevent"))
		return false;
	at = strstr(text, "\nPARTUUID=");
	if (!at)
		return false;
	at += strlen("\nPARTUUID=");
	at[strcspn(at, "\n")] = '\0';
	strcpy(out, at);
	tidy(out);
	return *out;
}

/* All of it, or, where that is too long, the end: paths differ there. */
static const char *last_part(const char *value)
{
	size_t n = strlen(value);

	return n > KEPT_BYTES ? value + n - KEPT_BYTES : value;
}

static void read_disk(char out[static DEVICE_ID_BYTES], const char *dir)
{
	static const struct {
		const char *word, *name;
	} t[] = {
		{ "dm", "dm/uuid" },	       { "wwid", "wwid" },     { "wwid", "device/wwid" },
		{ "serial", "device/serial" }, { "serial", "serial" }, { "cid", "device/cid" },
	};
	char value[VALUE_BYTES], offset[VALUE_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		if (!read_value(value, dir, t[i].name))
			continue;
		snprintf(out, DEVICE_ID_BYTES, "%s:%.300s", t[i].word, last_part(value));
		return;
	}
	if (read_value(value, dir, "loop/backing_file") && read_value(offset, dir, "loop/offset"))
		snprintf(out, DEVICE_ID_BYTES, "loop:%.300s@%.20s", last_part(value), offset);
	else
		snprintf(out, DEVICE_ID_BYTES, "unknown");
}

void device_id_read(char out[static DEVICE_ID_BYTES], const char *sys, dev_t dev)
{
	char dir[DIR_BYTES - 4], disk[DIR_BYTES], value[VALUE_BYTES];
	size_t n;

	snprintf(dir, sizeof(dir), "%s/dev/block/%u:%u", sys, major(dev), minor(dev));
	if (!read_value(value, dir, "partition")) {
		read_disk(out, dir);
		return;
	}
	snprintf(disk, sizeof(disk), "%s/..", dir);
	read_disk(out, disk);
	n = strlen(out);
	n += (size_t)snprintf(out + n, DEVICE_ID_BYTES - n, " part:%.20s", value);
	if (read_partuuid(value, dir))
		snprintf(out + n, DEVICE_ID_BYTES - n, "%s%.80s", partuuid, value);
}

bool device_id_is_same(const char *a, const char *b)
{
	const char *part_a = strstr(a, partuuid), *part_b = strstr(b, partuuid);
	size_t head_a = part_a ? (size_t)(part_a - a) : strlen(a);
	size_t head_b = part_b ? (size_t)(part_b - b) : strlen(b);

	if (head_a != head_b || memcmp(a, b, head_a) != 0)
		return false;
	return !part_a || !part_b || !strcmp(part_a, part_b);
}
