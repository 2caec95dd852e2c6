/* One volume of a document, and of POST /v1/volumes. */
#include "target/control/model_parse.h"

#include "backstore/base/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct field fields[] = {
	{ "name", FIELD_TEXT, FIELD_NEEDED }, { "pool", FIELD_TEXT, FIELD_NULL },
	{ "id", FIELD_TEXT, FIELD_NULL },     { "size", FIELD_NUMBER, FIELD_NULL },
	{ "block_size", FIELD_NUMBER, 0 },    { "path", FIELD_TEXT, FIELD_NULL },
	{ "cache", FIELD_TEXT, 0 },	      { "writethrough", FIELD_FLAG, 0 },
	{ "read_only", FIELD_FLAG, 0 },	      { "preallocate", FIELD_FLAG, 0 },
};

static unsigned left_out(const json_t *j)
{
	static const struct {
		const char *key;
		unsigned bit;
	} bits[] = {
		{ "pool", MODEL_POOL },
		{ "block_size", MODEL_BLOCK },
		{ "path", MODEL_PATH },
		{ "cache", MODEL_CACHE },
		{ "writethrough", MODEL_WRITETHROUGH },
		{ "read_only", MODEL_READ_ONLY },
	};
	unsigned out = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!fields_has(j, bits[i].key))
			out |= bits[i].bit;
	return out;
}

/* "100G" is what people type, and no number: the sentence has the number. */
static int refuse_size_text(const json_t *j, const struct place *at)
{
	struct place here = place_key(at, "size");
	const char *text = fields_text(j, "size");
	uint64_t bytes;

	if (!text)
		return 0;
	if (size_parse(text, &bytes))
		return place_refuse(&here, "'%.60s' is a text; give a number of bytes", text);
	return place_refuse(&here, "'%.60s' is a text; give the number of bytes, %" PRIu64, text,
			    bytes);
}

static int parse_sizes(struct model_volume *out, const json_t *j, const struct place *at)
{
	struct place size = place_key(at, "size"), block = place_key(at, "block_size");
	uint64_t bytes = fields_number(j, "block_size");

	out->size_bytes = fields_number(j, "size");
	out->block_bytes = 512;
	if (fields_has(j, "block_size") && bytes != 512 && bytes != 4096)
		return place_refuse(&block, "%" PRIu64 " is none; give 512 or 4096", bytes);
	if (bytes)
		out->block_bytes = (uint32_t)bytes;
	if (json_is_integer(json_object_get(j, "size")) && !out->size_bytes)
		return place_refuse(&size, "0 bytes are no disk; give its size, or leave it out");
	if (out->size_bytes % out->block_bytes)
		return place_refuse(&size,
				    "%" PRIu64 " is no multiple of the block size, %u; give a "
				    "size that is",
				    out->size_bytes, out->block_bytes);
	return 0;
}

static int parse_cache(struct model_volume *out, const json_t *j, const struct place *at)
{
	const char *cache = fields_text(j, "cache");
	struct place here = place_key(at, "cache");

	if (!cache || !strcmp(cache, "direct"))
		return 0;
	out->buffered = !strcmp(cache, "buffered");
	return out->buffered
		       ? 0
		       : place_refuse(&here, "'%.60s' is none; give \"direct\" or \"buffered\"",
				      cache);
}

int parse_volume(struct model_volume *out, const json_t *j, const struct place *at)
{
	struct place name = place_key(at, "name"), pool = place_key(at, "pool");
	struct place id = place_key(at, "id"), path = place_key(at, "path");
	const char *in_pool = fields_text(j, "pool");
	int rc = refuse_size_text(j, at);

	if (!rc)
		rc = fields_check(j, at, fields, ARRAY_SIZE(fields));
	if (!rc)
		rc = text_of_name(&out->name, fields_text(j, "name"), &name);
	if (!rc)
		rc = text_of_name(&out->pool, in_pool ? in_pool : "default", &pool);
	if (!rc && fields_text(j, "id")) {
		rc = uuid_of_text(out->id, fields_text(j, "id"), &id);
		out->has_id = !rc;
	}
	if (!rc && fields_text(j, "path"))
		rc = text_of_path(&out->path, fields_text(j, "path"), &path);
	if (!rc)
		rc = parse_sizes(out, j, at);
	if (!rc)
		rc = parse_cache(out, j, at);
	if (rc)
		return rc;
	out->writethrough = fields_flag(j, "writethrough");
	out->read_only = fields_flag(j, "read_only");
	out->preallocate = fields_flag(j, "preallocate");
	out->left_out = left_out(j);
	if (out->preallocate && out->path)
		return place_refuse(at, "\"preallocate\" is for what a pool makes, and \"path\" "
					"says what is there already; leave one of them out");
	return 0;
}

int model_volume_from_json(struct model_volume *out, const json_t *j, const char *where, char *why,
			   size_t why_cap)
{
	struct place at = place_top(where, why, why_cap);
	int rc;

	*out = (struct model_volume){ .name = NULL };
	rc = parse_volume(out, j, &at);
	if (rc)
		model_volume_fini(out);
	return rc;
}
