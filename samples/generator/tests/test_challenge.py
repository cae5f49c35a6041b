"""The challenge's text files: reconstruction, channels, spectra, productions end to end."""

import numpy as np
import pytest

from trigsieve_samples import cli
from trigsieve_samples.challenge import channels, detector, production
from trigsieve_samples.challenge.processes import BACKGROUNDS, PROCESS_BY_NAME, SIGNALS, backgrounds_of
from trigsieve_samples.chunks import ResumeError
from trigsieve_samples.particles import Particles
from trigsieve_samples.showers import is_bottom_hadron

PERFECT = detector.ObjectDetector(
    electron_efficiency=1.0, muon_efficiency=1.0, photon_efficiency=1.0, jet_efficiency=1.0,
    lepton_pt_resolution=0.0, jet_resolution_stochastic=0.0, jet_resolution_constant=0.0,
    b_tag_efficiency=1.0, b_tag_fake_rate=0.0)


def momentum(pt, eta, phi):
    return [pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)]


def particles(rows, n_events=1):
    """Massless particles of (event, PDG code, pT, eta, phi)."""
    event, pdg_id = (np.array([row[column] for row in rows], np.int64) for column in (0, 1))
    return Particles(n_events, event, pdg_id, np.array([momentum(*row[2:]) for row in rows]).reshape(-1, 4))


def reconstruct(rows, bottoms=(), n_events=1):
    return detector.reconstruct(PERFECT, particles(rows, n_events), particles(bottoms, n_events),
                                np.random.default_rng(1))


def symbols(events):
    return [detector.SYMBOLS[code] for code in events.objects.code]


def test_particles_become_objects_in_the_order_of_the_lines():
    rows = [(0, 22, 30, 0.5, 2.0), (0, 13, 20, 0.0, -1.0), (0, -11, 40, 1.0, 1.0), (0, 211, 60, -1.0, 0.0),
            (0, 211, 90, 1.5, -2.5), (0, 12, 35, 0.3, 0.0), (0, 1000022, 25, 0.0, np.pi)]
    events = reconstruct(rows, bottoms=[(0, 511, 50, -1.0, 0.1)])
    assert symbols(events) == ["j", "b", "e+", "m-", "g"]
    objects = events.objects
    assert objects.pt == pytest.approx([90, 60, 40, 20, 30])
    assert objects.eta == pytest.approx([1.5, -1.0, 1.0, 0.0, 0.5])
    assert objects.energy == pytest.approx(objects.pt * np.cosh(objects.eta))
    assert (events.met[0], events.met_phi[0]) == (pytest.approx(10), pytest.approx(0))


def test_acceptance():
    inside = [(0, 11, 16, 2.6, 0.0), (0, 13, 16, -2.6, 1.0), (0, 22, 21, 2.3, 2.0)]
    assert symbols(reconstruct(inside)) == ["e-", "m-", "g"]
    outside = [(0, 13, 16, 2.8, 1.0), (0, 13, 14, 0.0, 1.0), (0, 211, 40, 2.9, 0.0), (0, 211, 19, 0.0, 0.0)]
    assert symbols(reconstruct(outside)) == []
    # What is no photon is part of a jet.
    assert symbols(reconstruct([(0, 22, 21, 2.4, 2.0)])) == ["j"]


def test_leptons_next_to_hadrons_are_part_of_a_jet():
    events = reconstruct([(0, 11, 40, 0.0, 0.0), (0, 211, 9, 0.1, 0.1)])
    assert symbols(events) == ["j"] and events.objects.pt[0] == pytest.approx(49, abs=0.1)
    assert symbols(reconstruct([(0, 11, 40, 0.0, 0.0), (0, 211, 7, 0.1, 0.1)])) == ["e-"]


