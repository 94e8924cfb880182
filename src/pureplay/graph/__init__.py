"""The co-movement graph: which pairs the news names together, what links them, and which correlations will last; and the amplifier."""

from pureplay.graph.amplifier import amplify
from pureplay.graph.amplifier_operator import amplifier_graph
from pureplay.graph.amplifier_record import AmplifierGraph
from pureplay.graph.discount import discount
from pureplay.graph.edges import build_panel, edges_of, load_inputs
from pureplay.graph.feed import Graph, build_graph, peer_lists, read_model
from pureplay.graph.settings import GraphSettings

__all__ = [
    "AmplifierGraph", "Graph", "GraphSettings", "amplifier_graph", "amplify", "build_graph", "build_panel", "discount", "edges_of",
    "load_inputs", "peer_lists", "read_model",
]  # fmt: skip
