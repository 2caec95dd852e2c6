/* What changes, by real threads: targets and LUNs come and go, units are freed, rules change,
 * sessions are listed and dropped, portals open and close, while sessions on every reactor of a
 * real server log in, run commands, reset units and leave. Meant for ThreadSanitizer; without it,
 * too, every command is answered or its connection ends, and who is on a target that nobody touches
 * does not notice anything. */
#include "target/iscsi/node_change.h"
#include "target/iscsi/sockaddr.h"
#include "target/scsi/change.h"
#include "target/server.h"
#include "tests/component/thread_client.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

enum {
	RESTLESS = 6, /* clients of targets that change */
	STILL = 2,    /* of the one that does not */
	CLIENTS = RESTLESS + STILL,
	TARGETS = 3,
	LUNS = 4,
	UNITS = 5,
	CHANGES = 600,
	REACTORS = 4,
};

static char dir[] = "/var/tmp/ringlun-change-XXXXXX";
static uint16_t port;
static atomic_bool over;
static atomic_uint logins, refused, discoveries, good, no_lun, news, asked, lost;
static unsigned done[9]; /* changes, by kind */

/* --- what comes ------------------------------------------------------------------------------ */

static bool is_still(const struct client *c)
{
	return c->number >= RESTLESS;
}

static void command_over(struct client *c, const struct bhs *h, uint8_t status,
			 const uint8_t *sense)
{
	unsigned i = 0;

	while (i < BATCH && c->waits[i].itt != be32_get(h->itt))
		i++;
	CHECK(i < BATCH);
	c->waits[i].itt = 0;
	if (status == SCSI_GOOD) {
		atomic_fetch_add(&good, 1);
		return;
	}
	CHECK(status == SCSI_CHECK_CONDITION);
	if ((sense[4] & 0x0f) == 6) {
		CHECK(!is_still(c) || (sense[14] == 0x29 && sense[15] == 0));
		atomic_fetch_add(&news, 1);
		c->news++;
		return;
	}
	CHECK(!is_still(c) && (sense[4] & 0x0f) == 5 && sense[14] == 0x25);
	atomic_fetch_add(&no_lun, 1);
}

enum came { LOST, COMMAND, TMF, LOGOUT, TEXT, OTHER };

static enum came take(struct client *c)
{
	uint8_t data[8192] = { 0 };
	struct bhs h;

	if (!get_pdu(c, &h, data, sizeof(data)))
		return LOST;
	switch (h.opcode) {
	case ISCSI_SCSI_RSP:
		c->exp_stat_sn++;
		command_over(c, &h, ((struct bhs_scsi_rsp *)&h)->status, data);
		return COMMAND;
	case ISCSI_DATA_IN:
		CHECK(!is_still(c) || !memcmp(data, c->data, BYTES));
		if (!(h.flags & ISCSI_DATA_IN_STATUS))
			return OTHER;
		c->exp_stat_sn++;
		command_over(c, &h, ((struct bhs_data_in *)&h)->status, data);
		return COMMAND;
	case ISCSI_TMF_RSP:
		c->exp_stat_sn++;
		return TMF;
	case ISCSI_LOGOUT_RSP:
		c->exp_stat_sn++;
		return LOGOUT;
	case ISCSI_TEXT_RSP:
		c->exp_stat_sn++;
		return TEXT;
	case ISCSI_NOP_IN:
		answer_ping(c, (struct bhs_nop_in *)&h);
		return OTHER;
	case ISCSI_ASYNC:
		CHECK(((struct bhs_async *)&h)->event == ISCSI_ASYNC_REQUEST_LOGOUT);
		CHECK(!is_still(c));
		c->exp_stat_sn++;
		c->was_asked = true;
		atomic_fetch_add(&asked, 1);
		return OTHER;
	default:
		CHECK(!"this opcode");
		return LOST;
	}
}

/* --- what goes ------------------------------------------------------------------------------- */

static bool wait_all(struct client *c)
{
	while (is_waiting(c))
		if (take(c) == LOST)
			return false;
	return true;
}

static bool ask(struct client *c, struct bhs *h, enum came answer)
{
	enum came came;

	h->itt = be32_of(++c->itt);
	((struct bhs_nop_out *)h)->cmd_sn = be32_of(c->cmd_sn);
	((struct bhs_nop_out *)h)->exp_stat_sn = be32_of(c->exp_stat_sn);
	if (!send_pdu(c, h, NULL, 0))
		return false;
	do {
		came = take(c);
	} while (came != answer && came != LOST);
	return came == answer;
}

