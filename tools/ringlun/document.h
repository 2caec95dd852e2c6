/* A document for apply: read here, its secret_file's taken in, sizes as in "100G" understood. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* @path "-": standard input. Each "secret_file": FILE becomes "secret": its line, with FILE
 * relative to the document's folder, and each volume's size that is text, a number. -errno with
 * @why, which says where. */
int document_read(json_t **out, const char *path, char *why, size_t why_cap) MUST_CHECK;
