/* Opening a regular file: find or make it, lock it, and be sure of its size.
 *
 *   open ──ENOENT, size given──▶ create (O_EXCL)
 *     ▼                             ▼
 *   lock ◀──────────────────────────┘      (waits for a dead server's last I/O)
 *     ▼
 *   still the file at that path?  no ──▶ again
 *     ▼
 *   empty, size given ──▶ ftruncate, fsync it and its directory
 *
 * A crash while it is made leaves an empty file, which the next start takes up: in an
 * empty file no data can be lost. Any other difference of size is refused. */
#include "backstore/dirsync.h"
#include "backstore/kinds.h"
#include "backstore/lock.h"
#include "backstore/queue_info.h"
#include "backstore/why.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BLOCK_BYTES = 4096 };

struct opening {
	const struct bs_spec *spec;
	uint64_t deadline_ms;
	char *why;
	size_t why_cap;
	int fd;
	bool created;
	struct stat st;
};

static int fail(const struct opening *o, int err, const char *doing)
{
	return why_say(o->why, o->why_cap, err, "%s cannot be %s: %s", o->spec->path, doing,
		       strerror(-err));
}

/* Sets fd. -EEXIST: it was made by somebody else meanwhile: again. */
static int open_or_create(struct opening *o)
{
	const struct bs_spec *spec = o->spec;
	int flags = (spec->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;

	o->created = false;
	o->fd = open(spec->path, flags);
	if (o->fd >= 0)
		return 0;
	if (errno != ENOENT)
		return fail(o, -errno, "opened");
	if (!spec->size_bytes || spec->read_only)
		return why_say(o->why, o->why_cap, -ENOENT,
			       "%s does not exist; check the path, or give a size to create it",
			       spec->path);
	o->fd = open(spec->path, flags | O_CREAT | O_EXCL, 0600);
	if (o->fd < 0)
		return errno == EEXIST ? -EEXIST : fail(o, -errno, "created");
	o->created = true;
	return 0;
}

/* Whether what we have locked is what the path still names. */
static bool is_still_there(struct opening *o)
{
	struct stat now;

	return fstat(o->fd, &o->st) == 0 && stat(o->spec->path, &now) == 0 &&
	       now.st_dev == o->st.st_dev && now.st_ino == o->st.st_ino;
}

static int open_locked(struct opening *o)
{
	bool said = false;
	int rc;

	do {
		rc = open_or_create(o);
		if (rc == -EEXIST)
			continue;
		if (rc)
			return rc;
		rc = lock_file(o->fd, o->spec->path, o->spec->read_only, o->deadline_ms, o->why,
			       o->why_cap);
		if (!rc && is_still_there(o))
			return 0;
		close(o->fd);
		if (rc)
			return rc;
	} while (lock_pause(o->deadline_ms, &said, o->spec->path));
	return why_say(o->why, o->why_cap, -EBUSY, "%s keeps being replaced; leave it alone",
		       o->spec->path);
}

static int give_size(struct opening *o)
{
	int rc = 0;

	if (ftruncate(o->fd, (off_t)o->spec->size_bytes) < 0 || fsync(o->fd) < 0)
		rc = -errno;
	if (!rc)
		rc = dirsync_of(o->spec->path);
	if (!rc) {
		o->st.st_size = (off_t)o->spec->size_bytes;
		log_info("%s created, sparse, %llu bytes", o->spec->path,
			 (unsigned long long)o->spec->size_bytes);
		return 0;
	}
	fail(o, rc, "given its size");
	if (o->created && unlink(o->spec->path) < 0)
		log_warn("%s was made and cannot be removed: %s", o->spec->path, strerror(errno));
	return rc;
}

static int check_size(struct opening *o)
{
	const struct bs_spec *spec = o->spec;
	unsigned long long has = (unsigned long long)o->st.st_size, wanted = spec->size_bytes;

	if (!has && !wanted)
		return why_say(o->why, o->why_cap, -EINVAL, "%s is empty; give a size", spec->path);
	if (!has && spec->read_only)
		return why_say(o->why, o->why_cap, -EINVAL,
			       "%s is empty, and opened read-only it stays so", spec->path);
	if (has && wanted && has != wanted)
		return why_say(o->why, o->why_cap, -EINVAL,
			       "%s has %llu bytes, %s than the %llu asked for; leave the size out "
			       "to take it as it is, or resize the file yourself",
			       spec->path, has, has < wanted ? "less" : "more", wanted);
	if ((has ? has : wanted) % spec->block_bytes)
		return why_say(o->why, o->why_cap, -EINVAL,
			       "%s: %llu bytes are no multiple of the block size %u; change one "
			       "of them",
			       spec->path, has ? has : wanted, spec->block_bytes);
	return has ? 0 : give_size(o);
}

int file_open(struct backstore **out, const struct bs_spec *spec, unsigned wait_ms, char *why,
	      size_t why_cap)
{
	struct opening o = { .spec = spec,
			     .deadline_ms = lock_deadline_ms(wait_ms),
			     .why = why,
			     .why_cap = why_cap };
	struct disk_found found = { .type = "file",
				    .physical_bytes = FILE_BLOCK_BYTES,
				    .discard_bytes = FILE_BLOCK_BYTES };
	int rc = open_locked(&o);

	if (rc)
		return rc;
	if (!S_ISREG(o.st.st_mode))
		rc = why_say(why, why_cap, -EINVAL,
			     "%s is neither a regular file nor a block device", spec->path);
	else
		rc = check_size(&o);
	if (rc) {
		close(o.fd);
		return rc;
	}
	found.fd = o.fd;
	found.size_bytes = (uint64_t)o.st.st_size;
	found.punch_bytes = MAX((uint32_t)o.st.st_blksize, FILE_BLOCK_BYTES);
	if (found.punch_bytes > (1 << 20) || found.punch_bytes & (found.punch_bytes - 1))
		found.punch_bytes = FILE_BLOCK_BYTES; /* a hint for reading, not a block */
	found.rotational = queue_info_number(o.st.st_dev, "rotational", 0);
	return disk_finish(out, spec, &found, why, why_cap);
}
