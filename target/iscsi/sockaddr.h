/* Internet addresses as text, and what kind they are. Pure. */
#pragma once

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
/* In network order. IPv4 and IPv6 only, as the next one. */
in_port_t sockaddr_port(const struct sockaddr_storage *sa);
bool sockaddr_is_loopback(const struct sockaddr_storage *sa);
