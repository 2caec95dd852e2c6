/* Switches an open descriptor to direct I/O, and tells what that asks for. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

struct direct {
	bool on;
	uint32_t offset_align, memory_align; /* bytes; 1 where it is off */
};

/* Where direct I/O is impossible, or needs more than 4096-byte blocks, it stays off. */
void direct_enable(struct direct *d, int fd);
