"""Parametric detector: particles to objects with symbols, as a text line has them."""

from dataclasses import asdict, dataclass

import numpy as np

from ..detector import ELECTRON, MUON, PHOTON, cluster, is_visible, relative_isolation
from ..particles import Particles, azimuth_difference, transverse_coordinates

#: Symbols of the objects; a code is a position in here.
SYMBOLS = ("j", "b", "e-", "e+", "m-", "m+", "g")
JET, B_JET, PHOTON_CODE = 0, 1, 6
#: Codes of electrons and muons by PDG code.
LEPTON_CODES = {11: 2, -11: 3, 13: 4, -13: 5}


@dataclass(frozen=True)
class ObjectDetector:
    """Constants of the detector model; README.md describes what each one does."""

    visible_eta_max: float = 5.0
    lepton_eta_max: float = 2.7
    photon_eta_max: float = 2.37
    jet_eta_max: float = 2.8
    b_tag_eta_max: float = 2.5
    lepton_pt_min_gev: float = 15.0
    photon_pt_min_gev: float = 20.0
    jet_pt_min_gev: float = 20.0
    jet_pt_min_before_smearing_gev: float = 12.0
    electron_efficiency: float = 0.90
    muon_efficiency: float = 0.95
    photon_efficiency: float = 0.90
    jet_efficiency: float = 0.95
    lepton_pt_resolution: float = 0.02
    jet_resolution_stochastic: float = 0.8
    jet_resolution_constant: float = 0.05
    isolation_radius: float = 0.3
    isolation_max: float = 0.2
    jet_radius: float = 0.4
    b_tag_radius: float = 0.4
    b_hadron_pt_min_gev: float = 5.0
    b_tag_efficiency: float = 0.70
    b_tag_fake_rate: float = 0.01

    def settings(self) -> dict[str, float]:
        """The constants, for the description of a file."""
        return asdict(self)


