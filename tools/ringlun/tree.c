/* The table of all commands. What is said here is what --help prints and what completion offers;
 * tools/man/ringlun.1 says the same at more length, and a test compares the two. */
#include "tools/ringlun/nouns.h"

#define END                                                                                        \
	{                                                                                          \
		0                                                                                  \
	}

const struct command_option command_globals[] = {
	{ .name = "socket",
	  .value = "PATH",
	  .kind = WORD_FILE,
	  .help = "the server's unix socket (/run/ringlun/api.sock)" },
	{ .name = "api", .value = "ADDR:PORT", .help = "over TCP instead: ringlund --api" },
	{ .name = "token-file",
	  .value = "FILE",
	  .kind = WORD_FILE,
	  .help = "the token for --api; readable by its owner only" },
	{ .name = "json", .help = "print the server's answer as it is: for scripts" },
	{ .name = "no-wait", .help = "do not wait for long work: print its job, exit 6" },
	{ .name = "timeout",
	  .value = "SECONDS",
	  .help = "wait for long work no longer than that, then exit 6; it runs on" },
	{ .name = "help", .letter = 'h', .help = "of the program, a noun, or a command" },
	{ .name = "version", .help = "of this command" },
	END,
};

#define YES                                                                                        \
	{                                                                                          \
		.name = "yes", .help = "do not ask; only on a terminal is anybody asked"           \
	}

static const struct command_option volume_create_options[] = {
	{ .name = "size", .value = "SIZE", .help = "needed, unless what is at --path has one" },
	{ .name = "path",
	  .value = "PATH",
	  .kind = WORD_FILE,
	  .help = "serve this device or file; without it the pool makes one" },
	{ .name = "pool", .value = "POOL", .kind = WORD_POOL, .help = "the pool (default)" },
	{ .name = "block-size",
	  .value = "BYTES",
	  .choices = "512 4096",
	  .help = "of a logical block (512)" },
	{ .name = "cache",
	  .value = "MODE",
	  .choices = "direct buffered",
	  .help = "direct, or buffered: through the page cache (direct)" },
	{ .name = "writethrough", .help = "every write is durable when it is answered" },
	{ .name = "read-only", .help = "initiators can only read" },
	{ .name = "id", .value = "UUID", .help = "identity of the disk (a random one)" },
	{ .name = "preallocate", .help = "take all of its space at once" },
	{ .name = "no-expose", .help = "make it, but no target for it" },
	{ .name = "target",
	  .value = "TARGET",
	  .kind = WORD_TARGET,
	  .help = "behind this target (one of its own, of its name)" },
	{ .name = "lun", .value = "N", .help = "as this LUN (the first free one)" },
	END,
};
static const struct command_option volume_delete_options[] = {
	{ .name = "force", .help = "also while sessions use it: they lose it" },
	YES,
	END,
};
static const struct command_option volume_expose_options[] = {
	{ .name = "target",
	  .value = "TARGET",
	  .kind = WORD_TARGET,
	  .help = "made if it is not there (one of the volume's name)" },
	{ .name = "lun", .value = "N", .help = "0 to 16383 (the first free one)" },
	END,
};
static const struct command_option volume_unexpose_options[] = {
	{ .name = "target",
	  .value = "TARGET",
	  .kind = WORD_TARGET,
	  .help = "from this target only (from all)" },
	{ .name = "force", .help = "also while sessions are logged in: they lose it" },
	END,
};
static const struct command_option target_delete_options[] = {
	{ .name = "force", .help = "also while sessions are logged in: they end" },
	END,
};
static const struct command_option target_allow_options[] = {
	{ .name = "initiator",
	  .value = "PATTERN",
	  .help = "its name, as in iqn.2004-10.com.example:* (any)" },
	{ .name = "address",
	  .value = "ADDRESS",
	  .help = "where it comes from: 10.1.0.7, 10.1.0.0/16, 2001:db8::/32 (any)" },
	END,
};
static const struct command_option target_deny_options[] = {
	{ .name = "initiator", .value = "PATTERN", .help = "as it was allowed" },
	{ .name = "address", .value = "ADDRESS", .help = "as it was allowed" },
	{ .name = "drop", .help = "end the sessions that may not be any more" },
	END,
};
static const struct command_option chap_options[] = {
	{ .name = "user",
	  .value = "USER",
	  .many = true,
	  .help = "who may log in; with several, each has a --secret-file in turn" },
	{ .name = "secret-file",
	  .value = "FILE",
	  .kind = WORD_FILE,
	  .many = true,
	  .help = "its one line is the secret; readable by its owner only.\n"
		  "- is standard input, or a question on a terminal" },
	{ .name = "mutual-user",
	  .value = "USER",
	  .help = "our name, for initiators that want us to prove ourselves" },
	{ .name = "mutual-secret-file",
	  .value = "FILE",
	  .kind = WORD_FILE,
	  .help = "and our secret; must differ from theirs" },
	{ .name = "off", .help = "no CHAP any more" },
	END,
};
static const struct command_option target_set_options[] = {
	{ .name = "shared",
	  .value = "yes|no",
	  .choices = "yes no",
	  .help = "takes several initiator names at a time" },
	{ .name = "redirect", .value = "ADDR:PORT", .help = "send logins there (moved)" },
	{ .name = "permanent", .help = "with --redirect: moved for good" },
	{ .name = "no-redirect", .help = "serve logins again" },
	{ .name = "portal",
	  .value = "ADDR:PORT",
	  .kind = WORD_PORTAL,
	  .many = true,
	  .help = "reached by these portals only" },
	{ .name = "all-portals", .help = "reached by all portals" },
	{ .name = "default-access",
	  .help = "the server's own rules count (--allow, --open), not its own" },
	END,
};
static const struct command_option session_list_options[] = {
	{ .name = "target", .value = "TARGET", .kind = WORD_TARGET, .help = "of this target only" },
	END,
};
static const struct command_option session_drop_options[] = {
	{ .name = "ask", .help = "ask it to log out, and end it only where it does not" },
	END,
};
static const struct command_option pool_create_options[] = {
	{ .name = "volume-group",
	  .value = "VG",
	  .help = "volumes are logical volumes of this group; without it, sparse files" },
	END,
};
static const struct command_option apply_options[] = {
	{ .name = "file",
	  .letter = 'f',
	  .value = "FILE",
	  .kind = WORD_FILE,
	  .help = "the document; - is standard input" },
	{ .name = "dry-run", .help = "show the difference, change nothing" },
	{ .name = "delete-volumes",
	  .help = "delete volumes that the document leaves out, with their data;\n"
		  "without it a document that leaves any out is refused" },
	YES,
	END,
};
static const struct command_option top_options[] = {
	{ .name = "interval", .value = "SECONDS", .help = "between two looks (2)" },
	{ .name = "once", .help = "one look and no more" },
	END,
};

