/* Documents. All that jansson frees is wiped (mem.h); so is what is read here. */
#include "tools/ringlun/document.h"

#include "backstore/base/size.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/secret.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *beside(const char *document, const char *file)
{
	char *copy, *path;

	if (*file == '/' || !strcmp(document, "-"))
		return mem_copy(file);
	copy = mem_copy(document);
	path = mem_print("%s/%s", dirname(copy), file);
	free(copy);
	return path;
}

static int take_secret(json_t *object, const char *document, const char *file, const char *where,
		       char *why, size_t why_cap)
{
	char secret[SECRET_BYTES], reason[700], *path;
	int rc;

	if (json_object_get(object, "secret")) {
		snprintf(why, why_cap, "%s%s: secret and secret_file: leave one of them out",
			 document, where);
		return -EINVAL;
	}
	if (!strcmp(file, "-")) {
		snprintf(why, why_cap, "%s%s.secret_file: - : a file is needed here", document,
			 where);
		return -EINVAL;
	}
	path = beside(document, file);
	rc = secret_read(secret, path, "secret", reason, sizeof(reason));
	free(path);
	if (rc)
		snprintf(why, why_cap, "%s%s.secret_file: %s", document, where, reason);
	else if (json_object_set_new(object, "secret", json_string(secret)))
		rc = -EILSEQ;
	if (rc == -EILSEQ)
		snprintf(why, why_cap, "%s%s.secret_file: %s: it is not UTF-8", document, where,
			 file);
	explicit_bzero(secret, sizeof(secret));
	if (!rc)
		json_object_del(object, "secret_file");
	return rc;
}

static int take_secrets(json_t *j, const char *document, const char *where, char *why,
			size_t why_cap);

static int take_members(json_t *object, const char *document, const char *where, char *why,
			size_t why_cap)
{
	const json_t *file = json_object_get(object, "secret_file");
	const char *key;
	json_t *member;
	int rc = 0;

	if (file && !json_is_string(file)) {
		snprintf(why, why_cap, "%s%s.secret_file: this must be the name of a file, as text",
			 document, where);
		return -EINVAL;
	}
	if (file)
		rc = take_secret(object, document, json_string_value(file), where, why, why_cap);
	if (rc)
		return rc;
	json_object_foreach(object, key, member)
	{
		char *below = mem_print("%s.%.60s", where, key);

		rc = take_secrets(member, document, below, why, why_cap);
		free(below);
		if (rc)
			return rc;
	}
	return 0;
}

/* As deep as jansson's parser goes (2048), at most. */
static int take_secrets(json_t *j, const char *document, const char *where, char *why,
			size_t why_cap)
{
	json_t *member;
	size_t i;

	if (json_is_object(j))
		return take_members(j, document, where, why, why_cap);
	json_array_foreach(j, i, member)
	{
		char *below = mem_print("%s[%zu]", where, i);
		int rc = take_secrets(member, document, below, why, why_cap);

		free(below);
		if (rc)
			return rc;
	}
	return 0;
}

/* "size": "100G" of a volume becomes a number, which is what the server takes. */
static int take_sizes(json_t *document, const char *path, char *why, size_t why_cap)
{
	json_t *volume;
	size_t i;

	json_array_foreach(json_object_get(document, "volumes"), i, volume)
	{
		const char *text = json_string_value(json_object_get(volume, "size"));
		uint64_t size;

		if (!text)
			continue;
		if (size_parse(text, &size) || size > INT64_MAX) {
			snprintf(why, why_cap,
				 "%s: $.volumes[%zu].size: '%s' is no size; give bytes, or as in "
				 "\"512M\", \"100G\", \"1T\" (powers of 1024)",
				 path, i, text);
			return -EINVAL;
		}
		if (json_object_set_new(volume, "size", json_integer((json_int_t)size)))
			mem_need(NULL);
	}
	return 0;
}

static bool has_secrets(const json_t *j)
{
	const char *key;
	json_t *member;
	size_t i;

	if (json_is_object(j)) {
		if (json_is_string(json_object_get(j, "secret")))
			return true;
		json_object_foreach((json_t *)(uintptr_t)j, key,
				    member) if (has_secrets(member)) return true;
	}
	json_array_foreach(j, i, member) if (has_secrets(member)) return true;
	return false;
}

/* With the secrets that are in the document itself. */
static void warn_of_readers(FILE *f, const char *path, const json_t *j)
{
	struct stat st;

	if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode) && st.st_mode & 077 && has_secrets(j))
		fprintf(stderr,
			"ringlun: warning: there are secrets in %s, and other users may read it: "
			"chmod 600 %s, or put them into files of their own (secret_file)\n",
			path, path);
}

int document_read(json_t **out, const char *path, char *why, size_t why_cap)
{
	bool is_stdin = !strcmp(path, "-");
	FILE *f = is_stdin ? stdin : fopen(path, "re");
	json_error_t error;
	json_t *j;
	int rc;

	if (!f) {
		rc = -errno;
		snprintf(why, why_cap, "%s: cannot be read: %s", path, strerror(-rc));
		return rc;
	}
	j = json_loadf(f, JSON_REJECT_DUPLICATES, &error);
	if (j && !is_stdin)
		warn_of_readers(f, path, j);
	if (!is_stdin)
		fclose(f);
	path = is_stdin ? "standard input" : path;
	if (!json_is_object(j)) {
		if (j)
			snprintf(why, why_cap, "%s: a document is a JSON object: { ... }", path);
		else
			snprintf(why, why_cap, "%s: line %d, column %d: %s", path, error.line,
				 error.column, error.text);
		json_decref(j);
		return -EINVAL;
	}
	rc = take_secrets(j, is_stdin ? "-" : path, ": $", why, why_cap);
	rc = rc ? rc : take_sizes(j, path, why, why_cap);
	if (rc) {
		json_decref(j);
		return rc;
	}
	*out = j;
	return 0;
}
