# SPDX-License-Identifier: GPL-2.0-only
"""The interface's own messages: a transaction held open, or a change without a process for it."""
import os
import socket
import struct

from net import ns

_GENERIC, _CONTROL = 16, 16
_GETFAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_REQUEST, _ACK = 1, 4
_ERROR = 2
_BACKEND_SET, _NODE_ADD, _BEGIN, _COMMIT, _ABORT = 9, 12, 19, 20, 21
_BACKEND_SERVICE, _BACKEND_ADDR, _BACKEND_PORT, _BACKEND_WEIGHT = 3, 4, 5, 6
_NODE_ADDR, _TXN_FLAGS, _REPLACE = 3, 2, 1


def _attr(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


class Writer:
    """A socket in namespace @name; what the module refuses is an OSError."""

    def __init__(self, name):
        self._socket = ns.make_socket(name, socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC)
        reply = self._send(_CONTROL, _GETFAMILY, _attr(_FAMILY_NAME, b"bpflb\0"))
        self._family = None
        at = 20
        while at + 4 <= len(reply):
            length, kind = struct.unpack_from("=HH", reply, at)
            if kind == _FAMILY_ID:
                self._family = struct.unpack_from("=H", reply, at + 4)[0]
            at += (length + 3) & ~3
        assert self._family

    def _send(self, family, command, attrs=b""):
        """Returns the reply, or b"" if there is just an acknowledgement."""
        body = struct.pack("=BBH", command, 1, 0) + attrs
        self._socket.send(struct.pack("=IHHII", 16 + len(body), family, _REQUEST | _ACK, 1, 0) + body)
        reply = b""
        while True:
            data = self._socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _ERROR:
                    error = struct.unpack_from("=i", data, 16)[0]
                    if error:
                        raise OSError(-error, os.strerror(-error))
                    return reply
                reply, data = data[:length], data[(length + 3) & ~3:]

    def begin(self, replace=False):
        self._send(self._family, _BEGIN,
                   _attr(_TXN_FLAGS, struct.pack("=I", _REPLACE)) if replace else b"")

    def node_add(self, address):
        self._send(self._family, _NODE_ADD, _attr(_NODE_ADDR, socket.inet_aton(address)))

    def backend_set(self, service, address, port, weight):
        self._send(self._family, _BACKEND_SET,
                   _attr(_BACKEND_SERVICE, service.encode() + b"\0") +
                   _attr(_BACKEND_ADDR, socket.inet_aton(address)) +
                   _attr(_BACKEND_PORT, struct.pack("!H", port)) +
                   _attr(_BACKEND_WEIGHT, struct.pack("=I", weight)))

    def commit(self):
        self._send(self._family, _COMMIT)

    def abort(self):
        self._send(self._family, _ABORT)

    def close(self):
        self._socket.close()
