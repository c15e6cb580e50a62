"""The client against a real cluster, with its TLS and tokens, nodes that are killed and
connections that are cut."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
import unittest
from typing import Any, Dict, List

import grpc

import sipcluster
from sipcluster import event, tlib
from sipcluster.configpb import config_pb2, configuration_pb2, configuration_pb2_grpc
from sipcluster.tcpb import availability_pb2, availability_pb2_grpc
from tests.cluster import EXAMPLES, Cluster, Relay, eventually
from tests.node import PATIENCE

dev: Cluster
GATEWAYS = [str(n) for n in range(2101, 2121)]


def setUpModule() -> None:
    global dev
    dev = Cluster(3)
    unittest.addModuleCleanup(dev.stop)
    with sipcluster.open_channel(dev.addresses[0], context()) as channel:
        configuration_pb2_grpc.ConfigurationStub(channel).Write(configuration_pb2.WriteRequest(mutations=[
            config_pb2.Mutation(put_dn=config_pb2.DN(number=dn, kind=config_pb2.DN_KIND_PSTN, external="+4930555" + dn)) for dn in GATEWAYS
        ]), timeout=PATIENCE)


def context() -> sipcluster.Context:
    return sipcluster.find_context(environ=dev.environ)


def until(c: sipcluster.Client, name: str, **more: Any) -> List[tlib.Event]:
    """The client's events up to one of that name, with these fields of the header."""
    events: List[tlib.Event] = []
    while not events or event.name(events[-1]) != name or any(getattr(events[-1], k) != v for k, v in more.items()):
        events.append(c.next_event(PATIENCE))
    return events


class Case(unittest.TestCase):
    def client(self, *addresses: str, **options: Any) -> sipcluster.Client:
        c = sipcluster.Client(addresses, **{"context": context(), "timeout": PATIENCE, **options})
        self.addCleanup(c.close)
        return c


class Sessions(Case):
    def test_a_snapshot_has_every_dn_and_then_what_happens(self) -> None:
        c = self.client()  # at the context's addresses
        c.monitor_all()
        rows = until(c, "EndOfSnapshot")
        self.assertFalse(rows[-1].end_of_snapshot.resumed)
        self.assertLessEqual({"1001", "1010", "2001", *GATEWAYS}, {e.this_dn for e in rows[:-1] if e.snapshot})
        desk = self.client(dev.addresses[1])
        answer = desk.register_address("2101")
        self.assertEqual((answer.registered.status.owner, answer.registered.status.state), ("sip2", availability_pb2.DN_STATE_IN_SRV))
        seen = until(c, "EventDNBackInService", this_dn="2101")[-1]
        self.assertEqual((seen.owner, seen.site, seen.snapshot), ("sip2", "dc2", False))

    def test_refusals_have_code_and_outcome(self) -> None:
        desk, router = self.client(dev.addresses[0]), self.client(dev.addresses[1])
        desk.register_address("2102")
        for ask, code in (
            (lambda: desk.agent_ready("2103"), tlib.ERROR_CODE_NOT_REGISTERED),
            (lambda: desk.register_address("9999"), tlib.ERROR_CODE_NOT_CONFIGURED),
        ):
            with self.assertRaises(sipcluster.Refused) as raised:
                ask()
            self.assertEqual((raised.exception.code, raised.exception.outcome), (code, sipcluster.Outcome.NOT_APPLIED))
        eventually("2102 at sip2", lambda: router.query_address("2102").address_info.status.routable)
        router.reserve_agent("2102", 10)
        with self.assertRaises(sipcluster.Refused) as raised:
            desk.reserve_agent("2102", 10)
        self.assertEqual((raised.exception.name, raised.exception.outcome), ("RESOURCE_SEIZED", sipcluster.Outcome.NOT_APPLIED))
        self.assertEqual(router.cancel_reservation("2102").agent_reserved.outcome, tlib.RESERVATION_OUTCOME_CANCELLED)

    def test_no_event_is_lost_while_the_connection_is_cut(self) -> None:
        relay = Relay(dev.addresses[0])
        self.addCleanup(relay.stop)
        c = self.client(relay.address)
        c.monitor_all(tlib.MonitorFilter(kinds=[tlib.EVENT_KIND_DN]))
        until(c, "EndOfSnapshot")
        desk = self.client(dev.addresses[0])
        desk.register_address("2104")
        last = until(c, "EventDNBackInService", this_dn="2104")[-1].seq
        relay.cut()
        until(c, "EventLinkDisconnected")
        meanwhile = GATEWAYS[4:]
        for dn in meanwhile:
            desk.register_address(dn)
        relay.passes = True
        until(c, "EventLinkConnected")
        desk.unregister_address("2104")  # the last of them
        told = [e for e in until(c, "EventDNOutOfService", this_dn="2104") if event.name(e) != "EndOfSnapshot"]
        self.assertEqual([e.this_dn for e in told], [*meanwhile, "2104"])
        self.assertFalse([e for e in told if e.snapshot], "a snapshot came instead")
        seqs = [last, *(e.seq for e in told)]
        self.assertEqual(seqs, sorted(set(seqs)))


