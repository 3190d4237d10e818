// SPDX-License-Identifier: GPL-2.0-only
// PACKAGES: libnl-genl-3.0 yaml-0.1
// SOURCES: LBADM
/* Lines to messages: each attribute, its bytes, and the word that it is said to come from. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "attrs.h"
#include "objects.h"

static struct line line;
static struct request request;
static FILE *nowhere;
static char *copy;

/* Builds a line's message; returns what lbadm would exit with. */
static int build(const char *text)
{
	const struct command *command;
	FILE *errors = stderr;
	int code = LBADM_USAGE;

	line.source = "test";
	line.number = 1;
	/* Of just its size, so that a sanitizer sees any look beyond its end. */
	free(copy);
	copy = malloc(strlen(text));
	memcpy(copy, text, strlen(text));
	assert_int_equal(line_split(&line, copy, strlen(text)), 0);
	/* The sentences are no matter here. */
	stderr = nowhere;
	command = command_find(&line);
	if (command && command->build)
		code = command->build(&request, &line);
	stderr = errors;
	return code;
}

static void builds(const char *text, uint8_t command)
{
	assert_int_equal(build(text), LBADM_OK);
	assert_null(line_peek(&line));
	assert_int_equal(attrs_command(nlmsg_hdr(request.msg)), command);
	assert_int_equal(nlmsg_hdr(request.msg)->nlmsg_flags, NLM_F_REQUEST);
}

/* The n-th attribute of a type among those at @attr. */
static struct nlattr *nth(struct nlattr *attr, int left, int type, int n)
{
	for (; nla_ok(attr, left); attr = nla_next(attr, &left)) {
		if (nla_type(attr) == type && !n--)
			return attr;
	}
	return NULL;
}

static struct nlattr *top(int type, int n)
{
	struct genlmsghdr *header = genlmsg_hdr(nlmsg_hdr(request.msg));

	return nth(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), type, n);
}

static struct nlattr *in(struct nlattr *nest, int type)
{
	assert_non_null(nest);
	assert_true(nest->nla_type & NLA_F_NESTED);
	return nth(nla_data(nest), nla_len(nest), type, 0);
}

static void is(struct nlattr *attr, const void *data, int length, const char *word)
{
	uint32_t offset = (char *)attr - (char *)nlmsg_hdr(request.msg);
	unsigned int number;

	assert_non_null(attr);
	if (data) {
		assert_int_equal(nla_len(attr), length);
		assert_memory_equal(nla_data(attr), data, length);
	}
	number = request_word(&request, offset);
	assert_true(number < line.count);
	assert_string_equal(line.words[number].text, word);
}

static void is_u8(struct nlattr *attr, uint8_t value, const char *word)
{
	is(attr, &value, sizeof(value), word);
}

static void is_u16(struct nlattr *attr, uint16_t value, const char *word)
{
	is(attr, &value, sizeof(value), word);
}

static void is_u32(struct nlattr *attr, uint32_t value, const char *word)
{
	is(attr, &value, sizeof(value), word);
}

static void is_ip(struct nlattr *attr, const char *address, const char *word)
{
	uint8_t bytes[16];
	int six = strchr(address, ':') != NULL;

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, address, bytes), 1);
	is(attr, bytes, six ? 16 : 4, word);
}

