/* What sysfs tells about a disk's queue. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* A number of the queue of device @dev (a partition's is its disk's), or @otherwise
 * where it cannot be read. */
uint64_t queue_info_number(dev_t dev, const char *name, uint64_t otherwise);
