/* The command line of ringlund. */
#include "target/config.h"

#include "backstore/base/size.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
	MAX_REACTORS = 128,
	MIN_REACTOR_BYTES = 16 << 20, /* four of the longest commands */
};

static const char usage[] =
	"ringlund " RINGLUN_VERSION " - an iSCSI target server\n"
	"\n"
	"  ringlund [--volume NAME,path=PATH[,KEY[=VALUE]...]]... [OPTION]...\n"
	"\n"
	"Serves the volumes that ringlun(1) makes, and those of its command line.\n"
	"\n"
	"  --volume SPEC        serve a volume as iqn.2026-11.io.ringlun:NAME, LUN 0 "
	"(repeatable);\n"
	"                       path=PATH         a file, a device, memory: or null:\n"
	"                       size=SIZE         makes the file, sparse, when it is absent\n"
	"                       cache=direct|buffered   (direct)\n"
	"                       writethrough      every write is durable when it is answered\n"
	"                       block-size=512|4096     (512)\n"
	"                       readonly\n"
	"                       target=NAME, lun=N      behind another target; several volumes "
	"of one\n"
	"                                         have a lun=, 0 to 16383, each\n"
	"                       shared            takes several initiator names at a time\n"
	"                       id=UUID           identity of the disk (made once, kept beside the "
	"data)\n"
	"                       recover           take up writes again after a failed flush\n"
	"  --listen ADDR[:PORT] where to listen (repeatable; 127.0.0.1:3260); beyond loopback\n"
	"                       it needs --allow or --open\n"
	"  --allow PATTERN      initiators that may log in, as in iqn.2004-10.com.example:* "
	"(repeatable)\n"
	"  --open               any initiator that can reach us may log in\n"
	"  --reactors N         threads that serve (one per core that it may use)\n"
	"  --max-sessions N     sessions at a time (4096)\n"
	"  --max-logins-per-address N\n"
	"                       connections of one address that log in or discover (512)\n"
	"  --memory SIZE        budget of all data buffers (256M, 16M a reactor at least)\n"
	"  --state DIR          what ringlun(1) made, and the default pool (/var/lib/ringlun)\n"
	"  --runtime DIR        the API's socket, and what must outlive a restart but not a boot\n"
	"                       (/run/ringlun)\n"
	"  --api ADDR:PORT      the API on TCP, too, for those who have the token\n"
	"  --api-token FILE     its first line is the token of --api\n"
	"  --engine NAME        io_uring, epoll, or auto: epoll where io_uring is refused (auto)\n"
	"  --log-level LEVEL    error, warn, info or debug (info)\n"
	"  --help, --version\n"
	"\n"
	"Example: ringlund --volume disk1,path=/srv/disk1.img,size=1G\n";

enum option_code {
	OPT_LISTEN = 256,
	OPT_VOLUME,
	OPT_ALLOW,
	OPT_OPEN,
	OPT_REACTORS,
	OPT_MAX_SESSIONS,
	OPT_MAX_LOGINS,
	OPT_MEMORY,
	OPT_STATE,
	OPT_RUNTIME,
	OPT_API,
	OPT_API_TOKEN,
	OPT_ENGINE,
	OPT_LOG_LEVEL,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option options[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "volume", required_argument, NULL, OPT_VOLUME },
	{ "allow", required_argument, NULL, OPT_ALLOW },
	{ "open", no_argument, NULL, OPT_OPEN },
	{ "reactors", required_argument, NULL, OPT_REACTORS },
	{ "max-sessions", required_argument, NULL, OPT_MAX_SESSIONS },
	{ "max-logins-per-address", required_argument, NULL, OPT_MAX_LOGINS },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "runtime", required_argument, NULL, OPT_RUNTIME },
	{ "api", required_argument, NULL, OPT_API },
	{ "api-token", required_argument, NULL, OPT_API_TOKEN },
	{ "engine", required_argument, NULL, OPT_ENGINE },
	{ "log-level", required_argument, NULL, OPT_LOG_LEVEL },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static unsigned usable_cores(void)
{
	cpu_set_t set;
	int n = 1;

	if (!sched_getaffinity(0, sizeof(set), &set))
		n = CPU_COUNT(&set);
	return (unsigned)MIN(MAX(n, 1), MAX_REACTORS);
}

static uint64_t machine_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int add_volume(struct config *cfg, const char *spec, char *why, size_t why_cap)
{
	struct volume_config *more =
		realloc(cfg->volumes, (cfg->nvolumes + 1) * sizeof(*cfg->volumes));
	struct volume_config *v;

	if (!more) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	cfg->volumes = more;
	v = &more[cfg->nvolumes++]; /* counted at once: config_fini frees what parsing left */
	if (volume_config_parse(v, spec, why, why_cap))
		return -EINVAL;
	for (unsigned i = 0; i + 1 < cfg->nvolumes; i++)
		if (!strcmp(more[i].name, v->name)) {
			snprintf(why, why_cap,
				 "--volume %s: there are two volumes of this name; rename one",
				 v->name);
			return -EINVAL;
		}
	return 0;
}

