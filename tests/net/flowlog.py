# SPDX-License-Identifier: GPL-2.0-only
"""What lbadm monitor flow -j tells, while traffic goes on."""
import json
import subprocess
import tempfile

from .ktap import Failure, eventually


class FlowLog:
    """lbadm monitor flow -j in network namespace @name; .lines are its events so far."""

    def __init__(self, lbadm, name, *also):
        # pylint: disable=consider-using-with
        # Written and read by two descriptors, each with a place of its own.
        with tempfile.NamedTemporaryFile("wb") as out:
            self._file = open(out.name, "rb")
            self.process = subprocess.Popen([lbadm, "-n", name, "-j", "monitor", "flow", *also], stdout=out)
        self.lines, self._rest = [], b""
        self.first("start")

    def close(self):
        self.process.kill()
        self.process.wait()
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def look(self):
        """Takes in what was told since."""
        if self.process.poll() is not None:
            raise Failure(f"monitor has ended with {self.process.returncode}")
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        self.lines += [json.loads(line) for line in whole]
        return self.lines

    def first(self, event, client=None, timeout=30):
        """The first of these events, of the flow of socket @client if that is said; waits for it."""
        return eventually(lambda: next(iter(self.of(event, client)), None),
                          f"event {event} of {client}", timeout, lambda: [repr(x) for x in self.lines[-20:]])

    def of(self, event, client=None):
        """All of these so far, each as the flow that it is about, or as it is."""
        events = [x for x in self.look() if x["event"] == event]
        if client is None:
            return events
        return [x["flow"] for x in events if "flow" in x and end_of(x["flow"]["client"]) == client]

    def all(self, client):
        """The names of the events of a flow, in their order."""
        return [x["event"] for x in self.look() if "flow" in x and end_of(x["flow"]["client"]) == client]

    def lost(self):
        """How many it said that it has lost."""
        return sum(x["count"] for x in self.look() if x["event"] == "lost" and x.get("object") == "flow")


def end_of(endpoint):
    return endpoint["address"], endpoint["port"]
