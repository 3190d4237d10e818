// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rates on a terminal: the services or backends with the most. A terminal is
 * spoken to by the codes that all of them have had for decades.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "stop.h"
#include "watch.h"

#define SCREEN_BEGIN	"\033[?1049h\033[?25l"	/* another screen, without a cursor */
#define SCREEN_END	"\033[?25h\033[?1049l"
#define SCREEN_HOME	"\033[H"
#define LINE_END	"\033[K\n"
#define SCREEN_REST	"\033[J"
#define HEAD_LINES	3	/* above the rows, and one below */
#define NAME_MIN	16
#define COLUMN_WIDTH	11

static int by_name(const struct rate_row *a, const struct rate_row *b);
static double key_active(const struct rate_row *row) { return row->active; }
static double key_flows(const struct rate_row *row) { return row->rates.flows; }
static double key_packets(const struct rate_row *row) { return rates_packets(&row->rates); }
static double key_bytes(const struct rate_row *row) { return rates_bytes(&row->rates); }
static double key_drops(const struct rate_row *row) { return row->rates.drops; }

/** struct sort_key - what rows can be sorted by: the key to press, its name, the value */
struct sort_key {
	char letter;
	const char *name;
	double (*value)(const struct rate_row *row);
};

static const struct sort_key sort_keys[] = {
	{ 'p', "packets", key_packets },
	{ 'y', "bytes", key_bytes },
	{ 'f', "flows", key_flows },
	{ 'a', "active", key_active },
	{ 'd', "drops", key_drops },
	{ 'n', "name", NULL },
};

/**
 * struct top - the view
 * @of: of what
 * @seconds: of an interval
 * @sort: what rows are sorted by
 * @reverse: the other way round
 * @backends: they are the rows, not services
 * @first: row that is at the top
 * @lines: of the terminal
 * @columns: of the terminal
 * @old: before the interval
 * @new: after it
 * @rows: what is shown
 * @done: it was told to quit
 */
struct top {
	const struct rates_of *of;
	uint32_t seconds;
	const struct sort_key *sort;
	bool reverse;
	bool backends;
	size_t first;
	unsigned int lines;
	unsigned int columns;
	struct sample old;
	struct sample new;
	struct rate_rows rows;
	bool done;
};

static struct termios cooked;
static bool on_screen;
static volatile sig_atomic_t resized, suspended;

static void on_resize(int signal)
{
	(void)signal;
	resized = 1;
}

static void on_suspend(int signal)
{
	(void)signal;
	suspended = 1;
}

static void terminal_write(const char *text, size_t length)
{
	while (length) {
		ssize_t sent = write(STDOUT_FILENO, text, length);

		if (sent <= 0)
			return;
		text += sent;
		length -= sent;
	}
}

static void terminal_begin(void)
{
	struct termios raw = cooked;

	/* ^C and ^Z stay signals. */
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	terminal_write(SCREEN_BEGIN, strlen(SCREEN_BEGIN));
	on_screen = true;
}

/* However we end, and before an error is written. */
static void terminal_end(void)
{
	if (!on_screen)
		return;
	on_screen = false;
	terminal_write(SCREEN_END, strlen(SCREEN_END));
	tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
}

static void terminal_measure(struct top *top)
{
	struct winsize size = { 0 };

	resized = 0;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	top->lines = size.ws_row ? size.ws_row : 24;
	top->columns = size.ws_col ? size.ws_col : 80;
}

static int by_name(const struct rate_row *a, const struct rate_row *b)
{
	return entry_compare(a->entry, b->entry);
}

static int compare(const void *left, const void *right, void *arg)
{
	const struct rate_row *a = left, *b = right;
	const struct top *top = arg;
	int order = 0;

	if (top->sort->value) {
		double x = top->sort->value(a), y = top->sort->value(b);

		order = x > y ? -1 : x < y;
	}
	if (!order)
		order = by_name(a, b);
	return top->reverse ? -order : order;
}

static void sort_rows(struct top *top)
{
	if (top->backends)
		rate_rows_of_backends(&top->old, &top->new, &top->rows);
	else
		rate_rows_of_services(&top->old, &top->new, &top->rows);
	if (top->rows.count)
		qsort_r(top->rows.rows, top->rows.count, sizeof(*top->rows.rows), compare, top);
}

