// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loaded module gives way to another one, and what it had goes over: configuration,
 * flows and affinity of all network namespaces. All that can be done before the module
 * goes is done before.
 *
 *	UPGRADE_STATE.new	is being written; the module is as it was
 *	UPGRADE_STATE		the module may be gone; --resume goes on from here
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "upgrade.h"

#define STATE_NEW	UPGRADE_STATE ".new"
#define LOCK		UPGRADE_DIR "/lock"

/**
 * struct upgrade - the command
 * @file: the module to be loaded; NULL: the one that is installed
 * @old: the one that is loaded; NULL: to be found
 * @force: whatever may be lost
 * @resume: go on after a crash
 * @keep: only copy the file of the module that is loaded
 * @spaces: where there is something to save
 * @module: what is loaded
 * @begun: when packets were begun to be dropped
 * @lost: not all flows could be made
 * @back: the old module is loaded again
 */
struct upgrade {
	const char *file;
	const char *old;
	bool force;
	bool resume;
	bool keep;
	struct spaces spaces;
	struct module module;
	struct timespec begun;
	bool lost;
	bool back;
};

static void remove_state(const char *dir)
{
	char pattern[PATH_ROOM];
	glob_t files;
	size_t i;

	snprintf(pattern, sizeof(pattern), "%s/*", dir);
	if (!glob(pattern, 0, NULL, &files)) {
		for (i = 0; i < files.gl_pathc; i++)
			unlink(files.gl_pathv[i]);
		globfree(&files);
	}
	rmdir(dir);
}

/* One at a time; the lock ends with this program. */
static int lock(void)
{
	int fd;

	mkdir(UPGRADE_DIR, 0755);
	fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return report(LBADM_REFUSED, "can't open " LOCK ": %s%s", strerror(errno),
			      errno == EACCES ? "; this is for root" : "");
	if (flock(fd, LOCK_EX | LOCK_NB))
		return report(LBADM_REFUSED, "another lbadm upgrades the module at this moment");
	return LBADM_OK;
}

/* Who only wants to stop us must not leave services without a module. */
static void block_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGTSTP);
	sigprocmask(how, &set, NULL);
}

static void open_gates(struct upgrade *upgrade)
{
	size_t i;

	for (i = 0; i < upgrade->spaces.count; i++)
		gate_open(upgrade->spaces.space[i]);
}

/* All that takes time, while the module still balances. */
static int prepare(struct upgrade *upgrade)
{
	size_t i;
	int code;

	remove_state(STATE_NEW);
	if (mkdir(STATE_NEW, 0700))
		return report(LBADM_REFUSED, "can't make " STATE_NEW ": %s", strerror(errno));
	code = module_write(&upgrade->module, STATE_NEW);
	for (i = 0; !code && i < upgrade->spaces.count; i++) {
		struct space *space = upgrade->spaces.space[i];

		code = space_read(space);
		if (!code)
			code = space_save(space, STATE_NEW);
	}
	if (!code)
		module_prepare(upgrade->module.new_file);
	return code;
}

static int close_gates(struct upgrade *upgrade)
{
	size_t i;
	int code = 0;

	clock_gettime(CLOCK_MONOTONIC, &upgrade->begun);
	for (i = 0; !code && i < upgrade->spaces.count; i++) {
		code = gate_close(upgrade->spaces.space[i], STATE_NEW);
		if (upgrade->force)
			code = 0;
	}
	return code;
}

/* Packets stand still: what is written down now is all that there is. */
static int save_flows(struct upgrade *upgrade)
{
	size_t i;
	int code = 0;

	for (i = 0; !code && i < upgrade->spaces.count; i++) {
		code = space_save_flows(upgrade->spaces.space[i], STATE_NEW);
		if (upgrade->force)
			code = 0;
	}
	if (!code && rename(STATE_NEW, UPGRADE_STATE))
		code = report(LBADM_REFUSED, "can't rename " STATE_NEW ": %s", strerror(errno));
	return code;
}

static int restore_all(struct upgrade *upgrade)
{
	size_t i;
	int code = 0;

	for (i = 0; !code && i < upgrade->spaces.count; i++) {
		struct space *space = upgrade->spaces.space[i];

		if (!space_has(space, UPGRADE_STATE, "conf"))
			continue;
		code = space_restore(space, UPGRADE_STATE, &upgrade->lost);
		if (code)
			report(code, "network namespace %s has not got its configuration",
			       space->name);
	}
	return code;
}

static int load(struct upgrade *upgrade, const char *file)
{
	int code = module_load(&upgrade->module, file);

	return code ? code : restore_all(upgrade);
}