/* Its own commands are over; what it ends is others'. */
static bool reset(struct client *c, unsigned lun)
{
	struct bhs_tmf_req h = { .opcode = ISCSI_TMF_REQ | ISCSI_IMMEDIATE };
	bool warm = dice(&c->rng, 3) == 0;

	h.flags =
		(uint8_t)(ISCSI_FINAL | (warm ? ISCSI_TMF_TARGET_WARM_RESET : ISCSI_TMF_LU_RESET));
	h.lun[1] = (uint8_t)lun;
	h.ref_itt = be32_of(ISCSI_NO_TAG);
	return ask(c, (struct bhs *)&h, TMF);
}

static void log_out(struct client *c)
{
	struct bhs_logout_req h = { .opcode = ISCSI_LOGOUT_REQ | ISCSI_IMMEDIATE, .flags = 0x80 };

	(void)ask(c, (struct bhs *)&h, LOGOUT);
}

/* --- clients --------------------------------------------------------------------------------- */

/* One that resets has nothing under way itself, and so have the others: a reset ends commands
 * without a word. So only one client of each target does, and its target has but that one. */
static bool may_reset(const struct client *c)
{
	return c->number == 0;
}

static const char *choose_target(struct client *c)
{
	static const char *const names[TARGETS] = { "alone", "t1", "t2" };

	if (may_reset(c))
		return names[0];
	return names[1 + dice(&c->rng, TARGETS - 1)];
}

/* False: the connection has ended. */
static bool one_batch(struct client *c)
{
	for (unsigned i = 0; i < BATCH; i++)
		if (!send_command(c, i, dice(&c->rng, LUNS), dice(&c->rng, 2)))
			return false;
	if (!wait_all(c))
		return false;
	return !may_reset(c) || dice(&c->rng, 3) || reset(c, dice(&c->rng, LUNS));
}

/* What targets there are, at this moment. */
static void discover(struct client *c)
{
	static const char text[] = "SendTargets=All";
	struct bhs_text_req h = { .opcode = ISCSI_TEXT_REQ | ISCSI_IMMEDIATE,
				  .flags = ISCSI_FINAL };
	enum came came = OTHER;

	if (log_in(c, port, NULL) == 0) {
		h.itt = be32_of(++c->itt);
		h.ttt = be32_of(ISCSI_NO_TAG);
		h.cmd_sn = be32_of(c->cmd_sn);
		h.exp_stat_sn = be32_of(c->exp_stat_sn);
		if (send_pdu(c, &h, text, sizeof(text)))
			while (came != TEXT && came != LOST)
				came = take(c);
		atomic_fetch_add(&discoveries, came == TEXT);
	}
	close(c->fd);
}

static void *restless(void *arg)
{
	struct client *c = arg;

	while (!atomic_load(&over)) {
		int status = log_in(c, port, choose_target(c));
		bool there = true;

		CHECK(status <= 0 || status == ISCSI_LOGIN_NOT_FOUND ||
		      status == ISCSI_LOGIN_FORBIDDEN || status == ISCSI_LOGIN_TARGET_REMOVED ||
		      status == ISCSI_LOGIN_UNAVAILABLE || status == ISCSI_LOGIN_MOVED);
		atomic_fetch_add(&logins, status == 0);
		atomic_fetch_add(&refused, status > 0);
		for (unsigned n = 0; !status && there && n < 1 + dice(&c->rng, 30); n++)
			there = one_batch(c) && !(c->was_asked && dice(&c->rng, 2));
		if (!status && there && dice(&c->rng, 4))
			log_out(c);
		else if (!status && !there)
			atomic_fetch_add(&lost, 1);
		close(c->fd);
		if (status)
			usleep(2000);
		if (dice(&c->rng, 20) == 0)
			discover(c);
	}
	return NULL;
}

static void *still(void *arg)
{
	struct client *c = arg;
	unsigned before;

	CHECK(log_in(c, port, "still") == 0);
	memset(c->data, 0xa0 | (int)c->number, BYTES);
	do { /* unit attention, then all of it */
		before = c->news;
		for (unsigned i = 0; i < BATCH; i++)
			CHECK(send_command(c, i, 0, true));
		CHECK(wait_all(c));
	} while (before != c->news);
	while (!atomic_load(&over)) {
		for (unsigned i = 0; i < BATCH; i++)
			CHECK(send_command(c, i, 0, dice(&c->rng, 2)));
		CHECK(wait_all(c));
	}
	log_out(c);
	close(c->fd);
	return NULL;
}

