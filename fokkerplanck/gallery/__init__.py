"""Problems with exact answers, shared by the documentation, the tests and the benchmarks."""

from .cycles import chaudhari_soatto, van_der_pol
from .linear import (
    circulating_ornstein_uhlenbeck,
    heavy_ball,
    ornstein_uhlenbeck,
    ornstein_uhlenbeck_2d,
    point_source,
    quadratic_3d,
)
from .mapped import mapped_ornstein_uhlenbeck
from .moving import cross_diffusion, travelling_well
from .record import ExactProblem, gaussian
from .tensors import detailed_balance, gibbs_noise, rotating_tensor
from .wells import caughey, hopf, multiplicative_noise, quartic_well

__all__ = [
    "ExactProblem",
    "caughey",
    "chaudhari_soatto",
    "circulating_ornstein_uhlenbeck",
    "cross_diffusion",
    "detailed_balance",
    "gaussian",
    "gibbs_noise",
    "heavy_ball",
    "hopf",
    "mapped_ornstein_uhlenbeck",
    "multiplicative_noise",
    "ornstein_uhlenbeck",
    "ornstein_uhlenbeck_2d",
    "point_source",
    "quadratic_3d",
    "quartic_well",
    "rotating_tensor",
    "travelling_well",
    "van_der_pol",
]
