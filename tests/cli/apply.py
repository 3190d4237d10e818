# SPDX-License-Identifier: GPL-2.0-only
"""A whole configuration: saved, applied, refused."""
import contextlib
import errno
import random
import threading
import time

from lb import REFUSED, fails, in_space, parsed
from net import genl
from net.ktap import check, equal, eventually

SAVED = """\
set mode hybrid
set flows-max 4096
set timeout tcp-fin 120s
set timeout udp-replied 3600s
set snat-address 10.0.0.1 10.0.0.2
set snat-ports 2000-3000
set nodeports 30000-30999
set dsr-device eth0 eth1
set dsr-sender device
set bypass off
set no-backend drop
set unknown-ports reject
set ping on
set nodeport-addresses 192.0.2.0/24,2001:db8::/32
set pods 10.244.1.0/24,fd00::/64
set masquerade all
set refused-notes strip
set dispatch ipip
set ipip-source 10.99.0.0/16,fd99::/64
node add 9.0.0.1
node add 192.168.0.11
service add a-second udp 192.0.2.10:53 dispatch l2
backend add a-second 10.0.0.9:53 local
service add b-second tcp 192.0.2.10:54 scheduler maglev table-size 251 affinity 60s
service add web tcp 192.0.2.10:443 internal:192.0.2.11:443 nodeport:30022 policy local bypass off
backend add web 9.0.0.2:80
backend add web 10.0.0.1:80 weight 0
backend add web 10.0.0.1:81 node 192.168.0.11 weight 10 state draining
backend add web 10.0.0.2:80 state terminating
"""


def save_is_what_was_applied(s):
    s.do("apply", s.file(SAVED))
    equal(s.do("save"), SAVED, "saved")


def the_order_of_a_file_is_its_own(s):
    """As long as things are there before they are named."""
    lines = SAVED.splitlines(keepends=True)
    random.seed(1)
    groups = [[x for x in lines if x.startswith(word)]
              for word in ("set", "node", "service", "backend")]
    for group in groups:
        random.shuffle(group)
    text = "# all of it\n\n" + "".join("  " + x.replace(" ", "\t ") for g in groups for x in g)
    s.do("apply", s.file(text))
    equal(s.do("save"), SAVED, "saved")


def commands_and_files_say_the_same(s):
    for line in SAVED.splitlines():
        s.do(line)
    equal(s.do("save"), SAVED, "saved")


def twice_is_as_good_as_once(s):
    path = s.file(SAVED)
    first = s.json("apply", path)["generation"]
    equal(s.generation(), first, "generation of the first time")
    equal(s.json("apply", path)["generation"], first, "generation of the second time")
    equal(s.json("apply", s.file(s.do("save")))["generation"], first, "generation of what is saved")
    equal(s.generation(), first, "generation afterwards")


def an_empty_namespace_is_saved_and_applied(s):
    generation = s.generation()
    text = s.do("save")
    equal(text, "", "save of an empty namespace")
    equal(s.json("apply", s.file(text))["generation"], generation, "generation")


def the_rest_goes(s):
    s.do("apply", s.file(SAVED))
    first = s.generation()
    s.do("apply", s.file("node add 192.168.0.11\nservice add web tcp 192.0.2.10:443\n"
                         "backend add web 10.0.0.1:80\n"))
    equal(s.generation(), first + 1, "one change, however much it is")
    equal([x["address"] for x in s.json("node list")["nodes"]], ["192.168.0.11"], "nodes")
    equal([(x["name"], x["policy"]) for x in s.json("service list")["services"]],
          [("web", "cluster")], "services")
    equal([(x["address"], x["weight"]) for x in s.json("backend list")["backends"]],
          [("10.0.0.1", 1)], "backends")
    now = s.json("set")["settings"]
    equal((now["mode"], now["mode_origin"], now["timeouts"]["tcp_fin"], now["snat_addresses"]),
          ("snat", "module", 60, []), "settings are the defaults again")
    s.do("apply", "-", stdin="")
    status = s.json("status")["status"]
    equal([status[key] for key in ("services", "backends", "nodes")], [0, 0, 0], "all gone")