static void service_add(void **state)
{
	struct nlattr *nest;

	builds("service add web udp 192.0.2.10:443 [2001:db8::1]:53 nodeport:30022 policy local "
	       "scheduler random", BPFLB_CMD_SERVICE_ADD);
	is(top(BPFLB_SERVICE_A_NAME, 0), "web", 4, "web");
	is_u8(top(BPFLB_SERVICE_A_PROTO, 0), IPPROTO_UDP, "udp");
	nest = top(BPFLB_SERVICE_A_FRONTEND, 0);
	is(nest, NULL, 0, "192.0.2.10:443");
	is_ip(in(nest, BPFLB_FRONTEND_A_ADDR), "192.0.2.10", "192.0.2.10:443");
	is_u16(in(nest, BPFLB_FRONTEND_A_PORT), htons(443), "192.0.2.10:443");
	nest = top(BPFLB_SERVICE_A_FRONTEND, 1);
	is_ip(in(nest, BPFLB_FRONTEND_A_ADDR), "2001:db8::1", "[2001:db8::1]:53");
	is_u16(in(nest, BPFLB_FRONTEND_A_PORT), htons(53), "[2001:db8::1]:53");
	nest = top(BPFLB_SERVICE_A_FRONTEND, 2);
	assert_null(in(nest, BPFLB_FRONTEND_A_ADDR));
	is_u16(in(nest, BPFLB_FRONTEND_A_PORT), htons(30022), "nodeport:30022");
	assert_null(top(BPFLB_SERVICE_A_FRONTEND, 3));
	is_u8(top(BPFLB_SERVICE_A_POLICY, 0), BPFLB_POLICY_LOCAL, "local");
	is_u8(top(BPFLB_SERVICE_A_SCHEDULER, 0), BPFLB_SCHEDULER_RANDOM, "random");
}

/* What is not said is not sent: the module has the defaults, and SET keeps the rest. */
static void service_says_no_more(void **state)
{
	builds("service add web tcp 192.0.2.10:443", BPFLB_CMD_SERVICE_ADD);
	assert_null(top(BPFLB_SERVICE_A_POLICY, 0));
	assert_null(top(BPFLB_SERVICE_A_SCHEDULER, 0));
	builds("service set web policy cluster", BPFLB_CMD_SERVICE_SET);
	assert_null(top(BPFLB_SERVICE_A_PROTO, 0));
	assert_null(top(BPFLB_SERVICE_A_FRONTEND, 0));
	is_u8(top(BPFLB_SERVICE_A_POLICY, 0), BPFLB_POLICY_CLUSTER, "cluster");
	builds("service set web policy local address 192.0.2.1:1 192.0.2.1:2",
	       BPFLB_CMD_SERVICE_SET);
	is(top(BPFLB_SERVICE_A_FRONTEND, 1), NULL, 0, "192.0.2.1:2");
	builds("service del web", BPFLB_CMD_SERVICE_DEL);
	is(top(BPFLB_SERVICE_A_NAME, 0), "web", 4, "web");
}

static void backends(void **state)
{
	builds("backend add web 10.0.1.11:8443 weight 0 node 192.168.0.11",
	       BPFLB_CMD_BACKEND_ADD);
	is(top(BPFLB_BACKEND_A_SERVICE, 0), "web", 4, "web");
	is_ip(top(BPFLB_BACKEND_A_ADDR, 0), "10.0.1.11", "10.0.1.11:8443");
	is_u16(top(BPFLB_BACKEND_A_PORT, 0), htons(8443), "10.0.1.11:8443");
	is_u32(top(BPFLB_BACKEND_A_WEIGHT, 0), 0, "0");
	is_ip(top(BPFLB_BACKEND_A_NODE, 0), "192.168.0.11", "192.168.0.11");
	assert_null(top(BPFLB_BACKEND_A_LOCAL, 0));
	builds("backend set web [2001:db8::2]:80 local", BPFLB_CMD_BACKEND_SET);
	is_ip(top(BPFLB_BACKEND_A_ADDR, 0), "2001:db8::2", "[2001:db8::2]:80");
	is(top(BPFLB_BACKEND_A_LOCAL, 0), "", 0, "local");
	assert_null(top(BPFLB_BACKEND_A_WEIGHT, 0));
	builds("backend del web 10.0.1.11:8443", BPFLB_CMD_BACKEND_DEL);
	builds("backend add local 10.0.1.11:1 weight 65535", BPFLB_CMD_BACKEND_ADD);
	is(top(BPFLB_BACKEND_A_SERVICE, 0), "local", 6, "local");
	is_u32(top(BPFLB_BACKEND_A_WEIGHT, 0), 65535, "65535");
}

