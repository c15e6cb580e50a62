"""The requests of the T-Library, each a method that returns its answer."""

from __future__ import annotations

from typing import Mapping, Optional

from google.protobuf.duration_pb2 import Duration

from sipcluster.tlibpb import tlib_pb2
from sipcluster.tlibpb.tlib_pb2 import ClientMessage, Event, MonitorFilter, RouteCall, ServerInfo

MAX_RESERVATION = 3600.0
"""How many seconds a reservation may last."""

Reasons = Optional[Mapping[str, str]]


class Requests:
    """What a client asks of a node. Each method raises Refused when the node refuses,
    UnknownOutcome when the request was sent and not answered in time, NotConnected when
    there is no connection at present (then nothing was sent), and Closed. timeout is in
    seconds; None is the client's."""

    def _ask(self, what: str, message: ClientMessage, timeout: Optional[float]) -> Event:
        raise NotImplementedError

    def register_address(self, dn: str, mode: int = tlib_pb2.ADDRESS_MODE_SHARED, *, timeout: Optional[float] = None) -> Event:
        """Registers a DN with this session: its events come here. Shared or private
        registration of a pstn DN makes the node its owner. The answer is EventRegistered
        with the DN's status. After a lost connection the DN is registered again. For a
        routing point at the default port the calls that wait there are told as rows,
        EventQueued and EventRouteRequest, each time."""
        return self._ask(f"register DN {dn}", ClientMessage(register_address=tlib_pb2.RegisterAddress(dn=dn, mode=mode)), timeout)  # type: ignore[arg-type]

    def unregister_address(self, dn: str, *, timeout: Optional[float] = None) -> Event:
        """Takes register_address back. With the last registration that is not to monitor a
        pstn DN goes out of service."""
        return self._ask(f"unregister DN {dn}", ClientMessage(unregister_address=tlib_pb2.UnregisterAddress(dn=dn)), timeout)

    def query_address(self, dn: str, *, timeout: Optional[float] = None) -> Event:
        """Asks for a DN's status, which is in the answer."""
        return self._ask(f"query DN {dn}", ClientMessage(query_address=tlib_pb2.QueryAddress(dn=dn)), timeout)

    def query_server(self, *, timeout: Optional[float] = None) -> ServerInfo:
        """Asks what the node is and which nodes it hears."""
        return self._ask("query the server", ClientMessage(query_server=tlib_pb2.QueryServer()), timeout).server_info.server

    def monitor_all(self, filter: Optional[MonitorFilter] = None, *, timeout: Optional[float] = None) -> None:
        """Asks for the events of all DNs that pass the filter. The node's rows,
        EndOfSnapshot and then every change are events: read them. It returns when the
        first of them is here. Asking again replaces the filter. After a lost connection
        the client asks again, for what is new where the node can tell, else for a
        snapshot: EndOfSnapshot says which by resumed. A DN that is in no row of a snapshot
        is not there any more."""
        self._ask("monitor all", ClientMessage(monitor_all=tlib_pb2.MonitorAll(filter=filter)), timeout)

    def stop_monitor(self, *, timeout: Optional[float] = None) -> None:
        """Ends monitor_all. Events that the node told before may still wait to be read."""
        self._ask("stop monitoring", ClientMessage(stop_monitor=tlib_pb2.StopMonitor()), timeout)

    def agent_login(self, dn: str, agent_id: str, work_mode: int = 0, reasons: Reasons = None, *, timeout: Optional[float] = None) -> Event:
        """Logs an agent in at a DN in service that this session has registered, not only to
        monitor it. The agent stays logged in when the session ends. Up to 16 reasons, keys
        of up to 64 and values of up to 256 bytes. The answer is EventAgentLogin, or the
        event of the state of who is logged in there already."""
        return self._ask(f"log in at DN {dn}", ClientMessage(agent_login=tlib_pb2.AgentLogin(
            dn=dn, agent_id=agent_id, work_mode=work_mode, reasons=reasons)), timeout)  # type: ignore[arg-type]

    def agent_logout(self, dn: str, reasons: Reasons = None, *, timeout: Optional[float] = None) -> Event:
        """Logs the agent at the DN out. The answer is EventAgentLogout."""
        return self._ask(f"log out at DN {dn}", ClientMessage(agent_logout=tlib_pb2.AgentLogout(dn=dn, reasons=reasons)), timeout)

    def agent_ready(self, dn: str, work_mode: int = 0, reasons: Reasons = None, *, timeout: Optional[float] = None) -> Event:
        """Makes the agent at the DN ready for calls. The answer is EventAgentReady, with the
        owner's site as the reason "site"."""
        return self._ask(f"make DN {dn} ready", ClientMessage(agent_ready=tlib_pb2.AgentReady(
            dn=dn, work_mode=work_mode, reasons=reasons)), timeout)  # type: ignore[arg-type]

    def agent_not_ready(self, dn: str, work_mode: int = 0, reasons: Reasons = None, *, timeout: Optional[float] = None) -> Event:
        """Makes the agent at the DN not ready. The answer is EventAgentNotReady."""
        return self._ask(f"make DN {dn} not ready", ClientMessage(agent_not_ready=tlib_pb2.AgentNotReady(
            dn=dn, work_mode=work_mode, reasons=reasons)), timeout)  # type: ignore[arg-type]

    def set_dnd_on(self, dn: str, *, timeout: Optional[float] = None) -> Event:
        """Sets do not disturb at a DN that this session has registered: it is not routable,
        whatever its agent does. The answer is EventDNDOn."""
        return self._ask(f"set do not disturb at DN {dn}", ClientMessage(set_dnd_on=tlib_pb2.SetDNDOn(dn=dn)), timeout)

    def set_dnd_off(self, dn: str, *, timeout: Optional[float] = None) -> Event:
        """Takes set_dnd_on back. The answer is EventDNDOff."""
        return self._ask(f"take do not disturb at DN {dn} back", ClientMessage(set_dnd_off=tlib_pb2.SetDNDOff(dn=dn)), timeout)

    def reserve_agent(self, dn: str, seconds: float, priority: int = 0, *, detached: bool = False, timeout: Optional[float] = None) -> Event:
        """Asks the DN's owner to reserve it, in whole milliseconds, at most
        MAX_RESERVATION. The owner collects requests for a moment; the highest priority
        wins, among equals the oldest. The answer is EventAgentReserved; who has it already
        gets it again, for the longer of both times. It ends with this session, unless it is
        detached: then with its time."""
        ms = round(seconds * 1000)
        if not 1 <= ms <= MAX_RESERVATION * 1000:
            raise ValueError(f"reserve DN {dn} for {seconds} s: want 0.001 to {MAX_RESERVATION:.0f}")
        return self._ask(f"reserve DN {dn}", ClientMessage(reserve_agent=tlib_pb2.ReserveAgent(
            dn=dn, duration=Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000), priority=priority, detached=detached)), timeout)

    def cancel_reservation(self, dn: str, *, timeout: Optional[float] = None) -> Event:
        """Ends this session's reservation of the DN. The answer is EventAgentReserved with
        the outcome CANCELLED, also when there is none."""
        return self._ask(f"cancel the reservation of DN {dn}", ClientMessage(reserve_agent=tlib_pb2.ReserveAgent(dn=dn)), timeout)

    def route_call(self, route: RouteCall, *, timeout: Optional[float] = None) -> Event:
        """Answers an EventRouteRequest: sends the call on, at the default port of the node
        that has it. The answer is EventRouteUsed when the call leaves the routing point, or
        was rejected as asked; Refused when the call does not wait any more, when nobody
        there could take it, or when another one of this session took the place of this."""
        return self._ask(f"route call {route.conn_id}", ClientMessage(route_call=route), timeout)

    def withdraw_route(self, conn_id: str, *, timeout: Optional[float] = None) -> Event:
        """Takes back a route_call of this session by which the call waits for an agent of a
        group. The answer is EventRouteWithdrawn."""
        return self._ask(f"withdraw the route of {conn_id}", ClientMessage(withdraw_route=tlib_pb2.WithdrawRoute(conn_id=conn_id)), timeout)

    def make_call(self, dn: str, number: str, request_id: str = "", *, timeout: Optional[float] = None) -> Event:
        """Has the phone of a sip DN that this session has registered call a number. With a
        request_id the request may be made again within ten minutes, and makes no other call.
        The answer is EventDialing when the phone has begun the call, which takes up to 15 s."""
        return self._ask(f"have DN {dn} call {number}", ClientMessage(
            make_call=tlib_pb2.MakeCall(dn=dn, number=number, request_id=request_id)), 20.0 if timeout is None else timeout)

    def release_call(self, dn: str, conn_id: str, *, timeout: Optional[float] = None) -> Event:
        """Ends an answered call that the DN has part in, at the node that has it. The answer
        is EventReleased."""
        return self._ask(f"release call {conn_id}", ClientMessage(release_call=tlib_pb2.ReleaseCall(dn=dn, conn_id=conn_id)), timeout)

    def update_user_data(self, conn_id: str, data: Mapping[str, str], *, timeout: Optional[float] = None) -> Event:
        """Adds to the user data of a call, at the node that has it; an empty value takes a
        key away. The answer is EventAttachedDataChanged."""
        return self._ask(f"update the data of call {conn_id}", ClientMessage(
            update_user_data=tlib_pb2.UpdateUserData(conn_id=conn_id, user_data=data)), timeout)

    def distribute_user_event(self, dn: str, data: Mapping[str, str], *, timeout: Optional[float] = None) -> Event:
        """Tells all clients that hear of a DN something, at every node. The answer is
        EventUserEvent."""
        return self._ask(f"distribute to {dn}", ClientMessage(
            distribute_user_event=tlib_pb2.DistributeUserEvent(dn=dn, user_data=data)), timeout)

    def distribute_to_call(self, conn_id: str, data: Mapping[str, str], *, timeout: Optional[float] = None) -> Event:
        """distribute_user_event to all parties of a call."""
        return self._ask(f"distribute to call {conn_id}", ClientMessage(
            distribute_user_event=tlib_pb2.DistributeUserEvent(conn_id=conn_id, user_data=data)), timeout)
