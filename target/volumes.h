/* The volumes that are served, each with its name, its identity, its backstore and its logical
 * unit. They come and go while reactors run; what initiators see of them is the node's. */
#pragma once

#include "backstore/base/list.h"
#include "target/config.h"
#include "target/iscsi/node.h"
#include "target/scsi/scsi.h"

#include <pthread.h>

struct volumes;

/* Where it lies and how it is opened; borrowed for the call. */
struct volume_spec {
	const char *name;
	const char *path;
	uint8_t uuid[16];
	uint64_t size_bytes; /* 0: as large as what is there */
	uint32_t block_bytes;
	enum bs_cache cache;
	bool writethrough, read_only, recover;
	unsigned reactors;
	const char *runtime_dir;
};

struct volume {
	struct list link; /* in the set; under its lock */
	struct volumes *set;
	char *name, *path;
	uint8_t uuid[16];
	struct scsi_lu *lu;
	const struct volume_config *given; /* on the command line; NULL: by a pool */
	struct bs_req flush;		   /* the last one: server.c's */
};

struct volumes {
	pthread_mutex_t lock; /* of the list; never held over anything that blocks */
	struct list all;      /* in the order of adding */
	unsigned n;
};

int volumes_init(struct volumes *vs) MUST_CHECK;
/* No reactor runs any more. Closes all. */
void volumes_fini(struct volumes *vs);
/* Opens those of the command line and adds their targets to @node, before the reactors run. On
 * failure @why has the sentence. */
int volumes_open(struct volumes *vs, const struct config *cfg, struct iscsi_node *node, char *why,
		 size_t why_cap) MUST_CHECK;

/* Opens and locks what is at spec->path. Blocking, up to 10 s for a lock. On failure nothing is
 * left, and @why has the sentence. */
int volume_open(struct volume **out, const struct volume_spec *spec, char *why,
		size_t why_cap) MUST_CHECK;
/* It is in no set, and no reactor has anything of it. May block on its disk. */
void volume_close(struct volume *v);

/* Two disks of one identity are two paths to one disk for multipath, which mixes them. -EEXIST:
 * one of the set has it: @why names both. To be asked before the second is opened. */
int volumes_check_unique(struct volumes *vs, const char *path, const uint8_t uuid[static 16],
			 char *why, size_t why_cap) MUST_CHECK;
void volumes_add(struct volumes *vs, struct volume *v);
void volumes_remove(struct volumes *vs, struct volume *v);
