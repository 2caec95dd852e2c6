/* To be preloaded: epoll fails on the first reactor once the file ENGINE_FAILS is there. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(void)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	return !strcmp(name, "reactor-0") && !access(getenv("ENGINE_FAILS"), F_OK);
}

int epoll_pwait2(int fd, struct epoll_event *ev, int n, const struct timespec *until,
		 const sigset_t *mask)
{
	(void)fd, (void)ev, (void)n, (void)until, (void)mask;
	errno = ENOSYS; /* as on older kernels: then it is the other */
	return -1;
}

int epoll_wait(int fd, struct epoll_event *ev, int n, int ms)
{
	int got = (int)syscall(SYS_epoll_pwait, fd, ev, n, ms < 0 || ms > 50 ? 50 : ms, NULL, 0);

	if (!fails())
		return got;
	errno = EBADF;
	return -1;
}
