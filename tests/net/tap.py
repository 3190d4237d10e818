# SPDX-License-Identifier: GPL-2.0-only
"""Two tap devices and the wire between them: a machine whose frames come from a program, as a virtual machine's do."""
import contextlib
import fcntl
import os
import selectors
import struct
import threading

_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454ca, 2, 0x1000
_FRAME = 65536


def _tap(topology, place, link):
    with topology.inside(place):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH22x", link.encode(), _IFF_TAP | _IFF_NO_PI))
    return fd


class Taps:
    """@ends: two times (place, link); the devices live until close()."""

    def __init__(self, topology, *ends):
        self._fds = [_tap(topology, *end) for end in ends]
        self._selector = selectors.DefaultSelector()
        for fd, other in zip(self._fds, reversed(self._fds)):
            self._selector.register(fd, selectors.EVENT_READ, other)
        self._end, wake = os.pipe()
        self._selector.register(self._end, selectors.EVENT_READ)
        self._wake = wake
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                # A device that is down yet takes nothing, and one that is full loses it.
                with contextlib.suppress(OSError):
                    os.write(key.data, os.read(key.fd, _FRAME))

    def close(self):
        os.write(self._wake, b"x")
        self._thread.join()
        self._selector.close()
        for fd in (*self._fds, self._end, self._wake):
            os.close(fd)
