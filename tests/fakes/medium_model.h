/* What a disk may answer: for each block, every write that could be its content.
 *
 * Told of each write, zeroing and flush when it begins and when it is known to be over,
 * it judges what a read brings, and what is there after a crash. A block's bytes name the
 * write and the place that they were made for, so nothing can appear that was not written there.
 *
 * A write stays possible until another one, begun after it was over, has been answered GOOD.
 * One that failed, or was aborted, may have landed or not, until then. After a power loss only
 * those replace older ones that are durable: FUA, or flushed by a flush that began later. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_BLOCK = 512 };

struct model;

struct model *model_new(uint32_t nblocks);
void model_free(struct model *m);
/* Empty, or what the first wrong block was. */
const char *model_why(const struct model *m);

/* Returns the write's number; for zeros (UNMAP) model_zero_begin. */
uint32_t model_write_begin(struct model *m, uint32_t lba, uint32_t n);
uint32_t model_zero_begin(struct model *m, uint32_t lba, uint32_t n);
/* The bytes that it shall write. */
void model_fill(const struct model *m, uint32_t id, void *buf);
/* It is over: answered, or cut off for certain. @good: answered GOOD; @fua: and durable. */
void model_write_end(struct model *m, uint32_t id, bool good, bool fua);

/* A flush, or a read, takes the moment at which it begins. */
uint64_t model_now(struct model *m);
/* A flush that began at @begun was answered GOOD. */
void model_flushed(struct model *m, uint64_t begun);
/* What a read that began at @begun brought. False: model_why. */
bool model_check_read(struct model *m, uint32_t lba, uint32_t n, const void *buf, uint64_t begun);
/* The content after power loss, which is what holds from now on; of what was under way nothing
 * more comes. The whole disk at @buf. */
bool model_check_power_loss(struct model *m, const void *buf);
/* After the death of the process alone: what was answered GOOD is there. */
bool model_check_death(struct model *m, const void *buf);
