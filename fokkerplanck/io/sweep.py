"""The summary of a sweep: a record of numbers over the swept keys, and its netCDF-4 file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import StoreError
from ..runtime.files import whole_file
from .brief import brief
from .groups.ensemble import ENSEMBLE
from .groups.passage import PASSAGE
from .groups.stationary import STATIONARY
from .groups.table import GROUPS
from .groups.validation import COMPARED
from .layout import CONVENTIONS, LIBVER, OBSERVABLES, add_scale, add_variable, set_attributes
from .storage.guard import guarded

SCHEMA = 1
COMPLETE, FAILED, MISSING = "complete", "failed", "missing"

# Dimensions that single members have, besides the swept keys.
INNER = ("component", "component2", "start")
PREFIXES = (*GROUPS, "spectral")
LONG_NAMES: dict[str, str] = {
    **{name: f"{text}, at the end" for name, text in OBSERVABLES.items()},
    **{
        f"stationary_{name}": f"stationary state: {one.long_name}"
        for name, one in STATIONARY.attributes.items()
    },
    **{f"passage_{name}": one.long_name for name, one in PASSAGE.attributes.items()},
    **{f"ensemble_{name}": ENSEMBLE.attributes[name].long_name for name in ("particles", "step")},
    **{f"ensemble_{name}": ENSEMBLE.variables[name].long_name for name in ("outside", "lost")},
    **{f"validation_{name}": f"{text}, at the end" for name, text in COMPARED.items()},
    "density_error": "estimated error of the density in L1, at the end",
    "minimum": "smallest value of the density over all frames",
    "mass_drift": "largest change of the total probability over all frames",
    "reached": "last output time",
    "stationary_entropy_production": "entropy production of the stationary state",
    "spectral_gap": "slowest rate of decay",
    "passage_mean_time": "mean first-passage time from the starts",
    "passage_deviation": "standard deviation of the first-passage time from the starts",
    "passage_committor": "chance to reach the target before the source from the starts",
    "ensemble_mean": "mean of the walkers, at the end",
    "ensemble_covariance": "covariance of the walkers, at the end",
    "ensemble_loss": "mean loss of the walkers, at the end",
    "ensemble_gradient_norm": "mean squared gradient of the walkers, at the end",
    "ensemble_left": "share of the walkers that left, at the end",
    "validation_p_value": "probability of so large a difference of density and walkers by chance",
    "validation_agrees": "whether density and walkers agree: 1 yes, 0 no",
    "wall_time": "wall time of the run without compilation",
}
# Shown first in tables and figures, those that a sweep has.
HEADLINES = (
    *("passage_mean_time", "spectral_gap", "expected_loss", "free_energy", "kl_to_stationary"),
    *("stationary_entropy_production", "control_cost", "energy", "ensemble_loss", "mass"),
)


def is_taken(name: str) -> bool:
    """Whether a swept key of this name would meet one of the summary's own names."""
    own = ("member", "status", "error", *INNER, *LONG_NAMES)
    return name in own or name.startswith(tuple(f"{prefix}_" for prefix in PREFIXES))


