"""Networks: where servers and users are, what lies between them, and how long a token takes on the way."""

from slimbench.instances.network.drawing import (
    Places,
    RadioNetwork,
    draw_network,
    draw_places,
    place,
    place_servers,
    place_users,
    radio_network,
)
from slimbench.instances.network.parameters import Network
from slimbench.instances.network.servers import Servers, draw_capacities_bytes, draw_servers
from slimbench.instances.network.wires import WiredGraph, connect

__all__ = [
    "Network",
    "Places",
    "RadioNetwork",
    "Servers",
    "WiredGraph",
    "connect",
    "draw_capacities_bytes",
    "draw_network",
    "draw_places",
    "draw_servers",
    "place",
    "place_servers",
    "place_users",
    "radio_network",
]
