# SPDX-License-Identifier: GPL-2.0-only
"""Results as KTAP lines, and the kernel's log as one more result."""
import contextlib
import os
import re
import sys
import time
import traceback

_SPLAT = re.compile(r"WARNING:|BUG:|Oops|Call Trace|KASAN|UBSAN|general protection|"
                    r"suspicious RCU|INFO: task|rcu_.*stall|unreferenced object|refcount_t:|"
                    r"unregister_netdevice: waiting|Objects remaining")


class Failure(AssertionError):
    """What a test says when something isn't as it should be; @details are more lines."""

    def __init__(self, reason, details=()):
        super().__init__(reason)
        self.details = list(details)


def check(condition, reason, details=()):
    if not condition:
        raise Failure(reason, details() if callable(details) else details)


def equal(got, want, what, details=()):
    check(got == want, f"{what}: {got!r}, should be {want!r}", details)


def eventually(probe, what, timeout=10, details=()):
    """Asks @probe until its answer is true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f"{timeout} s without: {what}", details() if callable(details) else details)
        time.sleep(0.005)


class KernelLog:
    """The kernel's log from now on."""

    def __init__(self):
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._fd, 0, os.SEEK_END)

    def lines(self):
        lines = []
        while True:
            try:
                record = os.read(self._fd, 8192)
            except BlockingIOError:
                return lines
            except BrokenPipeError:     # overwritten before we read it
                continue
            lines.append(record.decode(errors="replace").split(";", 1)[-1].split("\n")[0])

    def splats(self):
        lines = self.lines()
        first = next((i for i, line in enumerate(lines) if _SPLAT.search(line)), None)
        return [] if first is None else lines[first:first + 60]


class Ktap:
    """Prints a line for each result; the exit status is that of finish()."""

    def __init__(self, count):
        self._number = self._failed = 0
        self._count = count
        self._log = KernelLog()
        print("KTAP version 1")
        print(f"1..{count + 1}", flush=True)

    def result(self, name, reason="", details=()):
        self._number += 1
        self._failed += bool(reason)
        for line in details:
            print(f"# {line}")
        print(f"{'not ok' if reason else 'ok'} {self._number} - {name}"
              f"{f' # {reason}' if reason else ''}", flush=True)

    def skip(self, name, why):
        self._number += 1
        print(f"ok {self._number} - {name} # SKIP {why}", flush=True)

    @contextlib.contextmanager
    def case(self, name):
        start = time.monotonic()
        try:
            yield
        except Failure as e:
            self.result(name, str(e), e.details)
        except Exception as e:      # a test that breaks is a test that fails
            self.result(name, f"{type(e).__name__}: {e}", traceback.format_exc().splitlines())
        else:
            if time.monotonic() - start > 5:
                print(f"# took {time.monotonic() - start:.1f} s")
            self.result(name)

    def finish(self):
        splats = self._log.splats()
        self.result("the kernel's log is clean", splats[0] if splats else "", splats)
        if self._number != self._count + 1:
            print(f"# planned {self._count + 1}, ran {self._number}")
            self._failed += 1
        return 1 if self._failed else 0


def of_file(path, tests):
    """The tests of a file, for run()."""
    return [(name, function, path) for name, function in tests]


def run(tests):
    """Runs (name, function) or (name, function, file) one after the other as one plan; ends the program.

    Where the next test is another file's a line "# in FILE" says so. Of the environment, ONLY is a regular expression:
    tests whose names it is not found in are left out.
    """
    tests = [test for test in tests if re.search(os.environ.get("ONLY", ""), test[0])]
    ktap = Ktap(len(tests))
    file = None
    for name, function, *where in tests:
        if where and where[0] != file:
            file = where[0]
            print(f"# in {file}")
        with ktap.case(name):
            function()
    sys.exit(ktap.finish())
