/* The state file: what was acknowledged, whole, whatever happens while it is written.
 *
 * Blocking; one call at a time. */
#pragma once

#include "target/control/model.h"

struct state_file;

/* Locks DIR/state.lock and reads DIR/state.json; @m is empty where there is none. -EBUSY: another
 * server has it; -EBADMSG: it is damaged: @why says the line, what, and the way out, and it is
 * left alone. */
int state_file_open(struct state_file **out, const char *dir, struct model *m, char *why,
		    size_t why_cap) MUST_CHECK;
/* Durable when it returns 0; on failure the old one stands, on the disk as well. Mode 0600. */
int state_file_store(struct state_file *f, const struct model *m, char *why,
		     size_t why_cap) MUST_CHECK;
void state_file_close(struct state_file *f);
