# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong at an upgrade: nothing is lost by it, and nobody hears of it."""
import functools
import os
import socket
import subprocess
import tempfile

from exchange import carried
from net import clients, module, ns
from net.genl import Genl
from net.ktap import check, equal
from net.plan import V4
from rig import STATE, VERSIONS, Rig, answers, file_of

PROGRAMS = ("nft", "modinfo", "insmod", "modprobe")


def programs(directory, **instead):
    """An environment whose PATH has what lbadm runs; @instead: a script, or None for none."""
    for name in PROGRAMS:
        path = f"{directory}/{name}"
        script = instead.get(name, f'exec /usr/sbin/{name} "$@"')
        if script:
            with open(path, "w") as f:
                f.write(f"#!/bin/sh\n{script}\n")
            os.chmod(path, 0o755)
    return {"PATH": directory}


def same_module(rig, text):
    """Refused beforehand: the module has not even been unloaded."""
    r = rig().begin("snat")
    with clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as c:
        name = c.ask().name
        before = r.cluster.json("n1", "status")["generation"]
        for status, sentence, words, env in text:
            got, out = r.upgrade(*words, env=env)
            equal(got, status, f"exit status of {words}", out.splitlines)
            check(sentence in out, f"said {sentence}", out.splitlines)
            equal(r.cluster.json("n1", "status")["generation"], before, "generation")
            equal(c.ask().name, name, "server")
            r.nothing_is_left()


def refused(rig):
    with tempfile.TemporaryDirectory() as d:
        with open(f"{d}/no-module.ko", "w") as f:
            f.write("nothing")
        other = f"{d}/other.ko"
        with open(file_of("newer"), "rb") as f:
            data = f.read()
        with open(other, "wb") as f:
            f.write(data.replace(b"vermagic=" + os.uname().release.encode()[:2], b"vermagic=9."))
        rig().begin("snat")
        same_module(rig, [
            (1, "is not a bpflb module", [f"{d}/no-module.ko"], None),
            (1, "is not a bpflb module", [f"{d}/nothing.ko"], None),
            (2, "is for kernel 9.", [other], None),
            (1, "unknown word '--fast'", ["--fast"], None),
            (2, "install nftables", [file_of("newer")], programs(d, nft=None))])


def no_way_back(rig):
    """The file of the module that is loaded is not there any more; a copy is kept of what upgrade has loaded."""
    r = rig().begin("snat")
    equal(r.upgrade(file_of("newer"))[0], 0, "exit status")
    check(os.path.exists(f"{STATE}/loaded.ko"), "no copy is kept")
    os.unlink(f"{STATE}/loaded.ko")
    status, out = r.upgrade()
    equal(status, 2, "exit status", out.splitlines)
    check("there is no way back" in out, "said", out.splitlines)
    equal(r.version(), VERSIONS["newer"], "version")
    equal(r.upgrade("--old", file_of("newer"))[0], 0, "exit status with --old")
    equal(r.version(), VERSIONS["own"], "version")


def kept(rig):
    """Another module is installed over the one that is loaded: the copy that was made is the way back."""
    r = rig().begin("snat")
    equal(r.upgrade("--keep"), (0, ""), "--keep")
    installed = subprocess.run(["modinfo", "-n", "bpflb"], capture_output=True, text=True, check=True).stdout.strip()
    with open(installed, "rb") as f:
        own = f.read()
        for broken, status, version in ((True, 2, "own"), (False, 0, "newer")):
            with open(file_of("newer"), "rb") as f:
                data = f.read()
            data = data.replace(b"nf_register_net_hooks", b"nf_register_net_hookz") if broken else data
            replace(installed, data)
            got, out = r.upgrade()
            replace(installed, own)
            equal(got, status, "exit status", out.splitlines)
            equal(r.version(), VERSIONS[version], "version")


def replace(path, data):
    """As a package does; the file that was there is a hard link of others."""
    with open(f"{path}.new", "wb") as f:
        f.write(data)
    os.rename(f"{path}.new", path)


def does_not_load(rig):
    """Connections go on with the old module, in all modes."""
    for mode in ("snat", "dsr"):
        r = rig().begin(mode)
        with tempfile.TemporaryDirectory() as d, open(file_of("newer"), "rb") as f:
            broken = f"{d}/bpflb.ko"
            with open(broken, "wb") as out:
                # a symbol that no kernel has
                out.write(f.read().replace(b"nf_register_net_hooks", b"nf_register_net_hookz"))
            out = carried(r, None, 2, [broken], "the one from before is loaded again")
        equal(r.version(), VERSIONS["own"], "version")
        check("can't load" in out, "said", out.splitlines)


def does_not_take_it(rig):
    """An older module that knows a setting not is none; the other one is loaded again."""
    r = rig().begin("dsr", "opt", "ping on")
    out = carried(r, "older", 2, [], "the one from before is loaded again")
    equal(r.version(), VERSIONS["own"], "version")
    check("has not got its configuration" in out and "ping on" in out, "said", out.splitlines)


