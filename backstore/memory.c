/* A RAM disk: private memory, touched when first written.
 *
 * Flushes and FUA have nothing to do: all is lost when the process ends, at power loss
 * as at a crash, and no cache bit could say so. Two reactors that write the same bytes
 * at the same time get either one's: as on any disk, that is the initiator's to avoid. */
#include "backstore/kinds.h"
#include "backstore/why.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory {
	struct backstore base;
	uint8_t *data;
	uint64_t page_bytes;
};

static void copy_out(const uint8_t *from, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		memcpy(iov[i].iov_base, from, iov[i].iov_len);
		from += iov[i].iov_len;
	}
}

static void copy_in(uint8_t *to, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
}

/* Whole pages are given back, and come again as zeros. */
static void clear(struct memory *m, uint64_t off, uint64_t len)
{
	uint64_t first = (off + m->page_bytes - 1) / m->page_bytes * m->page_bytes;
	uint64_t end = (off + len) / m->page_bytes * m->page_bytes;

	if (first >= end || madvise(m->data + first, end - first, MADV_DONTNEED) < 0) {
		memset(m->data + off, 0, len);
		return;
	}
	memset(m->data + off, 0, first - off);
	memset(m->data + end, 0, off + len - end);
}

static void answer(struct io_op *op, int res)
{
	struct bs_req *req = container_of(op, struct bs_req, priv.op);

	req->done(req, res);
}

static void memory_submit(struct backstore *bs, struct bs_req *req)
{
	struct memory *m = container_of(bs, struct memory, base);

	switch (req->kind) {
	case BS_READ:
		copy_out(m->data + req->off_bytes, req->iov, req->iovcnt);
		break;
	case BS_WRITE:
		copy_in(m->data + req->off_bytes, req->iov, req->iovcnt);
		break;
	case BS_DISCARD:
	case BS_WRITE_ZEROES:
		clear(m, req->off_bytes, req->len_bytes);
		break;
	case BS_FLUSH:
		break;
	}
	req->priv.op.done = answer;
	io_defer(req->io, &req->priv.op, 0);
}

static void memory_close(struct backstore *bs)
{
	struct memory *m = container_of(bs, struct memory, base);

	munmap(m->data, m->base.size_bytes);
	free(m);
}

int memory_open(struct backstore **out, const struct bs_spec *spec, char *why, size_t why_cap)
{
	static const struct bs_ops ops = { "memory", memory_submit, memory_close, NULL };
	struct memory *m;
	int rc;

	if (!spec->size_bytes)
		return why_say(why, why_cap, -EINVAL, "memory: needs a size, for example 1G");
	m = calloc(1, sizeof(*m));
	if (!m)
		return why_say(why, why_cap, -ENOMEM, "memory: no memory");
	m->data = mmap(NULL, spec->size_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->data == MAP_FAILED) {
		rc = why_say(why, why_cap, -errno,
			     "memory: %llu bytes cannot be mapped: %s; choose a smaller size",
			     (unsigned long long)spec->size_bytes, strerror(errno));
		free(m);
		return rc;
	}
	m->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	m->base = (struct backstore){
		.ops = &ops,
		.size_bytes = spec->size_bytes,
		.block_bytes = spec->block_bytes,
		.physical_bytes = MAX(spec->block_bytes, 4096),
		.align_bytes = 1,
		.discard_bytes = (uint32_t)m->page_bytes,
		.read_only = spec->read_only,
	};
	log_warn("memory: %llu bytes that are lost when this process ends, flushed or not",
		 (unsigned long long)spec->size_bytes);
	*out = &m->base;
	return 0;
}
