"""OpenSpiel's python_mfg_dynamic_routing on our networks, and what its links and decisions are called here."""

import re

from peers import need

spiel_policy = need("open_spiel.python.policy")
dynamic_routing_data = need("open_spiel.python.games.dynamic_routing_data")
dynamic_routing_utils = need("open_spiel.python.games.dynamic_routing_utils")
dynamic_routing = need("open_spiel.python.mfg.games.dynamic_routing")
spiel_value = need("open_spiel.python.mfg.value")
best_response_value = need("open_spiel.python.mfg.algorithms.best_response_value")
distribution = need("open_spiel.python.mfg.algorithms.distribution")
nash_conv = need("open_spiel.python.mfg.algorithms.nash_conv")
policy_value = need("open_spiel.python.mfg.algorithms.policy_value")


def spiel_network(network):
    """A RoadNetwork as OpenSpiel's; the exits of a node keep their order."""
    adjacency = {node: [] for node in network.nodes}
    for tail, head in network.edges:
        adjacency[tail].append(head)
    columns = (network.congestion, network.power, network.capacity, network.free_flow_time)
    a, b, capacity, time = (dict(zip(network.links, map(float, column), strict=True)) for column in columns)
    return dynamic_routing_utils.Network(
        adjacency, bpr_a_coefficient=a, bpr_b_coefficient=b, capacity=capacity, free_flow_travel_time=time
    )


def spiel_game(network, demand, time_step, horizon):
    trips = [dynamic_routing_utils.OriginDestinationDemand(d.origin, d.destination, d.departure, d.vehicles) for d in demand]
    return dynamic_routing.MeanFieldRoutingGame(
        {"max_num_time_step": horizon, "time_step_length": time_step, "players": -1}, network, trips
    )


def ours(link):
    """What we call a link of OpenSpiel's Sioux Falls."""
    return re.sub(r"bef_(\d+)", r"start \1", re.sub(r"aft_(\d+)", r"end \1", link))


def theirs(link):
    return re.sub(r"start (\d+)", r"bef_\1", re.sub(r"end (\d+)", r"aft_\1", link))


class Choices(spiel_policy.Policy):
    """Probabilities of the exits by step, link and destination: choices[link, destination] is (T, A); 0 of others."""

    def __init__(self, game, choices, exits):
        super().__init__(game, [0])
        self.game, self.choices, self.exits = game, choices, exits

    def action_probabilities(self, state, player_id=None):
        legal = state.legal_actions()
        if legal == [0]:
            return {0: 1.0}
        rows = self.choices[ours(state._vehicle_location), ours(state._vehicle_destination)]
        shares = dict(zip(self.exits[ours(state._vehicle_location)], rows[state.current_time_step], strict=False))
        sections = [self.game.network.get_road_section_from_action_id(action) for action in legal]
        return {action: shares.get(ours(section), 0.0) for action, section in zip(legal, sections, strict=True)}


def places(game):
    """(o, link, steps left or -1, destination) of the observations on the road; {destination: o} of arrivals."""
    on_road, arrived = [], {}
    for o, name in enumerate(game.observation_labels):
        if name.startswith("arrived at "):
            arrived[name.removeprefix("arrived at ")] = o
        elif "," in name:
            link, steps, to = name.split(", ")
            on_road.append((o, link, -1 if steps == "entering" else int(steps.split()[0]), to.removeprefix("to ")))
    return on_road, arrived


def exits_of(network):
    """The links that follow each link, in the order of our actions."""
    return {link: [e for e in network.links if e.split("->")[0] == link.split("->")[1]] for link in network.links}
