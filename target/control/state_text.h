/* The text of the state file. */
#pragma once

#include "target/control/model.h"

/* @path is for sentences. -EBADMSG: damaged, with the line and the way out; -ENOTSUP: newer. */
int state_text_read(struct model *m, const char *text, size_t len, const char *path, char *why,
		    size_t why_cap) MUST_CHECK;
/* malloc'ed; state_text_free. -ENOMEM. */
int state_text_write(const struct model *m, char **text, size_t *len) MUST_CHECK;
/* Overwrites it first. */
void state_text_free(char *text, size_t len);
