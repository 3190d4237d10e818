# SPDX-License-Identifier: GPL-2.0-only
"""Links, addresses and routes by rtnetlink: no program to start for each namespace."""
import ipaddress
import os
import socket
import struct

from . import ns

_DONE, _NEWLINK, _GETLINK, _NEWADDR, _NEWROUTE, _NEWNEIGH = 3, 16, 18, 20, 24, 28
_REQUEST, _ACK, _EXCL, _DUMP, _CREATE = 1, 4, 0x200, 0x300, 0x400
_IFF_UP, _IFF_LOOPBACK = 1, 8
_OPERSTATE, _OPER_UP = 16, 6
_UNIVERSE, _ON_LINK = 0, 253
_NO_DAD = 2
_TABLE_MAIN, _BY_ADMIN, _UNICAST = 254, 4, 1
_SIZES = 41, 58, 63, 64     # IFLA_GSO_MAX_SIZE, IFLA_GRO_MAX_SIZE, and both for IPv4


def _attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _name(link):
    return _attr(3, link.encode() + b"\0")


def _octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def _mac(address):
    return _attr(1, _octets(address)) if address else b""


def _link(index=0, flags=0, change=0):
    return struct.pack("=BxHiII", 0, 0, index, flags, flags | change)


class Rtnl:
    """Changes what is in namespace @name; a refusal is an OSError."""

    def __init__(self, name):
        self._name = name
        self._socket = ns.make_socket(name, socket.AF_NETLINK, socket.SOCK_RAW, 0)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._socket.close()

    def _ask(self, kind, body, flags=_CREATE | _EXCL):
        header = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, 1, 0)
        self._socket.send(header + body)
        error = struct.unpack_from("=i", self._socket.recv(65536), 16)[0]
        if error:
            raise OSError(-error, f"{self._name}: rtnetlink: {os.strerror(-error)}")

    def _index(self, link):
        with ns.inside(self._name):
            return socket.if_nametoindex(link)

    def running(self):
        """Whether the kernel has seen the carrier of each link that is up, and that those which
        are down have none, and told everybody.

        IFF_RUNNING is set before; what comes after it, at any later time, makes all routes be
        looked up again.
        """
        self._socket.send(struct.pack("=IHHII", 32, _GETLINK, _REQUEST | _DUMP, 1, 0) + _link())
        seen, more = True, True
        while more:
            data = self._socket.recv(1 << 18)
            while data and more:
                length, kind = struct.unpack_from("=IH", data)
                more = kind != _DONE
                seen = seen and (not more or _has_carrier(data[16:length]))
                data = data[(length + 3) & ~3:]
        return seen

    def veth(self, link, mac, peer_name, peer_link, peer_mac=None):
        """A pair: @link here, @peer_link in namespace @peer_name."""
        with open(f"{ns.RUN}/{peer_name}", "rb") as there:
            peer = _link() + _name(peer_link) + _mac(peer_mac) + \
                _attr(28, struct.pack("=i", there.fileno()))
            info = _attr(1, b"veth") + _attr(2, _attr(1, peer))
            self._ask(_NEWLINK, _link() + _name(link) + _mac(mac) + _attr(18, info))

    def bridge(self, link):
        info = _attr(1, b"bridge") + _attr(2, _attr(23, b"\0"))     # no multicast snooping
        self._ask(_NEWLINK, _link() + _name(link) + _attr(18, info))

    def up(self, link, master=None):
        body = _link(self._index(link), _IFF_UP)
        if master:
            body += _attr(10, struct.pack("=I", self._index(master)))
        self._ask(_NEWLINK, body, 0)

    def down(self, link):
        self._ask(_NEWLINK, _link(self._index(link), change=_IFF_UP), 0)

    def packets(self, link, size):
        """The largest packet that is put together for the device, or by it; IPv4's has a length of its own since 6.3."""
        self._ask(_NEWLINK, _link(self._index(link)) + b"".join(_attr(kind, struct.pack("=I", size)) for kind in _SIZES), 0)

    def address(self, link, address, length):
        """One of IPv6 is not looked for on the link first: it can be used at once."""
        ip = ipaddress.ip_address(address)
        body = struct.pack("=BBBBI", _family(ip), length, _NO_DAD if ip.version == 6 else 0, 0,
                           self._index(link))
        self._ask(_NEWADDR, body + _attr(1, ip.packed) + _attr(2, ip.packed))

    def route(self, to, via=None, link=None, source=None):
        to = ipaddress.ip_network(to)
        scope = _UNIVERSE if via else _ON_LINK
        body = struct.pack("=BBBBBBBBI", _family(to), to.prefixlen, 0, 0,
                           _TABLE_MAIN, _BY_ADMIN, scope, _UNICAST, 0)
        if to.prefixlen:
            body += _attr(1, to.network_address.packed)
        if link:
            body += _attr(4, struct.pack("=I", self._index(link)))
        for kind, address in ((5, via), (7, source)):
            if address:
                body += _attr(kind, ipaddress.ip_address(address).packed)
        self._ask(_NEWROUTE, body)

    def neighbour(self, link, address, mac):
        """One that is known for good: no ARP."""
        ip = ipaddress.ip_address(address)
        body = struct.pack("=BxxxiHBB", _family(ip), self._index(link), 0x80, 0, 0)
        self._ask(_NEWNEIGH, body + _attr(1, ip.packed) + _attr(2, _octets(mac)))


def _has_carrier(link):
    """@link: a struct ifinfomsg and its attributes."""
    flags, at = struct.unpack_from("=I", link, 8)[0], 16
    if flags & _IFF_LOOPBACK:
        return True
    while at < len(link):
        length, kind = struct.unpack_from("=HH", link, at)
        if kind == _OPERSTATE:
            return (link[at + 4] == _OPER_UP) == bool(flags & _IFF_UP)
        at += (length + 3) & ~3
    return False


def running(name):
    """Rtnl.running() of namespace @name."""
    with Rtnl(name) as rtnl:
        return rtnl.running()


def _family(ip):
    return socket.AF_INET if ip.version == 4 else socket.AF_INET6
