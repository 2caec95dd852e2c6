/* Tasks: their memory, their buffers, their place in a session. */
#include "target/iscsi/task.h"

#include "target/iscsi/conn.h"
#include "target/scsi/internal.h"
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { POOL_BYTES = 4 << 20 };

/* A session on a real reactor; its connection never sends, as it is closed already. */
struct bed {
	struct rig g;
	struct conn c;
	struct session *s;
};

static int setup(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));
	struct rig_config cfg = { .seed = 1, .memory_bytes = POOL_BYTES };

	rig_init(&b->g, &cfg);
	b->c.reactor = b->g.r[0];
	b->c.closed = true;
	list_init(&b->c.parked);
	tx_init(&b->c.tx);
	params_init(&b->c.params);
	b->s = session_new(&b->c);
	b->s->target = iscsi_target_get(iscsi_node_target(&b->g.node, rig_target(&b->g, 0)));
	assert_int_equal(scsi_nexus_new(&b->s->nexus, b->g.v[0].target), 0);
	atomic_store(&b->s->nexus->luns[0].ua, 0); /* no unit attention */
	b->s->max_cmd_sn = 127;
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	list_del(&b->c.tx.dirty);
	tx_drop(&b->c.tx);
	session_free(b->s);
	rig_fini(&b->g);
	free(b);
	return 0;
}

static struct task *new_task(struct bed *b, uint32_t tag, uint8_t opcode, bool immediate,
			     uint32_t bytes)
{
	struct bhs_scsi_cmd h = { .opcode = ISCSI_SCSI_CMD };

	h.opcode |= immediate ? ISCSI_IMMEDIATE : 0;
	h.flags = ISCSI_FINAL | ISCSI_ATTR_SIMPLE;
	h.flags |= opcode == 0x8a ? ISCSI_CMD_WRITE : opcode == 0x88 ? ISCSI_CMD_READ : 0;
	h.itt = be32_of(tag);
	h.edtl = be32_of(bytes);
	h.cdb[0] = opcode;
	put_be32(h.cdb + 10, bytes / 512);
	return task_new(b->s, &h);
}

/* --- the buffer in pieces --- */

static void slices(void **state)
{
	static const struct {
		uint32_t off, len;
		int max, n;
		uint32_t first, total;
	} t[] = {
		{ 0, 7000, 16, 3, 0, 7000 },   { 0, 10000, 16, 3, 0, 7000 }, /* cut */
		{ 0, 4096, 16, 1, 0, 4096 },   { 0, 4097, 16, 2, 0, 4097 },
		{ 4096, 10, 16, 1, 4096, 10 }, { 4095, 2, 16, 2, 4095, 2 },
		{ 6143, 3, 16, 2, 6143, 3 },   { 6999, 1, 16, 1, 6999, 1 },
		{ 7000, 1, 16, 0, 0, 0 },      { 0xffffffff, 0xffffffff, 16, 0, 0, 0 },
		{ 0, 0, 16, 0, 0, 0 },	       { 1, 0xffffffff, 16, 3, 1, 6999 },
		{ 0, 7000, 2, 2, 0, 6144 },
	};
	static uint8_t memory[7000];
	struct task *task = calloc(1, sizeof(*task));
	struct iovec iov[16];

	(void)state;
	task->iov[0] = (struct iovec){ memory, 4096 };
	task->iov[1] = (struct iovec){ memory + 4096, 2048 };
	task->iov[2] = (struct iovec){ memory + 6144, 856 };
	task->iovcnt = 3;
	task->buffer_bytes = 7000;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		uint32_t total = 0;
		int n = task_slice(task, t[i].off, t[i].len, iov, t[i].max);

		assert_int_equal(n, t[i].n);
		for (int k = 0; k < n; k++) {
			assert_ptr_equal(iov[k].iov_base, memory + t[i].first + total);
			assert_true(iov[k].iov_len > 0);
			total += (uint32_t)iov[k].iov_len;
		}
		assert_int_equal(total, t[i].total);
	}
	free(task);
}

/* --- in the session --- */

