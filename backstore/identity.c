/* The sidecar file: text, one key=value a line, '#' comments.
 *
 *   # ringlun: the identity of the volume beside this file. …
 *   uuid=0d5a8a0e-5f53-4b3c-9d0a-5f0c8b1f6a11
 *
 * It appears whole or not at all: written under another name, synced, renamed without
 * replacing (whoever was first wins, and all read that one), directory synced. Unknown
 * keys are a later version's, and ignored. */
#include "backstore/identity.h"

#include "backstore/dirsync.h"
#include "backstore/why.h"

#include "backstore/base/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDECAR_MAX_BYTES = 4096 };

static int read_all(const char *path, char text[static SIDECAR_MAX_BYTES + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	while (n > 0 && len < SIDECAR_MAX_BYTES) {
		n = read(fd, text + len, SIDECAR_MAX_BYTES - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		rc = -errno;
	else if (len == SIDECAR_MAX_BYTES || memchr(text, '\0', len))
		rc = -EBADMSG;
	text[len] = '\0';
	close(fd);
	return rc;
}

/* 0, or -EBADMSG: not exactly one uuid= line, or a line that is none of ours. */
static int parse(char *text, uint8_t out[static 16])
{
	bool found = false;
	char *save, *line;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line == '#')
			continue;
		if (!strchr(line, '='))
			return -EBADMSG;
		if (strncmp(line, "uuid=", 5))
			continue;
		if (found || uuid_parse(line + 5, out))
			return -EBADMSG;
		found = true;
	}
	return found ? 0 : -EBADMSG;
}

static int load(const char *path, uint8_t out[static 16])
{
	char text[SIDECAR_MAX_BYTES + 1];
	int rc = read_all(path, text);

	return rc ? rc : parse(text, out);
}

static int write_temp(int fd, const uint8_t uuid[static 16])
{
	char id[UUID_TEXT_BYTES], text[256];
	int len;

	uuid_format(uuid, id);
	len = snprintf(text, sizeof(text),
		       "# ringlun: the identity of the volume beside this file, as initiators "
		       "know it.\n# Keep it with the data.\nuuid=%s\n",
		       id);
	if (write(fd, text, (size_t)len) != len)
		return errno ? -errno : -ENOSPC;
	if (fchmod(fd, 0644) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

/* -EEXIST: somebody else was first. */
static int rename_into_place(const char *temp, const char *path)
{
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* a file system without it: a link does not replace either */
	if (link(temp, path) < 0)
		return -errno;
	return unlink(temp) < 0 ? -errno : 0;
}

static int store_as(char *temp, const char *path, const uint8_t uuid[static 16])
{
	int fd = mkostemp(temp, O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	errno = 0;
	rc = write_temp(fd, uuid);
	close(fd);
	if (!rc)
		rc = rename_into_place(temp, path);
	if (rc)
		(void)unlink(temp); /* best effort: there is an error to report already */
	return rc;
}

static int store(const char *path, const uint8_t uuid[static 16])
{
	char *temp;
	int rc;

	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	rc = store_as(temp, path, uuid);
	free(temp);
	return rc;
}

static int create(const char *path, const uint8_t *given_or_null, uint8_t out[static 16])
{
	int rc = 0;

	if (given_or_null)
		memcpy(out, given_or_null, 16);
	else
		rc = uuid_generate(out);
	if (!rc)
		rc = store(path, out);
	if (rc == -EEXIST)
		rc = load(path, out);
	return rc ? rc : dirsync_of(path);
}

int identity_load(const char *path, const uint8_t *given_or_null, uint8_t out[static 16], char *why,
		  size_t why_cap)
{
	char kept[UUID_TEXT_BYTES], given[UUID_TEXT_BYTES];
	int rc = load(path, out);

	if (rc == -ENOENT)
		rc = create(path, given_or_null, out);
	if (rc == -EBADMSG)
		return why_say(why, why_cap, rc,
			       "%s, which keeps the volume's identity, is damaged: put the line "
			       "uuid=<the volume's UUID> back into it, or remove it (initiators "
			       "will then see a new disk)",
			       path);
	if (rc)
		return why_say(why, why_cap, rc,
			       "%s, which keeps the volume's identity, cannot be used: %s; make "
			       "its directory writable",
			       path, strerror(-rc));
	if (!given_or_null || !memcmp(given_or_null, out, 16))
		return 0;
	uuid_format(out, kept);
	uuid_format(given_or_null, given);
	return why_say(why, why_cap, -EEXIST,
		       "%s says that this volume is %s, not %s; leave the id out, or correct that "
		       "file",
		       path, kept, given);
}
