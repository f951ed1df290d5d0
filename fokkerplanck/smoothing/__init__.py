"""Local entropy (66), its minima beside those of Phi and Phi~, and Entropy-SGD (69)-(70)."""

from .entropy_sgd import entropy_sgd_problem, entropy_sgd_walkers, gradient_flow
from .local_entropy import LocalEntropy, local_entropy, smoothing_bytes
from .minima import MinimaTable, minima_table

__all__ = [
    "LocalEntropy",
    "MinimaTable",
    "entropy_sgd_problem",
    "entropy_sgd_walkers",
    "gradient_flow",
    "local_entropy",
    "minima_table",
    "smoothing_bytes",
]