def test_b_tags_need_a_hard_bottom_hadron_close_by():
    jet = [(0, 211, 60, 0.0, 0.0)]
    for hadron, symbol in (((0, 521, 20, 0.2, 0.2), "b"), ((0, 521, 4, 0.2, 0.2), "j"),
                           ((0, 521, 20, 0.3, 0.3), "j")):
        assert symbols(reconstruct(jet, [hadron])) == [symbol]
    assert symbols(reconstruct([(0, 211, 60, 2.6, 0.0)], [(0, 521, 20, 2.6, 0.0)])) == ["j"]
    codes = np.array([511, -521, 5122, 553, 513, 5, 5103, 21, 411, 4122, 211, 10511, 1000022])
    assert is_bottom_hadron(codes).tolist() == [True] * 5 + [False] * 8


def test_objects_of_several_events_do_not_mix():
    rows = [(0, 13, 20, 0.0, 0.0), (2, 211, 50, 0.0, 0.0), (2, 13, 30, 1.0, 2.0), (2, 12, 60, 0.0, 1.0)]
    events = reconstruct(rows, n_events=3)
    assert events.objects.event.tolist() == [0, 2, 2]
    assert events.met == pytest.approx([0, 0, 60])
    assert channels.in_channel(events, "2b").tolist() == [False, False, False]


@pytest.mark.parametrize("channel, met, codes, pts, passes", [
    ("1", 200, [0, 1, 0, 0], [300, 150, 75, 75], True),
    ("1", 199, [0, 1, 0, 0], [300, 150, 75, 75], False),
    ("1", 200, [0, 1, 0, 0], [299, 150, 75, 75], False),
    ("1", 200, [0, 1, 0, 0], [320, 150, 80, 50], False),
    ("1", 200, [0, 1, 0, 0], [200, 150, 150, 150], False),
    ("1", 200, [0, 1, 0, 0], [800, 150, 75, 75], False),
    ("2a", 50, [2, 3, 4], [20, 20, 16], True),
    ("2a", 50, [2, 3, 4], [20, 20, 15], False),
    ("2a", 49, [2, 3, 5], [20, 20, 16], False),
    ("2a", 50, [2, 3, 6], [20, 20, 30], False),
    ("2b", 50, [1, 2, 5], [50, 20, 16], True),
    ("2b", 50, [1, 2, 5], [49, 20, 16], False),
    ("2b", 49, [1, 2, 5], [50, 20, 16], False),
    ("2b", 50, [1, 2, 5], [50, 20, 15], False),
    ("3", 101, [0, 1], [350, 250], True),
    ("3", 100, [0, 1], [350, 250], False),
    ("3", 101, [0, 6], [599, 250], False),
])
def test_channels_at_their_borders(channel, met, codes, pts, passes):
    zeros = np.zeros(len(codes))
    objects = detector.Objects(np.zeros(len(codes), int), np.array(codes), np.array(pts, float), zeros, zeros, zeros)
    events = detector.Events(1, np.array([float(met)]), np.zeros(1), objects)
    assert channels.in_channel(events, channel).tolist() == [passes]


def small(name, channel, amount, seed=5, chunk=0.01):
    return production.ChallengeRequest(name, channel, amount, seed, chunk)


def run(request, path, report=lambda text: None):
    production.produce(request, path, report)
    return path.read_text().splitlines()


@pytest.fixture(scope="module")
def background(tmp_path_factory):
    path = tmp_path_factory.mktemp("challenge") / "background.csv"
    return run(small("background", "2b", 0.02), path), path


def parse(line):
    head, objects = line.split("; ")[:5], line.split("; ")[5:]
    return head, [(values[0], *map(float, values[1:])) for values in (text.split(",") for text in objects)]


def test_lines_are_events_of_the_channel(background):
    lines, path = background
    assert 100 < len(lines) < 250, "170 are expected in 0.02/fb"
    for number, line in enumerate(lines):
        (event_id, process, weight, met, met_phi), objects = parse(line)
        assert (int(event_id), float(weight)) == (number, 500.0)
        assert process in {"ttbar", "ww", "zw", "zz", "z_jets"}
        assert float(met) >= 50e3 and abs(float(met_phi)) <= np.pi
        assert sum(symbol[0] in "em" for symbol, *_ in objects) >= 2
        assert sum(pt for symbol, _, pt, *_ in objects if symbol in "jb") >= 50e3
        for symbol, energy, pt, eta, phi in objects:
            assert symbol in detector.SYMBOLS and energy >= pt >= 15e3 and abs(eta) < 2.8 and abs(phi) <= np.pi
    assert not path.with_name(path.name + ".chunks").exists()


