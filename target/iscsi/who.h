/* Whom a line of the log is about. */
#pragma once

struct conn;

/* The peer's address, the initiator, the target, as far as they have said who they are ("-"). */
#define WHO	  "%s %s %s"
#define WHO_OF(c) who_peer(c), who_initiator(c), who_target(c)

const char *who_peer(const struct conn *c);
const char *who_initiator(const struct conn *c);
const char *who_target(const struct conn *c);