static void nodes(void **state)
{
	builds("node add 192.168.0.11", BPFLB_CMD_NODE_ADD);
	is_ip(top(BPFLB_NODE_A_ADDR, 0), "192.168.0.11", "192.168.0.11");
	builds("node del 2001:db8::1", BPFLB_CMD_NODE_DEL);
	is_ip(top(BPFLB_NODE_A_ADDR, 0), "2001:db8::1", "2001:db8::1");
}

static void settings(void **state)
{
	struct nlattr *nest;

	builds("set snat-address 10.0.0.1 10.0.0.2 mode hybrid timeout tcp-fin 2m udp-replied 5 "
	       "flows-max 7 nodeports 1-2 snat-ports 1024-65535 dsr-sender any "
	       "dsr-device eth0 eth1 timeout tcp-closed 1s", BPFLB_CMD_SETTINGS_SET);
	is_ip(top(BPFLB_SETTINGS_A_SNAT_ADDR, 0), "10.0.0.1", "10.0.0.1");
	is_ip(top(BPFLB_SETTINGS_A_SNAT_ADDR, 1), "10.0.0.2", "10.0.0.2");
	is_u8(top(BPFLB_SETTINGS_A_MODE, 0), BPFLB_MODE_HYBRID, "hybrid");
	is_u32(top(BPFLB_SETTINGS_A_FLOWS_MAX, 0), 7, "7");
	nest = top(BPFLB_SETTINGS_A_NODEPORTS, 0);
	is_u16(in(nest, BPFLB_RANGE_A_FIRST), 1, "1-2");
	is_u16(in(nest, BPFLB_RANGE_A_LAST), 2, "1-2");
	nest = top(BPFLB_SETTINGS_A_SNAT_PORTS, 0);
	is_u16(in(nest, BPFLB_RANGE_A_LAST), 65535, "1024-65535");
	is_u8(top(BPFLB_SETTINGS_A_DSR_SENDER, 0), BPFLB_DSR_SENDER_ANY, "any");
	is(top(BPFLB_SETTINGS_A_DSR_DEVICE, 0), "eth0", 5, "eth0");
	is(top(BPFLB_SETTINGS_A_DSR_DEVICE, 1), "eth1", 5, "eth1");
	/* All timeouts of a line are one nest, each with its own word. */
	nest = top(BPFLB_SETTINGS_A_TIMEOUTS, 0);
	assert_null(top(BPFLB_SETTINGS_A_TIMEOUTS, 1));
	is_u32(in(nest, BPFLB_TIMEOUT_A_TCP_FIN), 120, "2m");
	is_u32(in(nest, BPFLB_TIMEOUT_A_UDP_REPLIED), 5, "5");
	is_u32(in(nest, BPFLB_TIMEOUT_A_TCP_CLOSED), 1, "1s");
	assert_null(in(nest, BPFLB_TIMEOUT_A_TCP_ESTABLISHED));
	assert_null(top(BPFLB_SETTINGS_A_CLEAR, 0));
}

static void settings_cleared(void **state)
{
	builds("set snat-address none dsr-device none", BPFLB_CMD_SETTINGS_SET);
	is_u32(top(BPFLB_SETTINGS_A_CLEAR, 0),
	       BPFLB_SETTINGS_CLEAR_SNAT_ADDR | BPFLB_SETTINGS_CLEAR_DSR_DEVICE, "none");
	assert_null(top(BPFLB_SETTINGS_A_SNAT_ADDR, 0));
	assert_null(top(BPFLB_SETTINGS_A_DSR_DEVICE, 0));
	assert_null(top(BPFLB_SETTINGS_A_TIMEOUTS, 0));
}

