"""What needs no connection: contexts, outcomes, words, pauses, and the methods that
programs are typed with."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path
from typing import Any, Optional, Tuple

import grpc

import sipcluster
from sipcluster import event, tlib
from sipcluster.client import Backoff
from sipcluster.memory import Memory, Request
from sipcluster.tcpb import availability_pb2

TOKEN = "sct_abcdefghij23_" + "x" * 43
CONTEXTS = f"""\
current: dev
contexts:
    - name: dev
      cluster: 85413e6a-2358-49a0-9b3d-351c66f671e9
      ca-sha256: [15821d48, 9e440482]
      addresses: ['[fd00:96::1]:7001', '127.0.0.1:7011']
      token: {TOKEN}
    - name: other
      ca-sha256: []
      addresses: ["10.0.0.1:7001"]
      certificate: /etc/it''s.pem
      key: /etc/key.pem
"""


class Contexts(unittest.TestCase):
    def setUp(self) -> None:
        d = tempfile.TemporaryDirectory()
        self.addCleanup(d.cleanup)
        self.path = Path(d.name) / "contexts.yaml"
        self.environ = {"SIPCLUSTER_CONTEXTS": str(self.path)}

    def write(self, text: str, mode: int = 0o600) -> None:
        self.path.write_text(text)
        self.path.chmod(mode)

    def test_are_chosen_as_the_commands_choose_them(self) -> None:
        self.write(CONTEXTS)
        for name, address, environ, want in (
            ("", "", {}, "dev"), ("other", "", {}, "other"), ("", "10.0.0.1:7001", {}, "other"), ("", "10.0.0.9:7001", {}, "dev"),
            ("", "127.0.0.1:7011", {"SIPCLUSTER_CONTEXT": "other"}, "other"),
        ):
            with self.subTest(name=name, address=address, environ=environ):
                self.assertEqual(sipcluster.find_context(name, address, {**self.environ, **environ}).name, want)
        with self.assertRaisesRegex(sipcluster.ContextError, "no context is called third"):
            sipcluster.find_context("third", environ=self.environ)

    def test_have_what_the_commands_wrote(self) -> None:
        self.write(CONTEXTS)
        c = sipcluster.find_context(environ=self.environ)
        self.assertEqual(c.authorities, ("15821d48", "9e440482"))
        self.assertEqual(c.addresses, ("[fd00:96::1]:7001", "127.0.0.1:7011"))
        self.assertEqual(c.token, TOKEN)
        self.assertNotIn(TOKEN, repr(c))
        self.assertEqual(sipcluster.find_context("other", environ=self.environ).key, "/etc/key.pem")

    def test_of_a_file_of_its_own(self) -> None:
        self.write(f"name: desk\nca-sha256: [15]\naddresses: []\ntoken: {TOKEN}\n")
        self.assertEqual(sipcluster.load_context(self.path).name, "desk")

    def test_are_refused(self) -> None:
        for what, text, mode, why in (
            ("a wide file", CONTEXTS, 0o640, r"can be read by others \(mode 0640\): chmod 600"),
            ("a token that is none", CONTEXTS.replace(TOKEN, "sct_short"), 0o600, "context dev: not a token"),
            ("something newer", CONTEXTS.replace("cluster:", "realm:"), 0o600, "newer than this program: it has realm"),
            ("another form", "contexts: {a: b}\n", 0o600, "is damaged"),
            ("half a list", CONTEXTS.replace("9e440482]", "9e440482"), 0o600, "is damaged"),
            ("none in use", CONTEXTS.replace("current: dev\n", ""), 0o600, "sipcluster context use"),
        ):
            with self.subTest(what):
                self.write(text, mode)
                with self.assertRaisesRegex(sipcluster.ContextError, why) as raised:
                    sipcluster.find_context(environ=self.environ)
                self.assertNotIn(TOKEN, str(raised.exception))

    def test_there_are_none(self) -> None:
        with self.assertRaisesRegex(sipcluster.ContextError, "sipcluster login"):
            sipcluster.find_context(environ=self.environ)

    def test_lie_where_the_commands_look(self) -> None:
        for environ, want in (
            ({"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/sipcluster/contexts.yaml"), ({"HOME": "/h"}, "/h/.config/sipcluster/contexts.yaml"),
        ):
            found: Optional[Path] = None
            try:
                sipcluster.find_context(environ=environ)
            except sipcluster.ContextError as e:
                found = Path(str(e).split()[3].rstrip(":"))
            self.assertEqual(str(found), want)


class _Failure(grpc.RpcError):  # type: ignore[misc]
    def __init__(self, code: grpc.StatusCode, details: bytes = b"") -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def trailing_metadata(self) -> Tuple[Tuple[str, bytes], ...]:
        return (("grpc-status-details-bin", self._details),) if self._details else ()


def _field(number: int, value: bytes) -> bytes:
    return bytes([number << 3 | 2, len(value)]) + value


def _said(domain: bytes, reason: bytes) -> bytes:
    """A google.rpc.Status with that ErrorInfo."""
    info = _field(1, reason) + _field(2, domain)
    return b"\x08\x0e" + _field(2, b"why") + _field(3, _field(1, b"type.googleapis.com/google.rpc.ErrorInfo") + _field(2, info))


class Outcomes(unittest.TestCase):
    def test_of_a_failed_request_to_another_service(self) -> None:
        not_applied, unknown = sipcluster.Outcome.NOT_APPLIED, sipcluster.Outcome.UNKNOWN
        unavailable, invalid = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT
        for code, details, want in (
            (unavailable, b"", unknown), (invalid, b"", not_applied), (grpc.StatusCode.DEADLINE_EXCEEDED, b"", unknown),
            (unavailable, _said(b"sipcluster", b"NOT_APPLIED"), not_applied),
            (invalid, _said(b"sipcluster", b"PARTLY_APPLIED"), sipcluster.Outcome.PARTLY_APPLIED),
            (invalid, _said(b"sipcluster", b"OF_A_LATER_VERSION"), unknown),
            (unavailable, _said(b"elsewhere", b"NOT_APPLIED"), unknown),
            (unavailable, _said(b"sipcluster", b"NOT_APPLIED")[:20], unknown), (unavailable, b"\xff\xff", unknown),
        ):
            with self.subTest(code=code, details=details):
                self.assertIs(sipcluster.outcome_of(_Failure(code, details)), want)


class Words(unittest.TestCase):
    def test_of_events(self) -> None:
        e = tlib.Event(agent_ready=tlib.EventAgentReady(agent=tlib.Agent(id="7001")))
        self.assertEqual((event.name(e), event.kind(e)), ("EventAgentReady", tlib.MESSAGE_EVENT_AGENT_READY))
        agent = event.agent(e)
        assert agent is not None
        self.assertEqual(agent.id, "7001")
        self.assertIsNone(event.status(e))
        nothing = tlib.Event()
        self.assertEqual((event.name(nothing), event.kind(nothing), event.body(nothing), event.call(nothing)), ("", 0, None, None))

    def test_every_event_has_the_number_of_its_message(self) -> None:
        fields = tlib.Event.DESCRIPTOR.oneofs_by_name["body"].fields
        self.assertEqual({f.number for f in fields}, set(tlib.Message.values()) - {0})

    def test_of_enums(self) -> None:
        for enum, number, want in (
            (availability_pb2.Reason, availability_pb2.REASON_PEER_LOST, "peer-lost"), (availability_pb2.Reason, 0, ""),
            (availability_pb2.DNState, availability_pb2.DN_STATE_IN_SRV, "InSrv"), (availability_pb2.DNState, availability_pb2.DN_STATE_OOS, "OOS"),
            (tlib.AgentCause, tlib.AGENT_CAUSE_NO_ANSWER, "no-answer"), (tlib.AgentCause, 99, "99"),
        ):
            self.assertEqual(event.word(enum, number), want)


class Requests(unittest.TestCase):
    """What became of one that was not sent yet."""

    def test_is_not_sent_once_nobody_waits_or_its_session_is_over(self) -> None:
        m = Memory("test")
        session = m.opened(0, tlib.EventLinkConnected())
        query = tlib.ClientMessage(query_server=tlib.QueryServer())
        given_up, late, sent = Request(query), Request(query), Request(query)
        m.gives_up(given_up)
        self.assertFalse(m.sends(given_up, session))
        self.assertTrue(m.sends(sent, session))
        m.lost()
        self.assertFalse(m.sends(late, session))
        self.assertTrue(sent.done.is_set() and late.done.is_set())
        self.assertEqual([r.sent for r in (given_up, late, sent)], [False, False, True])


class Places(unittest.TestCase):
    """What a monitor is resumed behind: nothing of before the end of its snapshot."""

    def test_of_a_monitor(self) -> None:
        m = Memory("test")
        monitor = Request(tlib.ClientMessage(monitor_all=tlib.MonitorAll()))
        m.sends(monitor, m.opened(0, tlib.EventLinkConnected()))
        m.hears(b"3")
        self.assertEqual(self.resumed(m), b"", "its snapshot did not end")
        [monitor] = m.again(resumed=True)
        m.sends(monitor, m.opened(0, tlib.EventLinkConnected()))
        self.assertFalse(m.takes(tlib.Event(reference_id=monitor.message.reference_id, end_of_snapshot=tlib.EndOfSnapshot())))
        m.hears(b"5")
        m.hears(b"")
        self.assertEqual(self.resumed(m), b"5")

    def resumed(self, m: Memory) -> bytes:
        m.lost()
        [again] = m.again(resumed=True)
        return again.message.monitor_all.resume_cursor


class Pauses(unittest.TestCase):
    def test_double_up_to_a_bound_and_up_to_a_half_is_chance(self) -> None:
        made = [[b.next() for _ in range(10)] for b in (Backoff() for _ in range(100))]
        for n, at_most in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5, 5]):
            these: Any = [pauses[n] for pauses in made]
            self.assertTrue(all(at_most / 2 <= p <= at_most for p in these), (n, these))
            self.assertGreater(max(these) - min(these), at_most / 10, "they come all at once")


class Typing(unittest.TestCase):
    def test_the_package_says_that_it_is_typed(self) -> None:
        package = Path(os.path.dirname(sipcluster.__file__))
        self.assertTrue((package / "py.typed").exists())
        self.assertTrue((package / "tlibpb" / "tlib_pb2.pyi").exists())


if __name__ == "__main__":
    unittest.main()
