"""A loss of data without a case file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from ..errors import CaseError
from ..problem import DataModel
from .files.data import read_model
from .files.sources import Sources
from .messages import case_error
from .schema import ModelSection


def data_model(
    model: str,
    data: str | Path,
    features: Sequence[str],
    target: str,
    *,
    intercept: bool = False,
    standardise: bool = False,
    l2: float = 0.0,
    positive: str | float | None = None,
) -> DataModel:
    """The loss of a table of data, as ``[loss]`` of a case file makes it.

    Parameters
    ----------
    model : str
        linear_regression, logistic_regression or tanh_neuron, see :class:`DataModel`.
    data : path
        A CSV file whose first line names the columns; separated by commas, semicolons or tabs.
    features : sequence of str
        Columns of the inputs.
    target : str
        Column to be predicted.
    intercept : bool
        Add a parameter for a constant (of the neuron, a bias); it comes last.
    standardise : bool
        Give each feature, and a target that is no class, mean 0 and variance 1.
    l2 : float
        Weight decay >= 0.
    positive : str or float, optional
        Value of the target that counts as 1 in logistic regression; all others are 0.

    Returns
    -------
    DataModel
        For ``Problem(loss=...)``, with ``sigma="minibatch"`` for the covariance of its sample
        gradients.

    Raises
    ------
    CaseError
        With a key below ``loss``: the file, a column or a cell that cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fokkerplanck as fp
    >>> table = '''day,height
    ... 5,4.1
    ... 6,4.4
    ... 7,5.6
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "beans.csv")
    ...     size = file.write_text(table)
    ...     model = fp.data_model("linear_regression", file, ["day"], "height", intercept=True)
    >>> model.features  # the column of ones is the intercept
    array([[5., 1.],
           [6., 1.],
           [7., 1.]])
    >>> model.targets
    array([4.1, 4.4, 5.6])
    """
    path = Path(data)
    names = [features] if isinstance(features, str) else list(features)
    try:
        section = ModelSection(
            model=model,
            data=path.name,
            features=names,
            target=target,
            intercept=intercept,
            standardise=standardise,
            l2=l2,
            **({} if positive is None else {"positive": positive}),
        )
    except ValidationError as error:
        found = case_error(error)
        raise CaseError(found.detail, f"loss.{found.key}") from None
    # Whoever calls may name any file, links included.
    return read_model(section, Sources(path.parent, asked={"loss.data": path.name}))
