/* Telling reactors, and waiting until they have taken note. With the node's change_lock held. */
#pragma once

#include "target/iscsi/reactor.h"

/* On the reactor's thread. */
typedef void round_fn(struct iscsi_reactor *r, void *arg);

/* Nothing where they do not run: then they have no connections. */
void round_all(struct iscsi_node *node, round_fn *run, void *arg);
void round_one(struct iscsi_node *node, struct iscsi_reactor *r, round_fn *run, void *arg);
