/* One place where addresses become text: logs, SendTargets and messages agree on it. */
#include "target/iscsi/sockaddr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

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
