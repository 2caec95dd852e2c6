/* Sockets that listen.
 *
 * The unix socket is bound to a name beside its own, and takes its own only when it listens with
 * the right mode: nobody ever meets one that is open to all, and none is missing while a dead
 * server's is replaced. bind(2) makes it with the mode that the descriptor has, so that no umask
 * has to be changed under threads that make files meanwhile. */
#include "target/control/http_priv.h"

#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512 };

static int set_path(struct sockaddr_un *un, const char *path, char *why, size_t why_cap)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(un->sun_path)) {
		snprintf(why, why_cap,
			 "%s: the name of a socket has %zu bytes at most, and this has %zu; give a "
			 "shorter --runtime",
			 path, sizeof(un->sun_path) - 1, strlen(path));
		return -ENAMETOOLONG;
	}
	strcpy(un->sun_path, path);
	return 0;
}

/* 0: nothing is in the way but, maybe, the socket of a dead server. */
static int check_free(const struct sockaddr_un *un, char *why, size_t why_cap)
{
	struct stat st;
	int fd, rc = 0;

	if (lstat(un->sun_path, &st))
		return 0; /* ENOENT; whatever else there is bind() will meet as well */
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, why_cap, "%s is there, and is no socket; move it away", un->sun_path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: it lives, and is busy */
	if (!connect(fd, (const struct sockaddr *)un, sizeof(*un)) || errno == EAGAIN ||
	    errno == EACCES) {
		snprintf(why, why_cap,
			 "another server answers at %s; stop it, or give another --runtime",
			 un->sun_path);
		rc = -EADDRINUSE;
	}
	close(fd);
	return rc;
}

static int bind_private(int fd, const struct sockaddr_un *un)
{
	struct stat st;

	if (fchmod(fd, S_IRUSR | S_IWUSR))
		return -errno;
	unlink(un->sun_path); /* of one that died here with our pid */
	if (bind(fd, (const struct sockaddr *)un, sizeof(*un)))
		return -errno;
	if (chmod(un->sun_path, S_IRUSR | S_IWUSR) || lstat(un->sun_path, &st))
		return -errno;
	return (st.st_mode & 07777) == (S_IRUSR | S_IWUSR) ? 0 : -EPERM;
}

static int listen_and_take_name(struct http *h, int fd, const char *temporary, const char *path)
{
	struct stat st;

	if (listen(fd, BACKLOG) || lstat(temporary, &st) || rename(temporary, path))
		return -errno;
	h->socket_dev = st.st_dev;
	h->socket_ino = st.st_ino;
	return 0;
}

int http_listen_unix(struct http *h, const char *path, char *why, size_t why_cap)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;
	struct sockaddr_un un, temporary;
	char name[sizeof(un.sun_path) + 32];
	int fd, rc = set_path(&un, path, why, why_cap);

	if (rc)
		return rc;
	snprintf(name, sizeof(name), "%.*s.api.%d", dir_len, path, (int)getpid());
	rc = set_path(&temporary, name, why, why_cap);
	if (!rc)
		rc = check_free(&un, why, why_cap);
	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		rc = -errno;
	if (!rc)
		rc = bind_private(fd, &temporary);
	if (!rc)
		rc = listen_and_take_name(h, fd, name, path);
	if (!rc)
		return fd;
	if (fd >= 0) {
		unlink(name);
		close(fd);
	}
	snprintf(why, why_cap,
		 "cannot make the socket %s: %s; give a --runtime that can be "
		 "written to",
		 path, strerror(-rc));
	return rc;
}

void http_unlink_socket(const struct http *h)
{
	struct stat st;

	if (!lstat(h->socket_path, &st) && st.st_dev == h->socket_dev && st.st_ino == h->socket_ino)
		unlink(h->socket_path);
}

/* Without a port sockaddr_parse takes that of iSCSI. */
static bool has_port(const char *text)
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');

	return colon && colon[1] && (bracket ? colon > bracket : strchr(text, ':') == colon);
}

int http_listen_tcp(const char *text, char *why, size_t why_cap)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len;
	int fd, one = 1, rc;

	if (!has_port(text) || sockaddr_parse(&sa, text)) {
		snprintf(why, why_cap,
			 "--api '%.100s': give an address in numbers and a port, as in "
			 "127.0.0.1:8080 or [::1]:8080",
			 text);
		return -EINVAL;
	}
	len = sa.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) &&
	    (sa.ss_family != AF_INET6 ||
	     !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one))) &&
	    !bind(fd, (const struct sockaddr *)&sa, len) && !listen(fd, BACKLOG))
		return fd;
	rc = -errno;
	if (fd >= 0)
		close(fd);
	snprintf(why, why_cap,
		 "cannot listen on --api %s: %s; give an address of this host, and a port that "
		 "nobody uses (ss -ltnp)",
		 text, strerror(-rc));
	return rc;
}
