/* The token of callers by TCP: the one line of a file that nobody else may read. */
#include "target/control/http_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char *why, size_t why_cap, const char *path, const char *what)
{
	snprintf(why, why_cap, "token file %s %s", path, what);
	return -EINVAL;
}

static int check_file(int fd, const char *path, char *why, size_t why_cap)
{
	struct stat st;

	if (fstat(fd, &st)) {
		int rc = -errno;

		snprintf(why, why_cap, "token file %s: %s", path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st.st_mode))
		return refuse(why, why_cap, path, "is not a regular file");
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return refuse(why, why_cap, path,
			      "belongs to another user, who may change it; give it to the user of "
			      "ringlund with chown");
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return refuse(why, why_cap, path,
			      "can be read or written by others than its owner; chmod 600 it, and "
			      "put a new token into it if others may have read it");
	return 0;
}

/* In place: the first line is the token, and there is no other. */
static int check_text(char *text, size_t len, const char *path, char *why, size_t why_cap)
{
	size_t n = strcspn(text, "\r\n");

	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return refuse(why, why_cap, path,
				      "has a space or a byte that is not of printable ASCII; a "
				      "token has none, as in: openssl rand -hex 32");
	if (n < len && strspn(text + n, "\r\n") != len - n)
		return refuse(why, why_cap, path, "has more than one line; the token is one line");
	if (n < HTTP_TOKEN_MIN)
		return refuse(why, why_cap, path,
			      "has a token of fewer than 16 bytes, which can be guessed; make one "
			      "with: openssl rand -hex 32");
	if (n >= HTTP_TOKEN_CAP)
		return refuse(why, why_cap, path, "has a token of more than 255 bytes");
	memset(text + n, 0, len - n);
	return 0;
}

int http_token_read(struct http_token *t, const char *path, char *why, size_t why_cap)
{
	char text[HTTP_TOKEN_CAP + 4] = ""; /* what is longer is refused for that */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t len;
	int rc;

	memset(t, 0, sizeof(*t));
	if (fd < 0) {
		rc = -errno;
		snprintf(why, why_cap, "token file %s: %s", path, strerror(-rc));
		return rc;
	}
	rc = check_file(fd, path, why, why_cap);
	if (rc)
		goto out;
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0) {
		rc = -errno;
		snprintf(why, why_cap, "token file %s: %s", path, strerror(-rc));
		goto out;
	}
	rc = check_text(text, (size_t)len, path, why, why_cap);
	if (!rc)
		memcpy(t->text, text, strlen(text));
out:
	explicit_bzero(text, sizeof(text));
	close(fd);
	return rc;
}

bool http_token_admits(const struct http_token *t, const char *header)
{
	static const char scheme[] = "Bearer ";
	char given[HTTP_TOKEN_CAP] = "";
	unsigned char differ = 0;
	size_t len;

	if (!header || strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
		return false;
	header += sizeof(scheme) - 1;
	header += strspn(header, " ");
	len = strlen(header);
	if (len >= sizeof(given))
		return false;
	memcpy(given, header, len);
	for (size_t i = 0; i < sizeof(given); i++)
		differ |= (unsigned char)(given[i] ^ t->text[i]);
	explicit_bzero(given, sizeof(given));
	return !differ && t->text[0];
}
