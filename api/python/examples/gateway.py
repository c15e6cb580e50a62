#!/usr/bin/env python3
"""A small desktop gateway: it registers a PSTN agent's DN, logs the agent in and makes it
ready, until Ctrl-C.

    make run                                       in one terminal
    PYTHONPATH=api/python /usr/bin/python3 api/python/examples/gateway.py   in another

It goes on at the next node when the one it is connected to dies, or drains: the DN moves
there, and the agent with it.
"""

import argparse
import time
from typing import Collection, List

import sipcluster
from sipcluster import event, tlib
from sipcluster.tcpb.availability_pb2 import DNState


def main() -> None:
    parser = argparse.ArgumentParser(description="a small desktop gateway")
    parser.add_argument("--addr", default="", help="TCports, the first that answers is asked; those of the context")
    parser.add_argument("--dn", default="2001", help="a pstn DN")
    parser.add_argument("--agent", default="7001", help="the agent's id")
    parser.add_argument("--insecure", action="store_true", help="of a laboratory's cluster")
    Gateway(parser.parse_args()).run()


class Gateway:
    """Where the DN is, and who is logged in there."""

    def __init__(self, flags: argparse.Namespace) -> None:
        self.dn, self.agent, self.insecure = flags.dn, flags.agent, flags.insecure
        self.nodes: List[str] = flags.addr.split(",") if flags.addr else []
        if not self.nodes and not self.insecure:
            self.nodes = list(sipcluster.find_context().addresses)
        self.client = self.connect(())

    def run(self) -> None:
        self.begin(self.client)
        try:
            while True:
                e = self.client.next_event()
                show(e)
                if e.WhichOneof("body") == "node_draining" and not e.node_draining.undone:
                    self.move(e.node_draining.server.draining)
        except KeyboardInterrupt:
            self.end()
        finally:
            self.client.close()

    def connect(self, draining: Collection[str]) -> sipcluster.Client:
        """Opens a session at the first node that answers and does not drain."""
        for i in range(len(self.nodes)):
            c = sipcluster.Client(self.nodes[i:] + self.nodes[:i], application="gateway", insecure=self.insecure)
            if c.server.node not in draining:
                return c
            c.close()
        raise SystemExit("every node drains")

    def move(self, draining: Collection[str]) -> None:
        """Has the DN at another node before it leaves this one: so nobody sees it out of
        service."""
        following = None
        try:
            following = self.connect(draining)
            self.begin(following)
        except sipcluster.Error as e:  # the DN stays where it is, while it may
            print(e)
            if following is not None:
                following.close()
            return
        self.client.close()
        self.client = following

    def begin(self, c: sipcluster.Client) -> None:
        """Puts the DN in service and the agent to work. Who is logged in from the last time
        is told the present state."""
        show(c.register_address(self.dn))
        show(c.agent_login(self.dn, self.agent, tlib.AGENT_WORK_MODE_MANUAL_IN))
        show(c.agent_ready(self.dn, tlib.AGENT_WORK_MODE_AUTO_IN, {"began": time.strftime("%H:%M:%S")}))

    def end(self) -> None:
        """What Ctrl-C asks for. close() alone would take the DN out of service too, as
        lost, and leave the agent logged in."""
        show(self.client.agent_logout(self.dn))
        show(self.client.unregister_address(self.dn))


def show(e: tlib.Event) -> None:
    words = [time.strftime("%H:%M:%S"), f"{event.name(e):<20}", e.this_dn]
    status, agent, server = event.status(e), event.agent(e), event.server(e)
    if status is not None:
        words.append(f"is {event.word(DNState, status.state)}, owner {status.owner}")
    if agent is not None:
        words.append(f"agent {agent.id}")
        words += [f"{key}={value}" for key, value in sorted(agent.reasons.items())]
    if server is not None:
        words.append(server.node)
    if e.HasField("error"):
        words.append(e.error.text)
    print(" ".join(w for w in words if w).rstrip(), flush=True)


if __name__ == "__main__":
    main()
