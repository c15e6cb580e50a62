"""A client of sipcluster: what a Stat Server, a desktop gateway or a router in Python is
made with. docs/python.md tells how; docs/api.md has all requests and events."""

from sipcluster import event
from sipcluster.channel import open_channel
from sipcluster.client import Client
from sipcluster.context import Context, find_context, load_context, read_secret
from sipcluster.errors import Closed, ContextError, Error, NotConnected, Outcome, Refused, UnknownOutcome, error_name, outcome_of
from sipcluster.requests import MAX_RESERVATION
from sipcluster.tlibpb import tlib_pb2 as tlib

__all__ = [
    "MAX_RESERVATION", "Client", "Closed", "Context", "ContextError", "Error", "NotConnected", "Outcome", "Refused",
    "UnknownOutcome", "error_name", "event", "find_context", "load_context", "open_channel", "outcome_of", "read_secret", "tlib",
]
