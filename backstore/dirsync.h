/* A new name is durable only when its directory is. */
#pragma once

#include "backstore/base/compiler.h"

/* Syncs the directory that @path is in. Blocking. Returns 0 or -errno. */
int dirsync_of(const char *path) MUST_CHECK;
