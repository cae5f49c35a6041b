"""Monte Carlo events in the text layout of the Dark Machines challenge (arXiv:2105.14027).

A line is ``event ID; process ID; event weight; MET; METphi; obj,E,pt,eta,phi; ...``, in MeV and
radians; in here everything is in GeV. The data flow through the modules in this order::

    processes, spectrum -> (..showers) -> detector -> channels -> production -> lines
"""
