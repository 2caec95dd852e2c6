/* Whether what a volume lies on is what the pool has it for: looked at before it is opened. */
#include "snapshot/volume_pool.h"

#include "backstore/device_id.h"
#include "backstore/why.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int check_file(const struct vpool_volume *v, const struct stat *st, char *why,
		      size_t why_cap)
{
	unsigned long long is = (unsigned long long)st->st_size, was = v->size_bytes;

	if (is == was)
		return 0;
	if (is < was)
		return why_say(why, why_cap, -ENODATA,
			       "%s has %llu bytes, and had %llu: its end is lost; bring it back "
			       "from a copy",
			       v->path, is, was);
	if (v->kind == VPOOL_EXTERNAL)
		return why_say(why, why_cap, -EFBIG,
			       "%s has %llu bytes, more than the %llu of the volume; resize the "
			       "volume to that",
			       v->path, is, was);
	return why_say(why, why_cap, -EFBIG,
		       "%s has %llu bytes, and the pool says %llu; somebody has changed it",
		       v->path, is, was);
}

int vpool_check_volume(const struct vpool_volume *v, char *why, size_t why_cap)
{
	char now[DEVICE_ID_BYTES];
	struct stat st;

	if (stat(v->path, &st) < 0)
		return why_say(why, why_cap, -errno, "%s, where the bytes of %s are, %s: %s",
			       v->path, v->name,
			       errno == ENOENT ? "is missing; bring it back"
					       : "cannot be looked at",
			       strerror(errno));
	if (S_ISREG(st.st_mode) && v->kind != VPOOL_LV && !v->device[0])
		return check_file(v, &st, why, why_cap);
	if (!S_ISBLK(st.st_mode) || v->kind == VPOOL_FILE ||
	    (v->kind == VPOOL_EXTERNAL && !v->device[0]))
		return why_say(why, why_cap, -EXDEV, "%s is not what it was when %s was made",
			       v->path, v->name);
	if (v->kind == VPOOL_LV)
		return 0; /* its name is ours alone */
	device_id_read(now, "/sys", st.st_rdev);
	if (device_id_is_same(v->device, now))
		return 0;
	return why_say(why, why_cap, -EXDEV,
		       "%s is another device (%.70s) than it was (%.70s); check the path, and what "
		       "is plugged in",
		       v->path, now, v->device);
}
