#!/usr/bin/env python3
"""Why two routers never get the same agent: it connects to two nodes as two routers would,
has both reserve the first DN of a group that a call can be sent to, and prints who won.

    make run                                      in one terminal
    sipcluster dev phone 1001                     in another
    PYTHONPATH=api/python /usr/bin/python3 api/python/examples/router.py   in a third
"""

import argparse
import threading
import time
from typing import List

import sipcluster
from sipcluster import event, tlib


def main() -> None:
    parser = argparse.ArgumentParser(description="two routers at two nodes")
    parser.add_argument("--addr1", default="127.0.0.1:7001", help="TCport of the first router's node")
    parser.add_argument("--addr2", default="127.0.0.1:7011", help="TCport of the second router's node")
    parser.add_argument("--group", default="demo", help="agent group")
    parser.add_argument("--priority1", type=int, default=1, help="of the first router's request")
    parser.add_argument("--priority2", type=int, default=2, help="of the second router's")
    parser.add_argument("--insecure", action="store_true", help="of a laboratory's cluster")
    flags = parser.parse_args()

    with sipcluster.Client(flags.addr1, application="router 1", insecure=flags.insecure) as one, \
            sipcluster.Client(flags.addr2, application="router 2", insecure=flags.insecure) as two:
        dns = routable(one, flags.group)
        if not dns:
            raise SystemExit(f"group {flags.group} has no DN that a call can be sent to: register a phone")
        dn = min(dns, key=lambda n: (len(n), n))
        print(f"both routers want DN {dn}")
        both = [threading.Thread(target=compete, args=(c, dn, priority))
                for c, priority in ((one, flags.priority1), (two, flags.priority2))]
        for t in both:
            t.start()
        for t in both:
            t.join()


def routable(c: sipcluster.Client, group: str) -> List[str]:
    """The DNs of the group that a call can be sent to."""
    dns: List[str] = []
    c.monitor_all(tlib.MonitorFilter(group=group))
    for e in c:
        status = event.status(e)
        if status is not None and status.routable:
            dns.append(e.this_dn)
        if e.WhichOneof("body") == "end_of_snapshot":
            break
    c.stop_monitor()
    return dns


def compete(c: sipcluster.Client, dn: str, priority: int) -> None:
    """Reserves the DN, for as long as it takes to tell."""
    who, began = f"the router at {c.server.node}, priority {priority},", time.monotonic()

    def after() -> str:
        return f"after {1000 * (time.monotonic() - began):.0f}ms"

    try:
        c.reserve_agent(dn, 10, priority)
    except sipcluster.Refused as e:
        print(f"{who} lost {after()}: EventError {e.name}, {e.text}")
    except sipcluster.Error as e:
        print(f"{who} does not know: {e}")
    else:
        print(f"{who} has it {after()}: EventAgentReserved")
        c.cancel_reservation(dn)


if __name__ == "__main__":
    main()