/* A module that does not load, or does not take the configuration, is none. */
static int exchange(struct upgrade *upgrade)
{
	const struct module *module = &upgrade->module;

	if (!load(upgrade, module->new_file))
		return LBADM_OK;
	upgrade->back = true;
	upgrade->lost = false;
	module_unload();
	if (module->old_file[0] && !load(upgrade, module->old_file))
		return LBADM_OK;
	return report(LBADM_REFUSED, "no module is loaded, and what services have is in "
		      UPGRADE_STATE ": once %s can be loaded 'lbadm upgrade --resume' goes on; until then their "
		      "packets are dropped", module->new_file);
}

static unsigned long count_restored(const struct upgrade *upgrade)
{
	unsigned long sum = 0, n;
	char path[PATH_ROOM];
	FILE *file;
	size_t i;

	for (i = 0; i < upgrade->spaces.count; i++) {
		space_path(upgrade->spaces.space[i], UPGRADE_STATE, "restored", path);
		file = fopen(path, "re");
		if (file && fscanf(file, "%lu", &n) == 1)
			sum += n;
		if (file)
			fclose(file);
	}
	return sum;
}

/* @from: NULL for none; @ms: NULL if this program has dropped no packets, or began after it. */
static void tell_json(const struct upgrade *upgrade, const struct options *options,
		      const char *from, unsigned long restored, const unsigned long *ms)
{
	char version[VERSION_ROOM] = "";
	struct json json;

	module_version(version);
	json_init(&json, stdout, options->pretty);
	json_open(&json, NULL, '{');
	json_schema(&json, version[0] ? version : NULL);
	json_open(&json, "upgrade", '{');
	if (from)
		json_string(&json, "from", from);
	else
		json_null(&json, "from");
	if (version[0])
		json_string(&json, "to", version);
	else
		json_null(&json, "to");
	json_u64(&json, "namespaces", upgrade->spaces.count);
	json_u64(&json, "restored", restored);
	if (ms)
		json_u64(&json, "milliseconds", *ms);
	else
		json_null(&json, "milliseconds");
	json_close(&json);
	json_close(&json);
}

/* It is as it was. */
static void tell_nothing(const struct upgrade *upgrade, const struct options *options,
			 const char *sentence)
{
	char version[VERSION_ROOM] = "";

	module_version(version);
	if (options->json)
		tell_json(upgrade, options, version[0] ? version : NULL, 0, NULL);
	else
		puts(sentence);
}

static void tell(const struct upgrade *upgrade, const struct options *options)
{
	unsigned long restored = count_restored(upgrade), ms;
	bool dropped = upgrade->begun.tv_sec;
	char version[VERSION_ROOM] = "";
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - upgrade->begun.tv_sec) * 1000 +
	     (now.tv_nsec - upgrade->begun.tv_nsec) / 1000000;
	if (options->json) {
		tell_json(upgrade, options, upgrade->module.version, restored,
			  dropped ? &ms : NULL);
		return;
	}
	module_version(version);
	printf("bpflb %s, after %s: %zu network namespace%s, %lu flows and clients restored",
	       version, upgrade->module.version, upgrade->spaces.count,
	       upgrade->spaces.count == 1 ? "" : "s", restored);
	if (dropped)
		printf("; packets of services were dropped for %lu ms", ms);
	putchar('\n');
}

/* Everything is as it shall be, or as it was. */
static int finish(struct upgrade *upgrade, const struct options *options)
{
	open_gates(upgrade);
	tell(upgrade, options);
	remove_state(UPGRADE_STATE);
	if (!upgrade->back)
		module_keep(upgrade->module.new_file);
	if (upgrade->back)
		return report(LBADM_REFUSED,
			      "the new module is of no use: the one from before is loaded again");
	if (upgrade->lost)
		return report(LBADM_REFUSED, "not all flows could be restored");
	return LBADM_OK;
}

/* Nothing has happened yet. */
static int give_up(struct upgrade *upgrade, int code)
{
	open_gates(upgrade);
	remove_state(STATE_NEW);
	remove_state(UPGRADE_STATE);
	return code;
}

static int examine(struct upgrade *upgrade, bool *same)
{
	struct stat stat_buffer;
	int code;

	if (!stat(UPGRADE_STATE, &stat_buffer))
		return report(LBADM_REFUSED, "an upgrade was interrupted: "
			      "'lbadm upgrade --resume' goes on with it");
	code = spaces_find(&upgrade->spaces, true);
	if (!code)
		code = module_examine(&upgrade->module, upgrade->file, upgrade->old, same);
	if (!code && !*same && !upgrade->module.old_file[0] && !upgrade->force)
		code = report(LBADM_REFUSED, "the file of the module that is loaded is gone, so there is "
			      "no way back: name it with --old, or add --force; nothing has changed");
	return code;
}

