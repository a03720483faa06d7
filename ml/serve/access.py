"""Keys and roles: who may ask what.

A key is 32 random bytes, shown once; ``<home>/serve/keys.json`` has its SHA-256, role, name, expiry and
whether it was revoked. Every request reads the file anew when it has changed, so that a revocation holds at
once in every worker.
"""

import fcntl
import hashlib
import hmac
import ipaddress
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import DamagedError, UsageError
from ml.common.instants import format_instant, parse_instant, utc_now
from ml.home.layout import Home

SCORE, READ, ADMIN = "score", "read", "admin"
ROLES = (SCORE, READ, ADMIN)
PREFIX = "tmk_"  # so that a key that leaked into a file can be searched for
SECRET_BYTES = 32


@dataclass(frozen=True)
class Key:
    """A key as it is kept.

    Parameters
    ----------
    key_id, name, role : str
    sha256 : str
        Of the whole key.
    created_at : str
    expires_at, revoked_at : str or None
    """

    key_id: str
    name: str
    role: str
    sha256: str
    created_at: str
    expires_at: str | None = None
    revoked_at: str | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or parse_instant(self.expires_at) > now)

    def public(self) -> dict[str, Any]:
        """All but the hash."""
        return {name: value for name, value in asdict(self).items() if name != "sha256"}


def key_file(home: Home) -> Path:
    return home.root / "serve" / "keys.json"


def read_keys(home: Home) -> list[Key]:
    """The keys ever created, the oldest first.

    Raises
    ------
    DamagedError
        The file cannot be read: no request is let in.
    """
    try:
        return [Key(**entry) for entry in json.loads(key_file(home).read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise DamagedError(
            f"{key_file(home)} cannot be read: restore it, or delete it and create keys anew"
        ) from error


def create_key(home: Home, role: str, name: str = "", expires: datetime | None = None) -> tuple[str, Key]:
    """A new key, which is shown now and never again, and what is kept of it."""
    if role not in ROLES:
        raise UsageError(f"there is no role {role}: take one of {', '.join(ROLES)}")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    with changing(home) as keys:
        key = Key(
            key_id=secrets.token_hex(4),
            name=name,
            role=role,
            sha256=sha256_of(secret),
            created_at=format_instant(utc_now()),
            expires_at=format_instant(expires) if expires else None,
        )
        keys.append(key)
    return secret, key


def revoke_key(home: Home, which: str) -> list[Key]:
    """Revoke the key with this id, or the keys with this name.

    Raises
    ------
    UsageError
        There is none.
    """
    with changing(home) as keys:
        matches = [place for place, key in enumerate(keys) if which in (key.key_id, key.name) and which]
        if not matches:
            raise UsageError(f"there is no key {which}: 'churn keys list' shows ids and names")
        now = format_instant(utc_now())
        for place in matches:
            keys[place] = replace(keys[place], revoked_at=keys[place].revoked_at or now)
    return [keys[place] for place in matches]


@contextmanager
def changing(home: Home) -> Iterator[list[Key]]:
    """The keys, written in one step at the end; another process that changes them waits."""
    file = key_file(home)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (file.parent / ".keys.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(home)
        yield keys
        content = json.dumps([asdict(key) for key in keys], indent=2) + "\n"
        replace_file(file, content.encode(), is_locked=True)
        file.chmod(0o600)


class Doorkeeper:
    """Tells who a request is from, by the keys of a home as they are now."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._signature: object = ()
        self._keys: list[Key] = []

    def keys(self) -> list[Key]:
        """The keys; read again when the file has changed."""
        try:
            state = os.stat(key_file(self.home))
            signature: object = (state.st_ino, state.st_mtime_ns, state.st_size)
        except FileNotFoundError:
            signature = None
        if signature != self._signature:
            self._keys, self._signature = read_keys(self.home), signature
        return self._keys

    @property
    def is_open(self) -> bool:
        """Whether no key was ever created, so that everyone on this machine may ask."""
        return not self.keys()

    def role_of(self, authorization: str | None) -> str | None:
        """The role of the key in an ``Authorization`` header; None where it has no valid one."""
        key = self.key_of_header(authorization)
        return key.role if key else None

    def key_of_header(self, authorization: str | None) -> Key | None:
        """The valid key in an ``Authorization`` header, if there is one."""
        scheme, _, secret = (authorization or "").partition(" ")
        return self.key_of(secret) if scheme.lower() == "bearer" else None

    def key_of(self, secret: str) -> Key | None:
        """The valid key that a text is, if it is one."""
        return self.key_with(sha256_of(secret.strip())) if secret.strip() else None

    def key_with(self, sha256: str) -> Key | None:
        """The key with this hash, if it is there and neither revoked nor expired."""
        now, match = utc_now(), None
        for key in self.keys():  # all of them, so that the time tells nothing
            if hmac.compare_digest(key.sha256, sha256) and key.is_valid(now):
                match = key
        return match


def sha256_of(text: str) -> str:
    """The SHA-256 of a text, as hexadecimal digits; half of a surrogate pair is a sign like any other."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