static int add_listen(struct config *cfg, const char *spec, char *why, size_t why_cap)
{
	struct listen_config *l = &cfg->listen[cfg->nlisten];
	int rc;

	if (cfg->nlisten == CONFIG_MAX_LISTEN) {
		snprintf(why, why_cap, "--listen %s: at most %d are possible", spec,
			 CONFIG_MAX_LISTEN);
		return -EINVAL;
	}
	rc = listen_config_parse(l, spec, why, why_cap);
	for (unsigned i = 0; !rc && i < cfg->nlisten; i++)
		if (listen_config_overlaps(&cfg->listen[i], l)) {
			snprintf(why, why_cap,
				 "--listen %s and --listen %s: both are the same place, or one "
				 "has the other in it; leave one out",
				 cfg->listen[i].text, spec);
			return -EINVAL;
		}
	if (!rc)
		cfg->nlisten++;
	return rc;
}

/* An address, or a name that was cut short, would let nobody in, and say nothing. */
static bool is_initiator_pattern(const char *p)
{
	return strchr("*?[", *p) ? *p != '\0'
				 : !strncasecmp(p, "iqn.", 4) || !strncasecmp(p, "eui.", 4) ||
					   !strncasecmp(p, "naa.", 4);
}

static int add_allow(struct config *cfg, const char *pattern, char *why, size_t why_cap)
{
	if (cfg->nallow == CONFIG_MAX_ALLOW) {
		snprintf(why, why_cap, "--allow %s: at most %d are possible", pattern,
			 CONFIG_MAX_ALLOW);
		return -EINVAL;
	}
	if (!is_initiator_pattern(pattern)) {
		snprintf(why, why_cap,
			 "--allow '%.300s': not an initiator's name; give what is in its "
			 "initiatorname.iscsi, as in iqn.2004-10.com.example:host1, with * for any "
			 "characters",
			 pattern);
		return -EINVAL;
	}
	cfg->allow[cfg->nallow++] = pattern;
	return 0;
}

static int take_dir(const char **dir, const char *option, const char *text, char *why,
		    size_t why_cap)
{
	if (!*text) {
		snprintf(why, why_cap, "%s '': give a folder", option);
		return -EINVAL;
	}
	*dir = text;
	return 0;
}

/* As for --listen, but that nothing says which port it would be. */
static int take_api(struct config *cfg, const char *text, char *why, size_t why_cap)
{
	struct listen_config l;
	const char *colon = strchr(text, ':');
	bool has_port =
		*text == '[' ? strstr(text, "]:") != NULL : colon && colon == strrchr(text, ':');

	if (!has_port || listen_config_parse(&l, text, why, why_cap)) {
		snprintf(why, why_cap,
			 "--api %.100s: give an address in numbers and a port, as in "
			 "192.0.2.1:3261 or [2001:db8::1]:3261",
			 text);
		return -EINVAL;
	}
	cfg->api = text;
	return 0;
}

static int take_number(unsigned *out, const char *option, const char *text, unsigned max, char *why,
		       size_t why_cap)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > max) {
		snprintf(why, why_cap, "%s %.100s: give a number from 1 to %u", option, text, max);
		return -EINVAL;
	}
	*out = (unsigned)n;
	return 0;
}

static int take(struct config *cfg, int opt, char *arg, char *why, size_t why_cap)
{
	switch (opt) {
	case OPT_LISTEN:
		return add_listen(cfg, arg, why, why_cap);
	case OPT_VOLUME:
		return add_volume(cfg, arg, why, why_cap);
	case OPT_ALLOW:
		return add_allow(cfg, arg, why, why_cap);
	case OPT_OPEN:
		cfg->open = true;
		return 0;
	case OPT_REACTORS:
		return take_number(&cfg->reactors, "--reactors", arg, MAX_REACTORS, why, why_cap);
	case OPT_MAX_SESSIONS:
		return take_number(&cfg->max_sessions, "--max-sessions", arg, CONFIG_MAX_SESSIONS,
				   why, why_cap);
	case OPT_MAX_LOGINS:
		return take_number(&cfg->max_logins, "--max-logins-per-address", arg,
				   CONFIG_MAX_SESSIONS, why, why_cap);
	case OPT_MEMORY:
		cfg->memory_text = arg;
		if (!size_parse(arg, &cfg->memory_bytes) && cfg->memory_bytes)
			return 0;
		snprintf(why, why_cap, "--memory %.100s: give a size, as in 256M", arg);
		return -EINVAL;
	case OPT_STATE:
		return take_dir(&cfg->state_dir, "--state", arg, why, why_cap);
	case OPT_RUNTIME:
		return take_dir(&cfg->runtime_dir, "--runtime", arg, why, why_cap);
	case OPT_API:
		return take_api(cfg, arg, why, why_cap);
	case OPT_API_TOKEN:
		cfg->api_token = arg;
		return 0;
	case OPT_ENGINE:
		if (!engine_parse(arg, &cfg->engine))
			return 0;
		snprintf(why, why_cap, "--engine %.100s: give auto, io_uring or epoll", arg);
		return -EINVAL;
	case OPT_LOG_LEVEL:
		if (!log_level_parse(arg, &cfg->log_level))
			return 0;
		snprintf(why, why_cap, "--log-level %.100s: give error, warn, info or debug", arg);
		return -EINVAL;
	default: /* every option has its case */
		return -EINVAL;
	}
}

