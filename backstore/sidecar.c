/* Written under another name, synced, renamed, directory synced. Created: renamed
 * without replacing, so whoever was first wins, and all read that one. */
#include "backstore/sidecar.h"

#include "backstore/dirsync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sidecar_read(const char *path, char text[static SIDECAR_MAX_BYTES + 1])
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

/* @like: whose mode and owner it gets, or NULL. */
static int fill(int fd, const char *text, const struct stat *like)
{
	size_t len = strlen(text);

	errno = 0;
	if (write(fd, text, len) != (ssize_t)len)
		return errno ? -errno : -ENOSPC;
	if (like && fchown(fd, like->st_uid, like->st_gid) < 0 && errno != EPERM)
		return -errno; /* EPERM: it is this user's from now on */
	if (fchmod(fd, like ? like->st_mode & 07777 : 0644) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int rename_no_replace(const char *temp, const char *path)
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

static int rename_over(const char *temp, const char *path)
{
	return rename(temp, path) < 0 ? -errno : 0;
}

static int put(const char *path, const char *text, const struct stat *like,
	       int (*into_place)(const char *temp, const char *path))
{
	char *temp;
	int fd, rc;

	if (strlen(text) >= SIDECAR_MAX_BYTES) /* it could not be read again */
		return -EFBIG;
	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temp, O_CLOEXEC);
	rc = fd < 0 ? -errno : fill(fd, text, like);
	if (fd >= 0) {
		close(fd);
		if (!rc)
			rc = into_place(temp, path);
		if (rc)
			(void)unlink(temp); /* there is an error to report already */
	}
	free(temp);
	return rc ? rc : dirsync_of(path);
}

int sidecar_create(const char *path, const char *text)
{
	return put(path, text, NULL, rename_no_replace);
}

int sidecar_replace(const char *path, const char *text)
{
	char *real = realpath(path, NULL);
	struct stat st;
	int rc;

	rc = !real || stat(real, &st) ? -errno : put(real, text, &st, rename_over);
	free(real);
	return rc;
}
