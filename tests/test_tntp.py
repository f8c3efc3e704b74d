"""Reading the files of Transportation Networks for Research: every field arrives, and every mistake is found."""

import pickle

import numpy as np
import pytest

import tmfcore as tmf
from tmfcore._base.files import FileError

NET = """<NUMBER OF ZONES> 2
<NUMBER OF NODES> 4
<FIRST THRU NODE> 3
<NUMBER OF LINKS> 5
<ORIGINAL HEADER>~ Init node  Term node ...
<END OF METADATA>


~ 	init_node	term_node	capacity	length	free_flow_time	b	power	speed	toll	link_type	;
	1	3	1000	2.5	0	0.15	4	0	0	1	;
	3	4	500	1.5	6	0.2	4.5	0	30	1	;
	3	4	700	1.0	7	0.1	1	0	0	1	;
	4	2	1000	1	0.5	0	0	0	0	3	;
	2	3	9.5e2	1	1	1	2	0	0	3	;
"""
TRIPS = """<NUMBER OF ZONES> 2
<TOTAL OD FLOW> 1310.5
<END OF METADATA>

Origin \t1
    1 :   10.0;    2 :  1300.5;
Origin 2
    1 :    0.0;    2 :     0;
"""
NODES = """Node\tX\tY\t;
1\t0\t0\t;
2\t3\t0\t;
3\t1\t0.5\t;
4\t2\t-0.5\t;
"""
FLOWS = """<NUMBER OF LINKS> 5
<END OF METADATA>
~ Tail Head : Volume Cost ;
\t3\t4\t:\t900.5\t6.5 ;
\t3\t4\t:\t400\t7.5 ;
\t4\t2\t:\t1300.5\t0.5 ;
\t1\t3\t:\t1300.5\t0 ;
\t2\t3\t:\t0\t1 ;
"""


@pytest.fixture
def write(tmp_path):
    def written(net=NET, trips=TRIPS, nodes=NODES, flows=None):
        for part, text in (("net", net), ("trips", trips), ("node", nodes), ("flow", flows)):
            if text is not None:
                (tmp_path / f"Town_{part}.tntp").write_text(text)
        return tmp_path

    return written


def test_every_field_arrives(write):
    road = tmf.games.RoadNetwork.from_tntp(write())
    assert road.edges == (("1", "3"), ("3", "4"), ("3", "4"), ("4", "2"), ("2", "3"))
    assert road.links == ("1->3", "3->4", "3->4 (2)", "4->2", "2->3")
    np.testing.assert_array_equal(road.free_flow_time, [0, 6, 7, 0.5, 1])
    np.testing.assert_array_equal(road.capacity, [1000, 500, 700, 1000, 950])
    np.testing.assert_array_equal(road.congestion, [0.15, 0.2, 0.1, 0, 1])
    np.testing.assert_array_equal(road.power, [4, 4.5, 1, 0, 2])
    assert road.trips == (("1", "2", 1300.5),)
    assert road.no_through == ("1", "2")
    assert dict(road.positions) == {"1": (0, 0), "2": (3, 0), "3": (1, 0.5), "4": (2, -0.5)}
    assert road.known_volumes is None and road.known_times is None


def test_a_net_alone_is_enough(write):
    road = tmf.games.RoadNetwork.from_tntp(write(trips=None, nodes=None) / "Town_net.tntp")
    assert road.trips == () and road.positions is None and len(road.links) == 5


def test_best_known_flows_arrive_in_the_order_of_the_links(write):
    road = tmf.games.RoadNetwork.from_tntp(write(flows=FLOWS))
    np.testing.assert_array_equal(road.known_volumes, [1300.5, 900.5, 400, 1300.5, 0])
    np.testing.assert_array_equal(road.known_times, [0, 6.5, 7.5, 0.5, 1])
    named = "From \tTo \tVolume \tCapacity \tCost \t\n1 3 1300.5 1 0\n4 2 1300.5 1 .5\n3 4 900.5 1 6.5\n3 4 400 1 7.5\n2 3 0 1 1\n"
    assert road.equals(tmf.games.RoadNetwork.from_tntp(write(flows=named)))
    assert road.equals(pickle.loads(pickle.dumps(road)))


