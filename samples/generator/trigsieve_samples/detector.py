"""Parametric detector: particles to trigger objects in the [19, 4] layout."""

from dataclasses import asdict, dataclass

import awkward as ak
import fastjet
import numpy as np
import vector

from . import layout
from .particles import Particles, azimuth_difference, transverse_coordinates

# fastjet finds the four-momentum fields through this registration.
vector.register_awkward()

ELECTRON, MUON, PHOTON = 11, 13, 22
#: Neutrinos and the lightest neutralino.
INVISIBLE = (12, 14, 16, 1000022)


@dataclass(frozen=True)
class Detector:
    """Constants of the detector model; README.md describes what each one does."""

    visible_eta_max: float = 5.0
    egamma_eta_max: float = 3.0
    muon_eta_max: float = 2.1
    jet_eta_max: float = 4.0
    lepton_pt_min_gev: float = 3.0
    jet_pt_min_gev: float = 15.0
    jet_pt_min_before_smearing_gev: float = 6.0
    trigger_pt_min_gev: float = 23.0
    egamma_efficiency: float = 0.92
    muon_efficiency: float = 0.95
    jet_efficiency: float = 0.95
    lepton_pt_resolution: float = 0.02
    jet_resolution_stochastic: float = 0.8
    jet_resolution_constant: float = 0.05
    isolation_radius: float = 0.3
    isolation_max: float = 0.45
    jet_radius: float = 0.4
    pileup_jets_mean: float = 0.9
    pileup_jet_pt_power: float = 4.5
    soft_term_constant_gev: float = 6.0
    soft_term_stochastic: float = 0.35

    @property
    def seed_pt_min_gev(self) -> float:
        """pT before smearing below which no lepton fires the trigger (5 sigma away)."""
        return self.trigger_pt_min_gev * (1 - 5 * self.lepton_pt_resolution)

    def settings(self) -> dict[str, float]:
        """The constants, for the attributes of a file."""
        return asdict(self)


def lepton_eta_max(detector: Detector, pdg_id: np.ndarray) -> np.ndarray:
    """|eta| limit of each particle that is an e/gamma or a muon, 0 for any other."""
    kind = np.abs(pdg_id)
    return np.select([kind == MUON, (kind == ELECTRON) | (kind == PHOTON)],
                     [detector.muon_eta_max, detector.egamma_eta_max], 0.0)


