"""What the group ``/spectrum`` holds: eigenvalues and modes of the generator.

Mode 0 of a closed box is the zero, with the stationary density; with absorbing sides there is no
zero, and mode 0 is the slowest way to leave.
"""

from __future__ import annotations

from ..dataset import Attribute, Layout, Variable

SPECTRUM = Layout(
    {
        "mode": Variable("mode", "number of the mode", least=1),
        "real": Variable("mode", "real part of the eigenvalue"),
        "imag": Variable("mode", "imaginary part of the eigenvalue"),
        "relaxation_time": Variable("mode", "relaxation time"),
        "residual": Variable("mode", "residual of the mode, relative to the largest rate"),
        "error_real": Variable(
            "mode", "estimated error of the eigenvalue, absolute value", optional=True
        ),
        "modes": Variable("mode axes", "right mode"),
        "left": Variable("mode axes", "left mode"),
        # Where an eigenvalue is complex.
        "modes_imag": Variable("mode axes", "right mode, imaginary part", optional=True),
        "left_imag": Variable("mode axes", "left mode, imaginary part", optional=True),
    },
    {
        "floor": Attribute("moduli of eigenvalues below it are rounding"),
        "reach": Attribute("frequency up to which no mode was missed"),
        "mixing_lower": Attribute("lower bound on the mixing time"),
        "mixing_upper": Attribute("upper bound on the mixing time"),
        "contraction": Attribute("rate at which every chi-square distance to rest falls at least"),
        "detailed_balance": Attribute("whether detailed balance holds", bool),
        "closed": Attribute("whether no side is absorbing", bool),
        "method": Attribute("how the modes were found", str),
    },
)
