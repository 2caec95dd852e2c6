/* main() of a fuzz target where libFuzzer is not: runs every file of the directories (and
 * every file) given, in order of their names. An empty corpus is a failure: a test that ran nothing
 * must not look like one that passed. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	struct stat st;
	int rc = -1;

	if (!f)
		goto out;
	if (fstat(fileno(f), &st) || st.st_size < 0)
		goto out_close;
	/* of the exact size, so that ASan sees a byte too far */
	data = malloc(st.st_size ? (size_t)st.st_size : 1);
	if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		goto out_close;
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	rc = 0;

out_close:
	free(data);
	fclose(f);
out:
	if (rc)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	return rc;
}

static int no_dots(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Returns the number of files run, or -1. */
static long run_dir(const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, no_dots, alphasort);
	long ran = 0;

	if (n < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
		if (ran >= 0)
			ran = run_file(file) ? -1 : ran + 1;
		free(names[i]);
	}
	free(names);
	return ran;
}

int main(int argc, char **argv)
{
	long total = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;
		long ran;

		if (stat(argv[i], &st)) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		ran = S_ISDIR(st.st_mode) ? run_dir(argv[i]) : run_file(argv[i]) + 1;
		if (ran <= 0) {
			fprintf(stderr, "%s: nothing was run\n", argv[i]);
			return 1;
		}
		total += ran;
	}
	printf("%ld inputs\n", total);
	return total > 0 ? 0 : 1;
}
