/* Paths of the API. */
#pragma once

#include "backstore/base/compiler.h"

/* As printf, but what %s stands for is percent-encoded (RFC 3986: all but unreserved characters);
 * %s, %u and %% are all that it knows. To be freed. */
char *url_format(const char *format, ...) PRINTF(1, 2);
/* Adds NAME=VALUE to the query; @url is freed, the new one returned. */
char *url_add(char *url, const char *name, const char *value);
