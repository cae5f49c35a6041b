"""Hard processes of the challenge: what Pythia is told, cross sections, and the channels they feed."""

from dataclasses import dataclass

from .spectrum import (CHARGINO, GLUINO, LIGHT_SQUARKS, NEUTRALINO, NEUTRALINO_2, STOP, Spectrum)

_LEPTONIC_W = ("24:onMode = off", "24:onIfAny = 11 13 15")
_ELECTRON_OR_MUON_W = ("24:onMode = off", "24:onIfAny = 11 13")
_LEPTONIC_Z = ("23:onMode = off", "23:onIfAny = 11 13 15")
_INVISIBLE_Z = ("23:onMode = off", "23:onIfAny = 12 14 16")
_TOP_PAIR = ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")
_Z_AND_JET = ("WeakBosonAndParton:qqbar2gmZg = on", "WeakBosonAndParton:qg2gmZq = on", "23:mMin = 40.")
_W_AND_JET = ("WeakBosonAndParton:qqbar2Wg = on", "WeakBosonAndParton:qg2Wq = on")

#: Channels of several leptons, and of much hadronic energy.
LEPTON_CHANNELS, HADRON_CHANNELS = ("2a", "2b"), ("1", "3")


@dataclass(frozen=True)
class ChallengeProcess:
    """One hard process.

    `code` enters the seeds, so a code is never given away again; `process_id` is what the file says.
    `cross_section_fb` is Pythia's, at leading order, with the branching fractions of what `settings` force. Pythia leaves
    them out for sparticles: W -> e, mu, tau has 0.3242 and Z -> e, mu, tau 0.1006.
    """

    name: str
    code: int
    process_id: str
    title: str
    channels: tuple[str, ...]
    cross_section_fb: float
    settings: tuple[str, ...]
    spectrum: Spectrum | None = None


def _susy(name, code, title, channels, cross_section_fb, settings, masses, decays):
    return ChallengeProcess(name, code, name, title, channels, cross_section_fb, settings,
                            Spectrum(masses, decays))


BACKGROUNDS = (
    ChallengeProcess("ttbar_2l", 21, "ttbar", "t tbar, both W -> e, mu", LEPTON_CHANNELS, 23860.0,
                     (*_TOP_PAIR, *_ELECTRON_OR_MUON_W)),
    ChallengeProcess("ww_2l", 22, "ww", "W W, both -> e, mu", LEPTON_CHANNELS, 3013.0,
                     ("WeakDoubleBoson:ffbar2WW = on", *_ELECTRON_OR_MUON_W)),
    ChallengeProcess("zw_3l", 23, "zw", "Z W, Z mass > 12 GeV, both -> e, mu, tau", LEPTON_CHANNELS, 766.9,
                     ("WeakDoubleBoson:ffbar2ZW = on", "23:mMin = 12.", *_LEPTONIC_Z, *_LEPTONIC_W)),
    ChallengeProcess("zz_lep", 24, "zz", "gamma*/Z pairs, mass > 12 GeV each, -> leptons or neutrinos",
                     LEPTON_CHANNELS, 941.7,
                     ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 12.", "23:onMode = off",
                      "23:onIfAny = 11 12 13 14 15 16")),
    ChallengeProcess("z_jets_tautau", 25, "z_jets", "gamma*/Z and a jet, pTHat > 100 GeV, -> tau tau",
                     LEPTON_CHANNELS, 20820.0,
                     (*_Z_AND_JET, "PhaseSpace:pTHatMin = 100.", "23:onMode = off", "23:onIfAny = 15")),
    ChallengeProcess("ttbar_hard", 26, "ttbar", "t tbar, pTHat > 300 GeV, all decays", HADRON_CHANNELS, 15940.0,
                     (*_TOP_PAIR, "PhaseSpace:pTHatMin = 300.")),
    ChallengeProcess("w_jets_hard", 27, "w_jets", "W and a jet, pTHat > 400 GeV, -> e, mu, tau",
                     HADRON_CHANNELS, 2347.0, (*_W_AND_JET, "PhaseSpace:pTHatMin = 400.", *_LEPTONIC_W)),
    ChallengeProcess("z_jets_hard", 28, "z_jets", "gamma*/Z and a jet, pTHat > 400 GeV, -> nu nu",
                     HADRON_CHANNELS, 618.2, (*_Z_AND_JET, "PhaseSpace:pTHatMin = 400.", *_INVISIBLE_Z)),
)

SIGNALS = (
    _susy("gluino_1400_1100", 41, "gluino pairs (1400 GeV), -> q qbar neutralino (1100 GeV)",
          ("1", "3"), 12.16, ("SUSY:gg2gluinogluino = on", "SUSY:qqbar2gluinogluino = on"),
          {GLUINO: 1400.0, NEUTRALINO: 1100.0},
          {GLUINO: tuple((quark, -quark, NEUTRALINO) for quark in (1, 2, 3, 4))}),
    _susy("stop_1000_300", 42, "stop pairs (1000 GeV), -> t neutralino (300 GeV)", ("1", "3"), 4.06,
          ("SUSY:gg2squarkantisquark = on", "SUSY:qqbar2squarkantisquark = on", f"SUSY:idVecA = {STOP}"),
          {STOP: 1000.0, NEUTRALINO: 300.0}, {STOP: ((6, NEUTRALINO),)}),
    _susy("squark_1800_800", 43, "light squark pairs (1800 GeV), -> q neutralino (800 GeV)", ("1", "3"), 1.970,
          ("SUSY:gg2squarkantisquark = on", "SUSY:qqbar2squarkantisquark = on", "SUSY:qq2squarksquark = on",
           f"SUSY:idVecA = {','.join(map(str, LIGHT_SQUARKS))}",
           f"SUSY:idVecB = {','.join(map(str, LIGHT_SQUARKS))}"),
          {**dict.fromkeys(LIGHT_SQUARKS, 1800.0), NEUTRALINO: 800.0},
          {squark: ((squark - 1000000, NEUTRALINO),) for squark in LIGHT_SQUARKS}),
    _susy("chargino_neutralino_200_50", 44,
          "chargino and neutralino (200 GeV), -> W, Z and neutralinos (50 GeV), W and Z -> e, mu, tau",
          ("2a", "2b"), 38.68,
          ("SUSY:qqbar2chi+-chi0 = on", f"SUSY:idVecA = {CHARGINO}", f"SUSY:idVecB = {NEUTRALINO_2}",
           *_LEPTONIC_W, *_LEPTONIC_Z),
          {CHARGINO: 200.0, NEUTRALINO_2: 200.0, NEUTRALINO: 50.0},
          {CHARGINO: ((24, NEUTRALINO),), NEUTRALINO_2: ((23, NEUTRALINO),)}),
    _susy("chargino_chargino_400_60", 45,
          "chargino pairs (400 GeV), -> W neutralino (60 GeV), W -> e, mu, tau", ("2b",), 4.048,
          ("SUSY:qqbar2chi+chi- = on", f"SUSY:idVecA = {CHARGINO}", f"SUSY:idVecB = {CHARGINO}",
           *_LEPTONIC_W),
          {CHARGINO: 400.0, NEUTRALINO: 60.0}, {CHARGINO: ((24, NEUTRALINO),)}),
)

PROCESS_BY_NAME = {process.name: process for process in BACKGROUNDS + SIGNALS}


def backgrounds_of(channel: str) -> tuple[ChallengeProcess, ...]:
    """The background processes of a channel."""
    return tuple(process for process in BACKGROUNDS if channel in process.channels)
