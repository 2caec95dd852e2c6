/* Every name goes through here: one with a slash, a question mark or a line's end in it stays one
 * segment of the path. */
#include "tools/ringlun/url.h"

#include "tools/ringlun/mem.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_encoded(FILE *f, const char *text)
{
	for (; *text; text++) {
		uint8_t c = (uint8_t)*text;

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c)))
			fputc(c, f);
		else
			fprintf(f, "%%%02X", (unsigned)c);
	}
}

char *url_format(const char *format, ...)
{
	size_t bytes;
	char *out = NULL;
	FILE *f = mem_need(open_memstream(&out, &bytes));
	va_list args;

	va_start(args, format);
	for (; *format; format++) {
		if (*format != '%') {
			fputc(*format, f);
			continue;
		}
		format++;
		assert(*format && strchr("su%", *format));
		if (*format == 's')
			put_encoded(f, va_arg(args, const char *));
		else if (*format == 'u')
			fprintf(f, "%u", va_arg(args, unsigned));
		else
			fputc('%', f);
	}
	va_end(args);
	fclose(f);
	return mem_need(out);
}

char *url_add(char *url, const char *name, const char *value)
{
	char *pair = url_format("%s=%s", name, value);
	char *longer = mem_print("%s%c%s", url, strchr(url, '?') ? '&' : '?', pair);

	free(pair);
	free(url);
	return longer;
}
