/* The bare server's client: see bare_wire.h. Its answers keep their order, so the commands
 * under way are a queue. */
#include "bench/src/bare_wire.h"
#include "bench/src/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct tcp_conn {
	struct conn base;
	struct list under_way;
	struct bare_head head; /* of the answer that is coming */
	size_t have;	       /* of it */
	uint64_t data_left;    /* of its data */
};

static struct tcp_conn *tcp_of(struct conn *c)
{
	return container_of(c, struct tcp_conn, base);
}

static bool may_issue(struct conn *c MAYBE_UNUSED)
{
	return true;
}

static void issue(struct conn *c, struct task *t)
{
	uint32_t bytes = (uint32_t)c->run->opt->block_bytes;
	struct bare_head head = {
		.magic = be32_of(BARE_MAGIC),
		.tag = be32_of((uint32_t)(t - c->tasks)),
		.in_bytes = be32_of(t->pick.is_write ? bytes : 0),
		.out_bytes = be32_of(t->pick.is_write ? 0 : bytes),
	};

	memcpy(batch_header(&c->batch, sizeof(head)), &head, sizeof(head));
	if (t->pick.is_write)
		batch_data(&c->batch, t->data, bytes);
	list_add_tail(&tcp_of(c)->under_way, &t->link);
}

static void pump(struct conn *c MAYBE_UNUSED) {}

static int head_came(struct tcp_conn *tc)
{
	struct conn *c = &tc->base;
	struct task *t = list_first(&tc->under_way, struct task, link);
	uint32_t bytes;

	if (list_empty(&tc->under_way) || be32_get(tc->head.magic) != BARE_MAGIC ||
	    be32_get(tc->head.tag) != (uint32_t)(t - c->tasks)) {
		conn_fail(c, LOAD_PROTOCOL, "this is not bench's bare server");
		return -EPROTO;
	}
	bytes = t->pick.is_write ? 0 : (uint32_t)c->run->opt->block_bytes;
	tc->data_left = be32_get(tc->head.out_bytes);
	if (tc->data_left != bytes) {
		conn_fail(c, LOAD_PROTOCOL, "answers %llu bytes to a request for %u",
			  (unsigned long long)tc->data_left, bytes);
		return -EPROTO;
	}
	return 0;
}

static int feed(struct conn *c, const uint8_t *data, size_t len)
{
	struct tcp_conn *tc = tcp_of(c);
	size_t n;

	while (len) {
		if (tc->have < sizeof(tc->head)) {
			n = MIN(len, sizeof(tc->head) - tc->have);
			memcpy((uint8_t *)&tc->head + tc->have, data, n);
			tc->have += n;
			if (tc->have == sizeof(tc->head) && head_came(tc) < 0)
				return -EPROTO;
		} else {
			n = MIN(len, tc->data_left);
			tc->data_left -= n;
		}
		data += n;
		len -= n;
		if (tc->have == sizeof(tc->head) && tc->data_left == 0) {
			tc->have = 0;
			conn_task_good(c, list_entry(list_pop(&tc->under_way), struct task, link));
		}
	}
	return 0;
}

static void finish(struct conn *c)
{
	conn_done(c);
}

static void free_conn(struct conn *c)
{
	conn_fini(c);
	free(tcp_of(c));
}

static const struct proto tcp_proto = {
	.may_issue = may_issue,
	.issue = issue,
	.pump = pump,
	.feed = feed,
	.finish = finish,
	.free = free_conn,
};

int tcp_open(struct conn **out, struct run *run, unsigned index)
{
	struct tcp_conn *tc;
	int fd = conn_connect(run->opt), ret;

	if (fd < 0)
		return fd;
	tc = calloc(1, sizeof(*tc));
	if (!tc) {
		close(fd);
		return -ENOMEM;
	}
	list_init(&tc->under_way);
	ret = conn_init(&tc->base, &tcp_proto, run, index, fd);
	if (ret) {
		free_conn(&tc->base);
		return ret;
	}
	*out = &tc->base;
	return 0;
}
