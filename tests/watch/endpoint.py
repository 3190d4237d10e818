# SPDX-License-Identifier: GPL-2.0-only
"""The units, and what curl gets from lbadm metrics --http behind a socket."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import time

from exposition import TOP, Metrics
from lb import ABSENT, LBADM, in_space
from metrics import configured
from net import module, ns
from net.ktap import check, equal, eventually

UNITS = os.path.join(TOP, "dist/systemd")
INSTALLED = "/usr/sbin/lbadm"
PORT = 9633


def unit(name):
    """[(key, value)] of a unit's file."""
    with open(os.path.join(UNITS, name), encoding="utf-8") as f:
        return re.findall(r"^(\w+)=(.*)$", f.read(), re.M)


@contextlib.contextmanager
def installed():
    """lbadm where the units look for it; a guest's own file system."""
    shutil.copy(LBADM, INSTALLED)
    try:
        yield
    finally:
        os.unlink(INSTALLED)


def systemd_accepts_the_units():
    names = sorted(name for name in os.listdir(UNITS) if "metrics" in name)
    equal(len(names), 4, "units")
    with installed():
        done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                               *(os.path.join(UNITS, name) for name in names)],
                              capture_output=True, text=True, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "what systemd-analyze says")
    for name in names:
        # Exposure of 10.0 is a service without any of it.
        if name.endswith(".service"):
            done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=30",
                                   os.path.join(UNITS, name)], capture_output=True, text=True, check=False)
            equal(done.returncode, 0, f"exposure of {name}", done.stdout.splitlines()[-3:])


@contextlib.contextmanager
def listening(s):
    """The socket's command behind a socket, as systemd would, without any privilege."""
    command = dict(unit("bpflb-metrics@.service"))["ExecStart"].split()
    equal(dict(unit("bpflb-metrics.socket"))["ListenStream"], f"127.0.0.1:{PORT}", "address")
    # systemd-socket-activate gives one descriptor for both, as StandardInput=socket does.
    with installed(), subprocess.Popen(
            ["ip", "netns", "exec", s.name, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             "--bounding-set=-all", "--inh-caps=-all", "systemd-socket-activate", "--accept", "--inetd",
             f"--listen=127.0.0.1:{PORT}", *command],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as activator:
        try:
            eventually(lambda: b"" == ask(s, b""), "a listening socket")
            yield
        finally:
            activator.terminate()
            activator.communicate()


def dial(s):
    to = ns.make_socket(s.name, socket.AF_INET, socket.SOCK_STREAM)
    to.settimeout(20)
    to.connect(("127.0.0.1", PORT))
    return to


def read_all(from_):
    got = b""
    while more := from_.recv(65536):
        got += more
    return got


def ask(s, request):
    """All of the answer to @request; None while nobody listens."""
    try:
        with dial(s) as to:
            to.sendall(request)
            to.shutdown(socket.SHUT_WR)
            return read_all(to)
    except ConnectionRefusedError:
        return None


def answered(s, request):
    """Status, header (keys in lower case) and body."""
    head, _, body = ask(s, request).partition(b"\r\n\r\n")
    first, *fields = head.decode("ascii").split("\r\n")
    header = {key.lower(): value for key, value in (field.split(": ", 1) for field in fields)}
    check(re.fullmatch(r"HTTP/1\.1 \d{3} [A-Z][A-Za-z ]+", first), repr(first))
    equal(header["connection"], "close", "connection")
    check(time.strptime(header["date"], "%a, %d %b %Y %H:%M:%S GMT"), header["date"])
    return int(first.split()[1]), header, body


def curl(s, *args):
    done = subprocess.run(["ip", "netns", "exec", s.name, "curl", "-sS", "--max-time", "20", *args],
                          capture_output=True, check=False)
    equal((done.returncode, done.stderr), (0, b""), "curl's exit status and errors")
    return done.stdout.decode()


def up(s):
    configured(s)
    subprocess.run(["ip", "-n", s.name, "link", "set", "lo", "up"], check=True)


def what_curl_gets(s):
    up(s)
    url = f"http://127.0.0.1:{PORT}"
    with listening(s):
        text = s.do("metrics")
        for version in "--http1.1", "--http1.0":
            equal(curl(s, version, f"{url}/metrics"), text, f"metrics by {version}")
        head = curl(s, "-I", f"{url}/metrics")
        check(f"\r\nContent-Length: {len(text)}\r\n" in head and head.endswith("\r\n\r\n"), "HEAD", [head])
        status = "-s", "-o", "/dev/null", "-w", "%{http_code}"
        equal(curl(s, *status, f"{url}/"), "404", "another path")
        equal(curl(s, *status, "-d", "x" * 60000, f"{url}/metrics"), "405", "a POST")
        equal(curl(s, *status, "-X", "DELETE", f"{url}/metrics"), "405", "a DELETE")
        equal(curl(s, *status, "-H", "X: " + "x" * 20000, f"{url}/metrics"), "431", "a long header")
        equal(curl(s, *status, "-x", url, "http://n1.example/metrics"), "200", "as a proxy is asked")


def what_others_get(s):
    up(s)
    with listening(s):
        # One that says nothing for long has its answer by the time that the others have theirs.
        slow = dial(s)
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        began = time.monotonic()
        code, header, body = answered(s, b"GET /metrics HTTP/1.1\r\nHost: n1\r\n\r\n")
        equal((code, header["content-type"]), (200, "text/plain; version=0.0.4; charset=utf-8"), "GET")
        equal(int(header["content-length"]), len(body), "length")
        equal(Metrics(body.decode()).value("bpflb_services"), 3, "services")
        code, header, body = answered(s, b"HEAD /metrics HTTP/1.0\r\n\r\n")
        check(code == 200 and body == b"" and int(header["content-length"]) > 1000, f"HEAD: {code} {header}")
        code, header, body = answered(s, b"PUT /metrics HTTP/1.1\r\nHost: n1\r\n\r\n")
        equal((code, header["allow"], body), (405, "GET, HEAD", b"Method Not Allowed\n"), "PUT")
        for request, want in (
                (b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n", 404),
                (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
                (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),     # as TLS begins
                (b"\0" * 5000, 400),
                (b"GET /metrics HTTP/1.1", 400),
                (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
                (b"x" * 1000000, 431)):
            equal(answered(s, request)[0], want, f"status for {request[:40]!r}")
        equal(ask(s, b""), b"", "answer to nothing")
        with slow:
            got = read_all(slow)
        check(got.startswith(b"HTTP/1.1 408 "), "half a request", [repr(got)])
        check(time.monotonic() - began > 4, f"after {time.monotonic() - began:.1f} s")


def without_the_module(s):
    """503 is what Prometheus takes for down; the file of before stays."""
    up(s)
    path = os.path.join(s.dir, "bpflb.prom")
    s.do("metrics", "--output", path)
    with listening(s):
        module.unload()
        try:
            code, _, body = answered(s, b"GET /metrics HTTP/1.1\r\nHost: n1\r\n\r\n")
            equal((code, body), (503, b"Service Unavailable\n"), "answer")
            equal(s.say("metrics", "--output", path).code, ABSENT, "exit status")
            check(os.path.getsize(path) > 1000, "the file of before is gone")
        finally:
            module.load()


def tests(_subset):
    return [
        ("systemd accepts the units", systemd_accepts_the_units),
        ("what curl gets", in_space(what_curl_gets)),
        ("what others get", in_space(what_others_get)),
        ("without the module", in_space(without_the_module)),
    ]