/* Each timeout has the number of the state of that name. */
static void every_timeout(void **state)
{
	static const struct {
		const char *name;
		int type;
	} all[] = {
		{ "tcp-syn-sent", BPFLB_TIMEOUT_A_TCP_SYN_SENT },
		{ "tcp-syn-received", BPFLB_TIMEOUT_A_TCP_SYN_RECEIVED },
		{ "tcp-established", BPFLB_TIMEOUT_A_TCP_ESTABLISHED },
		{ "tcp-fin", BPFLB_TIMEOUT_A_TCP_FIN },
		{ "tcp-time-wait", BPFLB_TIMEOUT_A_TCP_TIME_WAIT },
		{ "tcp-closed", BPFLB_TIMEOUT_A_TCP_CLOSED },
		{ "udp-unreplied", BPFLB_TIMEOUT_A_UDP_UNREPLIED },
		{ "udp-replied", BPFLB_TIMEOUT_A_UDP_REPLIED },
		{ "sctp-init", BPFLB_TIMEOUT_A_SCTP_INIT },
		{ "sctp-cookie", BPFLB_TIMEOUT_A_SCTP_COOKIE },
		{ "sctp-established", BPFLB_TIMEOUT_A_SCTP_ESTABLISHED },
		{ "sctp-shutdown", BPFLB_TIMEOUT_A_SCTP_SHUTDOWN },
		{ "sctp-closed", BPFLB_TIMEOUT_A_SCTP_CLOSED },
	};
	char text[64];
	size_t i;

	assert_int_equal(sizeof(all) / sizeof(*all), BPFLB_TIMEOUT_A_MAX);
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		snprintf(text, sizeof(text), "set timeout %s 9", all[i].name);
		builds(text, BPFLB_CMD_SETTINGS_SET);
		is_u32(in(top(BPFLB_SETTINGS_A_TIMEOUTS, 0), all[i].type), 9, "9");
	}
}

static void most_there_can_be(void **state)
{
	char text[8192] = "service add w tcp";
	int i;

	for (i = 0; i < BPFLB_FRONTENDS_MAX; i++)
		sprintf(text + strlen(text), " [2001:db8:1111:2222:3333:4444:5555:%x]:%d",
			0x1000 + i, 60000 + i);
	builds(text, BPFLB_CMD_SERVICE_ADD);
	assert_non_null(top(BPFLB_SERVICE_A_FRONTEND, BPFLB_FRONTENDS_MAX - 1));
	strcat(text, " 10.0.0.1:1");
	assert_int_equal(build(text), LBADM_USAGE);
	assert_int_equal(line.next, line.count);

	strcpy(text, "set snat-address");
	for (i = 0; i < BPFLB_SNAT_ADDRS_MAX; i++)
		sprintf(text + strlen(text), " 10.0.0.%d", i);
	builds(text, BPFLB_CMD_SETTINGS_SET);
	strcat(text, " 10.0.0.99");
	assert_int_equal(build(text), LBADM_USAGE);
}

/* An offset inside an attribute, or in the headers, is no reason to guess. */
static void offsets(void **state)
{
	builds("node add 192.168.0.11", BPFLB_CMD_NODE_ADD);
	assert_int_equal(request_word(&request, 0), NO_WORD);
	assert_int_equal(request_word(&request, NLMSG_HDRLEN), NO_WORD);
	assert_int_equal(request_word(&request, NLMSG_HDRLEN + GENL_HDRLEN), 2);
	assert_int_equal(request_word(&request, NLMSG_HDRLEN + GENL_HDRLEN + 2), 2);
}

