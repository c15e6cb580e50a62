"""The client against nodes of the tests: what it asks, and what becomes of a request."""

from __future__ import annotations

import threading
import time
import unittest
from concurrent import futures
from typing import Any, List

import sipcluster
from sipcluster import event, tlib
from tests.node import PATIENCE, Link, Node, brief, registered, told


class Case(unittest.TestCase):
    """Two nodes, and what runs beside the test."""

    def setUp(self) -> None:
        self.a, self.b = Node("sip1"), Node("sip2")
        self.threads = set(threading.enumerate())
        self.beside = futures.ThreadPoolExecutor(4)
        self.addCleanup(self.beside.shutdown)
        self.addCleanup(self.a.stop)
        self.addCleanup(self.b.stop)

    def connected(self, **options: Any) -> "tuple[sipcluster.Client, Link]":
        greeted = self.beside.submit(self.a.greets)
        c = sipcluster.Client([self.a.address, self.b.address], insecure=True, **options)
        self.addCleanup(c.close)
        return c, greeted.result(PATIENCE)[0]

    def standing(self) -> "tuple[sipcluster.Client, Link]":
        """A client that has registered 1001 and 1002 and monitors a group; the node told
        it everything up to 6."""
        c, link = self.connected()

        def serve() -> None:
            for _ in range(3):
                link.answers(registered())
            link.answers(tlib.Event(unregistered=tlib.EventUnregistered()))
            m = link.wants()
            link.says(b"4", tlib.Event(reference_id=m.reference_id, end_of_snapshot=tlib.EndOfSnapshot()))
            link.says(b"6", told("1005", seq=5))

        served = self.beside.submit(serve)
        for dn in ("1002", "1003", "1001"):
            c.register_address(dn, tlib.ADDRESS_MODE_PRIVATE)
        c.unregister_address("1003")
        c.monitor_all(tlib.MonitorFilter(group="sales"))
        served.result(PATIENCE)
        self.wants(c, "EndOfSnapshot", "EventDNBackInService")
        link.answers_query = self.beside.submit(link.answers, tlib.Event(server_info=tlib.EventServerInfo()))  # type: ignore[attr-defined]
        c.query_server()  # so that the cursor before it was heard
        return c, link

    def clients_threads(self) -> List[threading.Thread]:
        """Those that came since the test began, without the nodes' and the test's own."""
        return [t for t in set(threading.enumerate()) - self.threads if not t.name.startswith("ThreadPoolExecutor")]

    def wants(self, c: sipcluster.Client, *names: str) -> List[tlib.Event]:
        """The client's next events have these names."""
        events = [c.next_event(PATIENCE) for _ in names]
        self.assertEqual([event.name(e) for e in events], list(names))
        return events