static void found_while_they_are_there(void **state)
{
	enum { N = 300 };
	struct bed *b = *state;
	struct task *t[N];
	uint32_t max = b->s->max_cmd_sn;

	for (uint32_t n = 0; n < N; n++)
		t[n] = new_task(b, n * 64, 0, n % 4 == 0, 0);
	assert_int_equal(b->s->ntasks, N);
	assert_int_equal(b->s->nimmediate, N / 4);
	for (uint32_t n = 0; n < N; n++)
		assert_ptr_equal(session_find(b->s, be32_of(n * 64)), t[n]);
	for (uint32_t n = 0; n < N; n++) { /* not in the order in which they came */
		uint32_t k = n * 7 % N;

		task_free(t[k]);
		assert_null(session_find(b->s, be32_of(k * 64)));
	}
	assert_int_equal(b->s->ntasks, 0);
	assert_int_equal(b->s->nimmediate, 0);
	assert_true(list_empty(&b->s->tasks));
	/* each that was numbered lets one more come; immediate ones have no number */
	assert_int_equal(b->s->max_cmd_sn, max + N - N / 4);
}

static unsigned blocks(const struct iscsi_reactor *r)
{
	unsigned n = 0;

	list_for_each (l, &r->task_blocks)
		n++;
	return n;
}

static void their_memory_is_used_again(void **state)
{
	enum { N = 100 };
	struct bed *b = *state;
	struct task *t[N];
	unsigned first = 0;

	for (unsigned round = 0; round < 50; round++) {
		for (unsigned n = 0; n < N; n++)
			t[n] = new_task(b, n, 0, false, 0);
		if (!round)
			first = blocks(b->g.r[0]);
		for (unsigned n = 0; n < N; n++)
			task_free(t[n]);
	}
	assert_true(first > 1);
	assert_int_equal(blocks(b->g.r[0]), first);
}

/* --- buffers --- */

enum { EACH = 64 << 10, N = POOL_BYTES / EACH };

/* Starts @n tasks; how many got a buffer. */
static unsigned start_tasks(struct bed *b, struct task **t, unsigned n)
{
	unsigned got = 0;

	for (unsigned i = 0; i < n; i++) {
		t[i] = new_task(b, i, 0x8a, false, EACH);
		task_start(t[i]);
		if (!t[i]->buffer_refused) {
			assert_int_equal(t[i]->buffer_bytes, EACH);
			got++;
			continue;
		}
		assert_true(t[i]->ended);
		assert_int_equal(t[i]->cmd.status, i ? SCSI_TASK_SET_FULL : SCSI_BUSY);
		assert_int_equal(t[i]->buffer_bytes, 0);
	}
	return got;
}

/* One session of it twice as much as it leaves of that: s = 2 * (N - 2 * s). */
static void a_target_takes_as_much_as_it_leaves(void **state)
{
	enum { SESSIONS = 8 };
	struct bed *b = *state;
	struct session *s[SESSIONS] = { b->s }, *first = b->s;
	static struct task *t[SESSIONS][N];
	unsigned got[SESSIONS], all = 0;

	for (unsigned i = 0; i < SESSIONS; i++) {
		if (i) {
			s[i] = b->s = session_new(&b->c);
			b->s->target = iscsi_target_get(first->target);
			assert_int_equal(scsi_nexus_new(&b->s->nexus, b->g.v[0].target), 0);
			atomic_store(&b->s->nexus->luns[0].ua, 0);
		}
		got[i] = start_tasks(b, t[i], N);
		assert_int_equal(b->s->used_bytes, got[i] * EACH);
		all += got[i];
	}
	assert_in_range(got[0], 2 * N / 5 - 1, 2 * N / 5);
	assert_in_range(got[1], 2, got[0] / 2); /* something is left for who comes later, */
	assert_true(got[2] >= 1);		/* and then again */
	assert_in_range(all, got[0] + got[1], N / 2);
	assert_int_equal(first->target->accounts[0].used_bytes, all * EACH);
	for (unsigned i = 0; i < SESSIONS; i++) {
		for (unsigned n = 0; n < N; n++)
			task_free(t[i][n]);
		assert_int_equal(s[i]->used_bytes, 0);
		if (i)
			session_free(s[i]);
	}
	b->s = first;
	assert_int_equal(first->target->accounts[0].used_bytes, 0);
	assert_int_equal(rig_used_bytes(&b->g), 0);
}

