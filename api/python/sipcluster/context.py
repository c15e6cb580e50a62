"""How a cluster is reached, and as whom: the contexts that `sipcluster login` keeps."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Tuple, Union

from sipcluster.errors import ContextError


@dataclasses.dataclass(frozen=True)
class Context:
    """One cluster and one user of it. A secret is in it."""

    name: str
    authorities: Tuple[str, ...] = ()
    """Fingerprints of the cluster's authorities: lower-case hex of their SHA-256."""
    addresses: Tuple[str, ...] = ()
    """TCports, HOST:PORT, tried in order."""
    token: str = dataclasses.field(default="", repr=False)
    certificate: str = ""
    """With key, files (PEM) that are shown instead of a token."""
    key: str = ""
    cluster: str = ""
    """Its id."""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64 or re.search(r"[/\s]", self.name):
            raise ContextError(f"context {self.name[:70]!r}: want a name of 1 to 64 characters without spaces and slashes")
        if self.token and self.certificate:
            raise ContextError(f"context {self.name} has a token and a certificate: want one of both")
        if bool(self.certificate) != bool(self.key):
            raise ContextError(f"context {self.name}: a certificate needs its key")
        if self.token and not re.fullmatch(r"sct_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", self.token):
            raise ContextError(f"context {self.name}: not a token: want sct_, 12 characters, _ and 43 more, as it was given out")

    def knowing(self, authorities: Tuple[str, ...]) -> "Context":
        """The same with further authorities of the cluster."""
        return dataclasses.replace(self, authorities=tuple(dict.fromkeys(self.authorities + authorities)))


def load_context(path: Union[str, "os.PathLike[str]"]) -> Context:
    """The context in a file of its own: --context-file of `token create`, admin.context."""
    entry, _ = _parse(read_secret(path), str(path))
    return _context(entry, str(path))


def find_context(name: str = "", address: str = "", environ: Mapping[str, str] = os.environ) -> Context:
    """One of the user's contexts, as the commands choose it: that of the name or of
    SIPCLUSTER_CONTEXT; else one that lists the address; else the current one."""
    path = contexts_path(environ)
    try:
        top, entries = _parse(read_secret(path), str(path))
    except FileNotFoundError:
        raise ContextError(f"there is no {path}: sipcluster login") from None
    contexts = {c.name: c for c in (_context(e, str(path)) for e in entries)}
    name = name or environ.get("SIPCLUSTER_CONTEXT", "")
    if name:
        if name not in contexts:
            raise ContextError(f"no context is called {name}: sipcluster context list")
        return contexts[name]
    current = contexts.get(str(top.get("current", "")))
    for c in ([current] if current else []) + list(reversed(contexts.values())):
        if address in c.addresses:
            return c
    if current is None:
        raise ContextError(f"no context of {path} is the current one: sipcluster context use")
    return current


def contexts_path(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's contexts lie."""
    if environ.get("SIPCLUSTER_CONTEXTS"):
        return Path(environ["SIPCLUSTER_CONTEXTS"])
    config = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config"
    return Path(config) / "sipcluster" / "contexts.yaml"


def read_secret(path: Union[str, "os.PathLike[str]"]) -> bytes:
    """The content of a file that only its owner may read; a wider one is refused. A pipe
    has no mode."""
    with open(path, "rb") as f:
        mode = os.fstat(f.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise ContextError(f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}")
        return f.read()


# What the commands write: keys with a scalar, or with a list on one line, and one level
# of a list of such mappings.
_Entry = Dict[str, Union[str, List[str]]]

_LINE = re.compile(r"(?P<indent> *)(?P<dash>- +)?(?P<key>[a-z0-9-]+):(?: +(?P<value>\S.*?))?\s*")
_SCALAR = re.compile(r"""\s*(?:'(?P<single>(?:[^']|'')*)'|"(?P<double>[^"\\]*)"|(?P<plain>[^\s,\[\]{}'"#&*!|>%@`][^,\[\]{}#]*))\s*""")


def _parse(text: bytes, path: str) -> Tuple[_Entry, List[_Entry]]:
    """Reads a file of contexts, or of one: what stands at the margin, and the entries of
    the list. Nothing but what the commands write is understood, so no library is needed."""
    top: _Entry = {}
    entries: List[_Entry] = []
    for line in text.decode("utf-8", "replace").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        m = _LINE.fullmatch(line)
        if m is None:
            raise ContextError(f"{path} is damaged: repair or remove it")
        key, value = m["key"], m["value"]
        if m["dash"] is not None:
            entries.append({})
        at_margin = not m["indent"] and m["dash"] is None
        if not at_margin and not entries:
            raise ContextError(f"{path} is damaged: repair or remove it")
        (top if at_margin else entries[-1])[key] = [] if value is None else _value(value, path)
    return top, entries


def _value(text: str, path: str) -> Union[str, List[str]]:
    if not text.startswith("["):
        m = _SCALAR.fullmatch(text)
        if m is None:
            raise ContextError(f"{path} is damaged: repair or remove it")
        return _scalar(m)
    items: List[str] = []
    at, end = 1, len(text) - 1
    while text[at:end].strip():
        m = _SCALAR.match(text, at, end)
        if m is None or m.end() < end and text[m.end()] != ",":
            raise ContextError(f"{path} is damaged: repair or remove it")
        items.append(_scalar(m))
        at = m.end() + 1
    if text[end] != "]":
        raise ContextError(f"{path} is damaged: repair or remove it")
    return items


def _scalar(m: "re.Match[str]") -> str:
    if m["single"] is not None:
        return m["single"].replace("''", "'")
    return m["double"] if m["double"] is not None else m["plain"].rstrip()


def _context(entry: _Entry, path: str) -> Context:
    text = {k: v for k, v in entry.items() if isinstance(v, str)}
    lists = {k: tuple(v) for k, v in entry.items() if isinstance(v, list)}
    unknown = (text.keys() - {"name", "cluster", "token", "certificate", "key"}) | (lists.keys() - {"ca-sha256", "addresses"})
    if unknown:
        raise ContextError(f"{path} is damaged or newer than this program: it has {sorted(unknown)[0]}")
    return Context(name=text.get("name", ""), cluster=text.get("cluster", ""), token=text.get("token", ""),
                   certificate=text.get("certificate", ""), key=text.get("key", ""),
                   authorities=lists.get("ca-sha256", ()), addresses=lists.get("addresses", ()))