/* --- who changes ----------------------------------------------------------------------------- */

struct changer {
	struct server *server;
	struct iscsi_node *node;
	uint64_t rng;
	struct scsi_lu *units[UNITS];
	char why[CONFIG_WHY_BYTES];
};

static const char *const changing[TARGETS] = { PREFIX "alone", PREFIX "t1", PREFIX "t2" };

static struct scsi_lu *unit_new(unsigned n)
{
	struct bs_spec spec = {
		.path = "memory:", .size_bytes = 1 << 20, .block_bytes = 512, .reactors = REACTORS
	};
	struct scsi_lu_config cfg = { .name = "unit", .reactors = REACTORS };
	struct scsi_lu *lu;
	char why[256];

	cfg.uuid[15] = (uint8_t)n;
	if (backstore_open(&cfg.bs, &spec, why, sizeof(why)))
		fprintf(stderr, "%s\n", why);
	CHECK(cfg.bs && !scsi_lu_new(&lu, &cfg));
	return lu;
}

/* Away from every target, freed, and another one in its place. */
static void renew_unit(struct changer *ch, unsigned n)
{
	int rc;

	for (unsigned t = 0; t < TARGETS; t++)
		for (unsigned lun = 0; lun < LUNS; lun++)
			if (lun == n || lun + 1 == n)
				(void)!iscsi_node_unmap_lun(ch->node, changing[t], lun);
	rc = iscsi_node_await_lu(ch->node, ch->units[n], UINT64_C(20000000000));
	if (rc == -EBUSY)
		return; /* behind some other LUN */
	CHECK(!rc);
	scsi_lu_free(ch->units[n]);
	ch->units[n] = unit_new(n);
}

static struct iscsi_policy *some_policy(struct changer *ch)
{
	static const struct policy_rule everybody, nobody_here = { .address = "192.0.2.1" };
	unsigned which = dice(&ch->rng, 8);
	struct policy_spec spec = { .shared = true, .rules = &everybody, .nrules = 1 };
	struct iscsi_policy *p;

	if (which == 0)
		spec.rules = &nobody_here;
	else if (which == 1)
		spec.redirect = "192.0.2.1";
	else if (which == 2)
		spec.by_default = true;
	CHECK(!policy_new(&p, &spec, ch->why, sizeof(ch->why)));
	return p;
}

static void look_at_sessions(struct changer *ch)
{
	struct iscsi_session_info *all;
	unsigned n;

	CHECK(!iscsi_node_sessions(ch->node, &all, &n));
	for (unsigned i = 0; i < n; i++)
		if (strcmp(all[i].target, PREFIX "still") && dice(&ch->rng, 3) == 0)
			(void)!iscsi_node_drop_session(ch->node, all[i].id, dice(&ch->rng, 2));
	free(all);
}

static void open_and_close_a_portal(struct changer *ch)
{
	struct sockaddr_storage sa;
	char text[SOCKADDR_TEXT_BYTES];

	CHECK(!server_listen(ch->server, "127.0.0.1:0", &sa, ch->why, sizeof(ch->why)));
	sockaddr_text(&sa, sockaddr_port(&sa), text);
	CHECK(server_listen(ch->server, text, &sa, ch->why, sizeof(ch->why)) == -EADDRINUSE);
	CHECK(!server_unlisten(ch->server, text, ch->why, sizeof(ch->why)));
	CHECK(server_unlisten(ch->server, text, ch->why, sizeof(ch->why)) == -ENOENT);
}