/* Columns of numbers that there is room for beside the names. */
static unsigned int number_columns(const struct top *top)
{
	unsigned int fit = top->columns > NAME_MIN ?
			   (top->columns - NAME_MIN) / COLUMN_WIDTH : 0;

	return fit < 7 ? fit : 7;
}

/* A name, or what fits of it, and what fits of @numbers behind it. */
static void draw_cells(FILE *file, const struct top *top, const char *name,
		       const char *const *numbers)
{
	unsigned int count = number_columns(top), i;
	unsigned int width = top->columns - count * COLUMN_WIDTH;

	fprintf(file, "%-*.*s", width, width, name);
	for (i = 0; i < count; i++)
		fprintf(file, "%*.*s", COLUMN_WIDTH, COLUMN_WIDTH, numbers[i]);
}

static void draw_row(FILE *file, const struct top *top, const struct rate_row *row)
{
	char name[BPFLB_NAME_MAX + ENDPOINT_ROOM], endpoint[ENDPOINT_ROOM];
	const struct rates *rates = &row->rates;
	char text[6][RATE_ROOM], active[QUANTITY_ROOM];
	const char *numbers[] = {
		format_count(row->active, active),
		rate_text(rates->flows, text[0]),
		rate_text(rates->packets_in, text[1]),
		rate_bytes_text(rates->bytes_in, text[2]),
		rate_text(rates->packets_out, text[3]),
		rate_bytes_text(rates->bytes_out, text[4]),
		top->backends ? "-" : rate_text(rates->drops, text[5]),
	};

	snprintf(name, sizeof(name), "%s%s%s", row->service, top->backends ? " " : "",
		 top->backends ? format_endpoint(&row->entry->endpoint, endpoint) : "");
	draw_cells(file, top, name, numbers);
	fputs(LINE_END, file);
}

static void draw_head(FILE *file, const struct top *top)
{
	static const char *const numbers[] = {
		"ACTIVE", "FLOWS/s", "PKT/s IN", "B/s IN", "PKT/s OUT", "B/s OUT", "DROPS/s"
	};
	char text[4][RATE_ROOM], line[256];
	struct rates total;

	rates_between(&top->old.total, &top->new.total,
		      samples_seconds(&top->old, &top->new), &total);
	snprintf(line, sizeof(line), "generation %llu  flows %u  new/s %s  packets/s %s  "
		 "bytes/s %s  drops/s %s",
		 (unsigned long long)top->new.generation, top->new.flows,
		 rate_text(total.flows, text[0]), rate_text(rates_packets(&total), text[1]),
		 rate_bytes_text(rates_bytes(&total), text[2]), rate_text(total.drops, text[3]));
	fprintf(file, "%.*s" LINE_END, top->columns, line);
	snprintf(line, sizeof(line), "%zu %s, by %s%s, in %.2f s", top->rows.count,
		 top->backends ? "backends" : "services", top->sort->name,
		 top->reverse ? ", reversed" : "", samples_seconds(&top->old, &top->new));
	fprintf(file, "%.*s" LINE_END "\033[7m", top->columns, line);
	draw_cells(file, top, top->backends ? "SERVICE BACKEND" : "SERVICE", numbers);
	fputs("\033[0m" LINE_END, file);
}

/* All of it at once, over what was there before: nothing flickers. */
static void draw(struct top *top)
{
	static const char *const keys =
		"q quit  b backends or services  r reverse  sort by: p packets  y bytes  f flows  "
		"a active  d drops  n name";
	size_t room = top->lines > HEAD_LINES + 1 ? top->lines - HEAD_LINES - 1 : 0, i;
	size_t length = 0;
	char *text = NULL;
	FILE *file = open_memstream(&text, &length);

	if (!file)
		return;
	if (top->first + room > top->rows.count)
		top->first = top->rows.count > room ? top->rows.count - room : 0;
	fputs(SCREEN_HOME, file);
	draw_head(file, top);
	for (i = top->first; i < top->rows.count && i < top->first + room; i++)
		draw_row(file, top, &top->rows.rows[i]);
	for (i -= top->first; i < room; i++)
		fputs(LINE_END, file);
	fprintf(file, "%.*s\033[K" SCREEN_REST, top->columns, keys);
	fclose(file);
	terminal_write(text, length);
	free(text);
}

static void scroll(struct top *top, long by)
{
	if (by < 0 && top->first < (size_t)-by)
		top->first = 0;
	else
		top->first += by;
}

