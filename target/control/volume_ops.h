/* What is done to volumes: each in three steps, so that apply can do many in one write of the state
 * file.
 *
 *   begin    in a change: checked, claimed, an intent in the model
 *   data     in the job's thread, with no lock: the pool, the disk
 *   finish   in a change: the intent goes, what it was for is there
 *
 * A crash in between is ended by the next start (start.c). */
#pragma once

#include "target/control/control_priv.h"

/* Where a new volume is shown, or an old one is from now on. */
struct exposure {
	const char *target; /* a whole name; NULL: the volume's own */
	bool has_lun;	    /* else the first that is free */
	unsigned lun;
};

struct making {
	struct control *c;
	struct model_volume want; /* borrowed strings */
	struct served_pool *pool; /* claimed */
	struct served *s;
	char *target; /* NULL: not shown */
	unsigned lun;
	bool made;    /* the pool has it */
	bool is_step; /* of a job that counts in steps, not in bytes */
};

/* @x NULL: not shown. making_undo, or making_finish and making_end follow, where it is true. */
bool making_begin(struct making *mk, struct change *ch, const struct model_volume *want,
		  struct served_pool *pool, const struct exposure *x,
		  struct api_error *e) MUST_CHECK;
bool making_data(struct making *mk, struct job *job, struct api_error *e) MUST_CHECK;
bool making_finish(struct making *mk, struct change *ch, struct api_error *e) MUST_CHECK;
/* The change has been made. */
void making_end(struct making *mk);
/* Nothing of it is left; what cannot be taken back now is by the next start. */
void making_undo(struct making *mk);

struct leaving {
	struct control *c;
	struct served *s; /* claimed */
	char name[VPOOL_NAME_BYTES];
	enum served_state was;
	bool is_step;
};

/* @s is claimed, and is released by leaving_end. */
bool leaving_begin(struct leaving *lv, struct change *ch, struct served *s,
		   struct api_error *e) MUST_CHECK;
/* The change could not be made: as before. */
void leaving_undo(struct leaving *lv);
bool leaving_data(struct leaving *lv, struct job *job, struct api_error *e) MUST_CHECK;
void leaving_finish(struct leaving *lv, struct change *ch);
void leaving_end(struct leaving *lv);

/* --- LUNs of the next model (exposures.c) --------------------------------------------------- */

bool exposure_add(struct change *ch, const char *volume, const char *target,
		  const struct exposure *x, struct api_error *e) MUST_CHECK;
/* From @target, or, where it is NULL, from all, and adds to *@nremoved. A target that is left
 * without LUNs goes: where it is the volume's own and nobody has said anything of it; @for_good:
 * where it is either. */
bool exposure_remove(struct change *ch, const char *volume, const char *target, bool for_good,
		     unsigned *nremoved, struct api_error *e) MUST_CHECK;

/* --- whole operations (volume_ops.c), which the API's jobs do -----------------------------------
 */

bool volume_create(struct control *c, struct job *job, const struct model_volume *want,
		   const struct exposure *x, struct api_error *e) MUST_CHECK;
bool volume_delete(struct control *c, struct job *job, const char *name, bool force,
		   struct api_error *e) MUST_CHECK;
bool volume_resize(struct control *c, const char *name, uint64_t size_bytes,
		   struct api_error *e) MUST_CHECK;
bool volume_recover(struct control *c, struct job *job, const char *name,
		    struct api_error *e) MUST_CHECK;
bool volume_expose(struct control *c, const char *name, const struct exposure *x,
		   struct api_error *e) MUST_CHECK;
/* @target NULL: from all. */
bool volume_unexpose(struct control *c, const char *name, const char *target, bool force,
		     struct api_error *e) MUST_CHECK;

/* --- who is logged in (in_use.c) ------------------------------------------------------------ */

/* With change. False, with @e naming initiators: there are sessions of a target of the model that
 * shows
 * @volume (NULL: any), or of @target (NULL: any). */
bool check_unused(struct control *c, const char *volume, const char *target,
		  struct api_error *e) MUST_CHECK;
/* The target is one of ringlund's command line: read_only_config. */
bool check_not_given(const struct control *c, const char *target, struct api_error *e) MUST_CHECK;
