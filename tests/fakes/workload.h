/* Random commands of several initiators on one volume, every answer held to the model.
 *
 * Connections that are lost are made again; what they lost counts as over when the new
 * session is there. */
#pragma once

#include "tests/fakes/medium_model.h"
#include "tests/fakes/server_rig.h"

enum { LOAD_MAX_INIS = 8 };

struct load {
	/* the test's */
	struct rig *g;
	struct model *m;
	unsigned volume, ninis, depth;
	uint32_t max_blocks;	 /* of one command */
	unsigned permille[5];	 /* of reads, writes, FUA writes, flushes, unmaps; sum 1000 */
	unsigned abort_permille; /* of turns: something is aborted */
	unsigned left;		 /* commands still to be sent */

	/* how it went */
	unsigned ngood, nfailed, nbusy, nlost, naborted, nlogins, nrefused;
	char wrong[256]; /* the first answer that cannot be true; "" */

	/* private */
	struct ini inis[LOAD_MAX_INIS];
	bool ready[LOAD_MAX_INIS];
	bool aborting[LOAD_MAX_INIS];
	struct load_cmd *abortee[LOAD_MAX_INIS];
	unsigned tmfs_before[LOAD_MAX_INIS];
	unsigned outstanding[LOAD_MAX_INIS];
	struct list lost;
	unsigned nlost_now;
	bool ending;
};

/* After the fields of the test: all initiators of one name. Connects nothing yet. */
void load_init(struct load *l);
/* Runs until all of it is answered, or @max_ns; False: it is not. */
bool load_run(struct load *l, uint64_t max_ns);
/* One turn of the world and of this. */
void load_turn(struct load *l, uint64_t until_ns);
bool load_is_over(const struct load *l);
/* Drops the initiators; nothing of it is known to be over. */
void load_fini(struct load *l);
/* Reads the whole volume through a session of its own and checks it. False: wrong says
 * why, or, empty, it could not be read. */
bool load_check_all(struct load *l);
