"""Supersymmetric mass spectra and decays, in the SLHA format that Pythia reads."""

from collections.abc import Mapping
from dataclasses import dataclass

#: Mass of every sparticle that a spectrum does not name: far out of reach.
HEAVY_GEV = 6000.0

NEUTRALINO = 1000022
NEUTRALINO_2 = 1000023
CHARGINO = 1000024
GLUINO = 1000021
STOP = 1000006
LIGHT_SQUARKS = (1000001, 1000002, 1000003, 1000004)

_SQUARKS_AND_SLEPTONS = (*range(1000001, 1000007), *range(1000011, 1000017),
                         *range(2000001, 2000007), 2000011, 2000013, 2000015)
_GAUGINOS = (GLUINO, NEUTRALINO, NEUTRALINO_2, 1000025, 1000035, CHARGINO, 1000037)

#: Unmixed: the lightest neutralino is a bino, the light chargino and the second neutralino winos.
_MIXINGS = {"NMIX": 4, "UMIX": 2, "VMIX": 2, "STOPMIX": 2, "SBOTMIX": 2, "STAUMIX": 2}

_STANDARD_MODEL = """\
BLOCK MODSEL
 1 0
BLOCK SMINPUTS
 1 127.934
 2 1.16637e-05
 3 0.1172
 4 91.1876
 5 4.25
 6 172.5
 7 1.777
BLOCK ALPHA
 -0.1
BLOCK HMIX Q= 1000.
 1 1000.
 2 10.
 3 244.
"""


@dataclass(frozen=True)
class Spectrum:
    """Masses in GeV by PDG code, and the final states, equally probable, of what decays.

    The lightest neutralino is stable.
    """

    masses: Mapping[int, float]
    decays: Mapping[int, tuple[tuple[int, ...], ...]]

    def slha(self) -> str:
        """The text of the SLHA file."""
        masses = dict.fromkeys((*_SQUARKS_AND_SLEPTONS, *_GAUGINOS), HEAVY_GEV) | dict(self.masses)
        higgs = {25: 125.0, 35: HEAVY_GEV, 36: HEAVY_GEV, 37: HEAVY_GEV}
        lines = ["BLOCK MASS"]
        lines += [f" {code} {mass}" for code, mass in sorted((higgs | masses).items())]
        for name, size in _MIXINGS.items():
            lines.append(f"BLOCK {name}")
            lines += [f" {row} {column} {float(row == column)}"
                      for row in range(1, size + 1) for column in range(1, size + 1)]
        lines.append(f"DECAY {NEUTRALINO} 0.0")
        for code, products in self.decays.items():
            lines.append(f"DECAY {code} 1.0")
            lines += [f" {1 / len(products)} {len(ids)} {' '.join(map(str, ids))}" for ids in products]
        return _STANDARD_MODEL + "\n".join(lines) + "\n"
