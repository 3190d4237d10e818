// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces: those of /run/netns and those that a process is in. One that has neither
 * can't be entered; the module knows how many there are.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"
#include "upgrade.h"

#define OWN "/proc/self/ns/net"

/** struct search - which were seen */
struct search {
	struct spaces *spaces;
	bool module;	/* ask the module for what is configured in each */
	int own;
	ino_t *seen;
	size_t count;
	size_t room;
};

static bool is_seen(struct search *search, ino_t inode)
{
	size_t i;

	for (i = 0; i < search->count; i++) {
		if (search->seen[i] == inode)
			return true;
	}
	search->seen = mem_grow(search->seen, &search->room, search->count + 1,
				sizeof(*search->seen));
	search->seen[search->count++] = inode;
	return false;
}

static void space_free(struct space *space)
{
	size_t i;

	conn_close(&space->context.conn);
	request_free(&space->context.request);
	snapshot_free(&space->snapshot);
	for (i = 0; i < space->known_count; i++)
		free(space->known[i]);
	free(space->known);
	free(space->ghosts);
	close(space->fd);
	free(space);
}

/* Is there anything that would be lost with the module? */
static int ask(struct search *search, struct space *space, bool *wanted)
{
	int code = conn_open(&space->context.conn);

	if (!code)
		code = status_get(&space->context, &space->status);
	if (space->status.namespaces)
		search->spaces->active = space->status.namespaces;
	*wanted = space->status.generation || space->status.flows;
	return code;
}

static int look_into(struct search *search, int fd, ino_t inode, const char *name)
{
	struct space *space = calloc(1, sizeof(*space));
	struct spaces *spaces = search->spaces;
	bool wanted = true;
	int code = 0;

	if (!space)
		return report(LBADM_REFUSED, "out of memory");
	snprintf(space->name, sizeof(space->name), "%s", name);
	space->fd = fd;
	space->inode = inode;
	if (search->module)
		code = ask(search, space, &wanted);
	if (code || !wanted) {
		space_free(space);
		return code;
	}
	spaces->space = mem_grow(spaces->space, &spaces->room, spaces->count + 1,
				 sizeof(struct space *));
	spaces->space[spaces->count++] = space;
	return 0;
}

/* One that is gone by now, or is none, is passed over. */
static int look_at(struct search *search, const char *path, const char *name)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code;
	struct stat stat;

	if (fd < 0)
		return 0;
	if (fstat(fd, &stat) || is_seen(search, stat.st_ino) || setns(fd, CLONE_NEWNET)) {
		close(fd);
		return 0;
	}
	code = look_into(search, fd, stat.st_ino, name);
	if (setns(search->own, CLONE_NEWNET) && !code)
		code = report(LBADM_REFUSED, "can't get back from network namespace %s: %s", name,
			      strerror(errno));
	return code;
}

static int look_below(struct search *search, const char *dir, const char *rest, const char *what)
{
	char path[PATH_ROOM], name[64];
	const struct dirent *entry;
	DIR *list = opendir(dir);
	int code = 0;

	if (!list)
		return 0;
	while (!code && (entry = readdir(list))) {
		if (entry->d_name[0] == '.' || (*rest && !strchr("123456789", entry->d_name[0])))
			continue;
		snprintf(path, sizeof(path), "%s/%s%s", dir, entry->d_name, rest);
		snprintf(name, sizeof(name), "%s%.48s", what, entry->d_name);
		code = look_at(search, path, name);
	}
	closedir(list);
	return code;
}

/* A namespace that nobody can enter would lose its services. */
static int all_reached(const struct spaces *spaces)
{
	uint32_t reached = 0;
	size_t i;

	for (i = 0; i < spaces->count; i++)
		reached += spaces->space[i]->status.active;
	if (reached >= spaces->active)
		return 0;
	return report(LBADM_REFUSED, "%u network namespaces with services can't be reached: they "
		      "have neither a name in /run/netns nor a process of their own; nothing has changed",
		      spaces->active - reached);
}

/**
 * spaces_find - the namespaces that have a configuration
 * @spaces: zeroed; to be freed in any case
 * @module: false: all that there are, and nobody is asked
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int spaces_find(struct spaces *spaces, bool module)
{
	struct search search = { .spaces = spaces, .module = module };
	int code;

	search.own = open(OWN, O_RDONLY | O_CLOEXEC);
	if (search.own < 0)
		return report(LBADM_REFUSED, "can't open %s: %s", OWN, strerror(errno));
	code = look_below(&search, "/run/netns", "", "");
	if (!code)
		code = look_at(&search, OWN, "this one");
	if (!code)
		code = look_below(&search, "/proc", "/ns/net", "of process ");
	if (!code)
		code = all_reached(spaces);
	close(search.own);
	free(search.seen);
	return code;
}

/** spaces_free - give their memory back */
void spaces_free(struct spaces *spaces)
{
	while (spaces->count)
		space_free(spaces->space[--spaces->count]);
	free(spaces->space);
}

/**
 * space_path - where something of a namespace is kept
 * @space: the namespace
 * @dir: the directory
 * @kind: what is kept
 * @path: the result
 */
void space_path(const struct space *space, const char *dir, const char *kind,
		char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/%ju.%s", dir, (uintmax_t)space->inode, kind);
}

/** space_has - was something of a namespace kept? see space_path() */
bool space_has(const struct space *space, const char *dir, const char *kind)
{
	char path[PATH_ROOM];

	space_path(space, dir, kind, path);
	return !access(path, F_OK);
}

/* In the child. */
static void become(const struct space *space, const char *const *argv, const char *output)
{
	int fd = output ? open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	if ((output && (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)) || setns(space->fd, CLONE_NEWNET)) {
		report(LBADM_REFUSED, "can't go on in network namespace %s: %s", space->name,
		       strerror(errno));
		_exit(LBADM_REFUSED);
	}
	execvp(argv[0], (char *const *)argv);
	report(LBADM_REFUSED, "can't run %s: %s", argv[0], strerror(errno));
	_exit(127);
}

/**
 * space_run - run a program in a namespace
 * @space: the namespace
 * @argv: its name and arguments
 * @output: a file for what it writes; NULL: where we write
 *
 * Return: its exit status; or -1.
 */
int space_run(const struct space *space, const char *const *argv, const char *output)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		become(space, argv, output);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
