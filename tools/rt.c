// SPDX-License-Identifier: GPL-2.0-only
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "mem.h"
#include "report.h"
#include "rt.h"

#define ASK_MS		1200	/* a neighbour that is there answers within microseconds */
#define ASK_STEP_MS	20

#define NUD_KNOWN	(NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | \
			 NUD_DELAY)

typedef void rt_take(const struct nlmsghdr *nlh, void *arg);

/** struct question - whose answers they are */
struct question {
	rt_take *take;
	void *arg;
};

static int on_valid(struct nl_msg *msg, void *arg)
{
	const struct question *question = arg;

	question->take(nlmsg_hdr(msg), question->arg);
	return NL_OK;
}

/* Sends @msg and takes what comes back. Return: 0, or an error of libnl. */
static int ask(struct rt *rt, struct nl_msg *msg, rt_take *take, void *arg)
{
	struct question question = { take, arg };
	int error;

	nl_cb_set(rt->cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, &question);
	error = nl_send_auto(rt->sk, msg);
	nlmsg_free(msg);
	return error < 0 ? error : nl_recvmsgs(rt->sk, rt->cb);
}

static struct nl_msg *message(int type, int flags, const void *header, size_t length)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg)
		nlmsg_append(msg, (void *)header, length, NLMSG_ALIGNTO);
	return msg;
}

static unsigned char family_of(const struct address *address)
{
	return address->length == 16 ? AF_INET6 : AF_INET;
}

static void set_address(const struct nlattr *attr, struct address *address)
{
	address->length = 0;
	if (!attr || (nla_len(attr) != 4 && nla_len(attr) != 16))
		return;
	address->length = nla_len(attr);
	memcpy(address->bytes, nla_data(attr), address->length);
}

static void take_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *info = nlmsg_data(nlh);
	struct nlattr *attrs[IFLA_MAX + 1], *kind[IFLA_INFO_MAX + 1];
	struct rt_link *link;
	struct rt *rt = arg;

	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*info), attrs, IFLA_MAX, NULL))
		return;
	rt->links = mem_grow(rt->links, &rt->room, rt->count + 1, sizeof(*rt->links));
	link = &rt->links[rt->count++];
	*link = (struct rt_link){ .index = info->ifi_index, .flags = info->ifi_flags,
				  .ethernet = info->ifi_type == ARPHRD_ETHER };
	if (attrs[IFLA_IFNAME])
		nla_strlcpy(link->name, attrs[IFLA_IFNAME], sizeof(link->name));
	if (attrs[IFLA_MTU])
		link->mtu = nla_get_u32(attrs[IFLA_MTU]);
	if (attrs[IFLA_MASTER])
		link->master = nla_get_u32(attrs[IFLA_MASTER]);
	if (attrs[IFLA_LINKINFO] &&
	    !nla_parse_nested(kind, IFLA_INFO_MAX, attrs[IFLA_LINKINFO], NULL) &&
	    kind[IFLA_INFO_KIND])
		link->vrf = !strcmp(nla_get_string(kind[IFLA_INFO_KIND]), "vrf");
}

/**
 * rt_open - open the socket and learn of all devices
 * @rt: zeroed
 *
 * Return: LBADM_OK, or what to exit with; it is reported.
 */
int rt_open(struct rt *rt)
{
	struct ifinfomsg info = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg;
	int error;

	rt->sk = nl_socket_alloc();
	rt->cb = nl_cb_alloc(NL_CB_DEFAULT);
	msg = message(RTM_GETLINK, NLM_F_DUMP, &info, sizeof(info));
	if (!rt->sk || !rt->cb || !msg)
		return report(LBADM_REFUSED, "out of memory");
	nl_socket_disable_auto_ack(rt->sk);
	error = nl_connect(rt->sk, NETLINK_ROUTE);
	if (!error)
		error = ask(rt, msg, take_link, rt);
	if (error < 0)
		return report(LBADM_REFUSED, "can't list the devices: %s", nl_geterror(error));
	return LBADM_OK;
}

/**
 * rt_close - close it
 * @rt: open or zeroed
 */
void rt_close(struct rt *rt)
{
	free(rt->links);
	nl_cb_put(rt->cb);
	nl_socket_free(rt->sk);
	memset(rt, 0, sizeof(*rt));
}

/**
 * rt_link - a device by its number
 * @rt: open
 * @index: the number
 *
 * Return: the device; one without a name if there is none.
 */
const struct rt_link *rt_link(const struct rt *rt, int index)
{
	static const struct rt_link none;
	size_t i;

	for (i = 0; i < rt->count; i++) {
		if (rt->links[i].index == index)
			return &rt->links[i];
	}
	return &none;
}

/**
 * rt_link_named - a device by its name
 * @rt: open
 * @name: the name
 *
 * Return: the device, or NULL.
 */
const struct rt_link *rt_link_named(const struct rt *rt, const char *name)
{
	size_t i;

	for (i = 0; i < rt->count; i++) {
		if (!strcmp(rt->links[i].name, name))
			return &rt->links[i];
	}
	return NULL;
}

/** struct owner - looks for the device that has an address */
struct owner {
	const struct address *address;
	int device;
};

static void take_address(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = nlmsg_data(nlh);
	struct nlattr *attrs[IFA_MAX + 1];
	struct owner *owner = arg;
	struct address address;

	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ifa), attrs, IFA_MAX, NULL))
		return;
	/* Of a point-to-point link IFA_ADDRESS is the other end's. */
	set_address(attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS], &address);
	if (!address_compare(&address, owner->address))
		owner->device = ifa->ifa_index;
}