/* What getopt has stumbled over. */
static int complain(int opt, char **argv, char *why, size_t why_cap)
{
	const char *word = argv[optind - 1];

	if (opt == ':')
		snprintf(why, why_cap, "%s needs a value; ringlund --help shows which", word);
	else if (optopt >= OPT_LISTEN)
		snprintf(why, why_cap, "%s: this option takes no value", word);
	else
		snprintf(why, why_cap, "'%s' is no option; ringlund --help lists them", word);
	return -EINVAL;
}

/* What only the whole can tell. */
static int check(struct config *cfg, char *why, size_t why_cap)
{
	if (!cfg->api != !cfg->api_token) {
		snprintf(why, why_cap,
			 "%s needs %s: whoever reaches the API over TCP has to know a token",
			 cfg->api ? "--api" : "--api-token",
			 cfg->api ? "--api-token FILE, a secret word in a file of mode 0600"
				  : "--api ADDR:PORT");
		return -EINVAL;
	}
	if (target_config_check(cfg, why, why_cap))
		return -EINVAL;
	if (cfg->memory_bytes > machine_bytes()) {
		snprintf(why, why_cap,
			 "--memory %s is more than this machine has (%lluM); give less",
			 cfg->memory_text, (unsigned long long)machine_bytes() >> 20);
		return -EINVAL;
	}
	if (!cfg->memory_bytes)
		cfg->memory_bytes =
			MAX(UINT64_C(256) << 20, (uint64_t)cfg->reactors * MIN_REACTOR_BYTES);
	if (cfg->memory_bytes / cfg->reactors < MIN_REACTOR_BYTES) {
		snprintf(why, why_cap,
			 "--memory %s is too little for %u reactor%s: give at least %uM, or fewer "
			 "--reactors",
			 cfg->memory_text, cfg->reactors, cfg->reactors == 1 ? "" : "s",
			 cfg->reactors * (MIN_REACTOR_BYTES >> 20));
		return -EINVAL;
	}
	if (!cfg->nlisten && add_listen(cfg, "127.0.0.1:3260", why, why_cap))
		return -EINVAL;
	for (unsigned i = 0; i < cfg->nlisten; i++)
		if (!listen_config_is_loopback(&cfg->listen[i]) && !cfg->open && !cfg->nallow) {
			snprintf(
				why, why_cap,
				"--listen %s is not loopback, so whoever reaches it could write to "
				"the volumes: name who may with --allow INITIATOR, or give --open "
				"to let anybody",
				cfg->listen[i].text);
			return -EINVAL;
		}
	return 0;
}

enum config_result config_parse(struct config *cfg, int argc, char **argv, char *why,
				size_t why_cap)
{
	int opt;

	memset(cfg, 0, sizeof(*cfg)); /* no compound literal: it is large for a stack */
	cfg->reactors = usable_cores();
	cfg->max_sessions = 4096;
	cfg->max_logins = 512;
	cfg->state_dir = "/var/lib/ringlun";
	cfg->runtime_dir = "/run/ringlun";
	cfg->log_level = LOG_INFO;
	optind = 0; /* the GNU way to begin anew: tests parse more than once */
	opterr = 0; /* complain() does */
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (opt == OPT_HELP || opt == OPT_VERSION) {
			fputs(opt == OPT_HELP ? usage : "ringlund " RINGLUN_VERSION "\n", stdout);
			return CONFIG_EXIT;
		}
		if (opt == ':' || opt == '?' ? complain(opt, argv, why, why_cap)
					     : take(cfg, opt, optarg, why, why_cap))
			return CONFIG_BAD;
	}
	if (optind < argc) {
		snprintf(why, why_cap, "'%s' is no option; ringlund --help lists them",
			 argv[optind]);
		return CONFIG_BAD;
	}
	return check(cfg, why, why_cap) ? CONFIG_BAD : CONFIG_RUN;
}

void config_fini(struct config *cfg)
{
	for (unsigned i = 0; i < cfg->nvolumes; i++)
		free(cfg->volumes[i].path);
	free(cfg->volumes);
	cfg->volumes = NULL;
	cfg->nvolumes = 0;
}
