/* Numbers are digits and nothing else; what is not understood is refused by name. */
#include "bench/src/options.h"

#include "backstore/base/size.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char options_usage[] =
	"usage: bench/load URL [OPTION...]\n"
	"\n"
	"Loads an iSCSI target, or the bare TCP server, and says what it did.\n"
	"Writes destroy what is on the disk.\n"
	"\n"
	"URL: iscsi://HOST[:PORT]/IQN[/LUN], or tcp://HOST:PORT (bench's `bare')\n"
	"  --connections N       each is a session of its own (1)\n"
	"  --depth N             commands under way on each (32)\n"
	"  --op OP               read, write, or mix:PERCENT_READ (read)\n"
	"  --pattern P           rand or seq (rand)\n"
	"  --bs SIZE             of each command: 512 to 16M (4K)\n"
	"  --range SIZE          only the first SIZE of the disk (all of it)\n"
	"  --seconds S           measured (5), after\n"
	"  --warmup S            which is not (1)\n"
	"  --threads N           connections are spread over them (1)\n"
	"  --cpus LIST           pin the threads, as in 1 or 0,2-3\n"
	"  --digests D           none, header, data or both (none)\n"
	"  --verify              stamp what is written, check what is read, and read back at\n"
	"                        the end all that was written; mismatches make the status 1\n"
	"  --spin                never sleep: ask for answers all the time\n"
	"  --initiator NAME      (iqn.2026-11.io.ringlun:load)\n"
	"  --json                one object on standard output, no table\n"
	"  --help\n"
	"\n"
	"Status: 0, 1 after errors (BUSY and TASK SET FULL are retried and are none), 2 for a\n"
	"command line that is not understood.\n";

static int bad(const char *what, const char *value, const char *wanted)
{
	fprintf(stderr, "load: %s \"%s\": expected %s (--help)\n", what, value, wanted);
	return -EINVAL;
}

static int parse_number(const char *text, unsigned min, unsigned max, unsigned *out)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (*end || errno || n < min || n > max)
		return -EINVAL;
	*out = (unsigned)n;
	return 0;
}

static int parse_count(const char *what, const char *text, unsigned max, unsigned *out)
{
	char wanted[48];

	if (parse_number(text, 1, max, out) == 0)
		return 0;
	snprintf(wanted, sizeof(wanted), "a number from 1 to %u", max);
	return bad(what, text, wanted);
}

static int parse_seconds(const char *what, const char *text, double *out)
{
	char *end;
	double s;

	errno = 0;
	s = strtod(text, &end);
	if (((*text < '0' || *text > '9') && *text != '.') || *end || errno || !(s >= 0 && s < 1e6))
		return bad(what, text, "seconds below 1000000, as in 5 or 0.5");
	*out = s;
	return 0;
}

static int parse_op(struct options *o, const char *text)
{
	o->op = text;
	if (strcmp(text, "read") == 0)
		o->read_percent = 100;
	else if (strcmp(text, "write") == 0)
		o->read_percent = 0;
	else if (strncmp(text, "mix:", 4) != 0 || parse_number(text + 4, 0, 100, &o->read_percent))
		return bad("--op", text, "read, write, or mix:PERCENT_READ");
	return 0;
}

static int parse_digests(struct options *o, const char *text)
{
	bool both = strcmp(text, "both") == 0;

	o->header_digest = both || strcmp(text, "header") == 0;
	o->data_digest = both || strcmp(text, "data") == 0;
	if (!o->header_digest && !o->data_digest && strcmp(text, "none") != 0)
		return bad("--digests", text, "none, header, data or both");
	return 0;
}

static int parse_pattern(struct options *o, const char *text)
{
	o->random = strcmp(text, "rand") == 0;
	if (!o->random && strcmp(text, "seq") != 0)
		return bad("--pattern", text, "rand or seq");
	return 0;
}

