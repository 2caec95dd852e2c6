/* fsync of a directory: see dirsync.h. */
#include "backstore/dirsync.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int dirsync_of(const char *path)
{
	char *copy = strdup(path); /* dirname cuts it */
	int fd, rc;

	if (!copy)
		return -ENOMEM;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	free(copy);
	if (rc)
		return rc;
	if (fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}
