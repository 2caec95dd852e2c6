/* Resets by real threads: sessions on every reactor of a real server write, read, and end each
 * other's commands, sessions and connections with every function there is. Meant for
 * ThreadSanitizer; without it, too, whoever asks is answered, nothing is answered that was ended,
 * and the bytes that were written last are there. */
#include "target/iscsi/proto.h"
#include "target/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { REACTORS = 4, SESSIONS = 8, ROUNDS = 120, BATCH = 6, BYTES = 4096, WAIT_MS = 60000 };

/* cmocka's asserts belong to one thread. */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #what);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static char dir[] = "/var/tmp/ringlun-reset-XXXXXX";
static uint16_t port;
static atomic_uint asked[ISCSI_TMF_QUERY_EVENT + 1], logins, ended, answered;

struct client {
	pthread_t thread;
	unsigned number;
	uint64_t rng;
	int fd;
	uint32_t cmd_sn, exp_stat_sn, itt;
	uint32_t waits[BATCH]; /* tags, 0 = none */
	bool pinged;
	uint8_t data[BYTES];
};

static unsigned dice(struct client *c, unsigned n)
{
	c->rng ^= c->rng << 13;
	c->rng ^= c->rng >> 7;
	c->rng ^= c->rng << 17;
	return (unsigned)(c->rng % n);
}

/* --- PDUs ---------------------------------------------------------------------------------- */

