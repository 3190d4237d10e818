# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces without a process for each step.

Under emulation starting a program costs some 50 ms, so namespaces are made and
entered by system calls. A socket stays in the namespace that it was made in:
enter, make it, come back.
"""
import contextlib
import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess
import sys

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_SHARED = 0x1000, 0x4000, 1 << 20
_MNT_DETACH = 2
RUN = "/run/netns"
_TENTATIVE = 0x40
_SIOCGIFFLAGS, _IFF_UP = 0x8913, 1

# ethtool's old one-flag commands; "off" before "on" matters to no driver here.
_SIOCETHTOOL = 0x8946
_OFFLOADS = {"rx": 0x15, "tx": 0x17, "sg": 0x19, "tso": 0x1f, "gso": 0x24, "gro": 0x2c}


def _call(name, *args):
    if getattr(_libc, name)(*args):
        err = ctypes.get_errno()
        raise OSError(err, f"{name}: {os.strerror(err)}")


def _path(name):
    return f"{RUN}/{name}"


def _setns(fd):
    _call("setns", fd, _CLONE_NEWNET)


@contextlib.contextmanager
def inside(name):
    """The calling thread, and what it starts, is in namespace @name."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(_path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _setns(home)
    finally:
        os.close(home)


def create(name):
    """What `ip netns add` does: such a namespace is seen by ip and lbadm -n."""
    os.makedirs(RUN, exist_ok=True)
    try:
        _call("mount", b"", RUN.encode(), None, _MS_SHARED | _MS_REC, None)
    except OSError:     # not a mount point yet: the first namespace here
        _call("mount", RUN.encode(), RUN.encode(), None, _MS_BIND | _MS_REC, None)
        _call("mount", b"", RUN.encode(), None, _MS_SHARED | _MS_REC, None)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.close(os.open(_path(name), os.O_CREAT | os.O_EXCL | os.O_RDONLY, 0))
        _call("unshare", _CLONE_NEWNET)
        try:
            _call("mount", b"/proc/thread-self/ns/net", _path(name).encode(), None, _MS_BIND, None)
        finally:
            _setns(home)
    finally:
        os.close(home)


def delete(name):
    """Takes the name away; the namespace ends with its last socket and process."""
    with contextlib.suppress(OSError):
        _call("umount2", _path(name).encode(), _MNT_DETACH)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(name))


def make_socket(name, *args):
    with inside(name):
        return socket.socket(*args)


def sysctl(name, settings):
    """Writes {"ipv4/ip_forward": 1, …} below /proc/sys/net of namespace @name."""
    with inside(name):
        for key, value in settings.items():
            with open(f"/proc/sys/net/{key}", "w") as f:
                f.write(str(value))


def links(name):
    with inside(name):
        return [link for _, link in socket.if_nameindex()]


def listens(name, proto, port):
    """Whether a socket of @name waits for anybody at @port."""
    anybody = re.compile(rf":{port:04X} 0+:0000 ")
    with inside(name):
        for table in (proto, f"{proto}6"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/thread-self/net/{table}") as f:
                if anybody.search(f.read()):
                    return True
    return False


def can_ask(name):
    """Whether each link of @name that is up and has IPv6 has its own address there, without which no
    neighbour is asked for. The ip6tnl0 that each namespace gets once there is ip6_tunnel is down."""
    with inside(name):
        have = {link for _, link in socket.if_nameindex() if link != "lo" and _is_up(link) and not _disabled(link)}
        with open("/proc/thread-self/net/if_inet6") as f:
            # address, index, length, scope, flags, link
            lines = [line.split() for line in f]
    return have <= {line[5] for line in lines if line[0].startswith("fe80") and not int(line[4], 16) & _TENTATIVE}


def _is_up(link):
    with socket.socket() as s:
        flags = fcntl.ioctl(s, _SIOCGIFFLAGS, struct.pack("=16s16x", link.encode()))
    return int.from_bytes(flags[16:18], sys.byteorder) & _IFF_UP


def _disabled(link):
    """Or it has no IPv6 at all, as the tunl0 that each namespace gets once there is ipip."""
    try:
        with open(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6") as f:
            return f.read().strip() == "1"
    except FileNotFoundError:
        return True


def offloads(name, on, which=tuple(_OFFLOADS)):
    """Switches checksum, scatter and segmentation offloads of every link of @name."""
    with inside(name), socket.socket() as s:
        for link in (link for _, link in socket.if_nameindex() if link != "lo"):
            for command in map(_OFFLOADS.get, which):
                value = ctypes.create_string_buffer(struct.pack("=II", command, on))
                request = struct.pack("16sP16x", link.encode(), ctypes.addressof(value))
                # A bridge has no receive checksum to switch: only links with it matter.
                with contextlib.suppress(OSError):
                    fcntl.ioctl(s, _SIOCETHTOOL, request)


def device(name, link, settings):
    """Writes {"gro_flush_timeout": 0, …} below /sys/class/net/LINK of namespace @name, whose /sys is another."""
    subprocess.run(["ip", "netns", "exec", name, "sh", "-ec",
                    "\n".join(f"echo {v} >/sys/class/net/{link}/{k}" for k, v in settings.items())],
                   check=True, timeout=60)


def features(name, link, words):
    """`ethtool -K LINK WORDS` in @name; what the device has not, or not without another, is as it was."""
    with inside(name):
        subprocess.run(["ethtool", "-K", link, *words.split()], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=60)
