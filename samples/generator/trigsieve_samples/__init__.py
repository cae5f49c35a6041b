"""Monte Carlo events in the ADC2021 40 MHz layout, for trying and testing trigsieve.

The data flow through the modules in this order::

    processes -> showers -> (decays) -> detector -> production -> layout

`challenge` makes text files in the layout of the Dark Machines challenge on the same showers.

Units everywhere: GeV for momenta, energies and masses; radians for angles.

SPDX-License-Identifier: MIT OR Apache-2.0
"""

#: Raise it whenever the events of a given seed change.
__version__ = "1.0.0"
