"""Heavy hadrons that decay to a lepton the trigger accepts, without waiting for one.

A few b bbar or c cbar events in a thousand have an isolated lepton above the trigger
threshold. Instead of generating hard scatterings until one comes, every weakly decaying
b or c hadron of a hard scattering is tried as the source of the lepton:

1. `attempts` leptons are drawn from the semileptonic decays of its species, each emitted
   in a new random direction of the rest frame. The fraction that is a *trigger candidate*
   (pT, eta, isolation against the other products of the same decay) times the mean number
   of leptons per decay estimates the expected number `mu` of candidates from this hadron.
2. `oversampling * mu`, rounded up or down at random so that the mean is exact, candidates
   become events; all other heavy hadrons of such an event decay freely.
3. A final state with k trigger candidates can be reached in k ways in step 2 and is
   kept with probability 1/k.

Accepted events have weight one and follow the distribution that plain generation would
give. The price is that several of them may share one hard scattering.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .detector import ELECTRON, MUON, Detector, lepton_eta_max, relative_isolation
from .particles import Particles, index_runs, merge
from .processes import COMMON_SETTINGS
from .showers import start_pythia

#: Seed of the decay bank: the bank is a property of the generator, not of a file.
BANK_SEED = 271828
BANK_DECAYS = 8000


@dataclass(frozen=True)
class ForcedDecays:
    """How hard each hard scattering is used."""

    #: Leptons tried per heavy hadron.
    attempts: int = 200
    #: Events made per expected trigger candidate; larger is faster and more dependent.
    oversampling: float = 40.0


@dataclass(frozen=True)
class DecayBank:
    """Complete decays at rest, `BANK_DECAYS` of each species, products in flat arrays.

    Decay d has the products [start[d], start[d] + length[d]). The decays of species s
    are d in [s * per_species, (s + 1) * per_species). `lepton_product`, sorted by
    species, lists the electrons and muons among all products and `lepton_decay` the
    decays they belong to; `lepton_first` delimits the species.
    Antiparticles share the decays of their particles: the layout has no charges.
    """

    species: np.ndarray
    per_species: int
    start: np.ndarray
    length: np.ndarray
    pdg_id: np.ndarray
    p4: np.ndarray
    lepton_product: np.ndarray
    lepton_decay: np.ndarray
    lepton_first: np.ndarray

    @property
    def leptons_per_decay(self) -> np.ndarray:
        """Mean number of electrons and muons per decay of each species."""
        return np.diff(self.lepton_first) / self.per_species

    def species_index(self, pdg_id: np.ndarray) -> np.ndarray:
        """Position of each |PDG code| in `species`; every code must be in the bank."""
        order = np.argsort(self.species)
        return order[np.searchsorted(self.species[order], np.abs(pdg_id))]

    def products(self, decays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(position in `decays`, product index) of all products."""
        lengths = self.length[decays]
        return np.repeat(np.arange(len(decays)), lengths), index_runs(self.start[decays], lengths)


@lru_cache(maxsize=4)
def build_bank(species: tuple[int, ...], per_species: int, seed: int = BANK_SEED) -> DecayBank:
    """Lets Pythia decay `per_species` hadrons at rest of each species."""
    pythia = start_pythia((*COMMON_SETTINGS, "ProcessLevel:all = off"), seed)
    lengths, codes, momenta = [], [], []
    for code in species:
        mass = pythia.particleData.m0(code)
        done = 0
        while done < per_species:
            pythia.event.reset()
            pythia.event.append(code, 1, 0, 0, 0.0, 0.0, 0.0, mass, mass)
            if not pythia.next():
                continue
            final = [p for p in pythia.event if p.isFinal()]
            lengths.append(len(final))
            codes.extend(p.id() for p in final)
            momenta.extend((p.px(), p.py(), p.pz(), p.e()) for p in final)
            done += 1
    length, pdg_id = np.array(lengths), np.array(codes)
    lepton = np.flatnonzero(np.isin(np.abs(pdg_id), (ELECTRON, MUON)))
    decay = np.repeat(np.arange(len(length)), length)[lepton]
    first = np.searchsorted(decay, per_species * np.arange(len(species) + 1))
    return DecayBank(np.array(species), per_species, np.cumsum(length) - length, length,
                     pdg_id, np.array(momenta), lepton, decay, first)


