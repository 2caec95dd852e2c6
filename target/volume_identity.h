/* Which disk a volume is: its UUID, and whether what lies at its path is what was
 * served before. Blocking: for opening. */
#pragma once

#include "target/config.h"

#include "backstore/identity.h"

struct volume_identity {
	struct identity kept; /* as it was found, or made */
	struct identity now;  /* of what is there; size_bytes: see volume_identity_keep */
	char *path;	      /* of the sidecar; NULL: it is kept nowhere */
};

/* path= says memory: or null:. */
bool volume_is_made_up(const struct volume_config *v);

/* Finds or makes it, and refuses data that it does not fit. Makes nothing where the volume
 * cannot be opened anyway. On failure @why has the sentence. volume_identity_fini in any case. */
int volume_identity_load(struct volume_identity *id, const struct volume_config *v,
			 const char *state_dir, char *why, size_t why_cap) MUST_CHECK;
/* The volume is open, locked, and has @size_bytes: checks that, and keeps it. */
int volume_identity_keep(struct volume_identity *id, const struct volume_config *v,
			 uint64_t size_bytes, char *why, size_t why_cap) MUST_CHECK;
void volume_identity_fini(struct volume_identity *id);