class Reconnect(Case):
    def test_resumes_the_session_at_the_same_node(self) -> None:
        c, link = self.standing()
        link.breaks()
        link, opening = self.a.greets(resumed=True)
        self.assertEqual((opening.resume_token, opening.resume_cursor), ("token of sip1", b"6"))
        self.assertEqual(link.asks(1), ["monitor sales 6"])
        lost, back = self.wants(c, "EventLinkDisconnected", "EventLinkConnected")
        self.assertEqual((lost.link_disconnected.server.node, lost.link_disconnected.text), ("sip1", "the node stops"))
        self.assertTrue(back.link_connected.resumed)
        self.assertEqual((back.link_connected.session_token, back.reference_id), ("", 0))

    def test_registers_again_where_the_session_is_not_known(self) -> None:
        c, _ = self.standing()
        self.a.stop()
        link, opening = self.b.greets()
        self.assertEqual(opening.resume_token, "", "another node is told the token")
        self.assertEqual(link.asks(3), ["register 1001 2", "register 1002 2", "monitor sales 6"])
        self.wants(c, "EventLinkDisconnected", "EventLinkConnected")
        self.assertEqual(c.server.node, "sip2")

    def test_answers_of_what_is_asked_again_are_events(self) -> None:
        c, link = self.standing()
        link.breaks()
        link, _ = self.a.greets()
        link.answers(registered("1001"))
        link.answers(tlib.Event(error=tlib.EventError(code=tlib.ERROR_CODE_RESOURCE_SEIZED)))
        link.wants()
        link.says(b"", told("1001", snapshot=True))
        self.wants(c, "EventLinkDisconnected", "EventLinkConnected", "EventRegistered", "EventError", "EventDNBackInService")
        link.breaks()  # the snapshot did not end, and what was refused stays wished for
        link, _ = self.a.greets()
        self.assertEqual(link.asks(3), ["register 1001 2", "register 1002 2", "monitor sales 6"])

    def test_what_another_client_has_taken_is_left_to_it(self) -> None:
        c, link = self.standing()
        link.says(b"6", tlib.Event(this_dn="1002", unregistered=tlib.EventUnregistered(superseded=True)))
        self.wants(c, "EventUnregistered")
        link.breaks()
        link, _ = self.a.greets()
        self.assertEqual(link.asks(2), ["register 1001 2", "monitor sales 6"])

    def test_what_was_given_up_is_not_asked_for_again(self) -> None:
        c, link = self.standing()
        stopped = self.beside.submit(link.answers, tlib.Event(end_of_snapshot=tlib.EndOfSnapshot()))
        c.stop_monitor()
        stopped.result(PATIENCE)
        link.breaks()
        link, _ = self.a.greets()
        self.assertEqual(link.asks(2), ["register 1001 2", "register 1002 2"])

    def test_a_monitor_that_was_asked_anew_begins_anew(self) -> None:
        c, link = self.standing()
        asked = self.beside.submit(c.monitor_all, tlib.MonitorFilter(group="sales"))
        self.assertEqual(link.asks(1), ["monitor sales "])
        link.breaks()
        with self.assertRaises(sipcluster.UnknownOutcome):
            asked.result(PATIENCE)
        link, _ = self.a.greets()
        self.assertEqual(link.asks(3)[2], "monitor sales ")

    def test_requests_on_the_way_have_an_unknown_outcome(self) -> None:
        c, link = self.connected()
        asked = self.beside.submit(c.agent_ready, "1001")
        link.wants()
        self.b.stop()
        self.a.stop()
        with self.assertRaises(sipcluster.UnknownOutcome) as raised:
            asked.result(PATIENCE)
        self.assertIs(raised.exception.outcome, sipcluster.Outcome.UNKNOWN)
        with self.assertRaises(sipcluster.NotConnected) as raised2:
            c.agent_ready("1001")
        self.assertIs(raised2.exception.outcome, sipcluster.Outcome.NOT_APPLIED)

    def test_a_silent_node_is_left_for_the_next(self) -> None:
        c, link = self.connected()
        link.says(b"1")
        began = time.monotonic()
        link, _ = self.b.greets()  # the first one hangs: it comes last
        self.assertGreater(time.monotonic() - began, 2.5)
        self.assertTrue(self.a.links.empty(), "the one that hangs was asked again")
        lost, _ = self.wants(c, "EventLinkDisconnected", "EventLinkConnected")
        self.assertIn("nothing for 3s", lost.link_disconnected.text)

    def test_a_node_that_ends_every_session_is_not_stormed(self) -> None:
        _, link = self.connected()
        began = time.monotonic()
        for _ in range(5):
            link.breaks()
            link, _ = self.a.greets()
        self.assertGreater(time.monotonic() - began, 0.05 + 0.1 + 0.2 + 0.4 + 0.8)

    def test_without_reconnecting_the_lost_connection_ends_the_client(self) -> None:
        c, link = self.connected(reconnect=False)
        link.says(b"1", told("1001"))
        link.breaks()
        self.wants(c, "EventDNBackInService")
        with self.assertRaisesRegex(sipcluster.Closed, "the node stops"):
            list(c)
        with self.assertRaises(sipcluster.Closed):
            c.query_server()


