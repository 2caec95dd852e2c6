/* /sys/dev/block/MAJOR:MINOR/queue, which a partition has one level up. */
#include "backstore/queue_info.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

uint64_t queue_info_number(dev_t dev, const char *name, uint64_t otherwise)
{
	static const char *const at[] = { "queue", "../queue" };
	char path[160], text[32];

	for (int i = 0; i < 2; i++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", major(dev), minor(dev),
			 at[i], name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n <= 0)
			break;
		text[n] = '\0';
		return strtoull(text, NULL, 10);
	}
	return otherwise;
}