/* What is decoded from a message is what was built: the other direction of each. */
static void decoding(void **state)
{
	struct settings settings;
	struct service service;
	struct backend backend;
	char text[FRONTEND_ROOM];

	builds("service add web udp 192.0.2.10:443 open:nodeport:30022 policy local "
	       "deny 10.0.0.0/8,2001:db8::/33,10.9.9.9",
	       BPFLB_CMD_SERVICE_ADD);
	service_decode(nlmsg_hdr(request.msg), &service);
	assert_string_equal(service.name, "web");
	assert_int_equal(service.proto, IPPROTO_UDP);
	assert_int_equal(service.frontend_count, 2);
	assert_string_equal(format_frontend(&service.frontends[0], text), "192.0.2.10:443");
	assert_string_equal(format_frontend(&service.frontends[1], text), "open:nodeport:30022");
	assert_int_equal(service.sources, BPFLB_SOURCES_DENY);
	assert_int_equal(service.range_count, 3);
	assert_string_equal(format_prefix(&service.ranges[0], text), "10.0.0.0/8");
	assert_string_equal(format_prefix(&service.ranges[1], text), "2001:db8::/33");
	assert_string_equal(format_prefix(&service.ranges[2], text), "10.9.9.9/32");
	assert_int_equal(service.policy, BPFLB_POLICY_LOCAL);
	assert_int_equal(service.internal_policy, BPFLB_POLICY_CLUSTER);

	builds("service add web tcp open:internal:10.96.0.1:80 internal:[2001:db8::1]:80 "
	       "internal-policy local", BPFLB_CMD_SERVICE_ADD);
	service_decode(nlmsg_hdr(request.msg), &service);
	assert_string_equal(format_frontend(&service.frontends[0], text),
			    "open:internal:10.96.0.1:80");
	assert_string_equal(format_frontend(&service.frontends[1], text),
			    "internal:[2001:db8::1]:80");
	assert_int_equal(service.policy, BPFLB_POLICY_CLUSTER);
	assert_int_equal(service.internal_policy, BPFLB_POLICY_LOCAL);

	builds("backend add web [2001:db8::2]:80 node 10.0.0.1 weight 9", BPFLB_CMD_BACKEND_ADD);
	backend_decode(nlmsg_hdr(request.msg), &backend);
	assert_string_equal(format_endpoint(&backend.endpoint, text), "[2001:db8::2]:80");
	assert_string_equal(format_address(&backend.node, text), "10.0.0.1");
	assert_int_equal(backend.weight, 9);
	assert_false(backend.local);

	builds("set timeout udp-replied 9 snat-address 10.0.0.1 snat-ports 5-6 dsr-device eth0",
	       BPFLB_CMD_SETTINGS_SET);
	settings_decode(nlmsg_hdr(request.msg), &settings);
	assert_int_equal(settings.timeouts[BPFLB_STATE_UDP_REPLIED], 9);
	assert_int_equal(settings.snat_count, 1);
	assert_int_equal(settings.snat_ports[0], 5);
	assert_int_equal(settings.snat_ports[1], 6);
	assert_string_equal(settings.dsr_devices[0], "eth0");
}

/* Any bytes after the headers: nothing is read beyond them, nothing is believed. */
static void decoding_anything(void **state)
{
	int i;

	srand(1);
	for (i = 0; i < 50000; i++) {
		size_t length = NLMSG_HDRLEN + GENL_HDRLEN + rand() % 96, b;
		unsigned char *bytes = malloc(length);
		struct nlmsghdr *nlh = (struct nlmsghdr *)bytes;
		struct settings settings;
		struct service service;
		struct backend backend;
		struct node node;

		for (b = 0; b < length; b++)
			bytes[b] = rand() % 3 ? rand() % 12 : rand();
		/* Lengths that are nearly right go deeper than any. */
		for (b = NLMSG_HDRLEN + GENL_HDRLEN; b + 4 <= length; b += 8 + 4 * (rand() % 4))
			memcpy(bytes + b, &(uint16_t) { rand() % 24 }, 2);
		nlh->nlmsg_len = length;
		service_decode(nlh, &service);
		assert_true(strlen(service.name) < BPFLB_NAME_MAX);
		backend_decode(nlh, &backend);
		settings_decode(nlh, &settings);
		node_decode(nlh, &node);
		free(bytes);
	}
}