/* False: the connection has ended. */
static bool put(struct client *c, const void *data, size_t len)
{
	const uint8_t *at = data;

	while (len) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool get(struct client *c, void *data, size_t len)
{
	uint8_t *at = data;

	while (len) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		ssize_t n;

		CHECK(poll(&p, 1, WAIT_MS) == 1);
		n = recv(c->fd, at, len, 0);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool send_pdu(struct client *c, void *bhs, const void *data, uint32_t len)
{
	((struct bhs *)bhs)->data_len = be24_of(len);
	return put(c, bhs, sizeof(struct bhs)) && put(c, data, len);
}

static bool get_pdu(struct client *c, struct bhs *h, uint8_t *data, size_t cap)
{
	uint32_t len;

	if (!get(c, h, sizeof(*h)))
		return false;
	len = (be24_get(h->data_len) + 3) / 4 * 4;
	CHECK(len <= cap);
	return get(c, data, len);
}

static bool log_in(struct client *c)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct bhs_login_req h = { .opcode = ISCSI_LOGIN_REQ | ISCSI_IMMEDIATE, .flags = 0x87 };
	struct bhs_login_rsp rsp;
	uint8_t answer[8192];
	char text[512];
	int len, one = 1;

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(c->fd >= 0 && !connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	len = snprintf(text, sizeof(text),
		       "InitiatorName=iqn.2026-11.io.ringlun.test:threads%cSessionType=Normal%c"
		       "TargetName=iqn.2026-11.io.ringlun:v%ciSCSIProtocolLevel=2%c"
		       "TaskReporting=%s%cMaxRecvDataSegmentLength=8192%c",
		       0, 0, 0, 0, c->number % 2 ? "FastAbort" : "RFC3720", 0, 0);
	h.isid[0] = 0x80;
	h.isid[5] = (uint8_t)c->number;
	h.cmd_sn = be32_of(c->cmd_sn);
	while (len % 4)
		text[len++] = 0;
	if (!send_pdu(c, &h, text, (uint32_t)len) ||
	    !get_pdu(c, (struct bhs *)&rsp, answer, sizeof(answer)))
		return false;
	CHECK(rsp.opcode == ISCSI_LOGIN_RSP && !rsp.status_class);
	c->exp_stat_sn = be32_get(rsp.stat_sn) + 1;
	memset(c->waits, 0, sizeof(c->waits));
	atomic_fetch_add(&logins, 1);
	return true;
}

/* A TARGET COLD RESET may end a login, too. */
static void log_in_again(struct client *c)
{
	for (int tries = 0;; tries++) {
		CHECK(tries < 1000);
		if (c->fd >= 0)
			close(c->fd);
		if (log_in(c))
			return;
	}
}

/* --- what comes ------------------------------------------------------------------------------ */

static void answer_ping(struct client *c, const struct bhs_nop_in *in)
{
	struct bhs_nop_out h = { .opcode = ISCSI_NOP_OUT | ISCSI_IMMEDIATE, .flags = ISCSI_FINAL };

	if (be32_get(in->ttt) == ISCSI_NO_TAG)
		return;
	h.itt = be32_of(ISCSI_NO_TAG);
	h.ttt = in->ttt;
	h.cmd_sn = be32_of(c->cmd_sn);
	h.exp_stat_sn = be32_of(c->exp_stat_sn);
	(void)send_pdu(c, &h, NULL, 0);
}

static void command_over(struct client *c, const struct bhs *h)
{
	for (unsigned i = 0; i < BATCH; i++)
		if (c->waits[i] == be32_get(h->itt)) {
			c->waits[i] = 0;
			atomic_fetch_add(&answered, 1);
			return;
		}
	CHECK(!"an answer to what was ended");
}

enum came { LOST, COMMAND, TMF, OTHER };

static enum came take(struct client *c, uint8_t *response)
{
	uint8_t data[8192];
	struct bhs h;

	if (!get_pdu(c, &h, data, sizeof(data)))
		return LOST;
	switch (h.opcode) {
	case ISCSI_SCSI_RSP:
		command_over(c, &h);
		c->exp_stat_sn++;
		return COMMAND;
	case ISCSI_DATA_IN:
		if (!(h.flags & ISCSI_DATA_IN_STATUS))
			return OTHER;
		command_over(c, &h);
		c->exp_stat_sn++;
		return COMMAND;
	case ISCSI_TMF_RSP:
		*response = ((struct bhs_tmf_rsp *)&h)->response;
		CHECK(be32_get(h.itt) == c->itt);
		c->exp_stat_sn++;
		return TMF;
	case ISCSI_NOP_IN:
		answer_ping(c, (struct bhs_nop_in *)&h);
		c->pinged = true;
		return OTHER;
	case ISCSI_ASYNC:
		CHECK(((struct bhs_async *)&h)->event == ISCSI_ASYNC_TERMINATED);
		CHECK(c->number % 2);
		c->exp_stat_sn++;
		c->pinged = true;
		return OTHER;
	default:
		CHECK(!"this opcode");
		return LOST;
	}
}

/* --- what goes ------------------------------------------------------------------------------- */

/* One block of its own for each command; what is read back is judged at the end. */
static bool send_command(struct client *c, unsigned slot, bool write)
{
	struct bhs_scsi_cmd h = { .opcode = ISCSI_SCSI_CMD };
	uint32_t lba = (c->number * BATCH + slot) * (BYTES / 512);

	h.flags = (uint8_t)(ISCSI_FINAL | ISCSI_ATTR_SIMPLE |
			    (write ? ISCSI_CMD_WRITE : ISCSI_CMD_READ));
	c->waits[slot] = ++c->itt;
	h.itt = be32_of(c->itt);
	h.edtl = be32_of(BYTES);
	h.cmd_sn = be32_of(c->cmd_sn++);
	h.exp_stat_sn = be32_of(c->exp_stat_sn);
	h.cdb[0] = write ? 0x2a : 0x28;
	h.cdb[4] = (uint8_t)(lba >> 8);
	h.cdb[5] = (uint8_t)lba;
	h.cdb[8] = BYTES / 512;
	return send_pdu(c, &h, c->data, write ? BYTES : 0);
}

static unsigned left(const struct client *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < BATCH; i++)
		n += c->waits[i] != 0;
	return n;
}

/* True: all of this session's commands are over, whatever became of them. */
static bool ends_all(enum iscsi_tmf function)
{
	return function != ISCSI_TMF_ABORT_TASK && function < ISCSI_TMF_QUERY_TASK;
}

/* Asks, and waits for the answer. False: the connection has ended. */
static bool manage(struct client *c, enum iscsi_tmf function)
{
	struct bhs_tmf_req h = { .opcode = ISCSI_TMF_REQ | ISCSI_IMMEDIATE };
	unsigned victim = dice(c, BATCH);
	uint8_t response = 0;
	enum came came;

	h.flags = (uint8_t)(ISCSI_FINAL | (unsigned)function);
	h.itt = be32_of(++c->itt);
	h.ref_itt = be32_of(c->waits[victim] ? c->waits[victim] : ISCSI_NO_TAG);
	h.ref_cmd_sn = be32_of(c->cmd_sn - BATCH + victim);
	h.cmd_sn = be32_of(c->cmd_sn);
	h.exp_stat_sn = be32_of(c->exp_stat_sn);
	if (!send_pdu(c, &h, NULL, 0))
		return false;
	do {
		came = take(c, &response);
	} while (came != TMF && came != LOST);
	if (came == LOST)
		return false;
	CHECK(response == ISCSI_TMF_COMPLETE || response == ISCSI_TMF_NO_TASK ||
	      response == ISCSI_TMF_SUCCEEDED);
	atomic_fetch_add(&asked[function], 1);
	if (ends_all(function)) {
		atomic_fetch_add(&ended, left(c));
		memset(c->waits, 0, sizeof(c->waits));
	}
	return true;
}

static enum iscsi_tmf choose(struct client *c)
{
	static const enum iscsi_tmf functions[] = {
		ISCSI_TMF_ABORT_TASK,	     ISCSI_TMF_ABORT_TASK_SET, ISCSI_TMF_CLEAR_TASK_SET,
		ISCSI_TMF_CLEAR_TASK_SET,    ISCSI_TMF_LU_RESET,       ISCSI_TMF_LU_RESET,
		ISCSI_TMF_TARGET_WARM_RESET, ISCSI_TMF_QUERY_TASK,     ISCSI_TMF_QUERY_TASK_SET,
		ISCSI_TMF_NEXUS_RESET,	     ISCSI_TMF_QUERY_EVENT,
	};

	if (dice(c, 40) == 0)
		return ISCSI_TMF_TARGET_COLD_RESET;
	return functions[dice(c, ARRAY_SIZE(functions))];
}

static bool one_round(struct client *c)
{
	unsigned wanted = dice(c, 2) ? BATCH : dice(c, BATCH);
	uint8_t response;

	c->pinged = false;
	for (unsigned i = 0; i < BATCH; i++)
		if (!send_command(c, i, dice(c, 3)))
			return false;
	while (BATCH - left(c) < wanted && !c->pinged) /* pinged: some are over without a word */
		if (take(c, &response) == LOST)
			return false;
	if (!manage(c, choose(c)))
		return false;
	return manage(c, ISCSI_TMF_ABORT_TASK_SET); /* none is left for the next one */
}

/* --- the end --------------------------------------------------------------------------------- */

static pthread_barrier_t last;

/* True: all of the last batch came to GOOD, or at least to an answer. */
static bool write_all(struct client *c)
{
	uint8_t response;

	for (unsigned i = 0; i < BATCH; i++)
		if (!send_command(c, i, true))
			return false;
	while (left(c))
		if (take(c, &response) == LOST)
			return false;
	return true;
}

static void *client_main(void *arg)
{
	struct client *c = arg;

	log_in_again(c);
	for (unsigned n = 0; n < ROUNDS; n++) {
		memset(c->data, (int)(n | 1), BYTES);
		if (!one_round(c))
			log_in_again(c);
	}
	pthread_barrier_wait(&last); /* nobody resets any more */
	memset(c->data, 0x80 | (int)c->number, BYTES);
	for (unsigned n = 0; n < 8; n++) /* unit attentions, a connection that was lost */
		if (!write_all(c))
			log_in_again(c);
	close(c->fd);
	return NULL;
}

static void check_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t data[BYTES], want[BYTES];

	assert_non_null(f);
	for (unsigned n = 0; n < SESSIONS * BATCH; n++) {
		memset(want, 0x80 | (int)(n / BATCH), BYTES);
		assert_int_equal(fread(data, BYTES, 1, f), 1);
		assert_memory_equal(data, want, BYTES);
	}
	fclose(f);
}

