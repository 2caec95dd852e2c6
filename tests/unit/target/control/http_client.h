/* A client of the HTTP server that sends what it is told, byte for byte. */
#pragma once

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_CAP = 1 << 20, CLIENT_WAIT_MS = 20000 };

static inline int client_open(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static inline void client_send(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		assert_true(n > 0);
		bytes += n;
		len -= (size_t)n;
	}
}

/* One answer, by its Content-Length, into @out; its status, or 0 where the peer closed before it
 * was whole. HEAD: no body comes. */
static inline int client_answer(int fd, char *out, size_t cap, int is_head)
{
	size_t len = 0, need = SIZE_MAX;
	int status = 0;

	while (len < need) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		const char *head_end, *length;
		ssize_t n;

		assert_int_equal(poll(&p, 1, CLIENT_WAIT_MS), 1);
		assert_true(len + 1 < cap);
		/* a byte at a time up to the body: what follows belongs to the next answer */
		n = recv(fd, out + len, need == SIZE_MAX ? 1 : need - len, 0);
		if (n <= 0)
			return 0;
		len += (size_t)n;
		out[len] = '\0';
		head_end = need == SIZE_MAX ? strstr(out, "\r\n\r\n") : NULL;
		if (!head_end)
			continue;
		assert_int_equal(sscanf(out, "HTTP/1.1 %d", &status), 1);
		length = strcasestr(out, "\r\nContent-Length: ");
		need = (size_t)(head_end - out) + 4;
		if (length && !is_head && status != 100)
			need += strtoul(length + 18, NULL, 10);
		if (status == 100) {
			len = 0;
			need = SIZE_MAX;
		}
	}
	return status;
}

static inline const char *answer_body(const char *answer)
{
	return strstr(answer, "\r\n\r\n") + 4;
}

static inline int client_call_on(int fd, char *out, const char *method, const char *url,
				 const char *body)
{
	char head[4096];
	int n = snprintf(head, sizeof(head),
			 "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", method, url,
			 body ? strlen(body) : 0);

	client_send(fd, head, (size_t)n);
	if (body)
		client_send(fd, body, strlen(body));
	return client_answer(fd, out, ANSWER_CAP, strcmp(method, "HEAD") == 0);
}

static inline int client_call(const char *path, char *out, const char *method, const char *url,
			      const char *body)
{
	int fd = client_open(path), status = client_call_on(fd, out, method, url, body);

	close(fd);
	return status;
}