/**
 * rt_follow - from now on ask where the device of an own address has its routes
 * @rt: open
 * @own: the address
 *
 * That is the virtual router that the device is a port of, if it is.
 */
void rt_follow(struct rt *rt, const struct address *own)
{
	struct ifaddrmsg ifa = { .ifa_family = family_of(own) };
	struct nl_msg *msg = message(RTM_GETADDR, NLM_F_DUMP, &ifa, sizeof(ifa));
	struct owner owner = { .address = own };
	const struct rt_link *link;

	if (!msg || ask(rt, msg, take_address, &owner) < 0)
		return;
	link = rt_link(rt, owner.device);
	if (!link->vrf)
		link = rt_link(rt, link->master);
	if (link->vrf)
		rt->vrf[own->length == 16] = link->index;
}

/**
 * rt_where - what a command of ip is to end in that changes the route to an address
 * @rt: open
 * @to: the address
 * @text: the words; empty without a virtual router
 */
void rt_where(const struct rt *rt, const struct address *to, char text[RT_WHERE_ROOM])
{
	int vrf = rt->vrf[to->length == 16];

	text[0] = '\0';
	if (vrf)
		snprintf(text, RT_WHERE_ROOM, " vrf %s", rt_link(rt, vrf)->name);
}

static void take_route(const struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *attrs[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct rt_route *route = arg;

	if (nlh->nlmsg_type != RTM_NEWROUTE ||
	    nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*rtm), attrs, RTA_MAX, NULL))
		return;
	if (rtm->rtm_type != RTN_UNICAST && rtm->rtm_type != RTN_LOCAL)
		return;
	route->there = true;
	route->local = rtm->rtm_type == RTN_LOCAL;
	if (attrs[RTA_OIF])
		route->device = nla_get_u32(attrs[RTA_OIF]);
	set_address(attrs[RTA_GATEWAY], &route->gateway);
	set_address(attrs[RTA_PREFSRC], &route->source);
	/* The next hop of an IPv4 route may be of the other family. */
	if (attrs[RTA_VIA] && nla_len(attrs[RTA_VIA]) == 2 + 16) {
		route->gateway.length = 16;
		memcpy(route->gateway.bytes, (char *)nla_data(attrs[RTA_VIA]) + 2, 16);
	}
	if (attrs[RTA_METRICS] &&
	    !nla_parse_nested(metrics, RTAX_MAX, attrs[RTA_METRICS], NULL) && metrics[RTAX_MTU])
		route->mtu = nla_get_u32(metrics[RTAX_MTU]);
}

/**
 * rt_route - which way packets of this node go to an address
 * @rt: open
 * @to: the address
 * @route: the answer
 */
void rt_route(struct rt *rt, const struct address *to, struct rt_route *route)
{
	struct rtmsg rtm = { .rtm_family = family_of(to), .rtm_dst_len = to->length * 8 };
	struct nl_msg *msg = message(RTM_GETROUTE, 0, &rtm, sizeof(rtm));

	memset(route, 0, sizeof(*route));
	if (!msg)
		return;
	nla_put(msg, RTA_DST, to->length, to->bytes);
	if (rt->vrf[to->length == 16])
		nla_put_u32(msg, RTA_OIF, rt->vrf[to->length == 16]);
	/* An error is how the kernel says that there is none. */
	if (ask(rt, msg, take_route, route) < 0)
		route->there = false;
	if (route->there && !route->mtu)
		route->mtu = rt_link(rt, route->device)->mtu;
}

static void take_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = nlmsg_data(nlh);

	if (nlh->nlmsg_type == RTM_NEWNEIGH)
		*(unsigned int *)arg = ndm->ndm_state;
}

static struct nl_msg *neighbour(int type, int device, const struct address *address,
				unsigned char flags)
{
	struct ndmsg ndm = { .ndm_family = family_of(address), .ndm_ifindex = device,
			     .ndm_flags = flags };
	struct nl_msg *msg = message(type, 0, &ndm, sizeof(ndm));

	if (msg)
		nla_put(msg, NDA_DST, address->length, address->bytes);
	return msg;
}

/**
 * rt_neighbour_is_known - has a device the MAC address of a neighbour?
 * @rt: open
 * @device: number of the device
 * @address: of the neighbour
 */
bool rt_neighbour_is_known(struct rt *rt, int device, const struct address *address)
{
	struct nl_msg *msg = neighbour(RTM_GETNEIGH, device, address, 0);
	unsigned int state = 0;

	return msg && ask(rt, msg, take_neighbour, &state) >= 0 && state & NUD_KNOWN;
}

static void take_nothing(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	(void)arg;
}

/**
 * rt_neighbour_ask - is there such a neighbour? The link is asked, if need be
 * @rt: open
 * @device: number of the device
 * @address: of the neighbour
 */
bool rt_neighbour_ask(struct rt *rt, int device, const struct address *address)
{
	const struct timespec step = { .tv_nsec = ASK_STEP_MS * 1000000L };
	struct nl_msg *msg;
	int waited;

	if (rt_neighbour_is_known(rt, device, address))
		return true;
	msg = neighbour(RTM_NEWNEIGH, device, address, NTF_USE);
	if (!msg)
		return false;
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_CREATE | NLM_F_ACK;
	if (ask(rt, msg, take_nothing, NULL) < 0)
		return false;
	for (waited = 0; waited < ASK_MS; waited += ASK_STEP_MS) {
		if (rt_neighbour_is_known(rt, device, address))
			return true;
		nanosleep(&step, NULL);
	}
	return false;
}
