"""Hard processes: what Pythia is told, and the background cocktail."""

from dataclasses import dataclass

BOTTOM_HADRONS = (511, 521, 531, 5122, 5132, 5232, 5332)
CHARM_HADRONS = (411, 421, 431, 4122, 4132, 4232, 4332)

#: Settings of every process. Stable neutral pions deposit the same energy in a jet as
#: their photons and keep soft photon pairs out of the e/gamma list; without multiparton
#: interactions and tau spin correlations an event costs a fraction of the time.
COMMON_SETTINGS = (
    "Beams:idA = 2212",
    "Beams:idB = 2212",
    "Beams:eCM = 13000.",
    "PartonLevel:MPI = off",
    "TauDecays:mode = 0",
    "111:mayDecay = off",
)

LEPTONIC_W = ("24:onMode = off", "24:onIfAny = 11 13 15")
LEPTONIC_Z = ("23:onMode = off", "23:onIfAny = 11 13 15")


def narrow_resonance(pdg_id: int, mass_gev: float) -> tuple[str, ...]:
    """Settings that put a scalar at `mass_gev` with a width far below the resolution.

    The width is forced because Pythia would otherwise compute it from the couplings of
    a standard-model-like Higgs boson at that mass.
    """
    return (
        f"{pdg_id}:m0 = {mass_gev}",
        f"{pdg_id}:mWidth = 0.01",
        f"{pdg_id}:mMin = {mass_gev - 5}",
        f"{pdg_id}:mMax = {mass_gev + 5}",
        f"{pdg_id}:doForceWidth = on",
        f"{pdg_id}:onMode = off",
    )


@dataclass(frozen=True)
class Process:
    """One hard process.

    `code` enters the seeds and the truth labels, so a code is never given away again.
    `forced_species` lists the hadrons that `decays` makes decay to leptons.
    """

    name: str
    code: int
    title: str
    settings: tuple[str, ...]
    forced_species: tuple[int, ...] = ()


BACKGROUNDS = (
    Process("wlnu", 1, "W -> l nu (l = e, mu, tau)",
            ("WeakSingleBoson:ffbar2W = on", *LEPTONIC_W)),
    Process("qcd", 2, "b bbar and c cbar, pTHat > 40 GeV",
            ("HardQCD:hardbbbar = on", "HardQCD:hardccbar = on", "PhaseSpace:pTHatMin = 40."),
            forced_species=BOTTOM_HADRONS + CHARM_HADRONS),
    Process("zll", 3, "gamma*/Z -> l l (l = e, mu, tau), m > 50 GeV",
            ("WeakSingleBoson:ffbar2gmZ = on", "PhaseSpace:mHatMin = 50.", *LEPTONIC_Z)),
    Process("ttbar", 4, "t tbar, all decays",
            ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on")),
)

SIGNALS = (
    Process("a_to_4l", 11, "A (50 GeV) -> Z* Z* -> 4 l",
            ("HiggsSM:gg2H = on", *narrow_resonance(25, 50.0), "25:onIfMatch = 23 23",
             "23:mMin = 2.", *LEPTONIC_Z)),
    Process("leptoquark", 12, "leptoquark (80 GeV) pairs, LQ -> b tau",
            ("LeptoQuark:gg2LQLQbar = on", "LeptoQuark:qqbar2LQLQbar = on", "42:m0 = 80.",
             "42:mMin = 60.", "42:mMax = 100.", "42:0:products = 5 15")),
    Process("h0_to_tautau", 13, "h0 (60 GeV) -> tau tau",
            ("HiggsSM:gg2H = on", *narrow_resonance(25, 60.0), "25:onIfAny = 15")),
    Process("hch_to_taunu", 14, "h+- (60 GeV) -> tau nu, produced alone",
            ("Higgs:useBSM = on", "HiggsBSM:ffbar2H+- = on", *narrow_resonance(37, 60.0),
             "37:onIfAny = 15")),
    Process("hch_top_to_taunu", 15, "h+- (60 GeV) -> tau nu, produced with a top quark",
            ("Higgs:useBSM = on", "HiggsBSM:bg2H+-t = on", *narrow_resonance(37, 60.0),
             "37:onIfAny = 15")),
)

PROCESS_BY_NAME = {process.name: process for process in BACKGROUNDS + SIGNALS}

#: Fractions of the accepted background events, in 1/1000 (arXiv:2107.02157).
COCKTAIL_PERMILLE = {"wlnu": 592, "qcd": 338, "zll": 67, "ttbar": 3}


def cocktail_counts(first: int, stop: int) -> dict[str, int]:
    """Events of each background process among the events [first, stop) of a file.

    Counts are differences of rounded cumulative sums, so that the chunks of a file add
    up to the cocktail of the whole file whatever the chunk size.
    """
    def cumulative(n_events: int) -> list[int]:
        edges, total = [0], 0
        for permille in COCKTAIL_PERMILLE.values():
            total += permille
            edges.append((n_events * total + 500) // 1000)
        return [high - low for low, high in zip(edges, edges[1:])]

    return {name: after - before for name, before, after
            in zip(COCKTAIL_PERMILLE, cumulative(first), cumulative(stop))}
