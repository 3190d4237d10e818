# SPDX-License-Identifier: GPL-2.0-only
"""The module's own messages, for what lbadm would be too slow or too well-behaved."""
import os
import socket
import struct

from . import ns

_GENERIC, _CONTROL = 16, 16
_GETFAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_ERROR, _DONE = 2, 3

_PART = 8192        # the kernel puts as much of a list into one read

STATUS_GET, FLOW_ADD, FLOW_GET, STATS_GET = 1, 15, 17, 18
STATUS_FLOWS, STATUS_FLOW_BUCKETS, STATUS_ACTIVE = 9, 11, 13
FLOW_CLIENT_ADDR, FLOW_CLIENT_PORT, FLOW_EXPIRES, FLOW_ATTRS = 6, 7, 15, 22
STATS_BYPASSED = 8
_BACKEND_SET, _NODE_ADD, _BEGIN, _COMMIT, _ABORT = 9, 12, 19, 20, 21
_BACKEND_SERVICE, _BACKEND_ADDR, _BACKEND_PORT, _BACKEND_WEIGHT = 3, 4, 5, 6
_NODE_ADDR, _TXN_FLAGS, _REPLACE = 3, 2, 1


def attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def attrs(message):
    """{kind: bytes} of a message with its headers; of those that repeat, the last."""
    out, at = {}, 20
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        out[kind & 0x3fff] = message[at + 4:at + length]
        at += (length + 3) & ~3
    return out


def _messages(data):
    while data:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[:length]
        data = data[(length + 3) & ~3:]


class Genl:
    """A socket in namespace @name; what the module refuses is an OSError."""

    def __init__(self, name):
        self._socket = ns.make_socket(name, socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC)
        self._family = _CONTROL
        reply = self.ask(_GETFAMILY, attr(_FAMILY_NAME, b"bpflb\0"))
        self._family = struct.unpack("=H", attrs(reply)[_FAMILY_ID])[0]

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _send(self, command, body, flags):
        body = struct.pack("=BBH", command, 1, 0) + body
        self._socket.send(struct.pack("=IHHII", 16 + len(body), self._family, flags, 1, 0) + body)

    def ask(self, command, body=b""):
        """Returns the reply, or b"" if there is just an acknowledgement."""
        self._send(command, body, _REQUEST | _ACK)
        reply = b""
        while True:
            for kind, message in _messages(self._socket.recv(_PART)):
                if kind == _ERROR:
                    error = struct.unpack_from("=i", message, 16)[0]
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return reply
                reply = message

    def dump(self, command, body=b""):
        """Lists of messages, each made when the one before it was read."""
        self._send(command, body, _REQUEST | _DUMP)
        done = False
        while not done:
            batch = list(_messages(self._socket.recv(_PART)))
            done = any(kind in (_DONE, _ERROR) for kind, _ in batch)
            yield [message for kind, message in batch if kind == self._family]

    def table(self):
        """How many flows, of this namespace, and buckets, for all."""
        status = attrs(self.ask(STATUS_GET))
        return [struct.unpack("=I", status[a])[0] for a in (STATUS_FLOWS, STATUS_FLOW_BUCKETS)]

    def bypassed(self):
        """Packets that took bypass."""
        return struct.unpack("=Q", attrs(self.ask(STATS_GET))[STATS_BYPASSED])[0]



class Writer(Genl):
    """One who writes, in namespace @name: a transaction held open, which lbadm never does."""

    def begin(self, replace=False):
        self.ask(_BEGIN, attr(_TXN_FLAGS, struct.pack("=I", _REPLACE)) if replace else b"")

    def node_add(self, address):
        self.ask(_NODE_ADD, attr(_NODE_ADDR, socket.inet_aton(address)))

    def backend_set(self, service, address, port, weight):
        self.ask(_BACKEND_SET, attr(_BACKEND_SERVICE, service.encode() + b"\0") +
                 attr(_BACKEND_ADDR, socket.inet_aton(address)) +
                 attr(_BACKEND_PORT, struct.pack("!H", port)) +
                 attr(_BACKEND_WEIGHT, struct.pack("=I", weight)))

    def commit(self):
        self.ask(_COMMIT)

    def abort(self):
        self.ask(_ABORT)
