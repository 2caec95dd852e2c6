/* Who may log in to what. */
#pragma once

#include "target/iscsi/policy.h"
#include "target/iscsi/proto.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct iscsi_node;
struct session;

/* Of a connection: where it comes from, and the address of ours that it came to. */
struct access_path {
	struct sockaddr_storage peer, here;
};

/* Sets s->target, s->policy, s->defaults, once: @target NULL is discovery. s->initiator is set.
 * Success; ISCSI_LOGIN_MOVED and its like: s->policy->redirect says where to; or why not, and @why
 * names target and rule. */
enum iscsi_login_status access_begin(struct iscsi_node *node, struct session *s, const char *target,
				     const struct access_path *path, char *why, size_t why_cap);
/* A policy was changed since: the same by the new one. It is no success where other users would
 * have had to prove themselves. */
enum iscsi_login_status access_again(struct iscsi_node *node, struct session *s,
				     const struct access_path *path, char *why, size_t why_cap);
/* What it began by still holds. With the node's lock held. */
bool access_holds(const struct iscsi_node *node, const struct session *s);

/* By a target's policy and the node's own rules (NULL: everybody). */
bool access_admits(const struct iscsi_policy *policy, const struct iscsi_policy *defaults,
		   const char *initiator, const struct sockaddr_storage *peer);
