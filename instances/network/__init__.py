"""Networks: where servers and users are, what lies between them, and how long a token takes on the way."""

from slimbench.instances.network.backhaul import WiredGraph, connect
from slimbench.instances.network.drawing import RadioNetwork, draw_network
from slimbench.instances.network.layout import place
from slimbench.instances.network.parameters import Network
from slimbench.instances.network.servers import Servers, draw_capacities_bytes, draw_servers

__all__ = [
    "Network",
    "RadioNetwork",
    "Servers",
    "WiredGraph",
    "connect",
    "draw_capacities_bytes",
    "draw_network",
    "draw_servers",
    "place",
]