def refused(s, text, word, sentence=""):
    """The last line of @text is the one that the module refuses."""
    path = s.file(text)
    last = text.splitlines()[-1]
    column = last.index(word) + 1
    before, generation = s.do("save"), s.generation()
    fails(s.say("apply", path), REFUSED, sentence, word,
          f"{path}:{len(text.splitlines())}:{column}")
    equal(s.do("save"), before, "configuration after a refusal")
    equal(s.generation(), generation, "generation after a refusal")


def a_refused_line_changes_nothing(s):
    s.do("apply", s.file(SAVED))
    head = "# a new one\nnode add 10.9.9.9\nservice add new tcp 192.0.2.99:80\n"
    refused(s, head + "backend add old 10.0.0.1:80", "old")
    refused(s, head + "backend add new 10.0.0.1:80 weight 3 node 10.9.9.8", "10.9.9.8")
    refused(s, head + "service add new tcp 192.0.2.98:80", "new")
    refused(s, head + "service add newer tcp 192.0.2.98:80 192.0.2.99:80 policy local",
            "192.0.2.99:80")
    refused(s, head + "  node  add  10.9.9.9", "10.9.9.9")
    # What is there now is no part of what shall be.
    refused(s, head + "backend add web 10.0.0.1:82", "web")


def the_first_refused_line_counts(s):
    lines = [f"service add s{i} tcp 192.0.{i // 250}.{i % 250 + 1}:80\n" for i in range(1500)]
    lines[700] = "backend add nobody 10.0.0.1:80\n"
    lines[701] = "backend add nobody-else 10.0.0.1:80\n"
    path = s.file("".join(lines))
    fails(s.say("apply", path), REFUSED, "", "nobody", f"{path}:701:13")
    equal(s.json("service list")["services"], [], "services")


def a_refused_line_in_json(s):
    said = s.say("-j", "apply", "-", stdin="\nbackend add nobody 10.0.0.1:80\n")
    equal(said.code, REFUSED, "exit status")
    error = parsed(said.err)["error"]
    equal([error[key] for key in ("kind", "file", "line", "column", "word", "text")],
          ["refused", "(stdin)", 2, 13, "nobody", "backend add nobody 10.0.0.1:80"], "error")


def only_if_the_generation_is_known(s):
    path = s.file("node add 10.0.0.1\n")
    s.do("apply", path, "--generation", str(s.generation()))
    old = s.generation()
    s.do("node add 10.0.0.2")
    fails(s.say("apply", path, "--generation", str(old)), REFUSED, "", str(old))
    equal(len(s.json("node list")["nodes"]), 2, "nodes")
    s.do("apply", "--generation", str(old + 1), path)
    equal(len(s.json("node list")["nodes"]), 1, "nodes")


def nobody_sees_what_is_staged(s):
    writer = genl.Writer(s.name)
    generation = s.generation()
    writer.begin()
    writer.node_add("10.0.0.1")
    equal(s.json("node list")["nodes"], [], "nodes during the transaction")
    fails(s.say("node add 10.0.0.2"), REFUSED, "")
    writer.commit()
    writer.close()
    equal([x["address"] for x in s.json("node list")["nodes"]], ["10.0.0.1"], "nodes after it")
    equal(s.generation(), generation + 1, "generation")


def a_closed_socket_is_an_abort(s):
    writer = genl.Writer(s.name)
    generation = s.generation()
    writer.begin(replace=True)
    writer.node_add("10.0.0.1")
    writer.close()
    s.do("node add 10.0.0.2")
    equal([x["address"] for x in s.json("node list")["nodes"]], ["10.0.0.2"], "nodes")
    equal(s.generation(), generation + 1, "generation")


def apply_waits_for_another_writer(s):
    writer = genl.Writer(s.name)
    writer.begin()
    writer.node_add("10.0.0.1")
    said = []
    path = s.file("node add 10.0.0.1\nnode add 10.0.0.2\n")
    applier = threading.Thread(target=lambda: said.append(s.say("apply", path)))
    began = time.monotonic()
    applier.start()
    # Long enough to have been refused at least once; what happens then is no matter of time.
    eventually(lambda: time.monotonic() - began > 0.5, "half a second")
    check(not said, "apply has not waited")
    writer.commit()
    writer.close()
    applier.join()
    equal(said[0].code, 0, "exit status", said[0].details)
    equal(len(s.json("node list")["nodes"]), 2, "nodes")


