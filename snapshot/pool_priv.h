/* What the parts of a pool share: volume_pool.c (opening, listing), pool_change.c (create, resize,
 * delete), pool_data.c (files), pool_lv.c (logical volumes), pool_recover.c, pool_identity.c. */
#pragma once

#include "snapshot/structure_log.h"
#include "snapshot/volume_pool.h"

#include <pthread.h>

/* pool.json */
struct pool_identity {
	uint8_t uuid[16];
	char *volume_group; /* NULL: none */
};

struct vpool {
	struct pool_fs *fs;
	char *dir, *layers; /* absolute */
	const char *dev;    /* "/dev", where logical volumes appear */
	struct pool_identity id;
	int json_fd; /* has the lock */
	/* One record at a time; taken before lock. */
	pthread_mutex_t log_lock;
	/* state changes under both, and is read under either one; making and busy: lock alone */
	pthread_mutex_t lock;
	pthread_cond_t turn; /* a volume is not busy any more */
	struct slog log;
	struct pool_state state;
	struct list making; /* not yet in state: their names are taken */
	/* of a volume group (pool_tidy.c), under lock */
	bool tidying; /* changes wait until it is over */
	bool late;    /* the pool has been opened meanwhile */
	bool closed;  /* the one who tidies frees all */
};

int pool_identity_read(struct pool_identity *id, struct pool_fs *fs, const char *dir, int *fd,
		       bool read_only, char *why, size_t why_cap) MUST_CHECK;
void pool_identity_fini(struct pool_identity *id);

/* The same as the public ones, with absolute directories. */
int vpool_make_on(struct pool_fs *fs, const char *dir, const char *volume_group, char *why,
		  size_t why_cap) MUST_CHECK;
int vpool_open_on(struct vpool **out, struct pool_fs *fs, const char *dir, const char *dev,
		  unsigned wait_ms, char *why, size_t why_cap) MUST_CHECK;

/* One that nothing has been read into yet; vpool_free closes what is open. NULL: no memory. */
struct vpool *vpool_new(struct pool_fs *fs, const char *dir, const char *dev);
void vpool_free(struct vpool *p);

/* Durable, and in the state. The record is ended here; the caller keeps it. */
int pool_commit(struct vpool *p, struct record *r, char *why, size_t why_cap) MUST_CHECK;

/* Where the layer's bytes are; free(). NULL: no memory. */
char *pool_layer_path(const struct vpool *p, const struct pool_layer *l);

/* Makes the bytes of @l (number, size, kind; of elsewhere: path), durable with their name; sets its
 * size and device as they are. On failure nothing is left. */
int pool_data_make(struct vpool *p, struct pool_layer *l, const struct vpool_spec *spec,
		   const struct vpool_progress *progress, char *why, size_t why_cap) MUST_CHECK;
/* Undoes that, where no record can name it; best effort. */
void pool_data_unmake(struct vpool *p, const struct pool_layer *l);
/* Makes it longer; @size_bytes becomes what it has. On failure it is as it was. */
int pool_data_grow(struct vpool *p, const struct pool_layer *l, uint64_t *size_bytes,
		   bool preallocate, char *why, size_t why_cap) MUST_CHECK;
/* Undoes that, where no record can tell of it; best effort. */
void pool_data_ungrow(struct vpool *p, const struct pool_layer *l);
/* The name goes, durably. *@fd: what is left of it, or -1: pool_data_free. */
int pool_data_remove(struct vpool *p, const struct pool_layer *l, int *fd, char *why,
		     size_t why_cap) MUST_CHECK;
/* Gives the space back, in steps. Closes @fd. */
void pool_data_free(struct vpool *p, int fd, const struct vpool_progress *progress);

/* Logical volumes, by lvm2's commands. -EINVAL: there is no such group. */
int pool_lv_check_group(const char *volume_group, char *why, size_t why_cap) MUST_CHECK;
int pool_lv_make(struct vpool *p, struct pool_layer *l, uint32_t block_bytes,
		 const struct vpool_progress *progress, char *why, size_t why_cap) MUST_CHECK;
int pool_lv_grow(struct vpool *p, const struct pool_layer *l, uint64_t *size_bytes, char *why,
		 size_t why_cap) MUST_CHECK;
int pool_lv_remove(struct vpool *p, const struct pool_layer *l, char *why,
		   size_t why_cap) MUST_CHECK;
/* A durable record names it. */
void pool_lv_keep(struct vpool *p, const struct pool_layer *l);
/* Ends what a crash has interrupted, but for deletions. */
int pool_lv_recover(struct vpool *p, char *why, size_t why_cap) MUST_CHECK;

/* free: vpool_volume_fini. 0 or -ENOMEM. */
int pool_copy_volume(const struct vpool *p, const struct pool_volume *v,
		     struct vpool_volume *out) MUST_CHECK;
int pool_commit_size(struct vpool *p, const struct pool_volume *v, uint64_t size_bytes, char *why,
		     size_t why_cap) MUST_CHECK;
/* Ends the deletion that a durable record has begun; @v goes. */
int pool_delete_rest(struct vpool *p, struct pool_volume *v, const struct vpool_progress *progress,
		     char *why, size_t why_cap) MUST_CHECK;

/* Ends deletions that a crash has interrupted, of volumes that are logical ones, or of the others.
 */
void pool_end_deletions(struct vpool *p, bool logical);
/* The part of pool_recover that runs lvm2's commands, on a thread of its own: waits a little for
 * it. */
int pool_tidy_start(struct vpool *p, char *why, size_t why_cap) MUST_CHECK;
void pool_tidy_wait(struct vpool *p);
/* True: it still runs, and frees the pool when it has ended. */
bool pool_tidy_leave(struct vpool *p);

/* N of a file "N.data", 0 of any other name. */
uint64_t pool_number_of_file(const char *name);
/* Before slog_begin: no number is used that a file has. */
int pool_recover_numbers(struct vpool *p, char *why, size_t why_cap) MUST_CHECK;
/* After it: ends what a crash interrupted. */
int pool_recover(struct vpool *p, char *why, size_t why_cap) MUST_CHECK;
