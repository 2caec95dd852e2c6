/* The state file: what was acknowledged, whole, whatever happens while it is written.
 *
 * Blocking; one call at a time. */
#pragma once

#include "target/control/model.h"

struct state_file;

/* Makes DIR if it is not there, locks DIR/state.lock and reads DIR/state.json; where there is none
 * @m is empty (and says so: it has all parts but volumes, as what is read). -EBUSY: another server
 * has it; -EBADMSG: it is damaged: @why says the line, what, and the way out, and it is left alone;
 * -ENOTSUP: it is of a newer ringlun. */
int state_file_open(struct state_file **out, const char *dir, struct model *m, char *why,
		    size_t why_cap) MUST_CHECK;
/* Durable when it returns 0; on failure the old one stands, on the disk as well (where even putting
 * it back fails, @why says so). Mode 0600. */
int state_file_store(struct state_file *f, const struct model *m, char *why,
		     size_t why_cap) MUST_CHECK;
/* NULL: nothing. */
void state_file_close(struct state_file *f);

const char *state_file_path(const struct state_file *f);

/* What storing does to the disk, for tests that stop it anywhere. Each returns 0 or -errno, @create
 * a descriptor, @write how much it has written. */
struct state_file_sys {
	int (*create)(void *arg, int dir, const char *name); /* a new one, 0600 */
	int (*write)(void *arg, int fd, const char *bytes, size_t len);
	int (*sync)(void *arg, int fd);
	int (*rename)(void *arg, int dir, const char *from, const char *to);
	int (*unlink)(void *arg, int dir, const char *name);
	void *arg;
};
void state_file_use(struct state_file *f, const struct state_file_sys *sys); /* borrowed */
