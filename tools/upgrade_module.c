// SPDX-License-Identifier: GPL-2.0-only
/* The module's files: which is loaded, which shall be, and how to get the one back. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"
#include "upgrade.h"

#define MODULE		"bpflb"
#define SYS		"/sys/module/" MODULE
#define PARAMETERS	SYS "/parameters"
#define KEPT		UPGRADE_DIR "/loaded.ko"
#define PIECE		65536

static void read_line(const char *path, char *text, size_t room)
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (file && !fgets(text, room, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* What a module's file says of itself; empty if it says nothing. */
static void ask_file(const char *file, const char *field, char *text, size_t room)
{
	const char *const argv[] = { "modinfo", "-F", field, file, NULL };
	char *said = program_output(argv);

	snprintf(text, room, "%.*s", said ? (int)strcspn(said, "\n") : 0, said ? said : "");
	free(said);
}

static bool is_loaded(const struct module *module, const char *file)
{
	char version[VERSION_ROOM], mark[VERSION_ROOM];

	ask_file(file, "version", version, sizeof(version));
	ask_file(file, "srcversion", mark, sizeof(mark));
	return !strcmp(version, module->version) && !strcmp(mark, module->mark);
}

static void read_parameters(struct module *module)
{
	char path[PATH_ROOM], value[64];
	const struct dirent *entry;
	DIR *list = opendir(PARAMETERS);

	while (list && (entry = readdir(list)) && module->parameter_count < 16) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), PARAMETERS "/%s", entry->d_name);
		read_line(path, value, sizeof(value));
		/* Not set, and not what a module works out for 0. */
		if (value[0] && strcmp(value, "0"))
			snprintf(module->parameters[module->parameter_count++], 128, "%.60s=%s",
				 entry->d_name, value);
	}
	if (list)
		closedir(list);
}

static void find_old(struct module *module, const char *installed)
{
	glob_t kept;
	size_t i;

	if (installed[0] && is_loaded(module, installed))
		snprintf(module->old_file, PATH_ROOM, "%s", installed);
	if (glob(KEPT "*", 0, NULL, &kept))
		return;
	for (i = 0; i < kept.gl_pathc && !module->old_file[0]; i++) {
		if (is_loaded(module, kept.gl_pathv[i]))
			snprintf(module->old_file, PATH_ROOM, "%s", kept.gl_pathv[i]);
	}
	globfree(&kept);
}

/* Most of what could keep it from being loaded. */
static int check_new(const char *file)
{
	char name[VERSION_ROOM], magic[256];
	struct utsname kernel;

	ask_file(file, "name", name, sizeof(name));
	if (strcmp(name, MODULE))
		return report(LBADM_USAGE, "%s is not a " MODULE " module that modinfo can read; "
			      "nothing has changed", file);
	ask_file(file, "vermagic", magic, sizeof(magic));
	magic[strcspn(magic, " ")] = '\0';
	uname(&kernel);
	if (strcmp(magic, kernel.release))
		return report(LBADM_REFUSED, "%s is for kernel %s, and %s is running; nothing has changed",
			      file, magic, kernel.release);
	return LBADM_OK;
}

/**
 * module_examine - look at the modules that this is about
 * @module: zeroed; the result
 * @file: to be loaded; NULL: what modprobe would load
 * @old: to go back to; NULL: to be looked for
 * @same: the one that modprobe would load is loaded
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int module_examine(struct module *module, const char *file, const char *old, bool *same)
{
	char installed[PATH_ROOM];

	read_line(SYS "/version", module->version, sizeof(module->version));
	read_line(SYS "/srcversion", module->mark, sizeof(module->mark));
	read_parameters(module);
	ask_file(MODULE, "filename", installed, sizeof(installed));
	if (!file && !installed[0])
		return report(LBADM_REFUSED, "modprobe would find no " MODULE " module for this "
			      "kernel: name the file");
	snprintf(module->new_file, PATH_ROOM, "%s", file ? file : installed);
	*same = !file && is_loaded(module, installed);
	if (old)
		snprintf(module->old_file, PATH_ROOM, "%s", old);
	else
		find_old(module, installed);
	return check_new(module->new_file);
}

bool module_is_loaded(void)
{
	return !access(SYS, F_OK);
}

/** module_version - of the one that is loaded now */
void module_version(char version[VERSION_ROOM])
{
	read_line(SYS "/version", version, VERSION_ROOM);
}

/* Who just asks it something, as lbadm metrics does, keeps it there for that long. */
#define UNLOAD_TRIES	40
#define UNLOAD_PAUSE_NS	(50 * 1000 * 1000)

