/* Reads byte by byte, without stdio: its buffer would keep the secret, and take the next one with
 * it from standard input. */
#include "tools/ringlun/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_C = 3 };

/* Up to a newline or the end; -EMSGSIZE: longer than that. */
static ssize_t read_line(int fd, char out[static SECRET_BYTES], bool typed)
{
	size_t len = 0;
	char c;

	for (;;) {
		ssize_t n = read(fd, &c, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n || c == '\n')
			break;
		if (len + 1 == SECRET_BYTES)
			return -EMSGSIZE;
		if (typed && c == CTRL_C)
			return -ECANCELED;
		if (!c)
			return -EILSEQ;
		out[len++] = c;
	}
	if (len && out[len - 1] == '\r')
		len--;
	out[len] = '\0';
	return (ssize_t)len;
}

static int explain(ssize_t rc, const char *where, const char *what, char *why, size_t why_cap)
{
	if (rc > 0)
		return 0;
	if (rc == -ECANCELED)
		snprintf(why, why_cap, "given up; nothing has changed");
	else if (!rc)
		snprintf(why, why_cap, "%s: no %s is there: its first line is empty", where, what);
	else if (rc == -EMSGSIZE)
		snprintf(why, why_cap, "%s: the %s is longer than %d bytes", where, what,
			 SECRET_BYTES - 1);
	else if (rc == -EILSEQ)
		snprintf(why, why_cap,
			 "%s: there is a NUL byte in the %s; it must be a line of text", where,
			 what);
	else
		snprintf(why, why_cap, "%s: cannot be read: %s", where, strerror((int)-rc));
	return rc ? (int)rc : -EINVAL;
}

static int read_silently(char out[static SECRET_BYTES], const char *prompt, const char *what,
			 char *why, size_t why_cap)
{
	struct termios was, quiet;
	ssize_t len;

	if (tcgetattr(STDIN_FILENO, &was))
		return explain(-errno, "standard input", what, why, why_cap);
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG); /* no signal may leave the echo off: */
	quiet.c_lflag |= ECHONL | ICANON;
	quiet.c_cc[VEOL] = CTRL_C; /* it ends the line, and is seen as what it is */
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet))
		return explain(-errno, "standard input", what, why, why_cap);
	fprintf(stderr, "%s: ", prompt);
	fflush(stderr);
	len = read_line(STDIN_FILENO, out, true);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
	return explain(len, "standard input", what, why, why_cap);
}

static int ask_twice(char out[static SECRET_BYTES], const char *what, char *why, size_t why_cap)
{
	char again[SECRET_BYTES], prompt[400];
	int rc = read_silently(out, what, what, why, why_cap);

	snprintf(prompt, sizeof(prompt), "%s, again", what);
	rc = rc ? rc : read_silently(again, prompt, what, why, why_cap);
	if (!rc && strcmp(out, again)) {
		snprintf(why, why_cap, "%s: the two are not the same; nothing has changed", what);
		rc = -EINVAL;
	}
	explicit_bzero(again, sizeof(again));
	return rc;
}

static int read_file(char out[static SECRET_BYTES], const char *path, const char *what, char *why,
		     size_t why_cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t len;
	char more;

	if (fd < 0 || fstat(fd, &st)) {
		int rc = explain(-errno, path, what, why, why_cap);

		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (S_ISREG(st.st_mode) && st.st_mode & 077) {
		snprintf(why, why_cap,
			 "%s: other users may read this %s (mode %04o); chmod 600 %s, and change "
			 "it if they did",
			 path, what, (unsigned)st.st_mode & 07777u, path);
		close(fd);
		return -EPERM;
	}
	len = read_line(fd, out, false);
	if (len > 0 && read(fd, &more, 1) == 1) {
		snprintf(why, why_cap, "%s: more than one line; the %s must be the only one", path,
			 what);
		close(fd);
		return -EINVAL;
	}
	close(fd);
	return explain(len, path, what, why, why_cap);
}

int secret_read(char out[static SECRET_BYTES], const char *path, const char *what, char *why,
		size_t why_cap)
{
	int rc;

	if (strcmp(path, "-") != 0)
		rc = read_file(out, path, what, why, why_cap);
	else if (isatty(STDIN_FILENO))
		rc = ask_twice(out, what, why, why_cap);
	else
		rc = explain(read_line(STDIN_FILENO, out, false), "standard input", what, why,
			     why_cap);
	if (rc)
		explicit_bzero(out, SECRET_BYTES);
	return rc;
}
