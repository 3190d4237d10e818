# SPDX-License-Identifier: GPL-2.0-only
"""A transaction held open, which lbadm never does."""
import socket
import struct

from net.genl import Genl, attr

_NODE_ADD, _BEGIN, _COMMIT, _ABORT = 12, 19, 20, 21
_NODE_ADDR, _TXN_FLAGS, _REPLACE = 3, 2, 1


class Writer(Genl):
    """One who writes, in namespace @name."""

    def begin(self, replace=False):
        self.ask(_BEGIN, attr(_TXN_FLAGS, struct.pack("=I", _REPLACE)) if replace else b"")

    def node_add(self, address):
        self.ask(_NODE_ADD, attr(_NODE_ADDR, socket.inet_aton(address)))

    def commit(self):
        self.ask(_COMMIT)

    def abort(self):
        self.ask(_ABORT)
