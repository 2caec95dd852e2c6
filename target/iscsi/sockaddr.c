/* One place where addresses become text: logs, SendTargets and messages agree on it. */
#include "target/iscsi/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 3260 }; /* RFC 7143 14 */

void sockaddr_text(const struct sockaddr_storage *sa, in_port_t port,
		   char out[static SOCKADDR_TEXT_BYTES])
{
	const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
	char addr[INET6_ADDRSTRLEN] = "?";

	if (sa->ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, addr, sizeof(addr));
	} else if (sa->ss_family != AF_INET6) {
		strcpy(out, "?");
		return;
	} else if (IN6_IS_ADDR_V4MAPPED(in6)) {
		inet_ntop(AF_INET, in6->s6_addr + 12, addr, sizeof(addr));
	} else {
		inet_ntop(AF_INET6, in6, addr, sizeof(addr));
		snprintf(out, SOCKADDR_TEXT_BYTES, "[%s]:%u", addr, ntohs(port));
		return;
	}
	snprintf(out, SOCKADDR_TEXT_BYTES, "%s:%u", addr, ntohs(port));
}

in_port_t sockaddr_port(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? ((const struct sockaddr_in *)sa)->sin_port
					: ((const struct sockaddr_in6 *)sa)->sin6_port;
}

bool sockaddr_is_loopback(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

bool sockaddr_is_any(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ((const struct sockaddr_in *)sa)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

bool sockaddr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->ss_family != b->ss_family || sockaddr_port(a) != sockaddr_port(b))
		return false;
	return a->ss_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
				       : IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

bool sockaddr_covers(const struct sockaddr_storage *portal, const struct sockaddr_storage *sa)
{
	return sockaddr_equal(portal, sa) ||
	       (sockaddr_is_any(portal) && portal->ss_family == sa->ss_family &&
		sockaddr_port(portal) == sockaddr_port(sa));
}

void sockaddr_set_port(struct sockaddr_storage *sa, in_port_t port)
{
	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = port;
	else
		((struct sockaddr_in6 *)sa)->sin6_port = port;
}

void sockaddr_unmap(struct sockaddr_storage *sa)
{
	const struct sockaddr_in6 six = *(const struct sockaddr_in6 *)sa;
	struct sockaddr_in *four = (struct sockaddr_in *)sa;

	if (sa->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&six.sin6_addr))
		return;
	memset(sa, 0, sizeof(*sa));
	four->sin_family = AF_INET;
	four->sin_port = six.sin6_port;
	memcpy(&four->sin_addr, six.sin6_addr.s6_addr + 12, sizeof(four->sin_addr));
}

/* Cuts "[A]:P", "A:P", "A" in place; a bare IPv6 address has more than one colon. NULL in *@port:
 * none was given. False: it is neither. */
static bool split(char *text, const char **addr, const char **port)
{
	char *colon = strrchr(text, ':'), *bracket;

	*addr = text;
	*port = NULL;
	if (*text == '[') {
		bracket = strchr(text, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return false;
		*addr = text + 1;
		*port = bracket[1] ? bracket + 2 : NULL;
		*bracket = '\0';
	} else if (colon && strchr(text, ':') == colon) {
		*colon = '\0';
		*port = colon + 1;
	}
	return true;
}

static bool parse_port(const char *text, in_port_t *out)
{
	unsigned long port = DEFAULT_PORT;
	char *end;

	if (text) {
		if (*text < '0' || *text > '9')
			return false;
		port = strtoul(text, &end, 10);
		if (*end || port > UINT16_MAX)
			return false;
	}
	*out = htons((uint16_t)port);
	return true;
}

int sockaddr_parse(struct sockaddr_storage *sa, const char *spec)
{
	struct sockaddr_in *four = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)sa;
	char text[SOCKADDR_TEXT_BYTES];
	const char *addr, *port_text;
	in_port_t port;

	memset(sa, 0, sizeof(*sa));
	if (strlen(spec) >= sizeof(text))
		return -EINVAL;
	strcpy(text, spec);
	if (!split(text, &addr, &port_text) || !parse_port(port_text, &port))
		return -EINVAL;
	if (inet_pton(AF_INET, addr, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = port;
		return 0;
	}
	if (inet_pton(AF_INET6, addr, &six->sin6_addr) != 1)
		return -EINVAL;
	six->sin6_family = AF_INET6;
	six->sin6_port = port;
	sockaddr_unmap(sa);
	return 0;
}
