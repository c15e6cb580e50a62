#!/usr/bin/env python3
"""A small Stat Server: a live board of all DNs of the cluster, with their agents.

    make run                                          in one terminal
    PYTHONPATH=api/python /usr/bin/python3 api/python/examples/statserver.py   in another

It goes on at the next node when its own dies.
"""

import argparse
import dataclasses
import time
from typing import Dict

import sipcluster
from sipcluster import event, tlib
from sipcluster.tcpb.availability_pb2 import AgentState, Reason

STATES = {
    "agent_login": "logged-in", "agent_logout": "logged-out", "agent_ready": "ready", "agent_not_ready": "not-ready",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="a small Stat Server")
    parser.add_argument("--addr", default="", help="TCports, the first that answers is asked; those of the context")
    parser.add_argument("--group", default="", help="only DNs of this agent group")
    parser.add_argument("--insecure", action="store_true", help="of a laboratory's cluster")
    flags = parser.parse_args()
    nodes = flags.addr.split(",") if flags.addr else []
    with sipcluster.Client(nodes, application="statserver", insecure=flags.insecure) as c:
        c.monitor_all(tlib.MonitorFilter(group=flags.group))
        try:
            Board(c.server.node).follow(c)
        except KeyboardInterrupt:
            pass


@dataclasses.dataclass
class Row:
    """What is known of a DN, and the session in which it was told last."""

    state: str = ""
    owner: str = ""
    agent: str = ""
    session: int = 0


class Board:
    def __init__(self, node: str) -> None:
        self.rows: Dict[str, Row] = {}
        self.node = node
        self.session = 0

    def follow(self, c: sipcluster.Client) -> None:
        """Prints the board when it changed and nothing more came for a moment."""
        changed = False
        while True:
            try:
                self.take(c.next_event(timeout=0.1 if changed else None))
                changed = True
            except TimeoutError:
                self.print()
                changed = False

    def take(self, e: tlib.Event) -> None:
        which = e.WhichOneof("body")
        if which == "link_disconnected":
            self.node = "nobody: " + e.link_disconnected.text
        elif which == "link_connected":
            self.node, self.session = e.link_connected.server.node, self.session + 1
        elif which == "end_of_snapshot":  # what a whole snapshot does not have is no more
            if not e.end_of_snapshot.resumed:
                self.rows = {dn: r for dn, r in self.rows.items() if r.session == self.session}
        elif e.this_dn:
            self.take_row(self.rows.setdefault(e.this_dn, Row()), e)

    def take_row(self, row: Row, e: tlib.Event) -> None:
        which, agent, status = e.WhichOneof("body"), event.agent(e), event.status(e)
        row.session = self.session
        if which == "dn_back_in_service":
            row.state, row.owner = "InSrv", e.owner
        elif which == "dn_out_of_service":
            row.state, row.owner = f"OOS {event.word(Reason, e.dn_out_of_service.reason)}", e.owner
        elif which == "dn_owner_changed":
            row.owner = e.owner
        elif agent is not None:
            row.agent = f"{agent.id} {STATES[str(which)]}"
        if status is not None:
            row.agent = f"{status.agent.id} {event.word(AgentState, status.agent.state)}".strip()

    def print(self) -> None:
        print(f"\n{time.strftime('%H:%M:%S')}, as {self.node} sees it\n{'DN':8} {'STATE':16} {'OWNER':8} AGENT")
        for dn, row in sorted(self.rows.items()):
            print(f"{dn:8} {row.state:16} {row.owner:8} {row.agent}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