def is_visible(detector: Detector, pdg_id: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Whether a particle reaches the calorimeters or the muon system."""
    return ~np.isin(np.abs(pdg_id), INVISIBLE) & (np.abs(eta) < detector.visible_eta_max)


def relative_isolation(detector: Detector, particles: Particles, candidates: np.ndarray):
    """Sum of pT in the cone over pT, for the candidates (particle indices).

    Muons deposit little in the calorimeters and are left out of the sum.
    """
    row, other = particles.members(particles.event[candidates])
    centre = candidates[row]
    delta_phi = azimuth_difference(particles.phi[other], particles.phi[centre])
    delta_eta = particles.eta[other] - particles.eta[centre]
    kind = particles.pdg_id[other]
    counted = (delta_eta**2 + delta_phi**2 < detector.isolation_radius**2) \
        & (other != centre) & (np.abs(kind) != MUON) \
        & is_visible(detector, kind, particles.eta[other])
    cone = np.bincount(row[counted], weights=particles.pt[other[counted]],
                       minlength=len(candidates))
    return cone / particles.pt[candidates]


def has_trigger_seed(detector: Detector, particles: Particles) -> np.ndarray:
    """Events with an electron or muon that can fire the trigger after smearing."""
    seed = (particles.pt > detector.seed_pt_min_gev) & (particles.pdg_id != PHOTON) \
        & (np.abs(particles.eta) < lepton_eta_max(detector, particles.pdg_id))
    return np.bincount(particles.event[seed], minlength=particles.n_events) > 0


@dataclass(frozen=True)
class Leptons:
    """Reconstructed e/gamma objects and muons, before a list is cut at its length."""

    particle: np.ndarray
    is_muon: np.ndarray
    pt: np.ndarray
    listed: np.ndarray
    fires_trigger: np.ndarray


def reconstruct_leptons(detector: Detector, particles: Particles, rng) -> Leptons:
    """Smearing, efficiency and isolation of e/gamma objects and muons."""
    # 10 % below the threshold is 5 sigma: nothing softer can be smeared above it.
    accepted = (np.abs(particles.eta) < lepton_eta_max(detector, particles.pdg_id)) \
        & (particles.pt > 0.9 * detector.lepton_pt_min_gev)
    index = np.flatnonzero(accepted)
    kind = np.abs(particles.pdg_id[index])
    is_muon = kind == MUON
    pt = particles.pt[index] * (1 + detector.lepton_pt_resolution
                                * rng.standard_normal(len(index)))
    efficiency = np.where(is_muon, detector.muon_efficiency, detector.egamma_efficiency)
    found = (rng.random(len(index)) < efficiency) & (pt > detector.lepton_pt_min_gev)
    isolated = relative_isolation(detector, particles, index) < detector.isolation_max
    return Leptons(
        index, is_muon, pt,
        listed=found & (is_muon | isolated),
        fires_trigger=found & isolated & (kind != PHOTON) & (pt > detector.trigger_pt_min_gev))


@dataclass(frozen=True)
class Jets:
    """Jets: smeared pT, and the transverse momentum the smearing added."""

    event: np.ndarray
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    added_px: np.ndarray
    added_py: np.ndarray
    listed: np.ndarray


def cluster(particles: Particles, radius: float, pt_min_gev: float):
    """Anti-kt jets of every event: (event [n], four-momentum [n, 4])."""
    momenta = ak.zip(dict(zip(("px", "py", "pz", "E"), particles.p4.T)),
                     with_name="Momentum4D")
    events = ak.unflatten(momenta, particles.counts)
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    jets = fastjet.ClusterSequence(events, definition).inclusive_jets(min_pt=pt_min_gev)
    event = np.repeat(np.arange(len(jets)), ak.to_numpy(ak.num(jets)))
    flat = ak.flatten(jets)
    return event, np.stack([np.asarray(flat[axis]) for axis in ("px", "py", "pz", "E")], axis=1)


def reconstruct_jets(detector: Detector, particles: Particles, rng) -> Jets:
    """Clustering, energy smearing and efficiency of the jets of `particles`."""
    event, p4 = cluster(particles, detector.jet_radius, detector.jet_pt_min_before_smearing_gev)
    resolution = np.hypot(detector.jet_resolution_stochastic / np.sqrt(p4[:, 3]),
                          detector.jet_resolution_constant)
    # The floor keeps the far Gaussian tail from turning a jet around.
    scale = np.maximum(1 + resolution * rng.standard_normal(len(p4)), 0.1)
    pt, eta, phi = transverse_coordinates(p4)
    pt = pt * scale
    listed = (rng.random(len(p4)) < detector.jet_efficiency) \
        & (pt > detector.jet_pt_min_gev) & (np.abs(eta) < detector.jet_eta_max)
    added = p4[:, :2] * (scale - 1)[:, None]
    return Jets(event, pt, eta, phi, added[:, 0], added[:, 1], listed)


def pileup_jets(detector: Detector, n_events: int, rng):
    """(event, pT, eta, phi) of soft jets of other collisions, a falling power law in pT."""
    event = np.repeat(np.arange(n_events), rng.poisson(detector.pileup_jets_mean, n_events))
    survival = 1 - rng.random(len(event))
    pt = detector.jet_pt_min_gev * survival ** (-1 / (detector.pileup_jet_pt_power - 1))
    eta = rng.uniform(-detector.jet_eta_max, detector.jet_eta_max, len(event))
    return event, pt, eta, rng.uniform(-np.pi, np.pi, len(event))


def missing_momentum(detector, particles, leptons: Leptons, jets: Jets, rng):
    """Magnitude and azimuth of the missing transverse momentum of each event."""
    n_events = particles.n_events
    visible = is_visible(detector, particles.pdg_id, particles.eta)
    listed = leptons.particle[leptons.listed]
    added = (leptons.pt[leptons.listed] / particles.pt[listed] - 1)[:, None] \
        * particles.p4[listed, :2]
    scalar_sum = particles.sum_by_event(particles.pt * visible)
    soft_term = np.hypot(detector.soft_term_constant_gev,
                         detector.soft_term_stochastic * np.sqrt(scalar_sum))
    components = []
    for axis, jet_added in enumerate((jets.added_px, jets.added_py)):
        seen = particles.sum_by_event(particles.p4[:, axis] * visible)
        seen += np.bincount(particles.event[listed], weights=added[:, axis], minlength=n_events)
        seen += np.bincount(jets.event, weights=jet_added, minlength=n_events)
        components.append(soft_term * rng.standard_normal(n_events) - seen)
    return np.hypot(*components), np.arctan2(components[1], components[0])


def reconstruct(detector: Detector, particles: Particles, rng) -> tuple[np.ndarray, np.ndarray]:
    """Trigger objects float32 [n, 19, 4] of the events that pass the trigger.

    The second array gives the event number of each in `particles`.
    """
    source = np.flatnonzero(has_trigger_seed(detector, particles))
    if len(source) == 0:
        return layout.empty_events(0), source
    particles = particles.take_events(source)
    leptons = reconstruct_leptons(detector, particles, rng)
    fired = np.bincount(particles.event[leptons.particle[leptons.fires_trigger]],
                        minlength=particles.n_events) > 0

    calorimeter = is_visible(detector, particles.pdg_id, particles.eta) \
        & (np.abs(particles.pdg_id) != MUON)
    calorimeter[leptons.particle[leptons.listed]] = False
    jets = reconstruct_jets(detector, particles.where(calorimeter), rng)

    events = layout.empty_events(particles.n_events)
    layout.set_missing_momentum(
        events, *missing_momentum(detector, particles, leptons, jets, rng))
    for block, wanted in ((layout.EGAMMAS, leptons.listed & ~leptons.is_muon),
                          (layout.MUONS, leptons.listed & leptons.is_muon)):
        index = leptons.particle[wanted]
        layout.fill(events, block, particles.event[index], leptons.pt[wanted],
                    particles.eta[index], particles.phi[index])
    real = (jets.event, jets.pt, jets.eta, jets.phi)
    overlay = pileup_jets(detector, particles.n_events, rng)
    layout.fill(events, layout.JETS,
                *(np.concatenate([a[jets.listed], b]) for a, b in zip(real, overlay)))
    return events[fired], source[fired]