static int parse_size(const char *what, const char *text, uint64_t max, uint64_t *out)
{
	if (size_parse(text, out) < 0 || *out == 0 || *out % 512 || *out > max)
		return bad(what, text,
			   max < UINT64_MAX ? "a multiple of 512, at most 16M"
					    : "a multiple of 512, as in 64M or 1G");
	return 0;
}

static int add_cpus(struct options *o, unsigned first, unsigned last)
{
	int *grown = realloc(o->cpus, (o->cpu_count + last - first + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	o->cpus = grown;
	for (unsigned cpu = first; cpu <= last; cpu++)
		o->cpus[o->cpu_count++] = (int)cpu;
	return 0;
}

static int parse_cpus(struct options *o, const char *list)
{
	char text[256], *rest = text, *part;

	if (snprintf(text, sizeof(text), "%s", list) >= (int)sizeof(text))
		return bad("--cpus", list, "a shorter list");
	while ((part = strsep(&rest, ","))) {
		char *dash = strchr(part, '-');
		unsigned first, last;

		if (dash)
			*dash++ = '\0';
		if (parse_number(part, 0, CPU_SETSIZE - 1, &first) ||
		    parse_number(dash ? dash : part, first, CPU_SETSIZE - 1, &last) ||
		    add_cpus(o, first, last))
			return bad("--cpus", list, "processors, as in 1 or 0,2-3");
	}
	return 0;
}

/* What else could have been there, part by part. */
static const char want_url[] = "iscsi://HOST:PORT/IQN/LUN or tcp://HOST:PORT";
static const char want_host[] = "a HOST, an address of IPv6 as in [::1]";
static const char want_port[] = "a PORT from 1 to 65535";
static const char want_iqn[] = "the target's name (IQN) after the host, of at most 223 bytes";
static const char want_lun[] = "a LUN from 0 to 16383 at the end, not encoded";

/* Splits HOST[:PORT] or [HOST]:PORT at the start of *@text, which moves behind it. NULL, or
 * what was wanted. */
static const char *parse_host(struct options *o, const char **text, const char *default_port)
{
	bool bracket = **text == '[';
	const char *at = *text + bracket;
	size_t len = strcspn(at, bracket ? "]" : ":/");
	unsigned port;

	if (len == 0 || len >= sizeof(o->host))
		return want_host;
	memcpy(o->host, at, len);
	o->host[len] = '\0';
	at += len;
	if (bracket && *at++ != ']')
		return want_host;
	snprintf(o->port, sizeof(o->port), "%s", default_port);
	if (*at == ':') {
		len = strcspn(++at, "/");
		if (len >= sizeof(o->port))
			return want_port;
		memcpy(o->port, at, len);
		o->port[len] = '\0';
		at += len;
	}
	*text = at;
	return parse_number(o->port, 1, 65535, &port) ? want_port : NULL;
}

const char *options_parse_url(struct options *o, const char *url)
{
	const char *rest = url, *slash, *wanted;
	size_t len;

	o->url = url;
	o->is_tcp = strncmp(url, "tcp://", 6) == 0;
	if (!o->is_tcp && strncmp(url, "iscsi://", 8) != 0)
		return want_url;
	rest += o->is_tcp ? 6 : 8;
	wanted = parse_host(o, &rest, o->is_tcp ? "" : "3260");
	if (wanted)
		return wanted;
	if (o->is_tcp)
		return *rest && strcmp(rest, "/") != 0 ? want_url : NULL;
	if (*rest++ != '/')
		return want_iqn;
	slash = strchr(rest, '/');
	len = slash ? (size_t)(slash - rest) : strlen(rest);
	if (len == 0 || len >= sizeof(o->iqn))
		return want_iqn;
	memcpy(o->iqn, rest, len);
	o->iqn[len] = '\0';
	o->lun = 0;
	return slash && parse_number(slash + 1, 0, 16383, &o->lun) ? want_lun : NULL;
}

enum {
	OPT_SPIN = 1000,
	OPT_VERIFY,
	OPT_JSON,
	OPT_HELP,
	OPT_INITIATOR,
	OPT_CONNECTIONS,
	OPT_DEPTH,
	OPT_OP,
	OPT_PATTERN,
	OPT_BS,
	OPT_RANGE,
	OPT_SECONDS,
	OPT_WARMUP,
	OPT_THREADS,
	OPT_CPUS,
	OPT_DIGESTS
};

static const struct option long_options[] = {
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "depth", required_argument, NULL, OPT_DEPTH },
	{ "op", required_argument, NULL, OPT_OP },
	{ "pattern", required_argument, NULL, OPT_PATTERN },
	{ "bs", required_argument, NULL, OPT_BS },
	{ "range", required_argument, NULL, OPT_RANGE },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "warmup", required_argument, NULL, OPT_WARMUP },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "cpus", required_argument, NULL, OPT_CPUS },
	{ "digests", required_argument, NULL, OPT_DIGESTS },
	{ "initiator", required_argument, NULL, OPT_INITIATOR },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "spin", no_argument, NULL, OPT_SPIN },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int parse_one(struct options *o, int which)
{
	switch (which) {
	case OPT_CONNECTIONS:
		return parse_count("--connections", optarg, OPTIONS_MAX_CONNECTIONS,
				   &o->connections);
	case OPT_DEPTH:
		return parse_count("--depth", optarg, OPTIONS_MAX_DEPTH, &o->depth);
	case OPT_THREADS:
		return parse_count("--threads", optarg, OPTIONS_MAX_THREADS, &o->threads);
	case OPT_OP:
		return parse_op(o, optarg);
	case OPT_PATTERN:
		return parse_pattern(o, optarg);
	case OPT_BS:
		return parse_size("--bs", optarg, OPTIONS_MAX_BLOCK_BYTES, &o->block_bytes);
	case OPT_RANGE:
		return parse_size("--range", optarg, UINT64_MAX, &o->range_bytes);
	case OPT_SECONDS:
		return parse_seconds("--seconds", optarg, &o->seconds);
	case OPT_WARMUP:
		return parse_seconds("--warmup", optarg, &o->warmup_seconds);
	case OPT_CPUS:
		return parse_cpus(o, optarg);
	case OPT_DIGESTS:
		return parse_digests(o, optarg);
	case OPT_INITIATOR:
		o->initiator = optarg;
		return 0;
	case OPT_VERIFY:
		o->verify = true;
		return 0;
	case OPT_SPIN:
		o->spin = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_HELP:
		o->help = true;
		return 0;
	default: /* getopt has said it */
		return -EINVAL;
	}
}