class Trust(Case):
    def test_a_token_of_its_own_and_its_end(self) -> None:
        path = dev.contexts.with_name("stat.context")
        dev.run("token", "create", "stat1", "--role", "stat", "--context-file", str(path))
        c = self.client(dev.addresses[0], context=sipcluster.load_context(path))
        self.assertEqual(c.server.node, "sip1")
        dev.run("token", "revoke", "stat1")
        lost = until(c, "EventLinkDisconnected")[-1]
        self.assertTrue(lost.link_disconnected.text)
        with self.assertRaises(sipcluster.NotConnected) as raised:
            self.client(dev.addresses[0], context=sipcluster.load_context(path))
        self.assertEqual(raised.exception.code, grpc.StatusCode.UNAUTHENTICATED)
        path.chmod(0o644)
        with self.assertRaisesRegex(sipcluster.ContextError, "chmod 600"):
            sipcluster.load_context(path)

    def test_another_authority_is_not_believed(self) -> None:
        with self.assertRaisesRegex(sipcluster.Error, "its authority is another one"):
            self.client(dev.addresses[0], context=dataclasses.replace(context(), authorities=("00" * 32,)))

    def test_a_rotation_of_the_authority_is_followed(self) -> None:
        before = context()
        relay = Relay(dev.addresses[0])
        self.addCleanup(relay.stop)
        c = self.client(relay.address, context=before)  # which nobody keeps
        for step in (1, 2):
            known = dev.run("ca", "show").split("(signs)")[1].split()[0]
            dev.run("ca", "rotate")
            eventually("the nodes' certificates of the next authority", lambda: known not in dev.run("ca", "show"))
            relay.cut()
            until(c, "EventLinkDisconnected")
            relay.passes = True
            with self.subTest(step=step):
                until(c, "EventLinkConnected")

    def test_in_the_clear_nobody_answers(self) -> None:
        with self.assertRaises(sipcluster.NotConnected):
            sipcluster.Client(dev.addresses[0], insecure=True, timeout=PATIENCE)

    def test_the_other_services_say_what_became_of_a_request(self) -> None:
        with sipcluster.open_channel(dev.addresses[2], context()) as channel:
            dn = availability_pb2_grpc.AvailabilityStub(channel).GetDN(availability_pb2.GetDNStatusRequest(dn="1001"), timeout=PATIENCE)
            self.assertEqual(dn.dn, "1001")
            with self.assertRaises(grpc.RpcError) as raised:
                configuration_pb2_grpc.ConfigurationStub(channel).Write(configuration_pb2.WriteRequest(mutations=[
                    config_pb2.Mutation(put_dn=config_pb2.DN(number="no number"))]), timeout=PATIENCE)
            self.assertEqual((raised.exception.code(), sipcluster.outcome_of(raised.exception)),
                             (grpc.StatusCode.INVALID_ARGUMENT, sipcluster.Outcome.NOT_APPLIED))

    def test_a_laboratory_asks_nobody(self) -> None:
        laboratory = Cluster(1, "--insecure")
        self.addCleanup(laboratory.stop)
        with sipcluster.Client(laboratory.addresses, insecure=True, timeout=PATIENCE) as c:
            self.assertEqual(c.query_server().node, "sip1")