static uint16_t free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static void everybody_resets_everybody(void **state)
{
	static struct client clients[SESSIONS];
	static struct config cfg;
	char listen[32], volume[160], file[64], why[CONFIG_WHY_BYTES];
	const char *engine = getenv("RINGLUN_TEST_ENGINE");
	const char *argv[] = { "ringlund",
			       "--listen",
			       listen,
			       "--volume",
			       volume,
			       "--engine",
			       engine ? engine : "auto",
			       "--state",
			       dir,
			       "--runtime",
			       dir,
			       "--reactors",
			       "4" };
	struct server *server;

	(void)state;
	port = free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	snprintf(file, sizeof(file), "%s/v.img", dir);
	snprintf(volume, sizeof(volume), "v,path=%s,size=16M,cache=buffered", file);
	assert_int_equal(config_parse(&cfg, ARRAY_SIZE(argv), (char **)argv, why, sizeof(why)),
			 CONFIG_RUN);
	log_set_level(LOG_ERROR);
	if (server_new(&server, &cfg, why, sizeof(why)) || server_start(server, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(pthread_barrier_init(&last, NULL, SESSIONS), 0);
	for (unsigned n = 0; n < SESSIONS; n++) {
		clients[n] = (struct client){
			.number = n, .rng = n + 1, .fd = -1, .cmd_sn = 1, .itt = 1
		};
		assert_int_equal(pthread_create(&clients[n].thread, NULL, client_main, &clients[n]),
				 0);
	}
	for (unsigned n = 0; n < SESSIONS; n++)
		pthread_join(clients[n].thread, NULL);
	assert_int_equal(server_stop(server), 0);
	server_free(server);
	config_fini(&cfg);
	for (unsigned f = ISCSI_TMF_ABORT_TASK; f <= ISCSI_TMF_QUERY_EVENT; f++)
		if (f != ISCSI_TMF_CLEAR_ACA && f != ISCSI_TMF_TASK_REASSIGN)
			assert_true(atomic_load(&asked[f]) > 0);
	assert_true(atomic_load(&logins) > SESSIONS);
	assert_true(atomic_load(&ended) > 0);
	assert_true(atomic_load(&answered) > SESSIONS * ROUNDS);
	check_file(file);
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_resets_everybody),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
