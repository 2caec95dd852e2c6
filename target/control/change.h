/* One change of what is served, and the node's taking note of it. Part of control_priv.h. */
#pragma once

#include "target/control/control_priv.h"

struct change {
	struct control *c;
	struct model next; /* a copy of the model, to be changed */
	char **touched;	   /* names of targets that the node is to look at again */
	unsigned ntouched;
	bool discovery; /* it is to look at that again, too */
};

/* Takes the lock. False, with @e: changes are refused, or there is no memory; nothing is held. */
bool change_begin(struct change *ch, struct control *c, struct api_error *e) MUST_CHECK;
bool change_touch(struct change *ch, const char *target, struct api_error *e) MUST_CHECK;
/* Stores the next model, makes it the model, and has the node look at the targets. Where the node
 * cannot follow, the old model is stored again. change_end is still to be called. */
bool change_commit(struct change *ch, struct api_error *e) MUST_CHECK;
void change_end(struct change *ch);

struct model_target *change_target(struct change *ch, const char *name);
/* A target of the next model, made where there is none. NULL, with @e: no memory. */
struct model_target *change_need_target(struct change *ch, const char *name, struct api_error *e);
bool change_add_lun(struct change *ch, struct model_target *t, unsigned lun, const char *volume,
		    struct api_error *e) MUST_CHECK;
void change_remove_lun(struct model_target *t, unsigned lun);
/* The first number that is free for the volume of @uuid, of intents and shown_lun_is_free, too. */
bool change_free_lun(const struct change *ch, const char *target, const uint8_t *uuid,
		     unsigned *lun, struct api_error *e) MUST_CHECK;
/* Free, or @e says who has it. */
bool change_check_lun(const struct change *ch, const char *target, unsigned lun,
		      struct api_error *e) MUST_CHECK;
bool change_add_intent(struct change *ch, const struct model_intent *i,
		       struct api_error *e) MUST_CHECK;
void change_remove_intent(struct change *ch, const uint8_t id[static 16]);

/* --- the node (shown.c): with change ---------------------------------------------------------- */

/* Makes the node's target what the model says of it, with what is open of its volumes. */
bool shown_sync(struct control *c, const char *target, struct api_error *e) MUST_CHECK;
bool shown_sync_volume(struct control *c, const char *volume, struct api_error *e) MUST_CHECK;
bool shown_sync_discovery(struct control *c, struct api_error *e) MUST_CHECK;
/* By the target's own rules, as they are now. */
bool shown_admits(struct control *c, const char *target, const struct iscsi_session_info *session);
/* No other volume than @uuid's (NULL: any) has left this number while somebody was logged in who is
 * there yet: what he has not written so far would go to the new one. */
bool shown_lun_is_free(struct control *c, const char *target, unsigned lun, const uint8_t *uuid);
void shown_free_all(struct control *c);
