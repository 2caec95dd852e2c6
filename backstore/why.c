/* Reasons as sentences: see why.h. */
#include "backstore/why.h"

#include <stdarg.h>
#include <stdio.h>

int why_say(char *why, size_t cap, int err, const char *fmt, ...)
{
	va_list ap;

	if (!why || !cap)
		return err;
	va_start(ap, fmt);
	(void)vsnprintf(why, cap, fmt, ap); /* cut where it is too long: still the reason */
	va_end(ap);
	return err;
}
