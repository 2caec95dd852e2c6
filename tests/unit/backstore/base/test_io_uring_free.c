/* Freeing the engine while the last poster is still on its way to the bell. */
#include "backstore/base/io.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

struct caller {
	struct io_msg msg;
	struct io *io;
	sem_t start, held, go;
	atomic_int ran; /* of its message */
	bool holds;
};

static _Thread_local struct caller *held_up;

/* In the place of libc's: the bell of one thread is held up. */
ssize_t write(int fd, const void *data, size_t len)
{
	if (held_up) {
		sem_post(&held_up->held);
		sem_wait(&held_up->go);
	}
	return syscall(SYS_write, fd, data, len);
}

static void ran(struct io_msg *m)
{
	container_of(m, struct caller, msg)->ran++;
}

static void *call(void *arg)
{
	struct caller *c = arg;

	sem_wait(&c->start);
	usleep(50000); /* until the engine sleeps */
	held_up = c->holds ? c : NULL;
	io_post(c->io, &c->msg);
	sem_post(&c->held); /* on a loaded machine it may have been awake */
	return NULL;
}

static void begin(struct caller *c, pthread_t *thread, struct io *io)
{
	sem_init(&c->start, 0, 0);
	sem_init(&c->held, 0, 0);
	sem_init(&c->go, 0, 0);
	c->msg.run = ran;
	c->io = io;
	assert_int_equal(pthread_create(thread, NULL, call, c), 0);
}

struct waker {
	struct io_timer timer;
	struct io *io;
};

static void tick(struct io_timer *t)
{
	struct waker *w = container_of(t, struct waker, timer);

	io_timer_set(w->io, t, io_now_ns(w->io) + 200000000);
}

static void a_bell_that_comes_late_does_not_hold_up_the_end(void **state)
{
	static struct caller slow = { .holds = true }, quick;
	struct io *io = *state;
	struct waker waker = { .timer.fire = tick, .io = io };
	pthread_t threads[2];

	begin(&slow, &threads[0], io);
	begin(&quick, &threads[1], io);
	/* the timer wakes it, and it finds the message: its bell has not rung */
	tick(&waker.timer);
	sem_post(&slow.start);
	while (!slow.ran)
		assert_int_equal(io_turn(io, true), 0);
	io_timer_clear(io, &waker.timer);
	sem_wait(&slow.held);
	/* woken by the other's bell, it is about to listen for the next one */
	sem_post(&quick.start);
	while (!quick.ran)
		assert_int_equal(io_turn(io, true), 0);
	sem_post(&slow.go);
	usleep(100000); /* that rings before it listens */
	alarm(20);	/* where it waits for one more, that is for ever */
	io_free(io);
	alarm(0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
}

int main(void)
{
	struct io *io = NULL;
	int rc = io_uring_engine_new(&io, 0);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(a_bell_that_comes_late_does_not_hold_up_the_end, io),
	};

	if (rc)
		return 77; /* refused here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