def apply_gives_up_on_another_writer(s):
    writer = genl.Writer(s.name)
    writer.begin()
    began = time.monotonic()
    said = s.say("apply", s.file("node add 10.0.0.2\n"))
    fails(said, REFUSED, "another program has had a transaction open for 5 seconds")
    check(time.monotonic() - began > 4, f"it took {time.monotonic() - began:.1f} s")
    writer.abort()
    writer.close()
    equal(s.json("node list")["nodes"], [], "nodes")


@contextlib.contextmanager
def raises(error):
    try:
        yield
    except OSError as e:
        equal(e.errno, error, "error")
    else:
        check(False, f"not refused with {errno.errorcode[error]}")


def an_idle_transaction_is_ended(s):
    writer = genl.Writer(s.name)
    writer.begin(replace=True)
    writer.node_add("10.0.0.1")
    # BPFLB_TXN_IDLE_SECONDS are over when another writer is let in
    eventually(lambda: s.say("node add 10.0.0.2").code == 0, "another writer is let in", 60)
    # what it still sends must not be taken for changes of their own
    for late in (lambda: writer.node_add("10.0.0.3"), writer.commit):
        with raises(errno.ECANCELED):
            late()
    equal([x["address"] for x in s.json("node list")["nodes"]], ["10.0.0.2"], "nodes")
    writer.abort()
    writer.node_add("10.0.0.3")
    writer.close()
    equal(len(s.json("node list")["nodes"]), 2, "nodes")


def big(services, backends):
    """@services services that share @backends backends equally, sorted as save has them."""
    lines = []
    each = backends // services
    for i in range(services):
        name = f"s{i:05}"
        lines.append(f"service add {name} tcp 192.{i >> 16}.{i >> 8 & 255}.{i & 255}:443\n")
        lines += [f"backend add {name} 10.{b}.{i >> 8}.{i & 255}:8443 weight {b + 2}\n"
                  for b in range(each)]
    return "".join(lines)


def a_big_one(services, backends):
    def test(s):
        text = big(services, backends)
        path = s.file(text)
        began = time.monotonic()
        first = s.json("apply", path)["generation"]
        print(f"# {services} services and {backends} backends in {time.monotonic() - began:.2f} s")
        status = s.json("status")["status"]
        equal((status["services"], status["backends"]), (services, backends), "counts")
        equal([x for x in s.do("save").splitlines(keepends=True) if not x.startswith("set ")],
              text.splitlines(keepends=True), "saved")
        equal(s.json("apply", path)["generation"], first, "generation of the second time")
        # Refused at its very end, after thousands of lines that were fine.
        bad = s.file(text.replace(" weight 2", " weight 3") + "backend add nobody 10.0.0.1:80\n")
        where = f"{bad}:{services + backends + 1}:13"
        fails(s.say("apply", bad), REFUSED, "", "nobody", where)
        equal(s.generation(), first, "generation after a refusal")
        equal({x["weight"] for x in s.json("backend list")["backends"]},
              set(range(2, 2 + backends // services)), "weights")
        s.do("apply", "-", stdin="")
        equal(s.json("status")["status"]["backends"], 0, "backends")
    return test


def tests(subset):
    return [(name, in_space(function)) for name, function in (
        ("save is what was applied", save_is_what_was_applied),
        ("the order of a file is its own", the_order_of_a_file_is_its_own),
        ("commands and files say the same", commands_and_files_say_the_same),
        ("twice is as good as once", twice_is_as_good_as_once),
        ("an empty namespace is saved and applied", an_empty_namespace_is_saved_and_applied),
        ("what a file does not mention goes", the_rest_goes),
        ("a refused line changes nothing", a_refused_line_changes_nothing),
        ("the first refused line counts", the_first_refused_line_counts),
        ("a refused line in JSON", a_refused_line_in_json),
        ("only if the generation is known", only_if_the_generation_is_known),
        ("nobody sees what is staged", nobody_sees_what_is_staged),
        ("a closed socket is an abort", a_closed_socket_is_an_abort),
        ("apply waits for another writer", apply_waits_for_another_writer),
        ("apply gives up on another writer", apply_gives_up_on_another_writer),
        *([] if subset else [("an idle transaction is ended", an_idle_transaction_is_ended)]),
        ("a big one", a_big_one(200, 1000) if subset else a_big_one(2000, 10000)),
    )]
