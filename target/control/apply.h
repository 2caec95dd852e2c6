/* ringlun apply: from what is to what a document wants, in three steps of the state file at most.
 *
 *   pools, portals: made, listened to       each by itself
 *   change: volumes that are to be made     intents
 *     their data; volumes that grow
 *   change: all the rest at once            targets, portals, discovery, volumes that go
 *     the data of those that go
 *   change: the last intents
 *
 * Where something fails before the second change, what was made is taken back. Where another call
 * has changed meanwhile what a step changes, that is a failure, too: the document was planned, and
 * what it leaves out filled in, by what was there. */
#pragma once

#include "target/control/op.h"
#include "target/control/plan.h"
#include "target/control/volume_ops.h"

struct apply {
	struct op *op;
	struct control *c;
	struct model now, wanted;
	struct plan plan;
	struct making *makings;
	unsigned nmakings;
	struct leaving *leavings;
	unsigned nleavings;
	unsigned nlistening;		 /* of the portals that are new, the first ones */
	const struct model_pool **pools; /* that were added, of wanted */
	unsigned npools;
	unsigned ndone;
	struct api_error *e;
};

/* Reads both documents and plans. Once; apply_fini in any case. */
bool apply_prepare(struct apply *a) MUST_CHECK;
/* Plans anew, by what is there now. */
bool apply_plan_again(struct apply *a) MUST_CHECK;
bool apply_check(struct apply *a) MUST_CHECK;
bool apply_run(struct apply *a) MUST_CHECK;
void apply_fini(struct apply *a);
