/* The machine's limit: a server that does nothing but receive 48 bytes and send 48 + N. What
 * any target needs beyond its cost, it needs for being a target.
 *
 * Requests are parsed where they lie; all answers that are due leave in one send. */
#include "bench/src/bare.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	MAX_WAITING = 8192, /* requests of one peer; a power of two */
	RECV_BYTES = 256 << 10,
	SPIN_PEERS = 1024,
	SPIN_TURNS = 256, /* between looks for new peers */
};

/* ── a peer ───────────────────────────────────────────────────────────── */

struct bare_peer *bare_peer_new(int fd, uint8_t *payload)
{
	struct bare_peer *p = calloc(1, sizeof(*p));
	int one = 1;

	if (!p) {
		close(fd);
		return NULL;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p->fd = fd;
	p->payload = payload;
	p->waiting = calloc(MAX_WAITING, 2 * sizeof(*p->waiting)); /* tag, out_bytes */
	p->batch.headers = malloc(BATCH_HEADER_BYTES);
	if (p->waiting && p->batch.headers)
		return p;
	bare_peer_free(p);
	return NULL;
}

void bare_peer_free(struct bare_peer *p)
{
	close(p->fd);
	free(p->waiting);
	free(p->batch.headers);
	free(p);
}

static int head_came(struct bare_peer *p)
{
	p->skip = be32_get(p->head.in_bytes);
	if (be32_get(p->head.magic) != BARE_MAGIC || p->skip > BARE_MAX_BYTES ||
	    be32_get(p->head.out_bytes) > BARE_MAX_BYTES)
		return -EPROTO;
	return 0;
}

static int request_came(struct bare_peer *p)
{
	uint32_t *slot = &p->waiting[2 * ((p->first + p->count) % MAX_WAITING)];

	if (p->count == MAX_WAITING)
		return -EOVERFLOW;
	p->count++;
	slot[0] = be32_get(p->head.tag);
	slot[1] = be32_get(p->head.out_bytes);
	p->have = 0;
	return 0;
}

int bare_peer_feed(struct bare_peer *p, const uint8_t *data, size_t len)
{
	int ret = 0;
	size_t n;

	while (len && ret == 0) {
		if (p->have < sizeof(p->head)) {
			n = MIN(len, sizeof(p->head) - p->have);
			memcpy((uint8_t *)&p->head + p->have, data, n);
			p->have += n;
			if (p->have == sizeof(p->head))
				ret = head_came(p);
		} else {
			n = MIN(len, p->skip);
			p->skip -= (uint32_t)n;
		}
		data += n;
		len -= n;
		if (ret == 0 && p->have == sizeof(p->head) && p->skip == 0)
			ret = request_came(p);
	}
	return ret;
}

bool bare_peer_answer(struct bare_peer *p)
{
	struct batch *b = &p->batch;

	batch_clear(b);
	while (p->count && batch_room(b)) {
		const uint32_t *slot = &p->waiting[2 * p->first];
		struct bare_head head = {
			.magic = be32_of(BARE_MAGIC),
			.tag = be32_of(slot[0]),
			.out_bytes = be32_of(slot[1]),
		};

		memcpy(batch_header(b, sizeof(head)), &head, sizeof(head));
		if (slot[1])
			batch_data(b, p->payload, slot[1]);
		p->first = (p->first + 1) % MAX_WAITING;
		p->count--;
	}
	b->msg = (struct msghdr){ .msg_iov = b->iov, .msg_iovlen = b->iovs };
	return b->iovs > 0;
}

/* ── asleep, and awake ────────────────────────────────────────────────── */

/* All answers that are due. With a non-blocking socket it waits for room. */
static int send_answers(struct bare_peer *p)
{
	while (bare_peer_answer(p)) {
		ssize_t n;

		do {
			n = sendmsg(p->fd, &p->batch.msg, MSG_NOSIGNAL);
			if (n < 0 && errno != EAGAIN && errno != EINTR)
				return -errno;
		} while (batch_advance(&p->batch, n > 0 ? (size_t)n : 0));
	}
	return 0;
}

/* One receive and its answers; > 0: there may be more, 0: nothing is there, or -errno. */
static ssize_t serve_once(struct bare_peer *p, uint8_t *buf)
{
	ssize_t n = recv(p->fd, buf, RECV_BYTES, 0);
	int ret;

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	ret = bare_peer_feed(p, buf, (size_t)n);
	if (ret == 0)
		ret = send_answers(p);
	return ret < 0 ? ret : n;
}

static void *peer_main(void *arg)
{
	uint8_t *buf = malloc(RECV_BYTES);
	struct bare_peer *p = arg;

	while (buf && serve_once(p, buf) >= 0)
		;
	free(buf);
	bare_peer_free(p);
	return NULL;
}

int bare_sleep(int listener, uint8_t *payload)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		struct bare_peer *p;
		pthread_t thread;

		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			return -errno;
		if (fd < 0)
			continue;
		p = bare_peer_new(fd, payload);
		if (!p || pthread_create(&thread, NULL, peer_main, p)) {
			fprintf(stderr, "bare: no memory for another peer\n");
			if (p)
				bare_peer_free(p);
			continue;
		}
		pthread_detach(thread);
	}
}

