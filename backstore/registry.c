/* From an operator's words to a stack of backstores. */
#include "backstore/kinds.h"
#include "backstore/lock.h"
#include "backstore/why.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int check_spec(const struct bs_spec *spec, char *why, size_t why_cap)
{
	if (!spec->path || !*spec->path)
		return why_say(why, why_cap, -EINVAL, "no path given; name a file or a device");
	if (spec->block_bytes != 512 && spec->block_bytes != 4096)
		return why_say(why, why_cap, -EINVAL, "%s: block size %u; use 512 or 4096",
			       spec->path, spec->block_bytes);
	if (spec->size_bytes % spec->block_bytes)
		return why_say(why, why_cap, -EINVAL,
			       "%s: size %llu is no multiple of the block size %u; round it up",
			       spec->path, (unsigned long long)spec->size_bytes, spec->block_bytes);
	if (spec->size_bytes > INT64_MAX)
		return why_say(why, why_cap, -EFBIG, "%s: size %llu is beyond 8 EiB", spec->path,
			       (unsigned long long)spec->size_bytes);
	return 0;
}

static int open_path(struct backstore **out, const struct bs_spec *spec, char *why, size_t why_cap)
{
	struct stat st;

	if (!strcmp(spec->path, "memory:"))
		return memory_open(out, spec, why, why_cap);
	if (!strcmp(spec->path, "null:"))
		return null_open(out, spec, why, why_cap);
	if (stat(spec->path, &st) == 0 && S_ISBLK(st.st_mode))
		return block_open(out, spec, LOCK_WAIT_MS, why, why_cap);
	/* never open what might block or do something, as a terminal or a FIFO does */
	if (stat(spec->path, &st) == 0 && !S_ISREG(st.st_mode))
		return why_say(why, why_cap, -EINVAL,
			       "%s is neither a regular file nor a block device", spec->path);
	return file_open(out, spec, LOCK_WAIT_MS, why, why_cap);
}

int backstore_open(struct backstore **out, const struct bs_spec *spec, char *why, size_t why_cap)
{
	struct backstore *bs;
	int rc = check_spec(spec, why, why_cap);

	if (!rc)
		rc = open_path(&bs, spec, why, why_cap);
	if (rc)
		return rc;
	if (bs->block_bytes > spec->block_bytes) {
		rc = bounce_new(out, bs, spec->block_bytes);
		if (!rc)
			return 0;
		bs_close(bs);
		return why_say(why, why_cap, rc, "%s: no memory", spec->path);
	}
	*out = bs;
	return 0;
}
