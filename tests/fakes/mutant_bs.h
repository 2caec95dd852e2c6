/* A backstore that passes requests on, wrongly on request: for tests of tests. */
#pragma once

#include "backstore/backstore.h"

enum rig_mutant;

/* @next is taken over. @kind: enum rig_mutant; where it does not concern backstores, @next itself
 * is returned. */
struct backstore *mutant_bs_new(struct backstore *next, enum rig_mutant kind);
