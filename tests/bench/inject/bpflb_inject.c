// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source of the benchmark's packets: pktgen's xmit_mode netif_receive, but for
 * any list of flows, IPv6, TCP and options too, and on several processors at once.
 *
 * Each packet is a new skb, handed to netif_receive_skb() alone, with bottom halves
 * off, as by a driver whose hardware has found the checksums right.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nsproxy.h>
#include <linux/sched/signal.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/vmalloc.h>
#include <net/ip.h>

#include "bpflb_inject.h"

#define FLOWS_MAX	(16U << 20)
#define BATCH		64	/* packets without a break for others, like a driver's */
#define L4_LEN		30	/* of an IPv4 packet without options: 64 bytes of Ethernet */

/**
 * struct injector - what an open file has
 * @lock: one run at a time
 * @flow: what is injected
 * @n: how many
 * @answer: what was learned: room for @n
 * @n_answer: how many
 * @learn: sees what leaves, during a run
 */
struct injector {
	struct mutex lock;		/* and what is below */
	struct inject_flow *flow;
	u32 n;
	struct inject_flow *answer;
	u32 n_answer;
	struct packet_type learn;
};

static void put_tcp(struct sk_buff *skb, const struct inject_flow *flow,
		    const struct inject_run *run)
{
	struct tcphdr *th = skb_put_zero(skb, sizeof(*th));

	th->source = flow->sport;
	th->dest = flow->dport;
	th->seq = htonl(run->seq);
	th->ack_seq = htonl(run->ack);
	th->doff = sizeof(*th) / 4;
	((u8 *)th)[13] = run->tcp_flags;
	th->window = htons(65535);
	th->check = htons(1);	/* changed on the way like any other, and read by nobody */
}

static void put_udp(struct sk_buff *skb, const struct inject_flow *flow)
{
	struct udphdr *uh = skb_put(skb, sizeof(*uh));

	uh->source = flow->sport;
	uh->dest = flow->dport;
	uh->len = htons(L4_LEN);
	uh->check = htons(1);
}

static void put_ipv4(struct sk_buff *skb, const struct inject_flow *flow,
		     const struct inject_run *run)
{
	struct iphdr *iph = skb_put(skb, sizeof(*iph));

	*iph = (struct iphdr){
		.version = 4,
		.ihl = (sizeof(*iph) + run->option_len) / 4,
		.tot_len = htons(sizeof(*iph) + run->option_len + L4_LEN),
		.frag_off = htons(IP_DF),
		.ttl = 64,
		.protocol = flow->proto,
		.saddr = flow->saddr,
		.daddr = flow->daddr,
	};
	if (run->option_len)
		skb_put_data(skb, run->option, run->option_len);
	ip_send_check(iph);
}

static void put_ipv6(struct sk_buff *skb, const struct inject_flow *flow,
		     const struct inject_run *run)
{
	struct ipv6hdr *ip6h = skb_put(skb, sizeof(*ip6h));
	u8 *option;

	*ip6h = (struct ipv6hdr){
		.version = 6,
		.payload_len = htons(run->option_len + L4_LEN),
		.nexthdr = run->option_len ? IPPROTO_DSTOPTS : flow->proto,
		.hop_limit = 64,
		.saddr = flow->saddr6,
		.daddr = flow->daddr6,
	};
	if (!run->option_len)
		return;
	option = skb_put_data(skb, run->option, run->option_len);
	option[0] = flow->proto;
}

