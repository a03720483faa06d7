"""A lock in Redis that is renewed while its process lives, and watched by the change that it guards."""

import threading
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

import redis

from ml.common.errors import BusyError
from ml.featurestore.online.server_address import Address

UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end"
RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('pexpire', KEYS[1], ARGV[2]) end"
LOCK_SECONDS = 10  # after which the lock of a process that was killed is free
WAIT_SECONDS = 60  # for the writer before


class Lock:
    """A lock that a thread renews, and that is free some seconds after its process was killed."""

    def __init__(self, client: Any, key: str, address: Address) -> None:
        self.client, self.key, self.token, self.address = client, key, uuid4().hex, address
        self._stopped, self._mutex = threading.Event(), threading.Lock()

    def take(self, wait_seconds: float = WAIT_SECONDS) -> None:
        """Wait for the lock.

        Raises
        ------
        BusyError
            Another process has it for longer.
        """
        until, pause = time.monotonic() + wait_seconds, 0.001
        while not self.client.set(self.key, self.token, nx=True, px=LOCK_SECONDS * 1000):
            if time.monotonic() > until:
                raise BusyError(
                    f"another process writes to the online store {self.address}: run it again later"
                )
            time.sleep(pause)
            pause = min(2 * pause, 0.05)
        threading.Thread(target=self._renew, name="online store lock", daemon=True).start()

    def _renew(self) -> None:
        while not self._stopped.wait(LOCK_SECONDS / 4):
            with self._mutex, suppress(redis.RedisError):
                if not self._stopped.is_set():
                    self.client.eval(RENEW, 1, self.key, self.token, LOCK_SECONDS * 1000)

    def stop(self) -> None:
        """Renew no more, not even now: a change of the lock would undo the transaction that watches it."""
        with self._mutex:
            self._stopped.set()

    def release(self) -> None:
        """Free the lock, unless it ran out and is another's."""
        with suppress(redis.RedisError):
            self.client.eval(UNLOCK, 1, self.key, self.token)