/* An arrow or page key, which is several bytes. */
static void press_sequence(struct top *top, const char *keys)
{
	long page = top->lines > HEAD_LINES + 1 ? top->lines - HEAD_LINES - 1 : 1;

	if (!strncmp(keys, "\033[A", 3))
		scroll(top, -1);
	else if (!strncmp(keys, "\033[B", 3))
		scroll(top, 1);
	else if (!strncmp(keys, "\033[5~", 4))
		scroll(top, -page);
	else if (!strncmp(keys, "\033[6~", 4))
		scroll(top, page);
}

static void press(struct top *top, char key)
{
	size_t i;

	for (i = 0; i < sizeof(sort_keys) / sizeof(*sort_keys); i++) {
		if (sort_keys[i].letter == key)
			top->sort = &sort_keys[i];
	}
	if (key == 'q')
		top->done = true;
	else if (key == 'r')
		top->reverse = !top->reverse;
	else if (key == 'b')
		top->backends = !top->backends;
	if (key == 'b')
		top->first = 0;
}

static void read_keys(struct top *top)
{
	char keys[64];
	ssize_t got = read(STDIN_FILENO, keys, sizeof(keys) - 1), i;

	if (got <= 0) {
		top->done = true;
		return;
	}
	keys[got] = '\0';
	if (keys[0] == '\033') {
		press_sequence(top, keys);
		return;
	}
	for (i = 0; i < got; i++)
		press(top, keys[i]);
}

/* The shell gets its terminal as it was, and we get ours again when it lets us go on. */
static void suspend(void)
{
	suspended = 0;
	terminal_end();
	raise(SIGSTOP);
	terminal_begin();
	resized = 1;
}

/* Until the interval is over, or it is to end. */
static void wait_and_draw(struct top *top, const struct timespec *deadline,
			  const sigset_t *unblocked)
{
	struct pollfd keyboard = { .fd = STDIN_FILENO, .events = POLLIN };
	int ready;

	do {
		struct timespec left;

		if (suspended)
			suspend();
		if (resized)
			terminal_measure(top);
		sort_rows(top);
		draw(top);
		left = tick_left(deadline);
		ready = ppoll(&keyboard, 1, &left, unblocked);
		if (ready > 0)
			read_keys(top);
	} while (ready && !top->done && !stop_asked());
}

static void catch_terminal_signals(sigset_t *unblocked)
{
	struct sigaction resize = { .sa_handler = on_resize };
	struct sigaction stop = { .sa_handler = on_suspend };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGWINCH);
	sigaddset(&blocked, SIGTSTP);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigdelset(unblocked, SIGWINCH);
	sigdelset(unblocked, SIGTSTP);
	sigaction(SIGWINCH, &resize, NULL);
	sigaction(SIGTSTP, &stop, NULL);
}

static int show(struct context *context, struct top *top, const sigset_t *unblocked)
{
	struct timespec deadline;
	int code;

	tick_begin(&deadline);
	code = sample_take(context, top->of, &top->old);
	if (!code)
		code = sample_take(context, top->of, &top->new);
	/* Until the first interval is over there are no rates. */
	top->old.at = top->new.at;
	while (!code && !top->done && !stop_asked()) {
		tick_next(&deadline, top->seconds);
		wait_and_draw(top, &deadline, unblocked);
		sample_free(&top->old);
		top->old = top->new;
		top->new = (struct sample) { 0 };
		code = sample_take(context, top->of, &top->new);
	}
	return code;
}

/**
 * top_run - show rates on the terminal
 * @context: with its socket open
 * @of: of what
 * @seconds: of an interval
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int top_run(struct context *context, const struct rates_of *of, uint32_t seconds)
{
	struct top top = {
		.of = of,
		.seconds = seconds,
		.sort = &sort_keys[0],
		.backends = of->service,
	};
	sigset_t unblocked;
	int code;

	if (tcgetattr(STDIN_FILENO, &cooked))
		return watch_run(context, of, seconds);
	stop_catch(&unblocked);
	catch_terminal_signals(&unblocked);
	terminal_measure(&top);
	atexit(terminal_end);
	report_before(terminal_end);
	terminal_begin();
	code = show(context, &top, &unblocked);
	terminal_end();
	sample_free(&top.old);
	sample_free(&top.new);
	rate_rows_free(&top.rows);
	return code;
}