def silent(r):
    """Nobody answers at the service's address, and nobody resets what is open."""
    with r.cluster.net.socket("c0", r.plan.family, socket.SOCK_STREAM) as s:
        s.settimeout(0.5)
        try:
            s.connect(r.web.front(r.plan))
        except TimeoutError:
            return
    check(False, "somebody answers")


def killed(rig):
    """lbadm dies in the gap: nobody is answered until --resume has put all of it back."""
    r = rig().begin("snat")
    with tempfile.TemporaryDirectory() as d, clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan), timeout=60) as c, \
            r.cluster.capture() as capture:
        name = c.ask().name
        before = r.flows({c.local[1]})
        status, _ = r.upgrade(file_of("newer"), env=programs(d, insmod="kill -9 $PPID"))
        equal((status, module.loaded()), (-9, False), "exit status, and the module")
        equal(r.gates(), list(r.plan.nodes), "nodes that drop packets")
        silent(r)
        c.request()
        status, out = r.upgrade("--resume")
        equal(status, 0, "exit status", out.splitlines)
        equal(r.version(), VERSIONS["newer"], "version")
        equal(r.flows({c.local[1]}), before, "flows")
        equal(c.answer().name, name, "server")
        r.nobody_answers_wrongly(capture)
    r.nothing_is_left()
    equal(r.upgrade("--resume"), (0, "no module was unloaded\n"), "a second time")


def killed_before(rig):
    """lbadm dies with the gates closed, before it has unloaded anything."""
    r = rig().begin("snat")
    with tempfile.TemporaryDirectory() as d, clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan), timeout=60) as c:
        name = c.ask().name
        status, _ = r.upgrade(file_of("newer"), env=programs(d, nft='/usr/sbin/nft "$@"; kill -9 $PPID'))
        equal((status, module.loaded()), (-9, True), "exit status, and the module")
        equal(r.gates() != [], True, "a gate is closed")
        equal(r.upgrade("--resume"), (0, "no module was unloaded\n"), "resume")
        equal(c.ask().name, name, "server")
    r.nothing_is_left()
    check(answers(r), "a new connection")


def in_the_way(rig):
    """After a crash nothing else begins; and there is one upgrade at a time."""
    r = rig().begin("snat")
    os.makedirs(f"{STATE}/upgrade", exist_ok=True)
    status, out = r.upgrade(file_of("newer"))
    equal((status, "lbadm upgrade --resume" in out), (2, True), out)
    os.rmdir(f"{STATE}/upgrade")
    with open(f"{STATE}/lock", "w") as f:
        subprocess.run(["flock", "-n", str(f.fileno())], pass_fds=[f.fileno()], check=True)
        status, out = r.upgrade(file_of("newer"))
        equal((status, "another lbadm upgrades" in out), (2, True), out)
    equal(r.version(), VERSIONS["own"], "version")


def unreachable(rig):
    """A namespace that has services, and nobody can enter: it would lose them, so nothing is done."""
    r = rig().begin("snat")
    ns.create("nowhere")
    r.cluster.net.run("n1", ["/bin/true"])
    with Genl("nowhere"):
        r.cluster.lbadm("n1", "status")
        subprocess.run([os.environ.get("LBADM", "build/lbadm"), "-n", "nowhere", "service", "add", "web", "tcp",
                        "192.0.2.1:80"], check=True)
        ns.delete("nowhere")
        status, out = r.upgrade(file_of("newer"))
        equal(status, 2, "exit status", out.splitlines)
        check("1 network namespaces with services can't be reached" in out, "said", out.splitlines)
        equal(r.version(), VERSIONS["own"], "version")
    check(answers(r), "a new connection")


def without_nftables(rig):
    """--force does without; packets get wrong answers then, but what stands still goes on."""
    r = rig().begin("snat")
    with tempfile.TemporaryDirectory() as d, clients.Tcp(r.cluster.net, "c0", r.web.front(r.plan)) as c:
        name = c.ask().name
        status, out = r.upgrade(file_of("newer"), "--force", env=programs(d, nft=None))
        equal(status, 0, "exit status", out.splitlines)
        equal(c.ask().name, name, "server")
    equal(r.version(), VERSIONS["newer"], "version")


def tests(_subset):
    rig = functools.lru_cache(functools.partial(Rig, V4))
    return [(name, functools.partial(f, rig)) for name, f in (
        ("refused: no module, another kernel's, no nftables", refused),
        ("no way back is refused", no_way_back),
        ("another is installed over the loaded one", kept),
        ("a module that does not load", does_not_load),
        ("a module that does not take the configuration", does_not_take_it),
        ("killed in the gap", killed),
        ("killed before the gap", killed_before),
        ("one at a time", in_the_way),
        ("a namespace that nobody can enter", unreachable),
        ("without nftables", without_nftables))]