static int check(struct options *o)
{
	if (o->seconds <= 0)
		return bad("--seconds", "0", "more than 0");
	if (o->is_tcp && (o->verify || o->header_digest || o->data_digest)) {
		fprintf(stderr, "load: --verify and --digests need an iscsi:// URL: "
				"the bare server stores nothing and has no digests\n");
		return -EINVAL;
	}
	if (strlen(o->initiator) > 223 || !*o->initiator)
		return bad("--initiator", o->initiator, "an iSCSI name of at most 223 bytes");
	o->threads = MIN(o->threads, o->connections);
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	const char *wanted;
	int which, ret;

	*o = (struct options){
		.initiator = "iqn.2026-11.io.ringlun:load",
		.connections = 1,
		.depth = 32,
		.threads = 1,
		.op = "read",
		.read_percent = 100,
		.random = true,
		.block_bytes = 4096,
		.seconds = 5,
		.warmup_seconds = 1,
	};
	while ((which = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		ret = parse_one(o, which);
		if (ret)
			return ret;
	}
	if (o->help)
		return 0;
	if (optind + 1 != argc) {
		if (optind < argc)
			return bad("argument", argv[optind + 1], "one URL");
		fprintf(stderr, "load: expected a URL, %s (--help)\n", want_url);
		return -EINVAL;
	}
	wanted = options_parse_url(o, argv[optind]);
	return wanted ? bad("URL", argv[optind], wanted) : check(o);
}

void options_fini(struct options *o)
{
	free(o->cpus);
}
