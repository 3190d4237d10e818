# SPDX-License-Identifier: GPL-2.0-only
"""The backends: nginx for TCP, an echo in this process for UDP, socat for both.

Each tells whom it saw and who it is, in one line: Answer.
"""
import contextlib
import ipaddress
import itertools
import os
import selectors
import socket
import struct
import subprocess
import tempfile
import threading
from dataclasses import dataclass

from .plan import V4, endpoint
from .topology import stop

TCP_PORT, UDP_PORT = 8080, 9090


@dataclass
class Answer:
    client: str         # address and port that the server saw
    client_port: int
    server: str         # address and port that the server was asked at
    server_port: int
    name: str           # who the server is
    token: str          # what it was asked

    @classmethod
    def parse(cls, line):
        client, client_port, server, server_port, name, token = line.split()[:6]
        return cls(_plain(client), int(client_port), _plain(server), int(server_port), name, token)


def _plain(address):
    """socat writes all zeros of an IPv6 address, and brackets."""
    return str(ipaddress.ip_address(address.strip("[]")))


_NGINX = """
daemon off; user root; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
worker_rlimit_nofile 16384;
events {{ worker_connections 8000; }}
http {{
    access_log off; default_type text/plain; keepalive_requests 1000000; keepalive_timeout 1h;
    client_body_temp_path {dir}/a; proxy_temp_path {dir}/b; fastcgi_temp_path {dir}/c;
    uwsgi_temp_path {dir}/d; scgi_temp_path {dir}/e;
{servers}
}}
"""
_NGINX_SERVER = """
    server {{
        listen {at} backlog=4096;
        location / {{
            return 200 "$remote_addr $remote_port $server_addr $server_port {name} $request_uri\\n";
        }}
        location /files/ {{ alias {dir}/; }}
    }}
"""


class Nginx:
    """One nginx for all of @places, in both families.

    Its sockets are made here, each in its own namespace, and given to it the way
    that nginx gives them to its successor (NGINX=fd;fd;…). So a single start
    serves all machines, and they listen before it even runs.
    """

    def __init__(self, topology, places, port=TCP_PORT):
        self.dir = tempfile.mkdtemp(prefix="nginx-")
        sockets, servers = [], []
        for plan, place in itertools.product(topology.plans, places):
            address = plan.address(place)
            s = topology.socket(place, plan.family, socket.SOCK_STREAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
            s.listen(4096)
            sockets.append(s)
            servers.append(_NGINX_SERVER.format(at=endpoint(address, port), name=place, dir=self.dir))
        with open(f"{self.dir}/nginx.conf", "w") as f:
            f.write(_NGINX.format(dir=self.dir, servers="".join(servers)))
        fds = [s.fileno() for s in sockets]
        self._process = topology.popen(
            "c0", ["nginx", "-c", f"{self.dir}/nginx.conf"], pass_fds=fds, stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "NGINX": "".join(f"{fd};" for fd in fds)})
        for s in sockets:
            s.close()

    def file(self, name, size):
        """Makes a file that every server has at /files/NAME; returns its bytes."""
        data = os.urandom(size)
        with open(f"{self.dir}/{name}", "wb") as f:
            f.write(data)
        return data

    def close(self):
        stop(self._process)
        subprocess.run(["rm", "-rf", self.dir], check=False)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class UdpEcho:
    """One thread that answers for all of @places, in both families, on the socket that was asked."""

    def __init__(self, topology, places, port=UDP_PORT):
        self._selector = selectors.DefaultSelector()
        self._sockets = []
        for plan, place in itertools.product(topology.plans, places):
            address = plan.address(place)
            s = topology.socket(place, plan.family, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.bind((address, port))
            s.setblocking(False)
            self._sockets.append(s)
            self._selector.register(s, selectors.EVENT_READ, f"{address} {port} {place}")
        self._stop, self._stopped = socket.socketpair()
        self._selector.register(self._stopped, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                with contextlib.suppress(OSError):
                    data, peer = key.fileobj.recvfrom(65536)
                    answer = f"{peer[0]} {peer[1]} {key.data} {data.decode()}"
                    key.fileobj.sendto(answer.encode(), peer)

    def close(self):
        self._stop.close()
        self._thread.join()
        for s in [*self._sockets, self._stopped]:
            s.close()
        self._selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def socat_echo(topology, place, proto="udp", port=7070, plan=V4):
    """A process for each datagram or connection: what many small services look like."""
    version = 6 if plan.ipv6 else 4
    listen = {"udp": f"UDP{version}-RECVFROM", "tcp": f"TCP{version}-LISTEN"}[proto]
    address = plan.address(place)
    shell = f"read -r word; echo $SOCAT_PEERADDR $SOCAT_PEERPORT {address} {port} {place} $word"
    shell = shell.replace(":", "\\:")      # which would begin another parameter
    at = f"[{address}]" if plan.ipv6 else address
    return topology.popen(place, ["socat", f"{listen}:{port},bind={at},fork,reuseaddr",
                                  f"SYSTEM:{shell}"], stderr=subprocess.DEVNULL)


class Blocks:
    """Answers what it is sent, in this process: of TCP blocks that have their length before them, of UDP each datagram."""

    def __init__(self, topology, place, address, port, family):
        self._tcp = topology.socket(place, family, socket.SOCK_STREAM)
        self.udp = topology.socket(place, family, socket.SOCK_DGRAM)
        for s in (self._tcp, self.udp):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((address, port))
        self._tcp.listen(16)
        for serve in (self._accept, self._receive):
            threading.Thread(target=serve, daemon=True).start()

    def answer(self, data, peer):
        raise NotImplementedError

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=self._tcp.accept(), daemon=True).start()

    def _serve(self, conn, peer):
        with conn, contextlib.suppress(OSError):
            stream = conn.makefile("rb")
            while head := stream.read(4):
                conn.sendall(self.answer(stream.read(struct.unpack("!I", head)[0]), peer))

    def _receive(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(65536)
                self.udp.sendto(self.answer(data, peer), peer)