@dataclass(eq=False, repr=False)
class SweepRecord:
    """Numbers of all members of a sweep; dimensionless but for ``wall_time`` in seconds.

    ``record["energy"]`` is ``record.variables["energy"]``.

    Parameters
    ----------
    title, case_toml, source : str
        Of the case, and package with versions.
    keys, names : tuple of str
        Swept keys, and the names of their dimensions.
    values : tuple of ndarrays
        Coordinates of each dimension, numbers or texts; one per member where ``paired``.
    paired : bool
        Whether members are a list: then there is one dimension, ``member``.
    axes : tuple of str
        Axis names, the coordinates of ``component``.
    members, status, error : ndarray of str, of ``shape``
        Name of each member; "complete", "failed" or "missing"; the sentence of a failure.
    variables : dict of ndarrays, shape (*shape, ...)
        By name; NaN where there is none.
    inner : dict of tuples of str
        Dimensions of each variable beyond the swept ones, out of ``INNER``.
    state : str
        Of the sweep: "running", "interrupted" or "complete", which includes failed members.
    """

    __repr__ = brief

    title: str
    case_toml: str
    source: str
    keys: tuple[str, ...]
    names: tuple[str, ...]
    values: tuple[np.ndarray, ...]
    paired: bool
    axes: tuple[str, ...]
    members: np.ndarray
    status: np.ndarray
    error: np.ndarray
    variables: dict[str, np.ndarray] = field(default_factory=dict)
    inner: dict[str, tuple[str, ...]] = field(default_factory=dict)
    state: str = "running"

    def __getitem__(self, name: str) -> np.ndarray:
        return self.variables[name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Members along the swept keys."""
        return self.members.shape

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the swept dimensions."""
        return ("member",) if self.paired else self.names

    @property
    def failures(self) -> dict[str, str]:
        """Sentences of the failed members by name."""
        failed = np.argwhere(self.status == FAILED)
        return {str(self.members[tuple(at)]): str(self.error[tuple(at)]) for at in failed}

    def headlines(self, most: int) -> list[str]:
        """Names of up to ``most`` scalar variables that say most, with a value at least."""
        found = [name for name in HEADLINES if name in self.variables]
        scalars = [name for name in found if self.scalar(name) is not None]
        return scalars[:most]

    def scalar(self, name: str) -> np.ndarray | None:
        """A variable as one number per member; None where it has more or is nowhere known."""
        values = self.variables[name]
        if self.inner[name] == ("start",) and values.shape[-1] == 1:
            values = values[..., 0]
        if values.shape != self.shape or not np.isfinite(values).any():
            return None
        return values


def write_sweep(path: Path, record: SweepRecord) -> None:
    """Write the summary, in place of one that is there; readers see the old or the new one.

    Raises
    ------
    StoreError
        If the disk does not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            whole_file(path) as fresh,
            h5py.File(fresh, "w", libver=LIBVER, locking="best-effort") as file,
        ):
            _fill(file, record)
    except OSError as error:
        raise StoreError(
            f"the summary cannot be written: {error.strerror or error}", path
        ) from error


def _fill(file: h5py.File, record: SweepRecord) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    set_attributes(
        file,
        {
            "Conventions": CONVENTIONS,
            "title": record.title,
            "history": f"{now} written by {record.source}",
            "source": record.source,
            "case_toml": record.case_toml,
            "sweep_schema": SCHEMA,
            "state": record.state,
            "keys": json.dumps(record.keys),
            "paired": record.paired,
        },
    )
    if record.paired:
        numbers = np.arange(len(record.members), dtype=np.int64)
        outer = [add_scale(file, "member", numbers, "number of the member")]
    else:
        outer = [
            add_scale(file, name, _coordinates(values), key)
            for name, key, values in zip(record.names, record.keys, record.values, strict=True)
        ]
    inner = {"component": record.axes, "component2": record.axes}
    scales = {}
    for name, words in (("component", "component"), ("component2", "second component")):
        if any(name in dims for dims in record.inner.values()):
            scales[name] = add_scale(file, name, inner[name], f"{words} of a matrix or vector")
    starts = [v.shape[-1] for n, v in record.variables.items() if record.inner[n] == ("start",)]
    if starts:
        numbers = np.arange(starts[0], dtype=np.int64)
        scales["start"] = add_scale(file, "start", numbers, "number of the start")
    variables = []
    if record.paired:
        for name, key, values in zip(record.names, record.keys, record.values, strict=True):
            add_variable(file, name, outer, key, **_data(values))
    for name, values in record.variables.items():
        dims = [*outer, *(scales[dim] for dim in record.inner[name])]
        variable = add_variable(
            file, name, dims, LONG_NAMES.get(name, name.replace("_", " ")), data=values
        )
        if name == "wall_time":
            variable.attrs["units"] = "s"
        variable.attrs["_FillValue"] = np.array([np.nan])
        variables.append(variable)
    for name, values, text in (
        ("status", record.status, "complete, failed or missing"),
        ("error", record.error, "why the member failed"),
        ("member_name", record.members, "folder of the member"),
    ):
        variables.append(add_variable(file, name, outer, text, **_data(values)))
        del variables[-1].attrs["units"]
    if record.paired:
        for variable in variables:
            variable.attrs["coordinates"] = " ".join(record.names)


def _coordinates(values: np.ndarray) -> Any:
    return values if values.dtype.kind in "if" else tuple(map(str, values))


def _data(values: np.ndarray) -> dict[str, Any]:
    if values.dtype.kind in "if":
        return {"data": values}
    return {"data": values.astype(object), "dtype": h5py.string_dtype()}


def read_sweep(path: str | Path) -> SweepRecord:
    """Read a summary.

    Raises
    ------
    StoreError
        If there is none, or the file is something else.
    """
    target = Path(path)
    if not target.is_file():
        raise StoreError("there is no such summary of a sweep", target)
    try:
        with guarded(target) as file:
            return _read(file)
    except StoreError:
        raise
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        raise StoreError("this file is not the summary of a sweep", target) from error
    except OSError as error:
        raise StoreError(f"this is not a readable HDF5 file: {error}", target) from error


def _read(file: h5py.File) -> SweepRecord:
    attributes = dict(file.attrs)
    paired = bool(attributes["paired"])
    status = _texts(file["status"])
    outer = [dim[0].name.strip("/") for dim in file["status"].dims]
    names = tuple(str(file["status"].attrs["coordinates"]).split()) if paired else tuple(outer)
    variables, inner = {}, {}
    for name, item in file.items():
        dims = tuple(dim[0].name.strip("/") for dim in item.dims if len(dim))
        if item.is_scale or dims[: len(outer)] != tuple(outer) or item.dtype.kind != "f":
            continue
        if name not in names:
            variables[name], inner[name] = item[...], dims[len(outer) :]
    return SweepRecord(
        title=str(attributes["title"]),
        case_toml=str(attributes["case_toml"]),
        source=str(attributes["source"]),
        keys=tuple(json.loads(attributes["keys"])),
        names=names,
        values=tuple(
            file[name][...] if file[name].dtype.kind in "if" else _texts(file[name])
            for name in names
        ),
        paired=paired,
        axes=tuple(_texts(file["component"])) if "component" in file else (),
        members=_texts(file["member_name"]),
        status=status,
        error=_texts(file["error"]),
        variables=variables,
        inner=inner,
        state=str(attributes["state"]),
    )


def _texts(dataset: h5py.Dataset) -> np.ndarray:
    return np.asarray(dataset.asstr()[...], dtype=object)