def boost(p4: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Four-momenta [n, 4] from the rest frame of `frame` [n, 4] to the laboratory."""
    mass = np.sqrt(np.maximum(frame[:, 3]**2 - (frame[:, :3]**2).sum(axis=1), 1e-12))
    beta_gamma, gamma = frame[:, :3] / mass[:, None], frame[:, 3] / mass
    along = (beta_gamma * p4[:, :3]).sum(axis=1)
    momentum = p4[:, :3] + beta_gamma * (along / (1 + gamma) + p4[:, 3])[:, None]
    return np.column_stack([momentum, gamma * p4[:, 3] + along])


def random_directions(n: int, rng) -> np.ndarray:
    """Unit vectors [n, 3], isotropic."""
    cosine, azimuth = rng.uniform(-1, 1, n), rng.uniform(-np.pi, np.pi, n)
    sine = np.sqrt(1 - cosine**2)
    return np.column_stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine])


def perpendicular_frame(axis: np.ndarray, rng) -> np.ndarray:
    """Right-handed orthonormal triads [n, 3, 3] (rows) whose last row is `axis` [n, 3].

    The rotation about the axis is random.
    """
    other = np.cross(axis, random_directions(len(axis), rng))
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    return np.stack([other, np.cross(axis, other), axis], axis=1)


def random_rotations(from_axis: np.ndarray, to_axis: np.ndarray, rng) -> np.ndarray:
    """Rotations [n, 3, 3] that bring from_axis [n, 3] to to_axis [n, 3], else random."""
    return np.einsum("nki,nkj->nij", perpendicular_frame(to_axis, rng),
                     perpendicular_frame(from_axis, rng))


@dataclass(frozen=True)
class Decayed:
    """Products of a list of decays in the laboratory; `decay` is the position in the list."""

    particles: Particles
    candidate: np.ndarray

    @property
    def candidates_per_decay(self) -> np.ndarray:
        """Trigger candidates of each decay."""
        return np.bincount(self.particles.event[self.candidate],
                           minlength=self.particles.n_events)


def decay_hadrons(detector: Detector, bank: DecayBank, frames, decays, rotations) -> Decayed:
    """Carries out the bank's `decays`, rotated and boosted to the hadrons' `frames` [n, 4]."""
    row, product = bank.products(decays)
    rest = bank.p4[product]
    turned = np.einsum("nij,nj->ni", rotations[row], rest[:, :3])
    p4 = boost(np.column_stack([turned, rest[:, 3]]), frames[row])
    products = Particles(len(decays), row, bank.pdg_id[product], p4)
    lepton = np.flatnonzero(
        np.isin(np.abs(products.pdg_id), (ELECTRON, MUON))
        & (products.pt > detector.seed_pt_min_gev)
        & (np.abs(products.eta) < lepton_eta_max(detector, products.pdg_id)))
    isolated = relative_isolation(detector, products, lepton) < detector.isolation_max
    return Decayed(products, lepton[isolated])


@dataclass(frozen=True)
class Seeds:
    """Trigger candidates found by step 1: hadron, decay, and its rotation."""

    hadron: np.ndarray
    decay: np.ndarray
    rotation: np.ndarray

    def where(self, mask) -> "Seeds":
        return Seeds(self.hadron[mask], self.decay[mask], self.rotation[mask])


def try_leptons(detector, bank, hadrons: Particles, attempts: int, rng) -> Seeds:
    """Step 1: the attempts that are trigger candidates, sorted by hadron."""
    # The lepton carries at most the momentum of the hadron, up to its mass over it.
    tried = np.repeat(np.flatnonzero(hadrons.pt > 0.95 * detector.seed_pt_min_gev), attempts)
    species = bank.species_index(hadrons.pdg_id[tried])
    low, high = bank.lepton_first[species], bank.lepton_first[species + 1]
    lepton = low + (rng.random(len(tried)) * (high - low)).astype(np.int64)
    rest = bank.p4[bank.lepton_product[lepton]]
    direction = random_directions(len(tried), rng)
    momentum = np.linalg.norm(rest[:, :3], axis=1)[:, None] * direction
    p4 = boost(np.column_stack([momentum, rest[:, 3]]), hadrons.p4[tried])
    hard = np.flatnonzero(np.hypot(p4[:, 0], p4[:, 1]) > detector.seed_pt_min_gev)

    chosen = lepton[hard]
    axis = bank.p4[bank.lepton_product[chosen], :3]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    seeds = Seeds(tried[hard], bank.lepton_decay[chosen],
                  random_rotations(axis, direction[hard], rng))
    decayed = decay_hadrons(detector, bank, hadrons.p4[seeds.hadron], seeds.decay, seeds.rotation)
    # The tried lepton itself has to pass, not another one of the same decay.
    position = bank.lepton_product[chosen] - bank.start[seeds.decay]
    passes = np.isin(decayed.particles.starts + position, decayed.candidate)
    return seeds.where(passes)


def round_at_random(expected: np.ndarray, rng) -> np.ndarray:
    """Integers next to `expected` with exactly that mean: the smallest possible variance."""
    return np.floor(expected + rng.random(len(expected))).astype(np.int64)


def choose_seeds(bank, hadrons: Particles, seeds: Seeds, forced: ForcedDecays, rng) -> Seeds:
    """Step 2: the candidates that become events, drawn without repetition per hadron."""
    passed = np.bincount(seeds.hadron, minlength=len(hadrons.event))
    per_decay = bank.leptons_per_decay[bank.species_index(hadrons.pdg_id)]
    scale = forced.oversampling * per_decay / forced.attempts
    if scale.size and scale.max() > 1:
        raise ValueError("oversampling asks for more events than there are attempts")
    wanted = round_at_random(passed * scale, rng)
    # Attempts are independent and alike, so the first ones are as good as any.
    rank = np.arange(len(seeds.hadron)) - np.searchsorted(seeds.hadron, seeds.hadron)
    return seeds.where(rank < wanted[seeds.hadron])


def force_leptons(detector: Detector, bank: DecayBank, particles: Particles,
                  forced: ForcedDecays, rng) -> tuple[Particles, np.ndarray]:
    """Events with at least one trigger candidate from a heavy hadron.

    `particles` holds undecayed heavy hadrons. Returns the new events and, for each, the
    number of the hard scattering in `particles`.
    """
    heavy = np.isin(np.abs(particles.pdg_id), bank.species)
    light, hadrons = particles.where(~heavy), particles.where(heavy)
    seeds = choose_seeds(bank, hadrons, try_leptons(detector, bank, hadrons, forced.attempts, rng),
                         forced, rng)
    source = hadrons.event[seeds.hadron]

    event, hadron = hadrons.members(source)
    species = bank.species_index(hadrons.pdg_id[hadron])
    decay = species * bank.per_species + rng.integers(bank.per_species, size=len(hadron))
    rotation = random_rotations(random_directions(len(hadron), rng),
                                random_directions(len(hadron), rng), rng)
    seeded = hadron == seeds.hadron[event]
    decay[seeded], rotation[seeded] = seeds.decay, seeds.rotation
    decayed = decay_hadrons(detector, bank, hadrons.p4[hadron], decay, rotation)

    candidates = np.bincount(event, weights=decayed.candidates_per_decay, minlength=len(source))
    keep = np.flatnonzero(rng.random(len(source)) * candidates < 1)
    products = decayed.particles
    heavy_side = Particles(len(source), event[products.event], products.pdg_id, products.p4)
    return merge(light.take_events(source), heavy_side).take_events(keep), source[keep]
