/* Numbers as people read them. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>
#include <stdint.h>

enum { FORMAT_BYTES = 48 };

/* Powers of 1024: "100G"; "1.5T" to one digit where it is not exact. */
const char *format_size(uint64_t bytes, char out[static FORMAT_BYTES]);
/* "100G (107374182400 bytes)" */
const char *format_exact_size(uint64_t bytes, char out[static FORMAT_BYTES]);
/* "830 ns", "12.5 us", "1.20 ms", "3.4 s": three digits; "-" below 0. */
const char *format_latency(double ns, char out[static FORMAT_BYTES]);
/* "45 s", "3 min", "2 h 5 min", "3 d 4 h" */
const char *format_duration(uint64_t seconds, char out[static FORMAT_BYTES]);
/* Three digits or whole: "0", "0.52", "17.3", "18250". */
const char *format_rate(double per_s, char out[static FORMAT_BYTES]);
