/* Who may log in to a target, and how: one object that never changes, shared by counting.
 *
 * A change makes a new one and puts it in the place of the old one (iscsi_node_set_policy); a login
 * that has begun goes on with the one that it found. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	POLICY_SECRET_MAX = 255, /* bytes of a CHAP secret */
	POLICY_USER_MAX = 255,
};

/* Both that are given must match. */
struct policy_rule {
	const char *initiator; /* pattern of its name (fnmatch, case is folded); NULL: any */
	const char *address;   /* "10.1.0.0/16", "2001:db8::/32", or one address; NULL: any */
};

struct policy_user {
	const char *name;
	const char *secret;
};

/* What a policy is made from: all is copied, NULL where there is none. */
struct policy_spec {
	bool shared;			 /* takes several initiator names at a time */
	bool by_default;		 /* the node's own rules count, these do not */
	const struct policy_rule *rules; /* none: nobody */
	unsigned nrules;
	const struct policy_user *users; /* CHAP: one of them must prove itself; none: no CHAP */
	unsigned nusers;
	const struct policy_user *mutual; /* proves us to an initiator that asks */
	const char *const *portals;	  /* ADDR:PORT: only by these; none: by all */
	unsigned nportals;
	const char *redirect; /* ADDR:PORT that logins are sent to; NULL: they are served */
	bool redirect_forever;
};

struct policy_secret {
	char *name;
	uint8_t *bytes; /* wiped when the policy goes */
	size_t len;
};

struct policy_subnet {
	uint8_t family; /* AF_INET, AF_INET6; 0: any address */
	uint8_t prefix_bits;
	uint8_t bytes[16];
};

struct iscsi_policy {
	_Atomic unsigned refs;
	bool shared, by_default, redirect_forever;
	struct {
		char *initiator; /* NULL: any */
		struct policy_subnet from;
	} * rules;
	unsigned nrules;
	struct policy_secret *users;
	unsigned nusers;
	struct policy_secret *mutual; /* NULL: none */
	struct sockaddr_storage *portals;
	unsigned nportals;
	char *redirect;
};

/* With one reference, the caller's. -EINVAL: @why names what is wrong. */
int policy_new(struct iscsi_policy **out, const struct policy_spec *spec, char *why,
	       size_t why_cap) MUST_CHECK;
struct iscsi_policy *policy_get(struct iscsi_policy *p);
void policy_put(struct iscsi_policy *p); /* NULL: nothing */

/* Not by_default: that is the node's to decide. */
bool policy_admits(const struct iscsi_policy *p, const char *initiator,
		   const struct sockaddr_storage *peer);
/* @here: the address that the peer has connected to. */
bool policy_is_behind(const struct iscsi_policy *p, const struct sockaddr_storage *here);
/* "A.B.C.D[/N]", "X:Y::Z[/N]"; v4-mapped ones become v4. -EINVAL with @why. */
int policy_subnet_parse(struct policy_subnet *s, const char *text, char *why,
			size_t why_cap) MUST_CHECK;