#define V                                                                                          \
	{                                                                                          \
		"VOLUME", WORD_VOLUME                                                              \
	}
#define T                                                                                          \
	{                                                                                          \
		"TARGET", WORD_TARGET                                                              \
	}

const struct command command_table[] = {
	{ "volume", "the disks that are served", 0, { END }, 0, 0 },
	{ "volume create",
	  "Make a volume, and a target for it",
	  "Prints what an initiator needs next. Its data is a sparse file of a pool (or a logical\n"
	  "volume, where the pool is a volume group), or what is at --path.\n",
	  { { "NAME", WORD_FREE } },
	  volume_create_options,
	  volume_create },
	{ "volume list", "List volumes", 0, { END }, 0, volume_list },
	{ "volume show", "Show all about a volume", 0, { V }, 0, volume_show },
	{ "volume resize",
	  "Grow a volume; initiators are told",
	  "SIZE is the new size. Volumes never shrink: data would be lost.\n",
	  { V, { "SIZE", WORD_FREE } },
	  0,
	  volume_resize },
	{ "volume delete",
	  "Delete a volume and its data",
	  "What is at --path of an external volume stays. On a terminal it asks first; scripts "
	  "are\n"
	  "not asked. Refused while sessions use it, unless --force.\n",
	  { V },
	  volume_delete_options,
	  volume_delete },
	{ "volume expose",
	  "Show a volume to initiators, as a LUN of a target",
	  0,
	  { V },
	  volume_expose_options,
	  volume_expose },
	{ "volume unexpose",
	  "Take a volume away from initiators; it stays",
	  0,
	  { V },
	  volume_unexpose_options,
	  volume_unexpose },
	{ "volume recover",
	  "Take up writes again after a failed flush",
	  "What was written before the failure, and not flushed, may be lost: check the file "
	  "system.\n",
	  { V },
	  0,
	  volume_recover },

	{ "target", "what initiators log in to", 0, { END }, 0, 0 },
	{ "target list", "List targets", 0, { END }, 0, target_list },
	{ "target show", "Show all about a target", 0, { T }, 0, target_show },
	{ "target create",
	  "Make a target without LUNs (volume expose adds them)",
	  0,
	  { T },
	  0,
	  target_create },
	{ "target delete",
	  "Delete a target; its volumes stay",
	  0,
	  { T },
	  target_delete_options,
	  target_delete },
	{ "target allow",
	  "Let initiators log in, by name or address or both",
	  "With the first rule the target has rules of its own, and the server's (--allow, "
	  "--open)\n"
	  "do not count for it any more.\n",
	  { T },
	  target_allow_options,
	  target_allow },
	{ "target deny",
	  "Take a rule away that allowed somebody",
	  "Without rules nobody can log in; ringlun target set --default-access goes back to the\n"
	  "server's own. Sessions that exist stay, unless --drop.\n",
	  { T },
	  target_deny_options,
	  target_deny },
	{ "target chap",
	  "Have initiators prove who they are by CHAP",
	  "For logins from now on. Replaces all users that it had.\n",
	  { T },
	  chap_options,
	  target_chap },
	{ "target set",
	  "Change whether it is shared, redirected, and its portals",
	  0,
	  { T },
	  target_set_options,
	  target_set },

	{ "discovery", "what initiators ask for targets", 0, { END }, 0, 0 },
	{ "discovery show", "Show whether discovery asks for CHAP", 0, { END }, 0, discovery_show },
	{ "discovery chap",
	  "Have discovery prove who asks by CHAP",
	  0,
	  { END },
	  chap_options,
	  discovery_chap },

	{ "session", "initiators that are logged in", 0, { END }, 0, 0 },
	{ "session list", "List sessions", 0, { END }, session_list_options, session_list },
	{ "session drop",
	  "End a session; most initiators log in again",
	  0,
	  { { "SESSION", WORD_SESSION } },
	  session_drop_options,
	  session_drop },

	{ "portal", "addresses where initiators come in", 0, { END }, 0, 0 },
	{ "portal list", "List portals", 0, { END }, 0, portal_list },
	{ "portal add",
	  "Listen at an address, as in 10.0.0.1:3260 or [2001:db8::1]:3260",
	  0,
	  { { "ADDRESS", WORD_FREE } },
	  0,
	  portal_add },
	{ "portal remove",
	  "Listen there no more; connections stay",
	  0,
	  { { "ADDRESS", WORD_PORTAL } },
	  0,
	  portal_remove },

	{ "pool", "where volumes are kept", 0, { END }, 0, 0 },
	{ "pool list", "List pools", 0, { END }, 0, pool_list },
	{ "pool create",
	  "Make an empty pool in a folder",
	  0,
	  { { "NAME", WORD_FREE }, { "FOLDER", WORD_FOLDER } },
	  pool_create_options,
	  pool_create },
	{ "pool import",
	  "Serve a pool that is there, with its volumes",
	  0,
	  { { "NAME", WORD_FREE }, { "FOLDER", WORD_FOLDER } },
	  0,
	  pool_import },
	{ "pool remove",
	  "Serve a pool no more; its data stays",
	  0,
	  { { "POOL", WORD_POOL } },
	  0,
	  pool_remove },

	{ "job", "work that takes long", 0, { END }, 0, 0 },
	{ "job list", "List jobs that run, and the last that did", 0, { END }, 0, job_list },
	{ "job show", "Show all about a job", 0, { { "JOB", WORD_JOB } }, 0, job_show },
	{ "job watch",
	  "Wait for a job; Ctrl-C leaves it running",
	  0,
	  { { "JOB", WORD_JOB } },
	  0,
	  job_watch },
	{ "job cancel",
	  "Cancel a job, where it can still be stopped",
	  0,
	  { { "JOB", WORD_JOB } },
	  0,
	  job_cancel },

	{ "state",
	  "Print all that is served, as a document that apply takes",
	  "Secrets are left out; apply keeps those that it has.\n",
	  { END },
	  0,
	  state_show },
	{ "apply",
	  "Make what a document says so, and show the difference",
	  "Sessions that it does not concern never notice. Parts that the document leaves out "
	  "stay.\n"
	  "\"secret_file\": \"FILE\" in the place of \"secret\" is read here, relative to the "
	  "document.\n"
	  "See ringlun-state(5).\n",
	  { END },
	  apply_options,
	  state_apply },
	{ "metrics",
	  "Print the metrics, in Prometheus' text format",
	  0,
	  { END },
	  0,
	  server_metrics },
	{ "top",
	  "Show what volumes do, again and again; q or Ctrl-C ends it",
	  "Per volume: operations and megabytes (10^6) a second, latency that 50 and 99 % stay "
	  "below,\n"
	  "commands that are under way, limits (none yet).\n",
	  { END },
	  top_options,
	  server_top },
	{ "check",
	  "Check a pool that nobody serves; changes nothing",
	  0,
	  { { "FOLDER", WORD_FOLDER } },
	  0,
	  pool_check },
	{ "version",
	  "Print versions of this command and of the server",
	  0,
	  { END },
	  0,
	  server_version },
	{ 0 },
};
