/* Portal addresses as they are given: 10.0.0.1, 10.0.0.1:3260, [fd00::1]:3260, fd00::1. */
#include "target/config.h"

#include "target/iscsi/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 3260 }; /* RFC 7143 14 */

static int parse_port(const char *text, in_port_t *out)
{
	char *end;
	unsigned long port;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	port = strtoul(text, &end, 10);
	if (*end || port > UINT16_MAX)
		return -EINVAL;
	*out = htons((uint16_t)port);
	return 0;
}

/* Splits "[A]:P", "A:P", "A" in place; a bare IPv6 address has more than one colon. */
static const char *split(char *text, char **addr)
{
	char *colon = strrchr(text, ':'), *bracket;

	*addr = text;
	if (*text == '[') {
		bracket = strchr(text, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return NULL;
		*addr = text + 1;
		*bracket = '\0';
		return bracket[1] ? bracket + 2 : "3260";
	}
	if (!colon || strchr(text, ':') != colon)
		return "3260";
	*colon = '\0';
	return colon + 1;
}

int listen_config_parse(struct listen_config *l, const char *spec, char *why, size_t why_cap)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&l->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&l->addr;
	char text[sizeof(l->text)], *addr;
	const char *port_text;
	in_port_t port = htons(DEFAULT_PORT);

	memset(l, 0, sizeof(*l));
	if (strlen(spec) >= sizeof(text))
		goto bad;
	strcpy(text, spec);
	strcpy(l->text, spec);
	port_text = split(text, &addr);
	if (!port_text)
		goto bad;
	if (parse_port(port_text, &port)) {
		snprintf(why, why_cap, "--listen %s: '%s' is no port; give 0 to 65535, or none",
			 spec, port_text);
		return -EINVAL;
	}
	if (inet_pton(AF_INET, addr, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		return 0;
	}
	/* an IPv4 address in disguise cannot be bound to an IPv6-only socket */
	if (inet_pton(AF_INET6, addr, &in6->sin6_addr) == 1 &&
	    !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		return 0;
	}
bad:
	snprintf(why, why_cap,
		 "--listen '%.100s': not an address; give an IPv4 or IPv6 address in numbers (not "
		 "the name of a host or an interface) with an optional port, as in 192.0.2.1, "
		 "192.0.2.1:3260 or [2001:db8::1]:3260",
		 spec);
	return -EINVAL;
}

static bool is_any(const struct listen_config *l)
{
	if (l->addr.ss_family == AF_INET)
		return !((const struct sockaddr_in *)&l->addr)->sin_addr.s_addr;
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)&l->addr)->sin6_addr);
}

bool listen_config_overlaps(const struct listen_config *a, const struct listen_config *b)
{
	const struct sockaddr_in *a4 = (const void *)&a->addr, *b4 = (const void *)&b->addr;
	const struct sockaddr_in6 *a6 = (const void *)&a->addr, *b6 = (const void *)&b->addr;

	if (a->addr.ss_family != b->addr.ss_family)
		return false;
	if (!a4->sin_port || a4->sin_port != b4->sin_port) /* sin6_port is at the same place */
		return false;
	if (is_any(a) || is_any(b))
		return true;
	return a->addr.ss_family == AF_INET ? a4->sin_addr.s_addr == b4->sin_addr.s_addr
					    : IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

bool listen_config_is_loopback(const struct listen_config *l)
{
	return sockaddr_is_loopback(&l->addr);
}