static void alone_it_is_told_busy(void **state)
{
	struct bed *b = *state;
	struct task *t;
	struct iovec iov[16];
	int n = pool_get(b->g.r[0]->pool, POOL_BYTES, iov, 16);

	assert_true(n > 0);
	t = new_task(b, 1, 0x88, false, 4096);
	task_start(t);
	assert_true(t->ended);
	assert_int_equal(t->cmd.status, SCSI_BUSY);
	task_free(t);
	pool_put(b->g.r[0]->pool, iov, n);
}

static void what_fails_at_once_needs_no_buffer(void **state)
{
	struct bed *b = *state;
	struct task *t = new_task(b, 1, 0xff, false, 4096);

	task_start(t);
	assert_true(t->ended);
	assert_int_equal(t->cmd.status, SCSI_CHECK_CONDITION);
	assert_int_equal(t->buffer_bytes, 0);
	task_advance(t);
	assert_int_equal(t->state, TASK_ANSWERING);
	assert_ptr_equal(list_first(&b->c.tx.queue, struct tx_item, link), &t->tx);
}

/* --- aborts --- */

static void aborted_while_it_collects(void **state)
{
	struct bed *b = *state;
	struct task *t = new_task(b, 1, 0x8a, false, 4096);

	task_start(t);
	task_advance(t); /* asks for its data */
	assert_int_equal(t->nr2ts, 1);
	assert_false(list_empty(&b->c.tx.queue));
	task_abort(t);
	assert_true(list_empty(&b->c.tx.queue));
	assert_null(session_find(b->s, be32_of(1)));
	assert_int_equal(rig_used_bytes(&b->g), 0);
}

/* Its bytes are being received into its buffer this very moment. */
static void aborted_while_its_bytes_come(void **state)
{
	struct bed *b = *state;
	struct task *t = new_task(b, 1, 0x8a, false, 4096);

	task_start(t);
	b->c.rx_task = t;
	task_abort(t);
	assert_int_equal(t->state, TASK_DROPPED);
	assert_true(rig_used_bytes(&b->g) >= 4096);
	b->c.rx_task = NULL;
	task_free(t);
	assert_int_equal(rig_used_bytes(&b->g), 0);
}

static void aborted_while_the_disk_has_it(void **state)
{
	struct bed *b = *state;
	struct task *t = new_task(b, 1, 0x8a, false, 4096);
	uint32_t max = b->s->max_cmd_sn;

	fake_file_stall(b->g.v[0].file);
	task_start(t);
	memset(t->iov[0].iov_base, 1, 4096);
	t->filled_bytes = 4096;
	task_advance(t);
	assert_int_equal(t->state, TASK_RUNNING);
	rig_pass(&b->g, 100 * RIG_MS);
	task_abort(t);
	assert_int_equal(t->state, TASK_ZOMBIE);
	assert_null(t->session);
	assert_int_equal(b->s->max_cmd_sn, max + 1);
	assert_int_equal(b->g.r[0]->nzombies, 1);
	assert_int_equal(rig_fences(&b->g, 0), 1);
	fake_file_release(b->g.v[0].file);
	rig_pass(&b->g, 100 * RIG_MS);
	assert_int_equal(b->g.r[0]->nzombies, 0);
	assert_int_equal(b->g.r[0]->nrunning, 0);
	assert_int_equal(rig_fences(&b->g, 0), 0);
	assert_int_equal(rig_used_bytes(&b->g), 0);
}

#define WITH_BED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices),
		WITH_BED(found_while_they_are_there),
		WITH_BED(their_memory_is_used_again),
		WITH_BED(a_target_takes_as_much_as_it_leaves),
		WITH_BED(alone_it_is_told_busy),
		WITH_BED(what_fails_at_once_needs_no_buffer),
		WITH_BED(aborted_while_it_collects),
		WITH_BED(aborted_while_its_bytes_come),
		WITH_BED(aborted_while_the_disk_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