def test_same_seed_gives_the_same_lines_even_after_an_interruption(background, tmp_path):
    def interrupt(text):
        raise KeyboardInterrupt

    path = tmp_path / "resumed.csv"
    with pytest.raises(KeyboardInterrupt):
        run(small("background", "2b", 0.02), path, interrupt)
    assert not path.exists()
    with pytest.raises(ResumeError):
        run(small("background", "2b", 0.02, seed=6), path)
    assert run(small("background", "2b", 0.02), path) == background[0]


def test_chunks_add_up_to_the_luminosity():
    for amount, chunk in ((0.12, 0.5), (0.3, 0.1), (1.0, 0.3)):
        request = small("background", "1", amount, chunk=chunk)
        ends = [request.chunk_range(number) for number in range(request.n_chunks)]
        assert ends[0][0] == 0 and ends[-1][1] == amount
        assert [end for _, end in ends[:-1]] == [begin for begin, _ in ends[1:]]


@pytest.mark.parametrize("process", SIGNALS, ids=lambda process: process.name)
def test_every_signal_is_written(process, tmp_path):
    lines = run(small(process.name, process.channels[0], 3, chunk=2), tmp_path / "signal.csv")
    assert [line.split("; ")[:2] for line in lines] == [[str(number), process.name] for number in range(3)]
    weights = {line.split("; ")[2] for line in lines}
    expected = 10 * process.cross_section_fb
    assert len(weights) == 1 and expected / 3000 < float(*weights) < expected


@pytest.mark.parametrize("process", BACKGROUNDS + SIGNALS, ids=lambda process: process.name)
def test_cross_sections_are_pythias(process):
    pythia = production.start(process, 7, ("PartonLevel:all = off",))
    for _ in range(2000):
        pythia.next()
    branching = {"chargino_neutralino_200_50": 0.3242 * 0.1006, "chargino_chargino_400_60": 0.3242**2}
    found = 1e12 * pythia.infoPython().sigmaGen() * branching.get(process.name, 1)
    assert found == pytest.approx(process.cross_section_fb, rel=0.06)


def test_every_channel_has_backgrounds_and_signals():
    for channel in channels.CHANNELS:
        assert backgrounds_of(channel)
        assert any(channel in process.channels for process in SIGNALS)
    codes = [process.code for process in PROCESS_BY_NAME.values()]
    assert len(set(codes)) == len(codes) and production.SHUFFLE_CODE not in codes


@pytest.mark.parametrize("arguments, word", [
    (["background", "--channel", "4", "--luminosity", "1"], "channel"),
    (["background", "--channel", "2b", "--luminosity", "0"], "above 0"),
    (["background", "--channel", "2b", "--luminosity", "nan"], "above 0"),
    (["background", "--channel", "2b"], "--luminosity"),
    (["signal", "other", "--channel", "2b", "--events", "1"], "other"),
])
def test_bad_arguments_are_usage_errors(arguments, word, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["challenge", *arguments, "--seed", "1", "-o", "x.csv"])
    assert stop.value.code == cli.EXIT_USAGE
    assert word in capsys.readouterr().err


def test_a_signal_of_another_channel_is_a_usage_error(tmp_path, capsys):
    arguments = ["challenge", "signal", "stop_1000_300", "--channel", "2b", "--events", "1", "--seed", "1"]
    assert cli.main([*arguments, "-o", str(tmp_path / "x.csv")]) == cli.EXIT_USAGE
    assert "channel 1 and 3" in capsys.readouterr().err
    assert cli.main(["challenge", "list"]) == cli.EXIT_OK
    assert "chargino_chargino_400_60" in capsys.readouterr().out
