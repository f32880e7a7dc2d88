"""Write keys: which source each names, as hashes only, and their rotation.

A key is no secret from those who send with it, but it decides what counts as theirs; so what lies on disk, or in this
process, is its SHA-256. (Keys that we make have 160 random bits: nobody guesses one from its hash.) Each source has at
most two live keys, so that a new one can be rolled out before the old one is withdrawn.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from scoring.errors import SettingsError
from streams.api_keys import ApiKeys
from streams.settings import LIVE_KEYS_MAX, Settings, split_list

HASHED: Final = "sha256:"
KEY_PREFIX: Final = "lh_"

_HASH: Final = re.compile(r"[0-9a-f]{64}")
_SOURCE: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")

_log = structlog.get_logger(__name__)


class WriteKey(msgspec.Struct, frozen=True):
    """One key as it is kept; ``id`` begins its hash, and names it where people speak of it."""

    source: str
    sha256: str
    created_ms: int = 0

    @property
    def id(self) -> str:
        """What names the key: the first eight digits of its hash."""
        return self.sha256[:8]


def hash_key(key: str) -> str:
    """Return the hash under which a key is kept.

    >>> hash_key("abc123")[:8]
    '6ca13d52'
    """
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


class Keys(Protocol):
    """Keys that name their senders."""

    @property
    def is_empty(self) -> bool:
        """Whether there are none at all, so that only this machine may send."""

    def find(self, key: str) -> WriteKey | None:
        """Return the live key that was sent, or None."""


class NamedKeys:
    """The keys of a setting with name=key pairs.

    >>> NamedKeys("crm=abc123").find("abc123").source
    'crm'
    """

    def __init__(self, pairs: str) -> None:
        keys = [_read_pair(pair) for pair in split_list(pairs)]
        self._by_hash = {key.sha256: key for key in keys}

    @property
    def is_empty(self) -> bool:
        """Whether there are none at all, so that only this machine may send."""
        return not self._by_hash

    def find(self, key: str) -> WriteKey | None:
        """Return the key that was sent, or None."""
        return self._by_hash.get(hash_key(key))


class WriteKeys:
    """The live keys of settings and file; a file that changes is read again with the next request.

    API keys whose role lets them send are keys of sources, too, by their names.

    >>> keys = WriteKeys(Settings(write_keys="site=abc123"))
    >>> keys.find("abc123").source, keys.find("wrong")
    ('site', None)
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.write_keys_file
        self._of_settings = [_read_pair(pair) for pair in split_list(settings.write_keys)]
        self._of_settings += _read_api_keys(settings.api_keys)
        self._stamp: tuple[int, int, int] | None = None
        self._by_hash: Mapping[str, WriteKey] = {}
        self._load([] if self._path is None else read_keys(self._path))
        if self._path is not None:
            self._stamp = _stamp(self._path)

    @property
    def is_empty(self) -> bool:
        """Whether there are no keys at all, so that only this machine may send."""
        self._refresh()
        # A file that is named and holds none lets nobody in: its last key may just have been withdrawn.
        return not self._by_hash and self._path is None

    @property
    def sources(self) -> set[str]:
        """The sources that have a live key."""
        return {key.source for key in self._by_hash.values()}

    def find(self, key: str) -> WriteKey | None:
        """Return the live key that was sent, or None. That it is looked up by its hash says nothing about any other."""
        self._refresh()
        return self._by_hash.get(hash_key(key))

    def _refresh(self) -> None:
        if self._path is None or (stamp := _stamp(self._path)) == self._stamp:
            return
        self._stamp = stamp
        try:
            self._load(read_keys(self._path))
            _log.info("write keys read again", keys=len(self._by_hash))
        except SettingsError as error:
            _log.error("write keys cannot be read: those of before stay", error=str(error))

    def _load(self, of_file: list[WriteKey]) -> None:
        self._by_hash = {key.sha256: key for key in (*self._of_settings, *of_file)}


def _read_pair(pair: str) -> WriteKey:
    source, _, key = (part.strip() for part in pair.partition("="))
    if not key.startswith(HASHED):
        return WriteKey(source, hash_key(key))
    digest = key.removeprefix(HASHED).lower()
    if _HASH.fullmatch(digest) is None:
        raise SettingsError(f"LEADHEAT_WRITE_KEYS: {source!r}: expected sha256: and 64 hex digits")
    return WriteKey(source, digest)


def _read_api_keys(text: str) -> list[WriteKey]:
    """Return the API keys that may send events; raises :class:`SettingsError` where one's name is none of a source."""
    found = ApiKeys(text).of_role("ingest")
    for name in found.values():
        if _SOURCE.fullmatch(name) is None:
            raise SettingsError(
                f"LEADHEAT_API_KEYS: {name[:40]!r}: who sends events is a source: 1 to 80 letters, digits, . _ or -"
            )
    return [WriteKey(name, digest) for digest, name in found.items()]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────────────


class _File(msgspec.Struct):
    keys: list[WriteKey] = msgspec.field(default_factory=list)


def read_keys(path: Path) -> list[WriteKey]:
    """Read a file of keys, oldest first; none where there is no file; raises :class:`SettingsError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).keys
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"LEADHEAT_WRITE_KEYS_FILE: {path} cannot be read as a file of keys: {error}") from None


def add_key(path: Path, source: str, now_ms: int, *, rotate: bool = False) -> tuple[str, WriteKey | None]:
    """Make a key for ``source`` and keep its hash; return the key, which is nowhere else, and the one withdrawn for it.

    Where the source has two live keys already, ``rotate`` withdraws the older; otherwise raises :class:`SettingsError`.
    """
    if _SOURCE.fullmatch(source) is None:
        raise SettingsError(f"SOURCE: {source!r}: expected 1 to 80 letters, digits, dots, hyphens and underscores")
    with _changing(path) as keys:
        live = [key for key in keys if key.source == source]
        withdrawn = None
        if len(live) >= LIVE_KEYS_MAX:
            if not rotate:
                raise SettingsError(
                    f"{source!r} has {len(live)} live keys ({', '.join(key.id for key in live)}): withdraw one with "
                    f"`leadheat keys revoke {source} {live[0].id}`, or use `leadheat keys rotate {source}`"
                )
            withdrawn = live[0]
            keys.remove(withdrawn)
        plain = KEY_PREFIX + base64.b32encode(secrets.token_bytes(20)).decode().lower()
        keys.append(WriteKey(source, hash_key(plain), now_ms))
    return plain, withdrawn


def revoke_key(path: Path, source: str, key_id: str) -> WriteKey:
    """Withdraw a key; raises :class:`SettingsError` where there is none of that id."""
    with _changing(path) as keys:
        found = [key for key in keys if key.source == source and key_id and key.sha256.startswith(key_id)]
        if len(found) != 1:
            known = ", ".join(f"{key.source} {key.id}" for key in keys) or "no key at all"
            raise SettingsError(f"{source!r} has no key {key_id!r} in {path}; there is {known}")
        keys.remove(found[0])
    return found[0]


@contextmanager
def _changing(path: Path) -> Iterator[list[WriteKey]]:
    """Yield the keys of a file, to be changed in place; they are written whole, or not at all, one writer at a time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = read_keys(path)
            yield keys
            new = path.with_name(path.name + ".new")
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(_File(keys))) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)
    except OSError as error:
        raise SettingsError(f"LEADHEAT_WRITE_KEYS_FILE: {path} cannot be written: {error}") from None