@dataclass(frozen=True)
class Objects:
    """Objects of some events in flat arrays: position in the particles, code, pT, eta, phi, energy."""

    event: np.ndarray
    code: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    energy: np.ndarray

    def where(self, chosen: np.ndarray) -> "Objects":
        """The objects that a mask or a list of positions chooses."""
        return Objects(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    @staticmethod
    def join(*parts: "Objects") -> "Objects":
        """The objects of all parts."""
        return Objects(*(np.concatenate([getattr(part, name) for part in parts])
                         for name in Objects.__dataclass_fields__))


@dataclass(frozen=True)
class Events:
    """Reconstructed events; the objects are sorted as they are written: jets, leptons, photons, each by pT."""

    n_events: int
    met: np.ndarray
    met_phi: np.ndarray
    objects: Objects

    def count(self, chosen: np.ndarray) -> np.ndarray:
        """Number of chosen objects of each event."""
        return np.bincount(self.objects.event[chosen], minlength=self.n_events)


def reconstruct(detector: ObjectDetector, particles: Particles, bottoms: Particles, rng) -> Events:
    """Objects and missing transverse momentum; `bottoms` are the hadrons that b tags look for."""
    visible = is_visible(detector, particles.pdg_id, particles.eta)
    leptons, listed = reconstruct_leptons(detector, particles, rng)
    calorimeter = visible & (np.abs(particles.pdg_id) != MUON)
    calorimeter[listed] = False
    jets = reconstruct_jets(detector, particles.where(calorimeter), bottoms, rng)
    objects = Objects.join(jets, leptons)
    # Jets come first whether tagged or not, then leptons, then photons.
    rank = np.select([objects.code <= B_JET, objects.code == PHOTON_CODE], [0, 2], 1)
    objects = objects.where(np.lexsort((-objects.pt, rank, objects.event)))
    return Events(particles.n_events, *missing_momentum(particles), objects)


def reconstruct_leptons(detector: ObjectDetector, particles: Particles, rng) -> tuple[Objects, np.ndarray]:
    """Electrons, muons and photons, and the particles that they are."""
    kind = np.abs(particles.pdg_id)
    eta_max = np.select([(kind == ELECTRON) | (kind == MUON), kind == PHOTON],
                        [detector.lepton_eta_max, detector.photon_eta_max], 0.0)
    # 10 % below the threshold is 5 sigma: nothing softer can be smeared above it.
    hard = particles.pt > 0.9 * min(detector.lepton_pt_min_gev, detector.photon_pt_min_gev)
    index = np.flatnonzero(hard & (np.abs(particles.eta) < eta_max))
    kind = kind[index]
    pt = particles.pt[index] * (1 + detector.lepton_pt_resolution * rng.standard_normal(len(index)))
    efficiency = np.select([kind == ELECTRON, kind == MUON],
                           [detector.electron_efficiency, detector.muon_efficiency],
                           detector.photon_efficiency)
    pt_min = np.where(kind == PHOTON, detector.photon_pt_min_gev, detector.lepton_pt_min_gev)
    found = (rng.random(len(index)) < efficiency) & (pt > pt_min) \
        & (relative_isolation(detector, particles, index) < detector.isolation_max)
    index, pt = index[found], pt[found]
    code = np.array([LEPTON_CODES.get(pdg_id, PHOTON_CODE) for pdg_id in particles.pdg_id[index].tolist()],
                    np.int64)
    eta = particles.eta[index]
    return Objects(particles.event[index], code, pt, eta, particles.phi[index], pt * np.cosh(eta)), index


def reconstruct_jets(detector: ObjectDetector, particles: Particles, bottoms: Particles, rng) -> Objects:
    """Jets of `particles`, smeared, with b tags."""
    event, p4 = cluster(particles, detector.jet_radius, detector.jet_pt_min_before_smearing_gev)
    resolution = np.hypot(detector.jet_resolution_stochastic / np.sqrt(p4[:, 3]),
                          detector.jet_resolution_constant)
    # The floor keeps the far Gaussian tail from turning a jet around.
    scale = np.maximum(1 + resolution * rng.standard_normal(len(p4)), 0.1)
    pt, eta, phi = transverse_coordinates(p4)
    jets = Objects(event, np.zeros(len(p4), np.int64), pt * scale, eta, phi, p4[:, 3] * scale)
    listed = (rng.random(len(p4)) < detector.jet_efficiency) \
        & (jets.pt > detector.jet_pt_min_gev) & (np.abs(eta) < detector.jet_eta_max)
    jets = jets.where(listed)
    chance = np.where(has_bottom(detector, jets, bottoms), detector.b_tag_efficiency,
                      detector.b_tag_fake_rate)
    tagged = rng.random(len(chance)) < chance
    return Objects(jets.event, np.where(tagged, B_JET, JET), jets.pt, jets.eta, jets.phi, jets.energy)


def has_bottom(detector: ObjectDetector, jets: Objects, bottoms: Particles) -> np.ndarray:
    """Jets within the acceptance of b tags that have a bottom hadron close to their axis."""
    bottoms = bottoms.where(bottoms.pt > detector.b_hadron_pt_min_gev)
    row, hadron = bottoms.members(jets.event)
    delta_phi = azimuth_difference(bottoms.phi[hadron], jets.phi[row])
    close = (bottoms.eta[hadron] - jets.eta[row])**2 + delta_phi**2 < detector.b_tag_radius**2
    found = np.bincount(row[close], minlength=len(jets.event)) > 0
    return found & (np.abs(jets.eta) < detector.b_tag_eta_max)


def missing_momentum(particles: Particles) -> tuple[np.ndarray, np.ndarray]:
    """Magnitude and azimuth of the transverse momentum of what nothing sees, as generated."""
    escapes = ~is_visible(UNLIMITED, particles.pdg_id, particles.eta)
    px, py = (particles.sum_by_event(particles.p4[:, axis] * escapes) for axis in (0, 1))
    return np.hypot(px, py), np.arctan2(py, px)


#: Sees every particle that is not invisible by nature.
UNLIMITED = ObjectDetector(visible_eta_max=np.inf)
