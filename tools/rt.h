/* SPDX-License-Identifier: GPL-2.0-only */
/* Links, addresses, routes and neighbours of the namespace, by rtnetlink. */
#ifndef LBADM_RT_H
#define LBADM_RT_H

#include <linux/if.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

/* " vrf NAME" */
#define RT_WHERE_ROOM (IFNAMSIZ + 5)

/**
 * struct rt_link - a device
 * @index: its number
 * @name: its name
 * @mtu: of it
 * @flags: IFF_*
 * @ethernet: its frames have MAC addresses
 * @master: number of the device that it is a port of, or 0
 * @vrf: it is a virtual router
 */
struct rt_link {
	int index;
	char name[IFNAMSIZ];
	uint32_t mtu;
	unsigned int flags;
	bool ethernet;
	int master;
	bool vrf;
};

/**
 * struct rt_route - the way to an address
 * @there: there is one; nothing else is set if not
 * @local: it is an address of this node
 * @device: number of the device that packets leave by
 * @gateway: of length 0 if the address is on the device's own link
 * @source: what this node would speak from
 * @mtu: of the way as far as it is known
 */
struct rt_route {
	bool there;
	bool local;
	int device;
	struct address gateway;
	struct address source;
	uint32_t mtu;
};

/**
 * struct rt - the socket, and all devices
 * @sk: the socket
 * @cb: what libnl calls
 * @links: the devices
 * @count: how many
 * @room: how many there is memory for
 * @vrf: of each family, IPv4 first: number of the virtual router that routes are asked of, or 0
 */
struct rt {
	struct nl_sock *sk;
	struct nl_cb *cb;
	struct rt_link *links;
	size_t count;
	size_t room;
	int vrf[2];
};

int rt_open(struct rt *rt);
void rt_close(struct rt *rt);
const struct rt_link *rt_link(const struct rt *rt, int index);
const struct rt_link *rt_link_named(const struct rt *rt, const char *name);
void rt_follow(struct rt *rt, const struct address *own);
void rt_where(const struct rt *rt, const struct address *to, char text[RT_WHERE_ROOM]);
void rt_route(struct rt *rt, const struct address *to, struct rt_route *route);
bool rt_neighbour_is_known(struct rt *rt, int device, const struct address *address);
bool rt_neighbour_ask(struct rt *rt, int device, const struct address *address);

#endif /* LBADM_RT_H */
