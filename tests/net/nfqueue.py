# SPDX-License-Identifier: GPL-2.0-only
"""A program that packets are queued for (NFQUEUE), and that lets all of them go on."""
import select
import socket
import struct
import threading

from . import ns

_NETLINK_NETFILTER, _SUBSYSTEM = 12, 3 << 8
_PACKET, _VERDICT, _CONFIG = _SUBSYSTEM, _SUBSYSTEM | 1, _SUBSYSTEM | 2
_HEADER = struct.Struct("=IHHII BBH")       # struct nlmsghdr, struct nfgenmsg


def _attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


class Queue:
    """Queue @number of namespace @name. @seen: how many packets came by."""

    def __init__(self, name, number=5):
        self._number, self.seen = number, 0
        self._end = threading.Event()
        self._socket = ns.make_socket(name, socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._send(_CONFIG, _attr(1, struct.pack("!BBH", 1, 0, 0)))         # bind
        self._send(_CONFIG, _attr(2, struct.pack("!IB", 0, 1)))             # without their bytes
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _send(self, kind, attrs):
        head = _HEADER.pack(_HEADER.size + len(attrs), kind, 1, 0, 0, 0, 0, socket.htons(self._number))
        self._socket.send(head + attrs)

    def _run(self):
        while not self._end.is_set():
            if not select.select([self._socket], [], [], 0.1)[0]:
                continue
            data = self._socket.recv(1 << 16)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _PACKET:
                    packet = data[_HEADER.size + 4:][:4]        # of the first attribute, its id
                    self.seen += 1
                    self._send(_VERDICT, _attr(2, struct.pack("!I", 1) + packet))
                data = data[(length + 3) & ~3:]

    def close(self):
        self._end.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