static struct sk_buff *make_packet(struct net_device *dev, const struct inject_flow *flow,
				   const struct inject_run *run)
{
	unsigned int len = ETH_HLEN + run->option_len + L4_LEN +
			   (flow->ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	struct sk_buff *skb = netdev_alloc_skb_ip_align(dev, len);
	struct ethhdr *eth;

	if (!skb)
		return NULL;
	eth = skb_put(skb, ETH_HLEN);
	ether_addr_copy(eth->h_dest, dev->dev_addr);
	ether_addr_copy(eth->h_source, dev->dev_addr);
	eth->h_proto = htons(flow->ipv6 ? ETH_P_IPV6 : ETH_P_IP);
	if (flow->ipv6)
		put_ipv6(skb, flow, run);
	else
		put_ipv4(skb, flow, run);
	if (flow->proto == IPPROTO_TCP)
		put_tcp(skb, flow, run);
	else
		put_udp(skb, flow);
	skb_put_zero(skb, len - skb->len);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->protocol = eth_type_trans(skb, dev);
	return skb;
}

/* Caller holds @inj->lock. */
static int inject(struct injector *inj, struct net_device *dev, struct inject_run *run)
{
	u64 done = 0;
	u32 at = 0;

	run->begin = ktime_get_ns();
	while (done < run->count) {
		u64 stop = min(run->count, done + BATCH);

		local_bh_disable();
		for (; done < stop; done++) {
			struct sk_buff *skb = make_packet(dev, &inj->flow[at], run);

			if (!skb) {
				local_bh_enable();
				return -ENOMEM;
			}
			netif_receive_skb(skb);
			if (++at == inj->n)
				at = 0;
		}
		local_bh_enable();
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	run->end = ktime_get_ns();
	return 0;
}

static void answer4(const struct sk_buff *skb, struct inject_flow *answer)
{
	const struct iphdr *iph = ip_hdr(skb);
	const __be16 *port = (const __be16 *)((const u8 *)iph + iph->ihl * 4);

	*answer = (struct inject_flow){
		.saddr = iph->daddr,
		.daddr = iph->saddr,
		.sport = port[1],
		.dport = port[0],
		.proto = iph->protocol,
	};
}

static void answer6(const struct sk_buff *skb, struct inject_flow *answer)
{
	const struct ipv6hdr *ip6h = ipv6_hdr(skb);
	const __be16 *port = (const __be16 *)(ip6h + 1);

	*answer = (struct inject_flow){
		.saddr6 = ip6h->daddr,
		.daddr6 = ip6h->saddr,
		.sport = port[1],
		.dport = port[0],
		.proto = ip6h->nexthdr,
		.ipv6 = 1,
	};
}

/* A packet leaves: what answers it comes from its destination to its source. */
static int learn(struct sk_buff *skb, struct net_device *dev, struct packet_type *pt,
		 struct net_device *orig_dev)
{
	struct injector *inj = container_of(pt, struct injector, learn);

	if (skb->pkt_type == PACKET_OUTGOING && inj->n_answer < inj->n) {
		if (skb->protocol == htons(ETH_P_IP))
			answer4(skb, &inj->answer[inj->n_answer++]);
		else if (skb->protocol == htons(ETH_P_IPV6))
			answer6(skb, &inj->answer[inj->n_answer++]);
	}
	consume_skb(skb);
	return NET_RX_SUCCESS;
}

static int inject_and_learn(struct injector *inj, struct net_device *dev,
			    struct inject_run *run)
{
	struct net_device *from;
	int err;

	if (!run->learn[0])
		return inject(inj, dev, run);
	from = dev_get_by_name(current->nsproxy->net_ns, run->learn);
	if (!from)
		return -ENODEV;
	inj->n_answer = 0;
	inj->learn = (struct packet_type){
		.type = htons(ETH_P_ALL),
		.dev = from,
		.func = learn,
	};
	dev_add_pack(&inj->learn);
	err = inject(inj, dev, run);
	dev_remove_pack(&inj->learn);
	dev_put(from);
	return err;
}

static long injector_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct injector *inj = file->private_data;
	struct net_device *dev;
	struct inject_run run;
	int err;

	if (cmd != INJECT_RUN)
		return -ENOTTY;
	if (copy_from_user(&run, (void __user *)arg, sizeof(run)))
		return -EFAULT;
	if (run.option_len % 4 || run.option_len > sizeof(run.option))
		return -EINVAL;
	run.in[IFNAMSIZ - 1] = '\0';
	run.learn[IFNAMSIZ - 1] = '\0';
	dev = dev_get_by_name(current->nsproxy->net_ns, run.in);
	if (!dev)
		return -ENODEV;
	mutex_lock(&inj->lock);
	err = inj->n ? inject_and_learn(inj, dev, &run) : -ENODATA;
	mutex_unlock(&inj->lock);
	dev_put(dev);
	if (!err && copy_to_user((void __user *)arg, &run, sizeof(run)))
		err = -EFAULT;
	return err;
}

static ssize_t injector_write(struct file *file, const char __user *buf, size_t len, loff_t *ppos)
{
	struct injector *inj = file->private_data;
	struct inject_flow *flow, *answer;

	if (!len || len % sizeof(*flow) || len / sizeof(*flow) > FLOWS_MAX)
		return -EINVAL;
	flow = vmalloc(len);
	answer = vmalloc(len);
	if (!flow || !answer || copy_from_user(flow, buf, len)) {
		vfree(flow);
		vfree(answer);
		return flow && answer ? -EFAULT : -ENOMEM;
	}
	mutex_lock(&inj->lock);
	swap(inj->flow, flow);
	swap(inj->answer, answer);
	inj->n = len / sizeof(*flow);
	inj->n_answer = 0;
	mutex_unlock(&inj->lock);
	vfree(flow);
	vfree(answer);
	return len;
}

static ssize_t injector_read(struct file *file, char __user *buf, size_t len, loff_t *ppos)
{
	struct injector *inj = file->private_data;
	ssize_t n;

	mutex_lock(&inj->lock);
	n = simple_read_from_buffer(buf, len, ppos, inj->answer,
				    inj->n_answer * sizeof(*inj->answer));
	mutex_unlock(&inj->lock);
	return n;
}

static int injector_open(struct inode *inode, struct file *file)
{
	struct injector *inj = kzalloc(sizeof(*inj), GFP_KERNEL);

	if (!inj)
		return -ENOMEM;
	mutex_init(&inj->lock);
	file->private_data = inj;
	return 0;
}

static int injector_release(struct inode *inode, struct file *file)
{
	struct injector *inj = file->private_data;

	vfree(inj->flow);
	vfree(inj->answer);
	kfree(inj);
	return 0;
}

static const struct file_operations injector_fops = {
	.owner = THIS_MODULE,
	.open = injector_open,
	.release = injector_release,
	.read = injector_read,
	.write = injector_write,
	.unlocked_ioctl = injector_ioctl,
};

static struct miscdevice injector_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.fops = &injector_fops,
};
module_misc_device(injector_device);

MODULE_DESCRIPTION("packets of many flows, for measurements");
MODULE_LICENSE("GPL");
