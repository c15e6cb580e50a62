"""gRPC channels to one node: TLS that trusts the cluster's authority by its fingerprint
alone, as the commands do, or in the clear."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from typing import Any, List, Optional, Sequence, Tuple

import grpc

from sipcluster.context import Context, read_secret
from sipcluster.errors import ContextError, NotConnected

WINDOW = 256 << 10
"""How much of what a node says may be on its way to a client that does not read."""

_OPTIONS: Tuple[Tuple[str, Any], ...] = (
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", WINDOW),
    ("grpc.use_local_subchannel_pool", 1),  # another channel's failures are no reason to wait
    ("grpc.enable_retries", 0),
    ("grpc.enable_http_proxy", 0),
)


def open_channel(address: str, context: Optional[Context], timeout: float = 5.0) -> grpc.Channel:
    """A channel to the node at HOST:PORT, for the stubs of sipcluster.tcpb and
    sipcluster.configpb. With a context the node is looked at first, within the timeout:
    NotConnected when nobody is there, ContextError when it is no node of the cluster. The
    name in its certificate doesn't count, but its authority; a clock that is out of the
    certificate's time fails. Without a context nothing is encrypted, and nobody is asked
    who he is (--insecure)."""
    channel, _ = dial(address, context, timeout)
    return channel


def dial(address: str, context: Optional[Context], timeout: float) -> Tuple[grpc.Channel, Tuple[str, ...]]:
    """open_channel, and the fingerprints of the authorities that the node showed along:
    the word of one that was believed, so a rotation of the authority is followed."""
    if context is None:
        return grpc.insecure_channel(address, options=_OPTIONS), ()
    root, name, authorities = _look(address, context, timeout)
    key = chain = None
    if context.certificate:
        key, chain = read_secret(context.key), _read(context.certificate)
    credentials = grpc.ssl_channel_credentials(root.encode(), key, chain)
    if context.token:
        credentials = grpc.composite_channel_credentials(credentials, grpc.access_token_call_credentials(context.token))
    options = _OPTIONS + (("grpc.ssl_target_name_override", name),)
    return grpc.secure_channel(address, credentials, options=options), authorities


def _look(address: str, context: Context, timeout: float) -> Tuple[str, str, Tuple[str, ...]]:
    """The cluster's authority (PEM), as the node at the address shows it along, the name
    in the node's certificate, and all authorities that it shows."""
    until = time.monotonic() + timeout
    shown, _ = _handshake(address, None, timeout)
    known = {a.lower() for a in context.authorities}
    root = "".join(ssl.DER_cert_to_PEM_cert(c) for c in shown[1:] if _fingerprint(c) in known)
    if not root:
        raise ContextError(f"the node at {address} is not one of the cluster of context {context.name}: its authority is another one")
    believed, names = _handshake(address, root, max(until - time.monotonic(), 0.01))
    dns = [value for kind, value in names if kind == "DNS"]
    if not dns or not any(kind == "URI" and value.startswith("spiffe://") and "/node/" in value for kind, value in names):
        raise ContextError(f"the certificate at {address} is not a node's")
    return root, dns[0], tuple(_fingerprint(c) for c in believed[1:])


def _fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).hexdigest()


def _handshake(address: str, root: Optional[str], timeout: float) -> Tuple[List[bytes], Sequence[Tuple[str, str]]]:
    """The certificates (DER) that are shown at an address, and the names of the first one
    when it leads to the root; without a root nothing is believed."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.check_hostname = False
    tls.set_alpn_protocols(["h2"])
    tls.verify_mode = ssl.CERT_NONE if root is None else ssl.CERT_REQUIRED
    if root is not None:
        tls.load_verify_locations(cadata=root)
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout) as raw, tls.wrap_socket(raw) as s:
            return _chain(s), (s.getpeercert() or {}).get("subjectAltName", ())  # type: ignore[return-value]
    except ssl.SSLCertVerificationError as e:
        raise ContextError(f"the certificate at {address} does not lead to the cluster's authority: {e.verify_message}") from None
    except ssl.SSLError as e:
        raise NotConnected(f"{address} speaks no TLS that can be understood: {e.reason}") from None
    except (OSError, ValueError) as e:
        raise NotConnected(f"{address}: {e}") from None


def _chain(s: ssl.SSLSocket) -> List[bytes]:
    """All certificates that were shown. Python has that in public since 3.13."""
    if hasattr(s, "get_unverified_chain"):
        return list(s.get_unverified_chain())
    return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in s._sslobj.get_unverified_chain()]  # type: ignore[attr-defined]


def _read(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()
