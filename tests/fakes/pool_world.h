/* A pool on fake files, and a model of what must be in it, whatever dies, fails or goes dark. */
#pragma once

#include "snapshot/pool_priv.h"
#include "tests/fakes/fake_fs.h"

enum { NVOLS = 4, WORLD_SECTOR = 512, WHY_BYTES = 1024 };

enum doing { MAKING, OPENING, CREATING, RESIZING, DELETING, DOINGS };
/* TWICE: it dies or fails, and the opening after that has its power cut. */
enum { ALL_MODES = 15 };
enum mode { KILL, POWER, ERROR, TWICE, MODES };

struct vol {
	bool there;
	uint64_t size;
	uint8_t uuid[16];
	char path[64];
};

/* What a run begins with. */
struct setting {
	struct fake_fs *f;
	unsigned nbulk;	  /* volumes elsewhere, that are only there */
	unsigned nbefore; /* records before it begins in earnest: to come near the end of the log */
};

struct world {
	const struct setting *setting;
	struct fake_fs *f;
	struct vpool *p; /* NULL: closed */
	struct vol vols[NVOLS];
	enum doing doing;  /* just now */
	int at;		   /* of vols, what is under way; -1: nothing */
	enum doing change; /* what */
	uint64_t size;	   /* being made, or grown to */
	unsigned met;	   /* by a cheat, since this opening */
	char why[WHY_BYTES];
	char broken[WHY_BYTES]; /* the first thing that was wrong */
};

/* Leaves something out in one kind of change, and says it has done it. */
struct cheat {
	const char *name;
	enum doing doing;
	enum fs_op op;
	enum fs_file file;
	unsigned from, to; /* of those in an opening, the ones that are left out */
	struct world *w;   /* of the run */
};

/* Of crashes and errors: where, over all runs. */
struct landings {
	unsigned at[DOINGS][FS_OPS][FS_FILES], runs;
};

extern const char *const doing_names[DOINGS], *const fs_op_names[FS_OPS],
						      *const fs_file_names[FS_FILES];

/* For fake_fs.cheat; @arg: a struct cheat. */
bool world_cheats(void *arg, enum fs_op op, enum fs_file file);
/* Runs again and again from @from, each time with a crash, or an error, at another operation, in
 * each of the @modes, a bit each. True: something was wrong, and @broken says what and where. */
bool crash_everywhere(const struct setting *from, uint64_t seed, struct cheat *cheat,
		      unsigned modes, struct landings *landed, char broken[static WHY_BYTES]);