/* Decided by the grammar alone, at the word that is wrong. */
static void wrong_lines(void **state)
{
	static const struct {
		const char *text;
		unsigned int word;
	} wrong[] = {
		{ "nonsense", 0 },
		{ "service nonsense", 1 },
		{ "service add", 2 },
		{ "service add -web tcp 10.0.0.1:80", 2 },
		{ "service add web", 3 },
		{ "service add web dccp 10.0.0.1:80", 3 },
		{ "service add web tcp", 4 },
		{ "service add web tcp policy local", 4 },
		{ "service add web tcp 10.0.0.1", 4 },
		{ "service add web tcp 10.0.0.1:80 10.0.0.2:0", 5 },
		{ "service add web tcp 10.0.0.1:80 policy", 6 },
		{ "service add web tcp 10.0.0.1:80 policy best", 6 },
		{ "service add web tcp 10.0.0.1:80 policy local policy local", 7 },
		{ "service add web tcp 10.0.0.1:80 address 10.0.0.1:81", 5 },
		{ "service set web", 3 },
		{ "service set web tcp", 3 },
		{ "service set web address", 4 },
		{ "service del web now", 3 },
		{ "backend add web", 3 },
		{ "backend add web 10.0.0.1", 3 },
		{ "backend add web nodeport:80", 3 },
		{ "backend add web 10.0.0.1:80 weight", 5 },
		{ "backend add web 10.0.0.1:80 weight 65536", 5 },
		{ "backend add web 10.0.0.1:80 weight -1", 5 },
		{ "backend add web 10.0.0.1:80 weight 1 weight 1", 6 },
		{ "backend add web 10.0.0.1:80 local node 10.0.0.2", 5 },
		{ "backend add web 10.0.0.1:80 node", 5 },
		{ "backend add web 10.0.0.1:80 node here", 5 },
		{ "backend add web 10.0.0.1:80 remote", 4 },
		{ "backend set web 10.0.0.1:80", 4 },
		{ "node add", 2 },
		{ "node add 10.0.0.1:80", 2 },
		{ "node set 10.0.0.1", 1 },
		{ "set nonsense 1", 1 },
		{ "set mode", 2 },
		{ "set mode fast", 2 },
		{ "set mode dsr mode snat", 3 },
		{ "set flows-max 0", 2 },
		{ "set flows-max 4294967296", 2 },
		{ "set timeout", 2 },
		{ "set timeout 60", 2 },
		{ "set timeout tcp-fin", 3 },
		{ "set timeout tcp-fin soon", 3 },
		{ "set timeout tcp-fin 1 tcp-fin 2", 4 },
		{ "set timeout tcp-fin 1 mode", 5 },
		{ "set snat-address", 2 },
		{ "set snat-address 10.0.0.1 none", 3 },
		{ "set snat-address none 10.0.0.1", 3 },
		{ "set snat-ports 1024", 2 },
		{ "set nodeports 2-1", 2 },
		{ "set dsr-sender friends", 2 },
		{ "set dsr-device", 2 },
		{ "set dsr-device a/b", 2 },
		{ "set dsr-device sixteen-letters-", 2 },
	};
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		int code = build(wrong[i].text);

		if (code != LBADM_USAGE)
			fail_msg("'%s' gives %d", wrong[i].text, code);
		/* The last word that was taken is the one reported, or there was none left. */
		if (wrong[i].word < line.count && line.next != wrong[i].word + 1)
			fail_msg("'%s' is wrong at word %u", wrong[i].text, line.next - 1);
		if (wrong[i].word >= line.count && line.next != line.count)
			fail_msg("'%s' lacks no word at its end", wrong[i].text);
	}
}

static int prepare(void **state)
{
	nowhere = fopen("/dev/null", "w");
	return nowhere ? 0 : -1;
}

static int cleanup(void **state)
{
	line_free(&line);
	request_free(&request);
	free(copy);
	fclose(nowhere);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(service_add),
		cmocka_unit_test(service_says_no_more),
		cmocka_unit_test(backends),
		cmocka_unit_test(nodes),
		cmocka_unit_test(settings),
		cmocka_unit_test(settings_cleared),
		cmocka_unit_test(every_timeout),
		cmocka_unit_test(most_there_can_be),
		cmocka_unit_test(offsets),
		cmocka_unit_test(decoding),
		cmocka_unit_test(decoding_anything),
		cmocka_unit_test(wrong_lines),
	};

	return cmocka_run_group_tests(tests, prepare, cleanup);
}
