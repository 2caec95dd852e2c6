/* The protocol of sd_notify(3) is one datagram, promised to stay as it is: not worth a library of
 * many parts in the process that has everybody's data. */
#include "target/notify.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len)
		return;
	if (len >= sizeof(addr.sun_path) || (*path != '/' && *path != '@')) {
		log_error(
			"NOTIFY_SOCKET=%s is no socket's address; the service manager is not told "
			"%s",
			path, state);
		return;
	}
	memcpy(addr.sun_path, path, len);
	if (*path == '@') /* of the abstract namespace */
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_error("cannot tell the service manager %s at %s: %s", state, path,
			  strerror(errno));
	if (fd >= 0)
		close(fd);
}