def test_tolls_and_lengths_are_added_to_times(write):
    folder = write()
    plain = tmf.games.RoadNetwork.from_tntp(folder)
    paid = tmf.games.RoadNetwork.from_tntp(folder, toll_factor=0.1, distance_factor=2.0)
    volumes = np.array([10.0, 600.0, 300.0, 0.0, 1000.0])
    fixed = 0.1 * np.array([0, 30, 0, 0, 0]) + 2.0 * np.array([2.5, 1.5, 1, 1, 1])
    np.testing.assert_allclose(paid.travel_times(volumes), plain.travel_times(volumes) + fixed, rtol=1e-14)


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("net", "<END OF METADATA>", "<END>", "Town_net.tntp' has no line <END OF METADATA>"),
        ("net", "<NUMBER OF NODES> 4", "", "has no line <NUMBER OF NODES>"),
        ("net", "<NUMBER OF NODES> 4", "<NUMBER OF NODES> x", "line 2: NUMBER OF NODES is 'x'; must be an integer >= 0"),
        ("net", "<NUMBER OF LINKS> 5", "<NUMBER OF LINKS> 6", "has 5 links; must have 6"),
        ("net", "\t500\t", "\t0\t", "line 11: capacity is '0'; must be a number > 0"),
        ("net", "\t4.5\t", "\tnan\t", "line 11: power is 'nan'; must be a number >= 0"),
        ("net", "\t9.5e2\t", "\tmany\t", "line 14: capacity is 'many'; must be a number > 0"),
        ("net", "\t4\t2\t1000", "\t4\t5\t1000", "line 13: term node is '5'; must be an integer >= 1 and <= 4"),
        ("net", "\t4\t2\t1000\t1\t0.5\t0\t0\t0\t0\t3\t;", "\t4\t2\t1000;", "line 13: the row has 3 fields; must have init"),
        ("trips", "Origin 2", "Origin 3", "Town_trips.tntp', line 7: origin is '3'; must be an integer >= 1 and <= 2"),
        ("trips", "Origin \t1\n", "", "line 5: '1 :   10.0' stands before the first origin"),
        ("trips", "1300.5", "-1", "line 6: vehicles is '-1'; must be a number >= 0"),
        ("trips", "2 :  1300.5", "2   1300.5", "line 6: '2   1300.5'; must be 'destination : vehicles;'"),
        ("trips", "1 :   10.0", "2 :   10.0", "line 6: trips from 1 to 2 occur twice"),
        ("nodes", "3\t1\t0.5", "3\t1\tx", "Town_node.tntp', line 4: '3\\tx1"),
        ("nodes", "4\t2\t-0.5\t;\n", "", "positions lacks node '4'"),
        ("flows", "\t3\t4\t:\t900.5\t6.5 ;\n", "", "Town_flow.tntp' has no row of link 3->4; must have one for each"),
        ("flows", "\t4\t2\t:", "\t3\t4\t:", "line 6: 3->4 is no link of the network, or occurs twice"),
        ("flows", "\t4\t2\t:", "\t4\t9\t:", "line 6: 4->9 is no link of the network"),
        ("flows", "\t400\t7.5", "\t400", "line 5: the row has 3 fields; must have tail, head, volume, cost"),
        ("flows", "\t900.5\t", "\t-1\t", "line 4: volume is '-1'; must be a number >= 0"),
        ("flows", "~ Tail Head : Volume Cost ;", "Tail Head Volume", "line 3: the row of names lacks 'cost'"),
        ("flows", "<END OF METADATA>", "", "Town_flow.tntp' has no line <END OF METADATA>"),
    ],
)  # fmt: skip
def test_mistakes_are_named_by_file_line_and_field(write, part, old, new, message):
    text = {"net": NET, "trips": TRIPS, "nodes": NODES, "flows": FLOWS}[part]
    assert old in text
    with pytest.raises(ValueError) as caught:
        tmf.games.RoadNetwork.from_tntp(write(**{part: text.replace(old, new)}))
    assert message.replace("\\tx1", "\\t1\\tx") in str(caught.value)


def test_folders_without_a_network(tmp_path):
    with pytest.raises(FileError, match=r"has 0 files \*_net\.tntp; must have one"):
        tmf.games.RoadNetwork.from_tntp(tmp_path)
    with pytest.raises(OSError, match="none_net"):
        tmf.games.RoadNetwork.from_tntp(tmp_path / "none_net.tntp")
    with pytest.raises(FileError, match=r"must end with _net\.tntp"):
        tmf.games.RoadNetwork.from_tntp(tmp_path / "some.txt")


def test_routing_plays_on_parallel_links_and_refuses_closed_nodes():
    edges = [("a", "b"), ("b", "c"), ("b", "c"), ("c", "d")]
    road = tmf.games.RoadNetwork(edges, [0, 1, 2, 0], congestion=[0, 2, 0, 0])
    game = tmf.games.routing(road, demand=[("a->b", "c->d", 1.0)], step=0.5, horizon=8)
    assert any(label.startswith("b->c (2)") for label in game.observation_labels)
    found = tmf.solve(game, tmf.Synchronous())
    assert -found.mean_return == pytest.approx(2.0, abs=0.01)  # half on each: 1 + 2 / 2 = 2
    closed = tmf.games.RoadNetwork(edges, no_through=["b"])
    with pytest.raises(ValueError, match=r"network.no_through has node 'b'; must be empty"):
        tmf.games.routing(closed, demand=[("a->b", "c->d", 1.0)])


def test_sioux_falls_as_published():
    road = tmf.games.sioux_falls_roads()
    assert (len(road.nodes), len(road.links), len(road.trips)) == (24, 76, 528)
    assert sum(vehicles for *_, vehicles in road.trips) == 360_600
    assert set(road.positions) == set(road.nodes)
