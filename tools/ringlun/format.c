/* Sizes are in powers of 1024 everywhere, as they are typed (backstore/base/size.h). */
#include "tools/ringlun/format.h"

#include <inttypes.h>
#include <stdio.h>

const char *format_size(uint64_t bytes, char out[static FORMAT_BYTES])
{
	static const char units[] = "KMGTPE";
	int unit = -1;
	uint64_t one = 1;
	double n;

	while (unit < 5 && bytes / one >= 1024) {
		one *= 1024;
		unit++;
	}
	if (unit < 0) {
		snprintf(out, FORMAT_BYTES, "%" PRIu64, bytes);
		return out;
	}
	n = (double)bytes / (double)one;
	if (n >= 1023.95 && unit < 5) { /* would be rounded to 1024.0 of its unit */
		n /= 1024;
		unit++;
		snprintf(out, FORMAT_BYTES, "%.1f%c", n, units[unit]);
	} else if (bytes % one) {
		snprintf(out, FORMAT_BYTES, "%.1f%c", n, units[unit]);
	} else {
		snprintf(out, FORMAT_BYTES, "%" PRIu64 "%c", bytes / one, units[unit]);
	}
	return out;
}

const char *format_exact_size(uint64_t bytes, char out[static FORMAT_BYTES])
{
	char human[FORMAT_BYTES];

	if (bytes < 1024)
		snprintf(out, FORMAT_BYTES, "%" PRIu64 " bytes", bytes);
	else
		snprintf(out, FORMAT_BYTES, "%.12s (%" PRIu64 " bytes)", format_size(bytes, human),
			 bytes);
	return out;
}

static int digits_after_point(double n)
{
	return n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
}

const char *format_latency(double ns, char out[static FORMAT_BYTES])
{
	static const struct {
		double one;
		const char *name;
	} units[] = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" } };

	if (!(ns >= 0)) { /* NaN, too */
		snprintf(out, FORMAT_BYTES, "-");
		return out;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (ns >= units[i].one * 0.9995) {
			snprintf(out, FORMAT_BYTES, "%.*f %s",
				 digits_after_point(ns / units[i].one), ns / units[i].one,
				 units[i].name);
			return out;
		}
	snprintf(out, FORMAT_BYTES, "%.0f ns", ns);
	return out;
}

const char *format_duration(uint64_t seconds, char out[static FORMAT_BYTES])
{
	uint64_t min = seconds / 60, h = min / 60, d = h / 24;

	if (!min)
		snprintf(out, FORMAT_BYTES, "%" PRIu64 " s", seconds);
	else if (!h)
		snprintf(out, FORMAT_BYTES, "%" PRIu64 " min", min);
	else if (!d)
		snprintf(out, FORMAT_BYTES, "%" PRIu64 " h %" PRIu64 " min", h, min % 60);
	else
		snprintf(out, FORMAT_BYTES, "%" PRIu64 " d %" PRIu64 " h", d, h % 24);
	return out;
}

const char *format_rate(double per_s, char out[static FORMAT_BYTES])
{
	if (!(per_s > 0))
		snprintf(out, FORMAT_BYTES, "0");
	else
		snprintf(out, FORMAT_BYTES, "%.*f", digits_after_point(per_s), per_s);
	return out;
}
