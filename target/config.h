/* What the operator asked for on the command line, checked as far as it can be without
 * touching a disk or the network. */
#pragma once

#include "backstore/backstore.h"
#include "backstore/base/log.h"
#include "target/engine.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define TARGET_NAME_PREFIX "iqn.2026-11.io.ringlun:"

enum {
	CONFIG_MAX_LISTEN = 64,
	CONFIG_MAX_ALLOW = 256,
	CONFIG_NAME_BYTES = 128,
	CONFIG_WHY_BYTES = 960,	     /* a line of the log has no more */
	CONFIG_MAX_LUN = 16383,	     /* of flat space addressing (SAM-5 4.7.5) */
	CONFIG_MAX_SESSIONS = 65535, /* their handles have 16 bits, and 0 is none */
};

struct volume_config {
	char name[CONFIG_NAME_BYTES];
	char *path;	     /* owned */
	uint64_t size_bytes; /* 0: as large as what is there */
	uint32_t block_bytes;
	enum bs_cache cache;
	bool writethrough, read_only, shared, recover;
	char target[CONFIG_NAME_BYTES]; /* the volume's own name, unless it was given */
	bool has_lun;
	unsigned lun; /* 0, unless it was given */
	bool has_id;
	uint8_t id[16];
};

struct listen_config {
	struct sockaddr_storage addr;
	char text[80]; /* as it was given, for messages */
};

struct config {
	struct listen_config listen[CONFIG_MAX_LISTEN];
	unsigned nlisten;
	struct volume_config *volumes; /* owned */
	unsigned nvolumes;
	const char *allow[CONFIG_MAX_ALLOW]; /* borrowed from argv */
	unsigned nallow;
	bool open;
	unsigned reactors;
	unsigned max_sessions, max_logins; /* the latter of one address */
	uint64_t memory_bytes;
	const char *memory_text; /* as it was given, NULL: it was not; borrowed from argv */
	const char *state_dir, *runtime_dir;
	const char *api, *api_token; /* ADDR:PORT and a file; NULL: the unix socket alone */
	enum engine_choice engine;
	enum log_level log_level;
};

enum config_result { CONFIG_RUN, CONFIG_EXIT, CONFIG_BAD };

/* CONFIG_EXIT: --help or --version was printed. CONFIG_BAD: @why says what is wrong, with the
 * value and the way out. config_fini in any case. */
enum config_result config_parse(struct config *cfg, int argc, char **argv, char *why,
				size_t why_cap);
void config_fini(struct config *cfg);

/* volume_config.c: "NAME,path=PATH[,key[=value]...]". 0 or -EINVAL with @why. */
int volume_config_parse(struct volume_config *v, const char *spec, char *why, size_t why_cap);
/* target_config.c: do volumes that share a target go together? 0 or -EINVAL with @why. */
int target_config_check(const struct config *cfg, char *why, size_t why_cap);
/* listen_config.c: "ADDR[:PORT]", "[ADDR6][:PORT]". 0 or -EINVAL with @why. */
int listen_config_parse(struct listen_config *l, const char *spec, char *why, size_t why_cap);
bool listen_config_is_loopback(const struct listen_config *l);
/* They cannot both be bound. */
bool listen_config_overlaps(const struct listen_config *a, const struct listen_config *b);
