/* Internet addresses as text, and what kind they are. Pure. */
#pragma once

#include "backstore/base/compiler.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

enum {
	SOCKADDR_TEXT_BYTES = 64, /* "[", 45 of address, "]:65535" and the NUL */
};

/* ADDR:PORT or [ADDR6]:PORT, a v4-mapped address as IPv4; "?" for other families. @port in
 * network order, as the address has it or another. */
void sockaddr_text(const struct sockaddr_storage *sa, in_port_t port,
		   char out[static SOCKADDR_TEXT_BYTES]);
/* "A.B.C.D", "A.B.C.D:P", "[X::Y]:P", "[X::Y]", "X::Y"; without a port 3260. A v4-mapped address
 * becomes IPv4. -EINVAL: it is none. */
int sockaddr_parse(struct sockaddr_storage *sa, const char *text) MUST_CHECK;
/* v4-mapped ones become IPv4, others stay. */
void sockaddr_unmap(struct sockaddr_storage *sa);
/* All zeros: stands for every address of its family. */
bool sockaddr_is_any(const struct sockaddr_storage *sa);
/* Address and port. */
bool sockaddr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
/* As @sa is, or for it: all zeros with its family and port. */
bool sockaddr_covers(const struct sockaddr_storage *portal, const struct sockaddr_storage *sa);
void sockaddr_set_port(struct sockaddr_storage *sa, in_port_t port); /* in network order */
/* In network order. IPv4 and IPv6 only, as the next one. */
in_port_t sockaddr_port(const struct sockaddr_storage *sa);
bool sockaddr_is_loopback(const struct sockaddr_storage *sa);
