/* One file, replaced whole.
 *
 *   state.json.new   made anew, written, synced
 *        │ rename    from here on a kill leaves the new one
 *        ▼
 *   state.json       its directory is synced: from here on a power cut leaves the new one,
 *                    and the change may be acknowledged
 *
 * Until the rename a failure leaves the old one as it was. A sync of the directory that fails
 * leaves it open which of them the disk has: the old text is put back the same way, so that a
 * change that was refused is not there after a start. */
#include "target/control/state_file.h"

#include "target/control/state_text.h"

#include "backstore/base/log.h"
#include "backstore/dirsync.h"
#include "backstore/lock.h"
#include "backstore/why.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME	 "state.json"
#define NEW_NAME "state.json.new"

enum { MAX_BYTES = 256 << 20 };

struct state_file {
	char *path; /* of state.json */
	int dir, lock;
	char *text; /* of what stands; NULL: there is none */
	size_t len;
	const struct state_file_sys *sys;
};

/* --- the system ------------------------------------------------------------------------ */

static int sys_create(void *arg, int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	(void)arg;
	return fd < 0 ? -errno : fd;
}

static int sys_write(void *arg, int fd, const char *bytes, size_t len)
{
	ssize_t n = write(fd, bytes, MIN(len, (size_t)1 << 30));

	(void)arg;
	return n < 0 ? -errno : (int)n;
}

static int sys_sync(void *arg, int fd)
{
	(void)arg;
	return fsync(fd) < 0 ? -errno : 0;
}