static int upgrade_now(struct upgrade *upgrade, const struct options *options)
{
	char sentence[VERSION_ROOM + 64];
	bool same = false;
	int code;

	code = examine(upgrade, &same);
	if (code)
		return code;
	if (same) {
		snprintf(sentence, sizeof(sentence), "bpflb %s is what is loaded already",
			 upgrade->module.version);
		tell_nothing(upgrade, options, sentence);
		return LBADM_OK;
	}
	code = prepare(upgrade);
	if (code)
		return give_up(upgrade, code);
	block_signals(SIG_BLOCK);
	code = close_gates(upgrade);
	if (!code)
		code = save_flows(upgrade);
	if (!code)
		code = module_unload();
	if (code)
		return give_up(upgrade, code);
	code = exchange(upgrade);
	return code ? code : finish(upgrade, options);
}

/* Of namespaces whose gate this program has not closed itself. */
static void find_gates(struct upgrade *upgrade)
{
	size_t i;

	for (i = 0; i < upgrade->spaces.count; i++) {
		struct space *space = upgrade->spaces.space[i];

		space->gated = space_has(space, UPGRADE_STATE, "nft") ||
			       space_has(space, STATE_NEW, "nft");
	}
}

/* All of it may be done twice: what is there stays. */
static int resume(struct upgrade *upgrade, const struct options *options)
{
	struct stat stat_buffer;
	int code;

	code = spaces_find(&upgrade->spaces, false);
	if (code)
		return code;
	find_gates(upgrade);
	if (stat(UPGRADE_STATE, &stat_buffer)) {
		tell_nothing(upgrade, options, "no module was unloaded");
		return give_up(upgrade, LBADM_OK);
	}
	code = module_read(&upgrade->module, UPGRADE_STATE);
	if (code)
		return code;
	block_signals(SIG_BLOCK);
	code = module_is_loaded() ? restore_all(upgrade) : exchange(upgrade);
	return code ? code : finish(upgrade, options);
}

static int take_args(struct line *line, struct upgrade *upgrade)
{
	while (line_peek(line)) {
		if (line_take_word(line, "--resume"))
			upgrade->resume = true;
		else if (line_take_word(line, "--keep"))
			upgrade->keep = true;
		else if (line_take_word(line, "--force"))
			upgrade->force = true;
		else if (line_take_word(line, "--old") && line_peek(line))
			upgrade->old = line_take(line);
		else if (!upgrade->file && line_peek(line) && line_peek(line)[0] != '-')
			upgrade->file = line_take(line);
		else
			return args_unknown(line, "FILE, --old FILE, --force, --resume, --keep");
	}
	return LBADM_OK;
}

static int upgrade_run(struct context *context)
{
	struct upgrade upgrade = { 0 };
	int code;

	code = take_args(&context->line, &upgrade);
	if (!code && !upgrade.resume && !module_is_loaded())
		code = report(LBADM_ABSENT,
			      "the bpflb module is not loaded; 'modprobe bpflb' loads it");
	if (!code)
		code = lock();
	if (!code && upgrade.keep)
		code = module_keep_installed();
	else if (!code)
		code = upgrade.resume ? resume(&upgrade, &context->options) :
					upgrade_now(&upgrade, &context->options);
	spaces_free(&upgrade.spaces);
	return code;
}

static const struct command upgrade_commands[] = {
	{
		.args = "[MODULE-FILE] [--old MODULE-FILE] [--force] | --resume | --keep",
		.summary = "exchange the module, and keep configuration and flows",
		.help = "Of all network namespaces. The new module is the one that modprobe would load, or\n"
			"that of a file. While none is loaded packets of services are dropped by a table of\n"
			"nftables, so that nobody is told anything wrong. A module that can't be loaded,\n"
			"or does not take the configuration, is replaced by the old one again: --old is its\n"
			"file, where that is not found by itself. --force does without nftables, and\n"
			"without a way back. --resume goes on after a crash. --keep only copies the file of\n"
			"the module that is loaded to " UPGRADE_DIR ", before another is installed in its\n"
			"place. Counters begin from 0.\n",
		.run = upgrade_run,
	},
	{ 0 }
};

const struct object upgrade_object = {
	.name = "upgrade",
	.summary = "another module in the place of the one that is loaded",
	.commands = upgrade_commands,
};