class Requests(Case):
    def test_a_refusal_has_code_text_and_outcome(self) -> None:
        c, link = self.connected()
        for code, outcome in ((tlib.ERROR_CODE_RESOURCE_SEIZED, sipcluster.Outcome.NOT_APPLIED), (tlib.ERROR_CODE_TIMEOUT, sipcluster.Outcome.UNKNOWN)):
            self.beside.submit(link.answers, tlib.Event(error=tlib.EventError(code=code, text="it is taken")))
            with self.assertRaises(sipcluster.Refused) as raised:
                c.reserve_agent("1001", 10)
            self.assertEqual((raised.exception.code, raised.exception.text, raised.exception.outcome), (code, "it is taken", outcome))
        self.assertEqual(str(raised.exception), "reserve DN 1001: it is taken")
        self.assertEqual(raised.exception.name, "TIMEOUT")

    def test_each_asks_what_its_name_says(self) -> None:
        c, link = self.connected()
        calls = {
            "query_server": (), "query_address": ("1",), "register_address": ("1",), "unregister_address": ("1",),
            "agent_login": ("1", "7001"), "agent_logout": ("1",), "agent_ready": ("1",), "agent_not_ready": ("1",),
            "set_dnd_on": ("1",), "set_dnd_off": ("1",), "reserve_agent": ("1", 1.5), "monitor_all": (), "stop_monitor": (),
            "route_call": (tlib.RouteCall(conn_id="c"),), "withdraw_route": ("c",), "release_call": ("1", "c"), "make_call": ("1", "2"),
            "update_user_data": ("c", {"k": "v"}), "distribute_user_event": ("1", {"k": "v"}),
        }
        bodies = {f.name for f in tlib.ClientMessage.DESCRIPTOR.oneofs_by_name["body"].fields} - {"open_session"}
        self.assertEqual(set(calls), bodies, "a request without a method")
        answered = self.beside.submit(lambda: [brief(link.answers(tlib.Event(server_info=tlib.EventServerInfo()))) for _ in calls])
        for name, arguments in calls.items():
            getattr(c, name)(*arguments)
        self.assertEqual([asked.split()[0] for asked in answered.result(PATIENCE)],
                         [{"register_address": "register", "monitor_all": "monitor"}.get(name, name) for name in calls])

    def test_an_answer_that_comes_too_late_is_an_event(self) -> None:
        c, link = self.connected()
        with self.assertRaises(sipcluster.UnknownOutcome):
            c.query_address("1001", timeout=0.05)
        link.answers(tlib.Event(address_info=tlib.EventAddressInfo()))
        self.wants(c, "EventAddressInfo")

    def test_a_refused_session_says_why(self) -> None:
        def refuse() -> None:
            link = self.a.links.get(timeout=PATIENCE)
            link.answers(tlib.Event(error=tlib.EventError(code=tlib.ERROR_CODE_PROTOCOL_VERSION, text="version 2 is wanted")))

        self.beside.submit(refuse)
        with self.assertRaisesRegex(sipcluster.Refused, "version 2 is wanted"):
            sipcluster.Client(self.a.address, insecure=True)

    def test_nobody_there(self) -> None:
        self.a.stop()
        with self.assertRaisesRegex(sipcluster.NotConnected, self.a.address):
            sipcluster.Client(self.a.address, insecure=True, timeout=5)


class Backpressure(Case):
    def test_who_does_not_read_holds_the_node_up_and_loses_nothing(self) -> None:
        c, link = self.connected(queue=4)
        text = "x" * 10_000
        for sent in range(1, 501):
            link.says(b"", told(text, seq=sent))
        waiting = 500
        while waiting != (still := link.said.qsize()):  # until the node gets rid of no more
            waiting = still
            threading.Event().wait(0.5)
        self.assertGreater(waiting, 300, "more is on its way than the window and the queue hold")
        for n in range(1, sent + 1):
            self.assertEqual(c.next_event(PATIENCE).seq, n)


class Close(Case):
    def test_ends_all_threads_and_leaves_in_good_order(self) -> None:
        c, link = self.standing()
        self.assertGreater(len(self.clients_threads()), 2)
        c.close()
        self.assertTrue(link.left.wait(PATIENCE), "the stream was torn down")
        self.assertEqual(list(c), [])
        with self.assertRaises(sipcluster.Closed):
            c.query_server()
        until = time.monotonic() + PATIENCE
        while (left := self.clients_threads()) and time.monotonic() < until:
            left[0].join(0.05)
        self.assertEqual([t.name for t in left], [])

    def test_comes_through_while_everything_waits(self) -> None:
        """A full queue, nobody who reads, and a request without an answer."""
        c, link = self.connected(queue=1)
        asked = self.beside.submit(c.query_server, timeout=PATIENCE)
        link.wants()
        for n in range(1, 11):
            link.says(b"", told("1001", seq=n))
        self.assertEqual(c.next_event(PATIENCE).seq, 1)
        c.close()
        with self.assertRaises(sipcluster.Error):
            asked.result(PATIENCE)

    def test_while_no_node_answers(self) -> None:
        c, _ = self.connected()
        self.b.stop()
        self.a.stop()
        self.wants(c, "EventLinkDisconnected")
        c.close()
        self.assertEqual(list(c), [])


if __name__ == "__main__":
    unittest.main()
