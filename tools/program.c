// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"
#include "program.h"

#define OUTPUT_MAX	(64 * 1024 * 1024)
#define PIECE		4096
#define CAPTURE_SECONDS	30

/* In the child: no shell, and nothing of what it complains about. */
static void become(const char *const *argv, int to)
{
	int nothing = open("/dev/null", O_RDWR);

	dup2(nothing, STDIN_FILENO);
	dup2(nothing, STDERR_FILENO);
	dup2(to, STDOUT_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static char *read_all(int fd)
{
	size_t room = 0, used = 0;
	char *text = NULL;
	ssize_t got;

	do {
		text = mem_grow(text, &room, used + PIECE + 1, 1);
		got = read(fd, text + used, PIECE);
		used += got > 0 ? got : 0;
	} while ((got > 0 && used < OUTPUT_MAX) || (got < 0 && errno == EINTR));
	text[used] = '\0';
	return text;
}

/* In the child: what it complains about belongs to what it says. It ends in any case. */
static void become_seen(const char *const *argv, int (*run)(void), int to)
{
	int nothing = open("/dev/null", O_RDWR), code;

	dup2(nothing, STDIN_FILENO);
	dup2(to, STDOUT_FILENO);
	dup2(to, STDERR_FILENO);
	alarm(CAPTURE_SECONDS);
	if (argv) {
		execvp(argv[0], (char *const *)argv);
		_exit(PROGRAM_ABSENT);
	}
	code = run();
	fflush(NULL);
	_exit(code);
}

/* @seen: what it complains about is read as well */
static char *read_program(const char *const *argv, int (*run)(void), bool seen, int *how)
{
	int ends[2];
	char *text;
	pid_t pid;

	*how = -1;
	if (pipe2(ends, O_CLOEXEC))
		return NULL;
	pid = fork();
	if (!pid && seen)
		become_seen(argv, run, ends[1]);
	if (!pid)
		become(argv, ends[1]);
	close(ends[1]);
	text = pid > 0 ? read_all(ends[0]) : NULL;
	close(ends[0]);
	while (pid > 0 && waitpid(pid, how, 0) < 0 && errno == EINTR)
		;
	return text;
}

/**
 * program_capture - run a program, or a function as one, and read all that it says
 * @argv: its name, looked for in PATH, and its arguments; NULL: @run
 * @run: the function
 * @status: what it exits with; PROGRAM_ABSENT: it can't be run; 128 and more: by a signal
 *
 * It has some seconds. The caller has written what it had to.
 *
 * Return: the text, to be freed; NULL if there can't be another process.
 */
char *program_capture(const char *const *argv, int (*run)(void), int *status)
{
	int how;
	char *text = read_program(argv, run, true, &how);

	*status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
	return text;
}

/**
 * program_output - run a program and read what it writes
 * @argv: its name, looked for in PATH, and its arguments
 *
 * Return: the text, to be freed; NULL if it can't be run or has failed.
 */
char *program_output(const char *const *argv)
{
	int how;
	char *text = read_program(argv, NULL, false, &how);

	if (!how)
		return text;
	free(text);
	return NULL;
}
