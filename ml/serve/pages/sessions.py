"""Who is signed in to the page: a random id in a cookie, and a file of the home that names the key.

The file's name is the hash of the id, so that the folder lets nobody in. Every worker reads it with each
request, and looks the key up as it is then: a revocation, an expiry and a sign-out hold at once.
"""

import hmac
import json
import secrets
from datetime import timedelta
from pathlib import Path

from ml.common.durable_files import replace_file
from ml.common.instants import format_instant, parse_instant, utc_now
from ml.home.layout import Home
from ml.serve.access import Doorkeeper, Key, sha256_of

COOKIE = "churn_session"
LASTS = timedelta(hours=12)  # a working day; then the key is needed again
ID_BYTES = 32


class Sessions:
    """The sessions of a home.

    Parameters
    ----------
    home : Home
    doors : Doorkeeper
    """

    def __init__(self, home: Home, doors: Doorkeeper) -> None:
        self.folder, self.doors = home.root / "serve" / "sessions", doors

    def begin(self, key: Key) -> str:
        """A new session of a key; its id."""
        self.remove_expired()
        session_id = secrets.token_urlsafe(ID_BYTES)
        content = {"key_sha256": key.sha256, "expires_at": format_instant(utc_now() + LASTS)}
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.file_of(session_id)
        replace_file(file, json.dumps(content).encode())
        file.chmod(0o600)
        return session_id

    def key_of(self, session_id: str | None) -> Key | None:
        """The valid key of a session that has not ended."""
        session = read_session(self.file_of(session_id)) if session_id else None
        if session is None or parse_instant(session["expires_at"]) <= utc_now():
            return None
        return self.doors.key_with(session["key_sha256"])

    def end(self, session_id: str) -> None:
        """Sign out."""
        self.file_of(session_id).unlink(missing_ok=True)

    def file_of(self, session_id: str) -> Path:
        """Where a session is; the name has nothing of what the browser sent but its hash."""
        return self.folder / f"{sha256_of(session_id)}.json"

    def remove_expired(self) -> None:
        """Remove the files of sessions that are over."""
        for file in self.folder.glob("*.json"):
            session = read_session(file)
            if session is None or parse_instant(session["expires_at"]) <= utc_now():
                file.unlink(missing_ok=True)


def read_session(file: Path) -> dict[str, str] | None:
    """What a session's file says; None where there is none."""
    try:
        content = json.loads(file.read_bytes())
        return {name: str(content[name]) for name in ("key_sha256", "expires_at")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def form_token(session_id: str) -> str:
    """What a form must send along, so that only our own pages can post it."""
    return sha256_of(f"form of {session_id}")


def is_same(token: str, expected: str) -> bool:
    """Compare two tokens in a time that tells nothing."""
    return hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode())
