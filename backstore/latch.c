/* The latch file: 64 bytes, one line, padded with spaces.
 *
 *   "clean"               being served, or was when the process died
 *   "failed <boot id>"    a sync failed in that boot
 *
 * It is written whole when the volume is opened, so that setting it needs neither
 * a new page nor a new descriptor. Anything else in it counts as failed. */
#include "backstore/latch.h"

#include "backstore/base/log.h"
#include "backstore/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_boot_id(char out[static 37])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, out, 36);
	close(fd);
	out[36] = '\0';
	return n == 36 ? 0 : -EIO;
}

static void line_fill(char out[static LATCH_LINE_BYTES], const char *word, const char *boot_id)
{
	char text[LATCH_LINE_BYTES];

	snprintf(text, sizeof(text), "%s%s%s", word, *boot_id ? " " : "", boot_id);
	memset(out, ' ', LATCH_LINE_BYTES);
	memcpy(out, text, strlen(text));
	out[LATCH_LINE_BYTES - 1] = '\n';
}

static int write_line(int fd, const char line[static LATCH_LINE_BYTES])
{
	ssize_t n = pwrite(fd, line, LATCH_LINE_BYTES, 0);

	if (n < 0)
		return -errno;
	return n == LATCH_LINE_BYTES ? 0 : -ENOSPC;
}

/* Whether what is in the file counts in this boot. */
static int read_is_set(const struct latch *l, const char *clean, bool *set)
{
	char was[LATCH_LINE_BYTES];
	ssize_t n = pread(l->fd, was, sizeof(was), 0);

	if (n < 0)
		return -errno;
	*set = false;
	if (n == 0 || (n == LATCH_LINE_BYTES && !memcmp(was, clean, sizeof(was))))
		return 0;
	*set = true;
	/* another boot's: void */
	if (n == LATCH_LINE_BYTES && !memcmp(was, "failed ", 7) && was[15] == '-' &&
	    memcmp(was, l->set_line, sizeof(was)) != 0)
		*set = false;
	return 0;
}

static int latch_prepare(struct latch *l, bool recover, bool *was_set)
{
	char clean[LATCH_LINE_BYTES], boot_id[37];
	int rc;

	rc = read_boot_id(boot_id);
	if (rc)
		return rc;
	line_fill(l->set_line, "failed", boot_id);
	line_fill(clean, "clean", "");
	rc = read_is_set(l, clean, was_set);
	if (rc)
		return rc;
	if (*was_set && !recover)
		return write_line(l->fd, l->set_line);
	return write_line(l->fd, clean);
}

int latch_open(struct latch *l, const char *dir, const uint8_t uuid[static 16], bool recover,
	       bool *was_set, char *why, size_t why_cap)
{
	char hex[33];
	int rc;

	*l = LATCH_NONE;
	*was_set = false;
	for (int i = 0; i < 16; i++)
		snprintf(hex + i * 2, 3, "%02x", uuid[i]);
	if (asprintf(&l->path, "%s/%s.latch", dir, hex) < 0) {
		l->path = NULL;
		return why_say(why, why_cap, -ENOMEM, "no memory");
	}
	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	rc = l->fd < 0 ? -errno : latch_prepare(l, recover, was_set);
	if (!rc)
		return 0;
	why_say(why, why_cap, rc,
		"%s, which remembers failed syncs, cannot be prepared: %s; "
		"make the runtime directory writable, or choose another one",
		l->path, strerror(-rc));
	latch_close(l, true);
	return rc;
}

int latch_set(const struct latch *l)
{
	return l->fd < 0 ? 0 : write_line(l->fd, l->set_line);
}

void latch_close(struct latch *l, bool keep)
{
	if (l->fd >= 0) {
		if (!keep && unlink(l->path) < 0)
			log_warn("%s cannot be removed: %s (harmless)", l->path, strerror(errno));
		close(l->fd);
	}
	free(l->path);
	*l = LATCH_NONE;
}
