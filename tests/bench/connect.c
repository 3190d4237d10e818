// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect - how long the first packet of a connection is answered
 *
 *	connect CLIENT SERVER LISTEN-PORT ADDRESS PORT FIRST-PORT SAMPLES
 *
 * Listens in the network namespace SERVER (a path), connects from CLIENT to
 * ADDRESS:PORT, which must lead there, and prints for each connection the time
 * from its SYN to the answer, in ns. Each is from another port, the first from
 * FIRST-PORT, and so a new flow to all in between.
 *
 * The times are the kernel's, of when the two passed the client's device: what
 * a system call costs, which in User Mode Linux is more than all else, is not
 * in them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP		64	/* connections that are not counted: ARP, caches */

/** struct seen - a packet that passed the client's device */
struct seen {
	struct {
		struct iphdr ip;
		struct tcphdr tcp;
	} head;
	struct sockaddr_ll link;
	char control[CMSG_SPACE(sizeof(struct timespec))];
};

static void die(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("connect: ", stderr);
	vfprintf(stderr, format, list);
	fprintf(stderr, ": %s\n", strerror(errno));
	va_end(list);
	exit(1);
}

static void enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die("%s", path);
	close(fd);
}

/* One that ends connections with a reset: nothing of them is left at either end. */
static int make_socket(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger linger = { .l_onoff = 1 };

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die("port %u", port);
	return fd;
}

/* Sees the TCP packets of this namespace that have SYN. */
static int make_tap(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, SKF_AD_OFF + SKF_AD_PROTOCOL),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 5),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct iphdr, protocol)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 3),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, sizeof(struct iphdr) + 13),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) ||
	    bind(fd, (struct sockaddr *)&all, sizeof(all)))
		die("packet socket");
	return fd;
}

static int64_t time_of(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	struct timespec t;

	if (!cmsg || cmsg->cmsg_type != SCM_TIMESTAMPNS)
		die("a packet without its time");
	memcpy(&t, CMSG_DATA(cmsg), sizeof(t));
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* From the connection's SYN to its answer, which both have passed; -1 if that is not clear. */
static int64_t read_tap(int tap, uint16_t port)
{
	struct seen seen[2];
	struct iovec iov[2];
	struct mmsghdr msgs[2] = { 0 };
	int i, count;

	for (i = 0; i < 2; i++) {
		iov[i].iov_base = &seen[i].head;
		iov[i].iov_len = sizeof(seen[i].head);
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_hdr.msg_name = &seen[i].link;
		msgs[i].msg_hdr.msg_namelen = sizeof(seen[i].link);
		msgs[i].msg_hdr.msg_control = seen[i].control;
		msgs[i].msg_hdr.msg_controllen = sizeof(seen[i].control);
	}
	count = recvmmsg(tap, msgs, 2, 0, NULL);
	if (count != 2 || seen[0].link.sll_pkttype != PACKET_OUTGOING ||
	    seen[1].link.sll_pkttype != PACKET_HOST ||
	    ntohs(seen[0].head.tcp.source) != port || ntohs(seen[1].head.tcp.dest) != port)
		return -1;
	return time_of(&msgs[1].msg_hdr) - time_of(&msgs[0].msg_hdr);
}

static int64_t sample(int listener, int tap, const struct sockaddr_in *to, uint16_t port)
{
	int client = make_socket(port), server;

	if (connect(client, (const struct sockaddr *)to, sizeof(*to)))
		die("from port %u", port);
	server = accept(listener, NULL, NULL);
	if (server < 0)
		die("accept");
	close(client);
	close(server);
	return read_tap(tap, port);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int listener, tap, port, warm, end;
	int64_t took;

	if (argc != 8 || !inet_aton(argv[4], &to.sin_addr)) {
		fputs("usage: connect CLIENT SERVER LISTEN-PORT ADDRESS PORT FIRST-PORT SAMPLES\n",
		      stderr);
		return 1;
	}
	to.sin_port = htons(atoi(argv[5]));
	port = atoi(argv[6]);
	warm = port + WARM_UP;
	end = warm + atoi(argv[7]);
	enter(argv[2]);
	listener = make_socket(atoi(argv[3]));
	if (listen(listener, 16))
		die("listen");
	enter(argv[1]);
	tap = make_tap();
	for (; port < end; port++) {
		took = sample(listener, tap, &to, port);
		if (port < warm)
			continue;
		if (took < 0) {
			fprintf(stderr, "connect: port %d: a SYN was sent or answered twice\n", port);
			return 1;
		}
		printf("%lld\n", (long long)took);
	}
	return 0;
}
