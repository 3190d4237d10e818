// SPDX-License-Identifier: GPL-2.0-only
// SOURCES: LBADM
// PACKAGES: libnl-genl-3.0 yaml-0.1
/* Each thing that IPVS can have, alone: what becomes of it, and what is said of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ipvs.h"
#include "lbadm.h"

static FILE *nowhere;

/* Reads lines; returns what lbadm would exit with, and in @text what it would write. */
static int import(const char *lines, char **text)
{
	static struct line line;
	FILE *errors = stderr, *file;
	struct ipvs ipvs = { 0 };
	size_t length;
	int code = 0;

	line.source = "test";
	*text = NULL;
	stderr = nowhere;
	for (line.number = 1; *lines && !code; line.number++) {
		length = strcspn(lines, "\n");
		code = line_split(&line, lines, length);
		code = code ? code : ipvs_read(&ipvs, &line);
		lines += length + (lines[length] == '\n');
	}
	stderr = errors;
	if (!code) {
		file = open_memstream(text, &length);
		ipvs_write(file, &ipvs, "f");
		fclose(file);
	}
	ipvs_free(&ipvs);
	return code;
}

#define SERVICE "-A -t 192.0.2.1:80 "
#define SERVER "\n-a -t 192.0.2.1:80 -r 10.0.0.1:80 "

static void becomes(const char *lines, const char *want, const char *not)
{
	char *text;

	assert_int_equal(import(lines, &text), 0);
	if (want && !strstr(text, want))
		fail_msg("%s: %s, should have: %s", lines, text, want);
	if (not && strstr(text, not))
		fail_msg("%s: %s, should not have: %s", lines, text, not);
	free(text);
}

static void schedulers(void **state)
{
	becomes(SERVICE "-s rr", " scheduler rr mode", "# f:1: -s");
	becomes(SERVICE "-s wrr" SERVER "-g -w 3", "weight 3", "#");
	becomes(SERVICE "-s wlc", " scheduler lc ", "# f:1: -s");
	becomes(SERVICE, " scheduler lc ", "# f:1: -s");
	becomes(SERVICE "-s rr" SERVER "-g -w 3", "# f:2: -w 3: IPVS' rr heeds no weights", "weight 3");
	becomes(SERVICE "-s sed", "# f:1: -s sed: sed is lc here", NULL);
	becomes(SERVICE "-s sh -b sh-port", " scheduler maglev mode", "affinity");
	becomes(SERVICE "-s sh", " scheduler maglev affinity 300s ", NULL);
	becomes(SERVICE "-s mh -b mh-port,mh-fallback", "--sched-flags mh-port,mh-fallback: ", "affinity");
	becomes(SERVICE "-s what", "this scheduler is not known here", "scheduler what");
	becomes(SERVICE "-s fo" SERVER "-g -w 5\n-a -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 3",
		"10.0.0.2:80 weight 0", "10.0.0.1:80 weight");
}

static void methods(void **state)
{
	becomes(SERVICE "-s wrr" SERVER "-g", "mode dsr dispatch l2", "#");
	becomes(SERVICE "-s wrr" SERVER "-i", "mode dsr dispatch ipip", "#");
	becomes(SERVICE "-s wrr" SERVER "-m", "# f:1: -m: servers see this node", "dsr");
	becomes(SERVICE "-s wrr\n-a -t 192.0.2.1:80 -r 10.0.0.1:81 -g", "is reached by SNAT", NULL);
	becomes(SERVICE "-s wrr" SERVER "-g\n-a -t 192.0.2.1:80 -r 10.0.0.2:80 -i",
		"# f:3: -i: a service has one way", "ipip");
	becomes(SERVICE "-s wrr" SERVER "-i --tun-type gue --tun-port 6080 --tun-csum",
		"# f:2: --tun-type gue: ipip stands in", NULL);
}

static void the_rest(void **state)
{
	becomes(SERVICE "-p 300", " affinity 300s ", "-M");
	becomes(SERVICE "-p", " affinity 300s ", NULL);
	becomes(SERVICE "-p 90000", " affinity 86400s ", NULL);
	becomes(SERVICE "-p 90000", "# f:1: -p 90000: affinity lasts a day", NULL);
	becomes(SERVICE "-p 9 -M 255.255.255.0", "# f:1: -M: ", NULL);
	becomes(SERVICE "-p 9 -M 255.255.255.255", NULL, "-M");
	becomes(SERVICE "-p 9 pe sip", "# f:1: --pe sip: ", NULL);
	becomes("-A -u 192.0.2.1:53 -s wrr -o", " one-packet on", "#  f");
	becomes(SERVICE "-s wrr -o", "# f:1: -o: it is of UDP only", "one-packet");
	becomes(SERVICE "-s wrr" SERVER "-g -x 10 -y 5", " flows-max 10", NULL);
	becomes(SERVICE "-s wrr" SERVER "-g -x 10 -y 5", "# f:2: -y 5: ", NULL);
	becomes(SERVICE "-s wrr" SERVER "-g -w 70000", " weight 65535", NULL);
	becomes("-A -t 192.0.2.1:0 -p\n-a -t 192.0.2.1:0 -r 10.0.0.1:0 -m",
		"service add tcp/192.0.2.1/all tcp 192.0.2.1:* ", NULL);
	becomes("-A -f 7\n-a -f 7 -r 10.0.0.1:0 -g", "# f:1: left out: -f 7: ", " add ");
	becomes("-A -t 127.0.0.1:80", "# f:1: left out: -t 127.0.0.1:80: ", " add ");
	becomes("-A -t [2001:db8::1]:80 -s wrr\n-a -t [2001:db8::1]:80 -r [2001:db8::2]:80 -g",
		"backend add tcp/2001:db8::1/80 [2001:db8::2]:80\n", "#");
	becomes(SERVICE "-s wrr\n-a -t 192.0.2.1:80 -r [2001:db8::2]:80 -i", "# f:2: left out: ", "backend");
	becomes("# a comment\n\n" SERVICE, "service add", NULL);
}

static void bad_lines(void **state)
{
	static const char *const lines[] = {
		"x", "-x", "-A", "-A -t", "-A -t 192.0.2.1", "-A -t 192.0.2.1:http", "-t 192.0.2.1:80",
		SERVICE "-s", SERVICE "-p x", SERVICE "-M x", SERVICE "-A", SERVICE "-u 192.0.2.1:1",
		SERVICE "\n" SERVICE, "-a -t 192.0.2.1:80 -r 10.0.0.1:80", SERVICE "\n-a -t 192.0.2.1:80",
		SERVICE SERVER "-w -1", SERVICE SERVER "-w x", SERVICE SERVER "extra", "-D -t 192.0.2.1:80",
		"-A -f 4294967296", SERVICE "--scheduler",
	};
	char *text;
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		if (import(lines[i], &text) != LBADM_USAGE)
			fail_msg("%s: was read", lines[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(schedulers),
		cmocka_unit_test(methods),
		cmocka_unit_test(the_rest),
		cmocka_unit_test(bad_lines),
	};

	nowhere = fopen("/dev/null", "w");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
