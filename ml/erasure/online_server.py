"""A person in an online store on a server, which is outside the home; a file in it is erased as any other."""

from collections.abc import Collection

from ml.featurestore.catalog import KEYS
from ml.featurestore.online.server_address import online_address
from ml.featurestore.online.whole_state import count_on_server, erase_from_server
from ml.home.layout import Home

CUSTOMER = KEYS[0]


def erase_online(home: Home, customers: Collection[str]) -> int:
    """Erase customers from every view on the server; the number of rows, 0 where the store is a file."""
    address = online_address(home.root)
    return erase_from_server(address, CUSTOMER, sorted(customers)) if address else 0


def count_online(home: Home, customers: Collection[str]) -> int:
    """How many rows of some customers the server has."""
    address = online_address(home.root)
    return count_on_server(address, CUSTOMER, sorted(customers)) if address else 0