static int sys_rename(void *arg, int dir, const char *from, const char *to)
{
	(void)arg;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

static int sys_unlink(void *arg, int dir, const char *name)
{
	(void)arg;
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

static const struct state_file_sys real_sys = {
	.create = sys_create,
	.write = sys_write,
	.sync = sys_sync,
	.rename = sys_rename,
	.unlink = sys_unlink,
};

void state_file_use(struct state_file *f, const struct state_file_sys *sys)
{
	f->sys = sys;
}

/* --- storing --------------------------------------------------------------------------- */

static int fill(const struct state_file *f, int fd, const char *text, size_t len)
{
	const struct state_file_sys *sys = f->sys;
	int n = 0;

	for (size_t at = 0; at < len; at += (size_t)n) {
		n = sys->write(sys->arg, fd, text + at, len - at);
		if (n <= 0 && n != -EINTR)
			return n ? n : -ENOSPC;
		n = MAX(n, 0);
	}
	return sys->sync(sys->arg, fd);
}

/* state.json is @text when it returns 0, if not yet for sure on the disk. */
static int put(const struct state_file *f, const char *text, size_t len)
{
	const struct state_file_sys *sys = f->sys;
	int fd = sys->create(sys->arg, f->dir, NEW_NAME), rc;

	if (fd == -EEXIST) { /* of a store that failed to take it away */
		rc = sys->unlink(sys->arg, f->dir, NEW_NAME);
		if (rc)
			return rc;
		fd = sys->create(sys->arg, f->dir, NEW_NAME);
	}
	if (fd < 0)
		return fd;
	rc = fill(f, fd, text, len);
	close(fd);
	if (!rc)
		rc = sys->rename(sys->arg, f->dir, NEW_NAME, NAME);
	if (rc)
		(void)sys->unlink(sys->arg, f->dir, NEW_NAME); /* the next one does it else */
	return rc;
}

/* What was renamed is not on the disk for sure: the old one again. */
static int put_back(const struct state_file *f)
{
	int rc;

	if (f->text)
		rc = put(f, f->text, f->len);
	else
		rc = f->sys->unlink(f->sys->arg, f->dir, NAME);
	return rc ? rc : f->sys->sync(f->sys->arg, f->dir);
}

int state_file_store(struct state_file *f, const struct model *m, char *why, size_t why_cap)
{
	const char *doubt = "the old one stands";
	char *text;
	size_t len;
	int rc = state_text_write(m, &text, &len);

	if (rc)
		return why_say(why, why_cap, rc, "out of memory");
	rc = put(f, text, len);
	if (!rc) {
		rc = f->sys->sync(f->sys->arg, f->dir);
		if (rc && put_back(f))
			doubt = "and neither can the old one be put back: a start may find either";
	}
	if (rc) {
		state_text_free(text, len);
		return why_say(why, why_cap, rc, "%s cannot be written: %s; %s. %s", f->path,
			       strerror(-rc), doubt,
			       rc == -ENOSPC || rc == -EDQUOT
				       ? "Make room on its file system, and try again"
				       : "Mend its file system or its rights, and try again");
	}
	state_text_free(f->text, f->len);
	f->text = text;
	f->len = len;
	return 0;
}

/* --- opening --------------------------------------------------------------------------- */

/* All of it, into f->text. */
static int slurp(struct state_file *f, int fd, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;

	f->text = malloc(size + 1);
	if (!f->text)
		return -ENOMEM;
	while (n > 0 && len < size) {
		n = read(fd, f->text + len, size - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	f->len = len;
	return n < 0 ? -errno : 0;
}

static int read_text(struct state_file *f, int fd, char *why, size_t why_cap)
{
	struct stat st;
	int rc;

	if (fstat(fd, &st))
		return why_say(why, why_cap, -errno, "%s: %s", f->path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > MAX_BYTES)
		return why_say(why, why_cap, -EBADMSG,
			       "%s is no regular file of up to %d bytes, as ringlund writes it; "
			       "move it away, and bring back a copy",
			       f->path, MAX_BYTES);
	if (st.st_mode & 077)
		log_warn("%s has secrets, and could be read by others (mode %04o): the next change "
			 "makes it 0600; change the secrets, too",
			 f->path, st.st_mode & 07777);
	rc = slurp(f, fd, (size_t)st.st_size);
	return rc ? why_say(why, why_cap, rc, "%s cannot be read: %s; mend its file system",
			    f->path, strerror(-rc))
		  : 0;
}

static int load(struct state_file *f, struct model *m, char *why, size_t why_cap)
{
	int fd = openat(f->dir, NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc;

	if (fd < 0 && errno == ENOENT) {
		m->has_pools = m->has_targets = m->has_portals = m->has_discovery = true;
		return 0;
	}
	if (fd < 0) {
		rc = -errno;
		return why_say(why, why_cap, rc,
			       "%s cannot be opened: %s; make it a file that this user can read",
			       f->path, strerror(-rc));
	}
	rc = read_text(f, fd, why, why_cap);
	close(fd);
	return rc ? rc : state_text_read(m, f->text, f->len, f->path, why, why_cap);
}

/* A directory that was just made has to be there after a power cut, too. */
static int open_dir(struct state_file *f, const char *dir, char *why, size_t why_cap)
{
	int rc = mkdir(dir, 0755) ? -errno : dirsync_of(dir);

	if (!rc || rc == -EEXIST) {
		f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = f->dir < 0 ? -errno : 0;
	}
	return rc ? why_say(why, why_cap, rc,
			    "the state directory %s cannot be used: %s; make it, or give another "
			    "--state DIR",
			    dir, strerror(-rc))
		  : 0;
}

static int lock(struct state_file *f, const char *dir, char *why, size_t why_cap)
{
	char what[512], *path;
	int rc;

	f->lock = openat(f->dir, "state.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f->lock < 0) {
		rc = -errno;
		return why_say(
			why, why_cap, rc,
			"%s/state.lock cannot be made: %s; make %s writable, or give another "
			"--state DIR",
			dir, strerror(-rc), dir);
	}
	if (asprintf(&path, "%s/state.lock", dir) < 0)
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	rc = lock_file(f->lock, path, false, lock_deadline_ms(LOCK_WAIT_MS), what, sizeof(what));
	free(path);
	if (rc == -EBUSY)
		return why_say(why, why_cap, rc,
			       "the state directory %s is another ringlund's: %s (--state DIR)",
			       dir, what);
	return rc ? why_say(why, why_cap, rc, "%s", what) : 0;
}

int state_file_open(struct state_file **out, const char *dir, struct model *m, char *why,
		    size_t why_cap)
{
	struct state_file *f = calloc(1, sizeof(*f));
	int rc;

	*m = (struct model){ .pools = NULL };
	if (!f || asprintf(&f->path, "%s/%s", dir, NAME) < 0) {
		free(f);
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	}
	f->dir = f->lock = -1;
	f->sys = &real_sys;
	rc = open_dir(f, dir, why, why_cap);
	if (!rc)
		rc = lock(f, dir, why, why_cap);
	if (!rc)
		rc = load(f, m, why, why_cap);
	if (rc) {
		state_file_close(f);
		return rc;
	}
	/* a store that was interrupted; one that stays is no harm */
	(void)unlinkat(f->dir, NEW_NAME, 0);
	*out = f;
	return 0;
}

void state_file_close(struct state_file *f)
{
	if (!f)
		return;
	if (f->lock >= 0)
		close(f->lock);
	if (f->dir >= 0)
		close(f->dir);
	state_text_free(f->text, f->len);
	free(f->path);
	free(f);
}

const char *state_file_path(const struct state_file *f)
{
	return f->path;
}
