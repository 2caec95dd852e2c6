/* Logical volumes, by lvm2's own commands. */
#include "snapshot/pool_priv.h"

#include "backstore/why.h"

#include <errno.h>

int pool_lv_make(struct vpool *p, struct pool_layer *l, const struct vpool_progress *progress,
		 char *why, size_t why_cap)
{
	(void)p, (void)l, (void)progress;
	return why_say(why, why_cap, -EOPNOTSUPP, "volumes in a volume group cannot be made yet");
}

int pool_lv_grow(struct vpool *p, const struct pool_layer *l, uint64_t *size_bytes, char *why,
		 size_t why_cap)
{
	(void)p, (void)l, (void)size_bytes;
	return why_say(why, why_cap, -EOPNOTSUPP, "volumes in a volume group cannot grow yet");
}

int pool_lv_remove(struct vpool *p, const struct pool_layer *l, char *why, size_t why_cap)
{
	(void)p, (void)l;
	return why_say(why, why_cap, -EOPNOTSUPP,
		       "volumes in a volume group cannot be removed yet");
}

int pool_lv_remove_orphans(struct vpool *p, char *why, size_t why_cap)
{
	(void)p, (void)why, (void)why_cap;
	return 0;
}
