/* Signals only set a flag, and are let in only while we wait (ppoll), so none is missed. Ctrl-Z
 * gives the terminal back, too: SIGTSTP is taken as a reason to leave it for as long as we are
 * stopped. */
#include "tools/ringlun/screen.h"

#include "tools/ringlun/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t quit, resized, stopped;

static void note(int signal)
{
	if (signal == SIGWINCH)
		resized = 1;
	else if (signal == SIGTSTP)
		stopped = 1;
	else
		quit = 1;
}

static void measure(struct screen *s)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	s->columns = size.ws_col;
	s->rows = size.ws_row;
}

static void enter(struct screen *s)
{
	struct termios raw;

	if (isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &s->was)) {
		raw = s->was;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		s->raw = !tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	fputs("\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", stdout); /* the other page, no cursor, empty */
	fflush(stdout);
	s->drawn = true;
	measure(s);
}

static void leave(struct screen *s)
{
	if (s->drawn)
		fputs("\x1b[?25h\x1b[?1049l", stdout);
	fflush(stdout);
	if (s->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &s->was);
	s->drawn = s->raw = false;
}

static void block(int how)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP };
	struct sigaction on = { .sa_handler = note };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		sigaddset(&set, signals[i]);
		on.sa_handler = how == SIG_BLOCK ? note : SIG_DFL;
		sigaction(signals[i], &on, NULL);
	}
	sigprocmask(how, &set, NULL);
}

void screen_begin(struct screen *s)
{
	*s = (struct screen){ 0 };
	block(SIG_BLOCK);
	enter(s);
}

void screen_end(struct screen *s)
{
	leave(s);
	block(SIG_UNBLOCK);
}

void screen_draw(struct screen *s, const char *text)
{
	fputs("\x1b[H", stdout);
	for (unsigned row = 0; row + 1 < s->rows && *text; row++) {
		size_t len = strcspn(text, "\n");
		size_t fit = text_fit(text, s->columns);

		/* cleared first: behind the last column the clearing would take the last letter */
		printf("\x1b[K%.*s\n", (int)(fit < len ? fit : len), text);
		text += len + (text[len] == '\n');
	}
	fputs("\x1b[J", stdout);
	fflush(stdout);
}

static void stop_for_a_while(struct screen *s)
{
	stopped = 0;
	leave(s);
	raise(SIGSTOP);
	enter(s);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* One wait; false: go on waiting. */
static bool look(struct screen *s, double left_ms, enum screen_event *event)
{
	struct timespec t = { .tv_sec = (time_t)(left_ms / 1e3),
			      .tv_nsec = (long)(left_ms * 1e6) % 1000000000 };
	struct pollfd key = { .fd = s->raw ? STDIN_FILENO : -1, .events = POLLIN };
	sigset_t none;
	char c = 0;
	int n;

	sigemptyset(&none);
	n = ppoll(&key, 1, &t, &none);
	if (n > 0 && read(STDIN_FILENO, &c, 1) != 1)
		quit = 1;
	if (quit || c == 'q' || c == 'Q') {
		*event = SCREEN_QUIT;
		return true;
	}
	if (stopped)
		stop_for_a_while(s);
	else if (!resized)
		return false;
	resized = 0;
	*event = SCREEN_RESIZED;
	return true;
}

enum screen_event screen_wait(struct screen *s, unsigned milliseconds)
{
	double end_ms = now_ms() + milliseconds;
	enum screen_event event = SCREEN_TIME;
	double left;

	while ((left = end_ms - now_ms()) > 0)
		if (look(s, left, &event))
			break;
	measure(s);
	return event;
}
