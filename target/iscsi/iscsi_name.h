/* iSCSI names of initiators and targets: their form, and the one spelling that is
 * compared (RFC 7143 4.2.7, RFC 3722). */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>

enum {
	ISCSI_NAME_MAX = 223, /* bytes, 4.2.7.1 */
};

/* Copies @name in lower case. -EINVAL: not an iqn., eui. or naa. name, too long, not
 * UTF-8, or with characters that RFC 3722 forbids; @out is then unchanged. */
int iscsi_name_normalise(char out[static ISCSI_NAME_MAX + 1], const char *name) MUST_CHECK;

bool text_is_utf8(const char *text);