static void one_change(struct changer *ch)
{
	const char *t = changing[dice(&ch->rng, TARGETS)];
	unsigned lun = dice(&ch->rng, LUNS), n = dice(&ch->rng, UNITS), what = dice(&ch->rng, 20);

	switch (what) {
	case 0:
		(void)!iscsi_node_add_target(ch->node, t, some_policy(ch), ch->why,
					     sizeof(ch->why));
		break;
	case 1:
		if (dice(&ch->rng, 2))
			(void)!iscsi_node_remove_target(ch->node, t);
		(void)!iscsi_node_add_target(ch->node, t, some_policy(ch), ch->why,
					     sizeof(ch->why));
		break;
	case 2:
		(void)!iscsi_node_set_policy(ch->node, t, some_policy(ch));
		break;
	case 3:
		look_at_sessions(ch);
		break;
	case 4:
		(void)iscsi_node_lun_sessions(ch->node, ch->units[n]);
		scsi_lu_grown(ch->units[n]);
		break;
	case 5:
		open_and_close_a_portal(ch);
		break;
	case 6:
		renew_unit(ch, n);
		break;
	case 7:
		(void)!iscsi_node_unmap_lun(ch->node, t, lun);
		break;
	default:
		(void)!iscsi_node_map_lun(ch->node, t, lun, ch->units[lun]);
		if (dice(&ch->rng, 2))
			(void)!iscsi_node_map_lun(ch->node, t, lun, ch->units[lun + 1]);
		break;
	}
	done[what < 8 ? what : 8]++;
}

static void *change(void *arg)
{
	struct changer *ch = arg;

	for (unsigned n = 0; n < CHANGES; n++) {
		one_change(ch);
		if (dice(&ch->rng, 2))
			usleep(dice(&ch->rng, 10000));
	}
	atomic_store(&over, true);
	return NULL;
}

/* --- the test -------------------------------------------------------------------------------- */

static struct server *serve(struct config *cfg)
{
	static char listen[32];
	const char *engine = getenv("RINGLUN_TEST_ENGINE");
	const char *argv[] = { "ringlund",
			       "--listen",
			       listen,
			       "--volume",
			       "still,path=memory:,size=1M,shared",
			       "--engine",
			       engine ? engine : "auto",
			       "--state",
			       dir,
			       "--runtime",
			       dir,
			       "--reactors",
			       "4" };
	char why[CONFIG_WHY_BYTES];
	struct server *server;

	port = free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	assert_int_equal(config_parse(cfg, ARRAY_SIZE(argv), (char **)argv, why, sizeof(why)),
			 CONFIG_RUN);
	log_set_level(LOG_ERROR);
	if (server_new(&server, cfg, why, sizeof(why)) || server_start(server, why, sizeof(why)))
		fail_msg("%s", why);
	return server;
}

static void all_changes_under_load(void **state)
{
	static struct client clients[CLIENTS];
	static struct changer ch = { .rng = 7 };
	static struct config cfg;
	pthread_t changer;

	(void)state;
	ch.server = serve(&cfg);
	ch.node = server_node(ch.server);
	for (unsigned n = 0; n < UNITS; n++)
		ch.units[n] = unit_new(n);
	for (unsigned n = 0; n < CLIENTS; n++) {
		clients[n] = (struct client){ .number = n, .rng = n + 1, .fd = -1, .itt = 1 };
		assert_int_equal(pthread_create(&clients[n].thread, NULL,
						is_still(&clients[n]) ? still : restless,
						&clients[n]),
				 0);
	}
	assert_int_equal(pthread_create(&changer, NULL, change, &ch), 0);
	pthread_join(changer, NULL);
	for (unsigned n = 0; n < CLIENTS; n++)
		pthread_join(clients[n].thread, NULL);
	for (unsigned t = 0; t < TARGETS; t++)
		(void)!iscsi_node_remove_target(ch.node, changing[t]);
	for (unsigned n = 0; n < UNITS; n++) {
		assert_int_equal(iscsi_node_await_lu(ch.node, ch.units[n], UINT64_C(20000000000)),
				 0);
		scsi_lu_free(ch.units[n]);
	}
	assert_int_equal(server_stop(ch.server), 0);
	server_free(ch.server);
	config_fini(&cfg);
	for (unsigned n = 0; n <= 8; n++)
		assert_true(done[n] > 0);
	assert_true(atomic_load(&logins) > 0 && atomic_load(&refused) > 0 &&
		    atomic_load(&discoveries) > 0);
	assert_true(atomic_load(&good) > 0 && atomic_load(&no_lun) > 0 && atomic_load(&news) > 0);
	assert_true(atomic_load(&asked) > 0 && atomic_load(&lost) > 0);
	print_message("%u logins, %u refused, %u discoveries; %u commands, %u without a unit, %u "
		      "unit attentions; %u asked to leave, %u lost\n",
		      logins, refused, discoveries, good, no_lun, news, asked, lost);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_changes_under_load) };

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
