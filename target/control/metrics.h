/* What is counted, as monitoring wants it: a text for Prometheus, a JSON document for `ringlun
 * top`.
 *
 * Both are made from a copy of the numbers, so nothing that serves waits while they are written. */
#pragma once

#include "target/iscsi/counters.h"
#include "target/iscsi/node_change.h"
#include "target/scsi/stats.h"

#include <stdint.h>

struct metrics_volume {
	char *name, *pool; /* owned; pool: "" where it is in none */
	const char *state; /* "available" and the like; static */
	uint8_t id[16];
	uint64_t size_bytes;
	struct scsi_stats stats; /* zeros where it is not served */
};

struct metrics_reactor {
	uint64_t connections, commands, zombies;
};

struct metrics_process {
	uint64_t cpu_ns, start_ns; /* since 1970 */
	uint64_t resident_bytes, virtual_bytes;
	uint64_t open_fds, max_fds, threads;
};

struct metrics {
	struct metrics_volume *volumes;
	unsigned nvolumes;
	struct iscsi_session_info *sessions;
	unsigned nsessions;
	struct metrics_reactor *reactors;
	unsigned nreactors;
	uint64_t logins, redirected, refused[LOGIN_REFUSALS];
	uint64_t log_lines[4]; /* by enum log_level */
	uint64_t log_flood, log_lost;
	struct metrics_process process;
	const char *engine; /* static */
	uint64_t at_ns;	    /* monotonic: when it was copied */
};

struct control;

/* Copies what there is to count. 0, then metrics_fini; or -ENOMEM. */
int metrics_collect(struct metrics *m, struct control *c) MUST_CHECK;
/* Of the volumes alone, for metrics_json. */
int metrics_collect_volumes(struct metrics *m, struct control *c) MUST_CHECK;
/* Frees what is in it. */
void metrics_fini(struct metrics *m);

/* The body of GET /metrics, to be freed; NULL: out of memory. */
char *metrics_text(const struct metrics *m) MUST_CHECK;
#define METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"
/* The body of GET /v1/stats, likewise. */
char *metrics_json(const struct metrics *m) MUST_CHECK;

/* Of this process, by /proc. What cannot be read is 0. */
void metrics_read_process(struct metrics_process *p);
