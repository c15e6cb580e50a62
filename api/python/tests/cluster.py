"""A real cluster of the tests: `sipcluster dev` on ports of its own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, Optional, TypeVar

from tests.node import PATIENCE

T = TypeVar("T")

BINARY = os.environ.get("SIPCLUSTER", str(Path(__file__).parents[3] / "bin" / "sipcluster"))
EXAMPLES = Path(__file__).parents[1] / "examples"


def eventually(what: str, condition: Callable[[], Optional[T]]) -> T:
    """Waits until the condition is no longer None or False."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)  # between two looks
    raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")


class Cluster:
    """Runs from its making to stop()."""

    def __init__(self, nodes: int, *flags: str) -> None:
        self._dir = tempfile.TemporaryDirectory()
        home = Path(self._dir.name)
        self.contexts = home / "contexts.yaml"
        self.environ = {**os.environ, "SIPCLUSTER_CONTEXTS": str(self.contexts)}
        self.environ.pop("SIPCLUSTER_CONTEXT", None)
        self._log = home / "log"
        for _ in range(10):
            base, sip = _free_ports(nodes)
            with open(self._log, "wb") as log:
                self.process = subprocess.Popen(
                    [BINARY, "dev", f"--nodes={nodes}", f"--base-port={base}", f"--sip-port={sip}", f"--state={home}/state", *flags],
                    stdout=log, stderr=log, env=self.environ)
            if eventually("the cluster", self._started) == "up":
                break
        else:
            raise AssertionError(self._log.read_text())
        self.addresses = [f"127.0.0.1:{base + 1 + 10 * i}" for i in range(nodes)]

    def _started(self) -> str:
        if "Ctrl-C ends the cluster" in self._log.read_text():
            return "up"
        return "ended" if self.process.poll() is not None else ""

    def run(self, *arguments: str) -> str:
        """What a command prints."""
        return subprocess.run([BINARY, *arguments], env=self.environ, check=True, timeout=PATIENCE, stdout=subprocess.PIPE, text=True).stdout

    def kill(self, node: str) -> None:
        """kill -9 of a node's process."""
        children = [pid for task in Path(f"/proc/{self.process.pid}/task").iterdir() for pid in (task / "children").read_text().split()]
        for pid in children:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if node.encode() in arguments:  # --node NODE
                os.kill(int(pid), signal.SIGKILL)
                return
        raise AssertionError(f"no process of node {node}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE)
        self._dir.cleanup()


def _free_ports(nodes: int) -> "tuple[int, int]":
    """Two ranges in which every port that the nodes may use is free now."""
    for _ in range(100):
        base = random.randrange(20_000, 32_000, 200)
        if all(_free(p) for p in range(base, base + 10 * nodes + 100)):
            return base, base + 100
    raise AssertionError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Relay:
    """Passes connections on to an address, until they are cut."""

    def __init__(self, to: str) -> None:
        import socketserver
        import threading

        host, port = to.rsplit(":", 1)
        relay = self

        class Pass(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection((host, int(port))) as node:
                    relay._open[self.request] = node
                    back = threading.Thread(target=_pump, args=(node, self.request))
                    back.start()
                    _pump(self.request, node)
                    back.join()
                relay._open.pop(self.request, None)

        class Server(socketserver.ThreadingTCPServer):
            def verify_request(self, request: object, client: object) -> bool:
                return relay.passes

        self._open: Dict[socket.socket, socket.socket] = {}
        self.passes = True
        self._server = Server(("127.0.0.1", 0), Pass)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def cut(self) -> None:
        """Ends the connections, and takes no more until passes is set."""
        self.passes = False
        for one, other in list(self._open.items()):
            for s in (one, other):
                _shut(s)

    def stop(self) -> None:
        self.cut()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    _shut(target)


def _shut(s: socket.socket) -> None:
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
