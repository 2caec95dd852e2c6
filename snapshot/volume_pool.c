/* Pools of volumes. */
#include "snapshot/volume_pool.h"

#include <stdlib.h>

void vpool_volume_fini(struct vpool_volume *v)
{
	free(v->path);
	v->path = NULL;
}
