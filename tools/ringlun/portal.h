/* Portals: addresses where initiators come in. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* The one to tell an initiator's operator, of the server's list: one that others can reach rather
 * than loopback; in the place of 0.0.0.0 and [::] this host's name, or the one that @server
 * (ADDR:PORT) has. NULL: there is none. To be freed. */
char *portal_for_people(const json_t *portals, const char *server, bool server_is_local);
bool portal_is_loopback(const char *portal);