/**
 * module_unload - as rmmod
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int module_unload(void)
{
	const struct timespec pause = { .tv_nsec = UNLOAD_PAUSE_NS };
	int tries;

	for (tries = 0; tries < UNLOAD_TRIES; tries++) {
		if (!syscall(SYS_delete_module, MODULE, O_NONBLOCK) || errno == ENOENT)
			return LBADM_OK;
		if (errno != EWOULDBLOCK)
			break;
		nanosleep(&pause, NULL);
	}
	return report(LBADM_REFUSED, "can't unload the module: %s", strerror(errno));
}

/* What it complains about is seen. */
static int run(const char *const *argv)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ))
		return -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/**
 * module_prepare - load what a module needs
 * @file: the module
 *
 * It is loaded by its file later, which would not do that.
 */
void module_prepare(const char *file)
{
	const char *argv[4] = { "modprobe", "-q", NULL, NULL };
	char needs[512], *at = needs;

	ask_file(file, "depends", needs, sizeof(needs));
	while ((argv[2] = strsep(&at, ","))) {
		if (argv[2][0])
			run(argv);
	}
}

/**
 * module_load - with the parameters of the one that was loaded
 * @module: that one
 * @file: to be loaded
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int module_load(const struct module *module, const char *file)
{
	const char *argv[3 + 16] = { "insmod", file };
	unsigned int i;

	for (i = 0; i < module->parameter_count; i++)
		argv[2 + i] = module->parameters[i];
	if (!run(argv))
		return LBADM_OK;
	return report(LBADM_REFUSED, "can't load %s; the kernel's log may say why", file);
}

/**
 * module_write - note what it takes to go on after a crash
 * @module: what module_examine() has found
 * @dir: where
 */
int module_write(const struct module *module, const char *dir)
{
	char path[PATH_ROOM];
	unsigned int i;
	FILE *file;

	snprintf(path, sizeof(path), "%s/module", dir);
	file = fopen(path, "we");
	if (file) {
		fprintf(file, "%s\n%s\n%s\n", module->version, module->new_file,
			module->old_file);
		for (i = 0; i < module->parameter_count; i++)
			fprintf(file, "%s\n", module->parameters[i]);
	}
	if (!file || fclose(file))
		return report(LBADM_REFUSED, "can't write %s: %s", path, strerror(errno));
	return LBADM_OK;
}

static bool take_line(FILE *file, char *text, size_t room)
{
	if (!fgets(text, room, file))
		return false;
	text[strcspn(text, "\n")] = '\0';
	return true;
}

/**
 * module_read - the same, read
 * @module: zeroed; the result
 * @dir: where
 */
int module_read(struct module *module, const char *dir)
{
	char path[PATH_ROOM];
	FILE *file;
	bool whole;

	snprintf(path, sizeof(path), "%s/module", dir);
	file = fopen(path, "re");
	if (!file)
		return report(LBADM_REFUSED, "can't read %s: %s", path, strerror(errno));
	whole = take_line(file, module->version, sizeof(module->version)) &&
		take_line(file, module->new_file, sizeof(module->new_file)) &&
		take_line(file, module->old_file, sizeof(module->old_file));
	while (whole && module->parameter_count < 16 &&
	       take_line(file, module->parameters[module->parameter_count], 128))
		module->parameter_count++;
	fclose(file);
	return whole ? LBADM_OK : report(LBADM_REFUSED, "%s is not whole", path);
}

/**
 * module_keep - keep a copy of the module that is loaded, to have it at the next upgrade
 * @file: its file
 *
 * By then another may be at its place. Without room for it that upgrade has to do without.
 *
 * Return: whether there is a copy.
 */
bool module_keep(const char *file)
{
	const char *end = strstr(strrchr(file, '/') ?: file, ".ko");
	char path[PATH_ROOM], piece[PIECE];
	FILE *from, *to;
	size_t got;

	/* A compressed one has a further ending. */
	snprintf(path, sizeof(path), KEPT "%s", end ? end + 3 : "");
	if (!strcmp(path, file))
		return true;
	from = fopen(file, "re");
	to = from ? fopen(KEPT ".new", "we") : NULL;
	while (to && (got = fread(piece, 1, sizeof(piece), from)))
		fwrite(piece, 1, got, to);
	if (from)
		fclose(from);
	return to && !fclose(to) && !rename(KEPT ".new", path);
}

/**
 * module_keep_installed - the same of the installed one, if that is loaded
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int module_keep_installed(void)
{
	struct module module = { 0 };
	char installed[PATH_ROOM];

	read_line(SYS "/version", module.version, sizeof(module.version));
	read_line(SYS "/srcversion", module.mark, sizeof(module.mark));
	ask_file(MODULE, "filename", installed, sizeof(installed));
	if (!installed[0] || !is_loaded(&module, installed))
		return report(LBADM_REFUSED, "the module that is loaded is not the one that is installed");
	if (!module_keep(installed))
		return report(LBADM_REFUSED, "can't copy %s to " KEPT, installed);
	return LBADM_OK;
}
