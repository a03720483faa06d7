"""The address of an online store on a server, the namespace of a home there, and what an outage says."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from ml.common.errors import OnlineUnavailableError, UsageError
from ml.common.paths import is_own_plugin, online_file, settings

ENVIRONMENT = "CHURN_ONLINE_STORE"
POSTGRES, REDIS = ("postgresql", "postgres"), ("redis", "rediss", "unix")
NAMESPACE = "namespace"
LONGEST_NAMESPACE = 48  # PostgreSQL cuts names after 63 bytes
TIMEOUT_SECONDS = 5  # of connecting: a server that does not answer by then is said to be away


@dataclass(frozen=True)
class Address:
    """A server, and the part of it that is one home's.

    Parameters
    ----------
    url : str
        As its driver takes it; it may hold a password.
    namespace : str
        The schema in PostgreSQL, the beginning of every key in Redis.
    """

    url: str
    namespace: str

    @property
    def is_redis(self) -> bool:
        return urlsplit(self.url).scheme in REDIS

    def __str__(self) -> str:
        """Without user, password and parameters."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path} ({self.namespace})"

    __repr__ = __str__

    def unavailable(self, error: Exception) -> OnlineUnavailableError:
        """What to say where the server does not do its work."""
        reason = (str(error).splitlines() or [type(error).__name__])[0].strip().rstrip(".:")
        return OnlineUnavailableError(
            f"the online store {self} cannot be used: {reason}; mend that, then run the command again (a "
            "server goes on by itself)"
        )


def online_address(home: Path | None = None) -> Address | None:
    """The server of a home's online store; None where it is a file, or a store of Feast's own."""
    store = settings()["online_store"]
    return address_of(store.get("url"), online_file(home)) if is_own_plugin(store.get("type")) else None


def address_of(url: str | None, file: Path) -> Address | None:
    """The server of ``CHURN_ONLINE_STORE``, or else of the settings; None for a file.

    Parameters
    ----------
    url : str or None
        ``online_store.url`` of the settings.
    file : Path
        The file that SQLite would have. Its path names the namespace where the URL does not, so that two
        homes never touch each other.

    Raises
    ------
    UsageError
        The URL is not one of PostgreSQL or Redis.
    """
    url = os.environ.get(ENVIRONMENT) or url
    if not url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in (*POSTGRES, *REDIS):
        raise UsageError(
            f"{ENVIRONMENT} (or online_store.url of feature_store.yaml) is no address of PostgreSQL or "
            "Redis: it begins with postgresql:// or redis://"
        )
    query = dict(parse_qsl(parts.query))
    namespace = query.pop(NAMESPACE, "")
    if len(namespace) > LONGEST_NAMESPACE or not namespace.replace("_", "").replace("-", "a").isalnum():
        if namespace:
            raise UsageError(
                "the namespace of the online store may have letters, digits, _ and -, "
                f"{LONGEST_NAMESPACE} at most"
            )
        namespace = f"tidemark_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    return Address(urlunsplit(parts._replace(query=urlencode(query))), namespace)
