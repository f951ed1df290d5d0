"""Loss and gradient of one sample as lines of source, for the kernels of mini-batches."""

from __future__ import annotations


def sample_lines(
    kind: str, parameters: int, loss: bool = False
) -> tuple[list[str], list[str], str, list[str]]:
    """Names and lines for one sample.

    Parameters
    ----------
    kind : str
        Of the data model, see :class:`~fokkerplanck.problem.models.DataModel`.
    parameters : int
        d; the lines find them as p0, p1 ...
    loss : bool
        Whether the loss is wanted too.

    Returns
    -------
    columns : names of the features and the target, f0 ... and y, as the lines expect them
    gradients : names of the d derivatives
    value : name of the loss
    lines : list of str
    """
    first = 1 if kind == "tanh_neuron" else 0
    features = [f"f{b}" for b in range(parameters - first)]
    product = " + ".join(f"p{b + first} * {name}" for b, name in enumerate(features))
    gradients = [f"g{a}" for a in range(parameters)]
    if kind == "linear_regression":
        lines = [f"r = {product} - y", *(f"g{b} = r * {n}" for b, n in enumerate(features))]
        value = ["v = 0.5 * r * r"]
    elif kind == "logistic_regression":
        # Neither form overflows, nor loses the digits of a small probability of error.
        lines = [
            "flip = 1.0 - 2.0 * y",
            f"u = flip * ({product})",
            "e = exp(-abs(u))",
            "q = flip * (1.0 if u >= 0.0 else e) / (1.0 + e)",
            *(f"g{b} = q * {name}" for b, name in enumerate(features)),
        ]
        value = ["v = (u if u > 0.0 else 0.0) + log_positive(1.0 + e)"]
    else:
        lines = [
            f"u = {product}",
            "e = exp(-2.0 * abs(u))",
            "w = 1.0 / (1.0 + e)",
            "h = (1.0 - e) * w",
            "h = h if u > 0.0 else -h",
            "r = p0 * h - y",
            "g0 = r * h",
            "q = p0 * r * (4.0 * e * w * w)",
            *(f"g{b + 1} = q * {name}" for b, name in enumerate(features)),
        ]
        value = ["v = 0.5 * r * r"]
    return [*features, "y"], gradients, "v", [*lines, *(value if loss else [])]
