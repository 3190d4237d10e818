// SPDX-License-Identifier: GPL-2.0-only
/*
 * One HTTP request from standard input, answered on standard output: an instance for each
 * connection, which systemd starts (bpflb-metrics.socket). Nothing of a request is kept but
 * what is in its first line, and whether it names a host.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "metrics.h"

#define HEAD_SECONDS	5	/* for a request to come in */
#define ALL_SECONDS	60	/* for all of it, a slow reader included */
#define DRAIN_SECONDS	1
#define DRAIN_BYTES	65536
#define SENTENCE_ROOM	128

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 400, "Bad Request" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 408, "Request Timeout" },
	{ 431, "Request Header Fields Too Large" },
	{ 503, "Service Unavailable" },
	{ 505, "HTTP Version Not Supported" },
	{ 0, "" }
};

static const char *phrase_of(int status)
{
	size_t i = 0;

	while (phrases[i].status && phrases[i].status != status)
		i++;
	return phrases[i].phrase;
}

static bool is_token(const char *text)
{
	static const char others[] = "!#$%&'*+-.^_`|~";
	size_t i;

	for (i = 0; text[i]; i++) {
		if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
		      (text[i] >= '0' && text[i] <= '9') || strchr(others, text[i])))
			return false;
	}
	return i;
}

/* Also as it is sent to a proxy, with the host; what follows a '?' says nothing to us. */
static bool is_metrics(const char *target)
{
	size_t length;

	if (!strncasecmp(target, "http://", 7)) {
		target = strchr(target + 7, '/');
		if (!target)
			return false;
	}
	length = strcspn(target, "?");
	return length == 8 && !strncmp(target, "/metrics", 8);
}

/* The status that the first line asks for; @minor is that of HTTP/1. */
static int parse_first(char *line, bool *head, int *minor)
{
	char *method = line, *target, *version;

	target = strchr(method, ' ');
	if (!target)
		return 400;
	*target++ = '\0';
	version = strchr(target, ' ');
	if (!version)
		return 400;
	*version++ = '\0';
	if (!is_token(method) || !*target || strncmp(version, "HTTP/", 5) ||
	    version[5] < '0' || version[5] > '9' || version[6] != '.' ||
	    version[7] < '0' || version[7] > '9' || version[8])
		return 400;
	if (version[5] != '1')
		return 505;
	*minor = version[7] - '0';
	*head = !strcmp(method, "HEAD");
	if (!is_metrics(target))
		return 404;
	return *head || !strcmp(method, "GET") ? 200 : 405;
}

/* Ends the line at @text with NUL; the next one, or NULL if it has no end. */
static char *cut_line(char *text)
{
	char *end = strchr(text, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	if (end > text && end[-1] == '\r')
		end[-1] = '\0';
	return end + 1;
}

/* Fields up to an empty line; false if something else stands there. */
static bool parse_fields(char *line, unsigned int *hosts)
{
	char *next, *colon;

	while (line) {
		next = cut_line(line);
		if (!*line)
			return next;
		colon = strchr(line, ':');
		if (!colon)
			return false;
		*colon = '\0';
		if (!is_token(line))
			return false;
		*hosts += !strcasecmp(line, "Host");
		line = next;
	}
	return false;
}

/**
 * http_parse - what a request wants
 * @head: from its first byte to its empty line, and a NUL; is changed
 * @length: without the NUL
 * @request: the result
 */
void http_parse(char *head, size_t length, struct http_request *request)
{
	unsigned int hosts = 0;
	char *fields = NULL;
	int minor = 0;

	*request = (struct http_request) { .status = 400 };
	if (strlen(head) == length)
		fields = cut_line(head);
	if (!fields)
		return;
	request->status = parse_first(head, &request->head, &minor);
	if (request->status == 505)
		return;
	if (!parse_fields(fields, &hosts) || hosts > 1 || (minor && !hosts))
		request->status = 400;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000L + now.tv_nsec / 1000000;
}

/* Bytes of what comes next, 0 at the end, negative if none came until @until. */
static ssize_t read_until(char *to, size_t room, long until)
{
	struct pollfd poller = { .fd = STDIN_FILENO, .events = POLLIN };
	long left = until - now_ms();

	if (left <= 0 || poll(&poller, 1, left) <= 0)
		return -1;
	return read(STDIN_FILENO, to, room);
}

static bool is_whole(const char *head)
{
	return strstr(head, "\r\n\r\n") || strstr(head, "\n\n");
}

/* Reads a request's head; false if there was nothing at all. */
static bool read_request(struct http_request *request)
{
	char head[REQUEST_HEAD_MAX + 1] = "", *end;
	long until = now_ms() + HEAD_SECONDS * 1000;
	size_t used = 0;
	ssize_t more;

	*request = (struct http_request) { 0 };
	while (!is_whole(head)) {
		if (used == REQUEST_HEAD_MAX || strlen(head) != used) {
			request->status = used == REQUEST_HEAD_MAX ? 431 : 400;
			return true;
		}
		more = read_until(head + used, REQUEST_HEAD_MAX - used, until);
		if (more <= 0) {
			request->status = more < 0 ? 408 : 400;
			return used || more < 0;
		}
		used += more;
		head[used] = '\0';
	}
	/* What follows is a body, which nobody needs. */
	end = strstr(head, "\r\n\r\n");
	if (end)
		end[4] = '\0';
	else
		strstr(head, "\n\n")[2] = '\0';
	http_parse(head, strlen(head), request);
	return true;
}

static void answer(const struct http_request *request, const char *body, size_t length)
{
	time_t now = time(NULL);
	struct tm utc;
	char date[64];

	/* Day and month in English: lbadm is always in the C locale. */
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
	printf("HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", request->status,
	       phrase_of(request->status), date);
	if (request->status == 405)
		fputs("Allow: GET, HEAD\r\n", stdout);
	printf("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
	       "Content-Length: %zu\r\n\r\n", length);
	if (!request->head)
		fwrite(body, 1, length, stdout);
	fflush(stdout);
}

/* A socket that is closed with something unread takes its answer back from the other side. */
static void drain(void)
{
	long until = now_ms() + DRAIN_SECONDS * 1000;
	size_t left = DRAIN_BYTES;
	char room[4096];
	ssize_t got;

	shutdown(STDOUT_FILENO, SHUT_WR);
	while (left >= sizeof(room)) {
		got = read_until(room, sizeof(room), until);
		if (got <= 0)
			return;
		left -= got;
	}
}

/**
 * metrics_serve - answer one HTTP request
 * @context: with no socket open yet
 *
 * Return: LBADM_OK whenever there was an answer, be it that there are no metrics: that
 * is reported too.
 */
int metrics_serve(struct context *context)
{
	struct http_request request;
	char sentence[SENTENCE_ROOM];
	char *text = NULL;
	size_t length;

	alarm(ALL_SECONDS);
	if (!read_request(&request))
		return LBADM_OK;
	if (request.status == 200 && metrics_take(context, &text, &length))
		request.status = 503;
	if (!text)
		length = snprintf(sentence, sizeof(sentence), "%s\n", phrase_of(request.status));
	answer(&request, text ? text : sentence, length);
	drain();
	free(text);
	return LBADM_OK;
}