static int spin_accept(int listener, uint8_t *payload, struct bare_peer **peers, unsigned *count)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd < 0)
		return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? 0 : -errno;
	if (*count == SPIN_PEERS) {
		fprintf(stderr, "bare: more than %d peers\n", (int)SPIN_PEERS);
		close(fd);
		return 0;
	}
	peers[*count] = bare_peer_new(fd, payload);
	*count += peers[*count] != NULL;
	return 0;
}

int bare_spin(int listener, uint8_t *payload)
{
	struct bare_peer **peers = calloc(SPIN_PEERS, sizeof(struct bare_peer *));
	uint8_t *buf = malloc(RECV_BYTES);
	unsigned count = 0, turn = 0;
	int ret = 0;

	if (!peers || !buf) {
		free(peers);
		free(buf);
		return -ENOMEM;
	}
	fcntl(listener, F_SETFL, O_NONBLOCK);
	while (ret == 0) {
		if (turn++ % SPIN_TURNS == 0)
			ret = spin_accept(listener, payload, peers, &count);
		for (unsigned i = 0; i < count; i++) {
			if (serve_once(peers[i], buf) >= 0)
				continue;
			bare_peer_free(peers[i]);
			peers[i--] = peers[--count];
		}
	}
	free(peers);
	free(buf);
	return ret;
}

/* ── the program ──────────────────────────────────────────────────────── */

static const char usage[] =
	"usage: bare [--port P] [--host ADDR] [--spin | --uring] [--cpu N]\n"
	"\n"
	"Answers bench/load tcp://ADDR:P, and says \"ready P\" when it does.\n"
	"  --port P      0, the default, is any\n"
	"  --host ADDR   an IPv4 address (127.0.0.1)\n"
	"  --spin        one thread that never sleeps; else a thread a connection, blocking\n"
	"  --uring       one thread on io_uring, asleep when there is nothing to do\n"
	"  --cpu N       all of it on that processor\n";

struct bare_options {
	int (*serve)(int listener, uint8_t *payload);
	struct sockaddr_in addr;
};

/* Digits, at most @max; -1 where it is not. */
static int number(const char *text, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > max ? -1 : (int)n;
}

static int pin(const char *text)
{
	int cpu = number(text, CPU_SETSIZE - 1);
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	if (cpu < 0)
		return -1;
	CPU_SET((unsigned)cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

static int parse(struct bare_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "host", required_argument, NULL, 'a' },
		{ "spin", no_argument, NULL, 's' },
		{ "uring", no_argument, NULL, 'u' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int which, port;

	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (which) {
		case 'p':
			port = number(optarg, 65535);
			if (port < 0)
				return fprintf(stderr, "bare: --port \"%s\"?\n", optarg);
			o->addr.sin_port = htons((uint16_t)port);
			break;
		case 'a':
			if (inet_pton(AF_INET, optarg, &o->addr.sin_addr) != 1)
				return fprintf(stderr, "bare: --host \"%s\"?\n", optarg);
			break;
		case 's':
			o->serve = bare_spin;
			break;
		case 'u':
			o->serve = bare_uring;
			break;
		case 'c':
			if (pin(optarg))
				return fprintf(stderr, "bare: --cpu \"%s\"?\n", optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		default:
			return 1;
		}
	}
	return optind == argc ? 0 : fprintf(stderr, "bare: \"%s\"? (--help)\n", argv[optind]);
}

static int listen_at(struct sockaddr_in *addr)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	socklen_t len = sizeof(*addr);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)addr, len) || listen(fd, 1024) ||
	    getsockname(fd, (struct sockaddr *)addr, &len)) {
		close(fd);
		return -errno;
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct bare_options o = {
		.serve = bare_sleep,
		.addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
	};
	uint8_t *payload;
	int listener, ret;

	if (parse(&o, argc, argv))
		return 2;
	payload = malloc(BARE_MAX_BYTES);
	if (!payload) {
		fprintf(stderr, "bare: no memory\n");
		return EXIT_FAILURE;
	}
	memset(payload, 0x5a, BARE_MAX_BYTES); /* pages of its own, not the one of zeros */
	listener = listen_at(&o.addr);
	ret = listener;
	if (ret >= 0) {
		printf("ready %u\n", ntohs(o.addr.sin_port));
		fflush(stdout);
		ret = o.serve(listener, payload);
	}
	fprintf(stderr, "bare: %s\n", strerror(-ret));
	free(payload);
	return EXIT_FAILURE;
}
