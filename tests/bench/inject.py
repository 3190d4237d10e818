# SPDX-License-Identifier: GPL-2.0-only
"""Packets of many flows into the IP stack, by the module in inject/, whose header says more."""
import fcntl
import ipaddress
import os
import socket
import struct

_FLOW = struct.Struct("=16s16s4sBB2x")
_RUN = struct.Struct("=16s16sQQQIIBB38s")
_INJECT_RUN = 3 << 30 | _RUN.size << 16 | ord("b") << 8 | 1
_DEVICE = "/dev/bpflb_inject"

PROTO = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
SYN, ACK, PUSH = 0x02, 0x10, 0x08

# Each client has ports that SNAT may keep: below the ephemeral ones and the node ports.
_PORTS_FIRST, _PORTS = 1024, 16384
_CLIENTS = {4: "10.1.0.0", 6: "2001:db8:c::"}


def flows(count, to, proto, start=0):
    """@count flows of many clients to @to, an (address, port); none is in two ranges from @start on."""
    to, port = ipaddress.ip_address(to[0]), to[1]
    first = int(ipaddress.ip_address(_CLIENTS[to.version])) + 1
    length, six = to.max_prefixlen // 8, to.version == 6
    out = bytearray(count * _FLOW.size)
    for i in range(count):
        client, source = divmod(start + i, _PORTS)
        _FLOW.pack_into(out, i * _FLOW.size, (first + client).to_bytes(length, "big"), to.packed,
                        struct.pack("!HH", _PORTS_FIRST + source, port), PROTO[proto], six)
    return out


class Injector:
    """@what: the flows, as flows() or answers() gives them."""

    def __init__(self, what):
        self.count = len(what) // _FLOW.size
        self._fd = os.open(_DEVICE, os.O_RDWR)
        os.write(self._fd, what)

    def close(self):
        os.close(self._fd)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def run(self, device, count=None, learn="", flags=0, seq=1, ack=1, option=b""):
        """Injects @count packets, by default one of each flow; (begin, end) in ns.

        In the caller's namespace. Others may run meanwhile. What leaves by
        @learn is what answers() turns round.
        """
        run = bytearray(_RUN.pack(device.encode(), learn.encode(), count or self.count, 0, 0,
                                  seq, ack, flags, len(option), option))
        fcntl.ioctl(self._fd, _INJECT_RUN, run)
        return _RUN.unpack(run)[3:5]

    def answers(self):
        out = bytearray()
        while piece := os.pread(self._fd, 1 << 24, len(out)):
            out += piece
        return out
