/* A client of a real server, on a thread of its own: PDUs over a socket, one session. */
#pragma once

#include "target/iscsi/proto.h"
#include "target/scsi/scsi.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "iqn.2026-11.io.ringlun:"

enum { BATCH = 6, BYTES = 4096, WAIT_MS = 60000 };

/* cmocka's asserts belong to one thread. */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s is not so\n", __FILE__, __LINE__, #what);       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct client {
	pthread_t thread;
	unsigned number;
	uint64_t rng;
	int fd;
	uint32_t cmd_sn, exp_stat_sn, itt;
	struct {
		uint32_t itt; /* 0: none */
		bool write;
	} waits[BATCH];
	bool was_asked;
	unsigned news, nlogins; /* unit attentions, of this session; sessions */
	uint8_t data[BYTES];
};

static MAYBE_UNUSED unsigned dice(uint64_t *rng, unsigned n)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return (unsigned)(*rng % n);
}

/* --- PDUs ---------------------------------------------------------------------------------- */

/* False: the connection has ended. */
static MAYBE_UNUSED bool put(struct client *c, const void *data, size_t len)
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

static MAYBE_UNUSED bool get(struct client *c, void *data, size_t len)
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

static MAYBE_UNUSED bool send_pdu(struct client *c, void *bhs, const void *data, uint32_t len)
{
	((struct bhs *)bhs)->data_len = be24_of(len);
	return put(c, bhs, sizeof(struct bhs)) && put(c, data, len);
}

static MAYBE_UNUSED bool get_pdu(struct client *c, struct bhs *h, uint8_t *data, size_t cap)
{
	uint32_t len;

	if (!get(c, h, sizeof(*h)))
		return false;
	len = (be24_get(h->data_len) + 3) / 4 * 4;
	CHECK(len <= cap);
	return get(c, data, len);
}

/* The status, or -1: the connection has ended. */
static MAYBE_UNUSED int log_in(struct client *c, uint16_t port, const char *target)
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
		       "InitiatorName=iqn.2026-11.io.ringlun.test:threads%cSessionType=%s%c"
		       "%s%s%ciSCSIProtocolLevel=2%cMaxRecvDataSegmentLength=8192%c",
		       0, target ? "Normal" : "Discovery", 0,
		       target ? "TargetName=" PREFIX : "InitiatorAlias=", target ? target : "none",
		       0, 0, 0);
	h.isid[0] = 0x80;
	h.isid[5] = (uint8_t)c->number;
	c->cmd_sn = 1;
	h.cmd_sn = be32_of(c->cmd_sn);
	while (len % 4)
		text[len++] = 0;
	if (!send_pdu(c, &h, text, (uint32_t)len) ||
	    !get_pdu(c, (struct bhs *)&rsp, answer, sizeof(answer)))
		return -1;
	CHECK(rsp.opcode == ISCSI_LOGIN_RSP);
	c->exp_stat_sn = be32_get(rsp.stat_sn) + 1;
	memset(c->waits, 0, sizeof(c->waits));
	c->was_asked = false;
	c->news = 0;
	c->nlogins++;
	return rsp.status_class << 8 | rsp.status_detail;
}

static MAYBE_UNUSED void answer_ping(struct client *c, const struct bhs_nop_in *in)
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

/* Each client has blocks of its own, and others in its next sessions: what an older one has left
 * behind on its reactor may be there yet. */
static MAYBE_UNUSED bool send_command(struct client *c, unsigned slot, unsigned lun, bool write)
{
	struct bhs_scsi_cmd h = { .opcode = ISCSI_SCSI_CMD };
	uint32_t lba = ((c->number * 4 + c->nlogins % 4) * BATCH + slot) * (BYTES / 512);

	h.flags = (uint8_t)(ISCSI_FINAL | ISCSI_ATTR_SIMPLE |
			    (write ? ISCSI_CMD_WRITE : ISCSI_CMD_READ));
	h.lun[1] = (uint8_t)lun;
	c->waits[slot].itt = ++c->itt;
	c->waits[slot].write = write;
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

static MAYBE_UNUSED bool is_waiting(const struct client *c)
{
	for (unsigned i = 0; i < BATCH; i++)
		if (c->waits[i].itt)
			return true;
	return false;
}

static MAYBE_UNUSED uint16_t free_port(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(!bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
	CHECK(!getsockname(fd, (struct sockaddr *)&sa, &len));
	close(fd);
	return ntohs(sa.sin_port);
}