class Example:
    """One of the examples, as a user runs it."""

    def __init__(self, test: unittest.TestCase, name: str, *arguments: str) -> None:
        self.said: List[str] = []
        self._log = dev.contexts.with_name(f"{name}.out")
        with open(self._log, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments], stdout=out, stderr=out,
                env={**dev.environ, "PYTHONPATH": ":".join(p for p in sys.path if p)})
        test.addCleanup(self.process.wait)
        test.addCleanup(self.process.kill)

    def says(self, *texts: str) -> str:
        """Waits until it has printed them."""
        def said() -> str:
            text = self._log.read_text()
            return text if all(t in text for t in texts) else ""
        try:
            return eventually(f"{texts}", said)
        except AssertionError as e:
            raise AssertionError(f"{e}; it printed\n{self._log.read_text()}") from None


class Zz_AKilledNode(Case):
    """The last: sip3 is gone after it."""

    def test_everybody_goes_on_at_the_next_one(self) -> None:
        c = self.client(dev.addresses[2], dev.addresses[0])
        c.register_address("2103")
        c.agent_login("2103", "7103", tlib.AGENT_WORK_MODE_MANUAL_IN)
        c.agent_ready("2103", tlib.AGENT_WORK_MODE_AUTO_IN)
        watcher = self.client(dev.addresses[2], dev.addresses[1])
        watcher.monitor_all()
        until(watcher, "EndOfSnapshot")
        there = ",".join([dev.addresses[2], dev.addresses[0]])
        gateway, board = Example(self, "gateway", "--addr", there), Example(self, "statserver", "--addr", there)
        gateway.says("EventAgentReady      2001 agent 7001")
        board.says("as sip3 sees it", "7001 ready")
        router = Example(self, "router", "--addr1", dev.addresses[0], "--addr2", dev.addresses[1], "--group", "desktop")
        router.says("both routers want DN 2001", "priority 1, lost", "EventError RESOURCE_SEIZED", "priority 2, has it", "EventAgentReserved")
        self.assertEqual(router.process.wait(PATIENCE), 0)

        dev.kill("sip3")

        events = until(c, "EventRegistered")
        self.assertEqual([event.name(e) for e in events if event.name(e).startswith(("EventLink", "EventReg"))],
                         ["EventLinkDisconnected", "EventLinkConnected", "EventRegistered"])
        self.assertEqual((events[-1].registered.status.owner, events[-1].registered.status.agent.id), ("sip1", "7103"))
        end = until(watcher, "EndOfSnapshot")[-1]
        self.assertFalse(end.end_of_snapshot.resumed, "another node does not know the place")
        status = eventually("2103 at sip2", lambda: self.ready(watcher, "2103", "sip1"))
        self.assertEqual(status.state, availability_pb2.DN_STATE_IN_SRV)
        gateway.says("EventLinkDisconnected", "EventLinkConnected", "2001 is InSrv, owner sip1")
        board.says("as sip1 sees it")
        gateway.process.send_signal(signal.SIGINT)
        gateway.says("EventAgentLogout", "EventUnregistered")
        self.assertEqual(gateway.process.wait(PATIENCE), 0)

    def ready(self, c: sipcluster.Client, dn: str, owner: str) -> Any:
        status = c.query_address(dn).address_info.status
        return status if status.owner == owner and status.agent.state == availability_pb2.AGENT_STATE_READY else None


if __name__ == "__main__":
    unittest.main()
