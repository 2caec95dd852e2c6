/* The command line of bench/load, as plain data. */
#pragma once

#include "backstore/base/compiler.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	OPTIONS_MAX_CONNECTIONS = 4096,
	OPTIONS_MAX_DEPTH = 4096,
	OPTIONS_MAX_THREADS = 256,
	OPTIONS_MAX_BLOCK_BYTES = 16 << 20,
};

struct options {
	const char *url;
	bool is_tcp; /* else iSCSI */
	char host[256], port[8];
	char iqn[224]; /* RFC 7143 4.2.7.1: at most 223 */
	unsigned lun;
	const char *initiator;
	unsigned connections, depth, threads;
	const char *op; /* as typed */
	unsigned read_percent;
	bool random;
	uint64_t block_bytes, range_bytes; /* range 0: the whole disk */
	double seconds, warmup_seconds;
	int *cpus; /* owned; thread i is pinned to cpus[i % cpu_count] */
	unsigned cpu_count;
	bool header_digest, data_digest;
	bool verify, json, spin, help;
};

/* Returns 0, or -EINVAL after saying on stderr what is wrong. */
int options_parse(struct options *o, int argc, char **argv) MUST_CHECK;
void options_fini(struct options *o);

/* iscsi://HOST[:PORT]/IQN[/LUN] or tcp://HOST:PORT. @url is borrowed. Returns NULL, or what was
 * expected in the place of what is wrong. */
const char *options_parse_url(struct options *o, const char *url) MUST_CHECK;

extern const char options_usage[];
