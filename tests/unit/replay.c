// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer's corpus through what the fuzzer calls, without a fuzzer: whatever it once found
 * stays found where there is no clang. Prints what cmocka would.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of just its size, so that a sanitizer sees any look beyond its end. */
static void replay(const char *path)
{
	FILE *file = fopen(path, "r");
	char *data;
	long size;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
		abort();
	rewind(file);
	data = malloc(size);
	if (fread(data, 1, size, file) != (size_t)size)
		abort();
	fclose(file);
	LLVMFuzzerTestOneInput((uint8_t *)data, size);
	free(data);
}

int main(int argc, char **argv)
{
	char path[4096], *name = strrchr(argv[0], '/');
	struct dirent *entry;
	unsigned int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "corpus/fuzz_%s", name + strlen("/replay_"));
	dir = opendir(path);
	if (!dir)
		return 1;
	/* What is said of bad lines is of no interest here. */
	if (!freopen("/dev/null", "w", stderr))
		return 1;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "corpus/fuzz_%s/%s", name + strlen("/replay_"),
			 entry->d_name);
		replay(path);
		count++;
	}
	closedir(dir);
	printf("1..1\n%s 1 - the corpus, %u files\n", count ? "ok" : "not ok", count);
	return !count;
}
