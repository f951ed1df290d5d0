"""The outcome of a run in memory, saved to and opened from a result file."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from ..domain import Axis, Domain
from ..errors import CaseError
from ..grid import Grid
from . import OBSERVABLES, Arrays, Frame, Header, check_target, read, replacing
from .groups.table import GROUPS
from .notebook import result_html
from .picture import plot_density
from .skeleton import write_ending, write_skeleton
from .storage.contents import add_frames
from .storage.sink import write_result
from .tree import tree_of

if TYPE_CHECKING:
    from xarray import DataTree


@dataclass(eq=False, repr=False)
class Result:
    """A solved case; all quantities are dimensionless.

    Every observable is an attribute too: ``result.free_energy`` is
    ``result.observables["free_energy"]``.

    Parameters
    ----------
    title : str
    beta : float
        Inverse temperature.
    seed : int or None
    case_toml, source : str
        Full text of the case; package and versions.
    names : tuple of str
        Axis names in the order of the array dimensions.
    centers, bounds : tuple of ndarray
        Cell centres (n_i,) and lower and upper faces (n_i, 2) per axis.
    time : ndarray, shape (n,)
    density : ndarray, shape (n, n_1, ..., n_d)
        Values at cell centres per unit volume; NaN at frames whose density was not kept.
    loss : ndarray, shape (n_1, ..., n_d)
    sigma : ndarray, shape (d, d, n_1, ..., n_d)
    drift : ndarray, shape (d, n_1, ..., n_d), or None
        Deterministic drift at time 0.
    inputs : dict
        Text of each file that the case reads, by its name in the case.
    observables : dict
        Arrays of shape (n,), (n, d) or (n, d, d) by name.
    analyses : dict
        What each analysis has left, by its name, as ``xarray.DataTree``. Every one is an attribute
        too: ``result.passage.mean_time`` is a numpy array; None stands for what is not there.
    status : str
        "running", "complete" or "interrupted".
    timings : dict
        Seconds by stage of the run.
    notes : list of str
        What a reader of the result should know.
    failed : dict
        Analyses that were asked for and could not be done, by section, and why.
    attrs : dict
        Further attributes of the result file.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> case = fp.make_case(
    ...     problem,
    ...     64,
    ...     name="well",
    ...     title="A well",
    ...     density={"end": 1.0, "frames": 3},
    ...     passage={"target": "x > 1"},
    ... )
    >>> result = fp.run(case)
    >>> result
    <Result 'A well': 64 cells, 3 frames to time 1, complete>
    >>> bool((result.free_energy[1:] < result.free_energy[:-1]).all())
    True
    >>> dict(result["density"].sizes)
    {'time': 3, 'x': 64}
    >>> mean_time = result["passage"].mean_time
    >>> float(mean_time.sel(x=0.0, method="nearest").round(1))
    3.9
    """

    title: str
    beta: float
    seed: int | None
    case_toml: str
    source: str
    names: tuple[str, ...]
    centers: tuple[np.ndarray, ...]
    bounds: tuple[np.ndarray, ...]
    time: np.ndarray
    density: np.ndarray
    loss: np.ndarray
    sigma: np.ndarray
    drift: np.ndarray | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    observables: dict[str, np.ndarray] = field(default_factory=dict)
    analyses: dict[str, Any] = field(default_factory=dict)
    status: str = "complete"
    timings: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_header(cls, header: Header, **rest: Any) -> Result:
        """Result with the fields of a header; ``rest`` gives time, density and the others."""
        return cls(
            title=header.title,
            beta=header.beta,
            seed=header.seed,
            case_toml=header.case_toml,
            source=header.source,
            names=header.names,
            centers=header.centers,
            bounds=header.bounds,
            loss=header.loss,
            sigma=header.sigma,
            drift=header.drift,
            inputs=dict(header.inputs),
            attrs=dict(header.parameters),
            **rest,
        )

    def __getattr__(self, name: str) -> Any:
        # Only asked for names that are not fields. Copying and pickling ask before there are any.
        if name in GROUPS and "analyses" in self.__dict__:
            found = self.analyses.get(name)
            return None if found is None else Arrays(found, GROUPS[name].layout)
        observables: dict[str, np.ndarray] = self.__dict__.get("observables", {})
        if name in observables:
            return observables[name]
        detail = f"a result has no {name!r}"
        if name in OBSERVABLES:
            detail = f"this result has no {name!r}"
        if not name.startswith("_"):
            detail += f"; its observables are {', '.join(observables) or 'none'}"
        raise AttributeError(detail, name=name, obj=self)

    def __getitem__(self, name: str) -> Any:
        """A group or a variable of :attr:`tree`: ``result["passage"].mean_time``.

        Raises
        ------
        KeyError
            If there is none; of an analysis it says which section of a case asks for it.
        """
        try:
            return self.tree[name]
        except KeyError:
            detail = f"a result has no {name!r}"
            if name in self.failed:
                detail = f"[{name}] was not computed: {self.failed[name]}"
            elif name in GROUPS:
                detail = f"this result has no {name!r}; a section [{name}] of the case asks for it"
            raise KeyError(detail) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.observables, *GROUPS]

    def __repr__(self) -> str:
        cells = " x ".join(str(count) for count in self.shape)
        span = f"{len(self.time)} frames"
        if len(self.time):
            span += f" to time {self.time[-1]:g}"
        return f"<Result {self.title!r}: {cells} cells, {span}, {self.status}>"

    def _repr_html_(self) -> str:
        """For notebooks: a table of what it is and what was kept, and the last density."""
        return result_html(self, tuple(GROUPS))

    @cached_property
    def tree(self) -> DataTree:
        """The result as an ``xarray.DataTree``, root and groups as in its file.

        It holds the result as it is when the tree is asked for first; for selection, arithmetic,
        drawing and ``to_netcdf`` as xarray has them.
        """
        return tree_of(self)

    def plot(self, frame: int = -1, ax: Any = None) -> Any:
        """Draw the density of one frame: a curve, or an image; of three axes the first two.

        Parameters
        ----------
        frame : int
            Number of the frame, from the end where negative.
        ax : matplotlib.axes.Axes, optional
            Where to draw; pyplot's current axes where left out.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> import fokkerplanck as fp
        >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
        >>> result = fp.run(fp.make_case(problem, 128, density={"end": 1.0, "frames": 3}))
        >>> result.plot().get_xlabel()
        'x'
        """
        return plot_density(self, frame, ax)

    @property
    def ndim(self) -> int:
        """Number of parameters."""
        return len(self.names)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells per axis."""
        return tuple(len(center) for center in self.centers)

    @cached_property
    def grid_spacing(self) -> np.ndarray:
        """Cell widths, shape (d,)."""
        return np.array(
            [(faces[-1, 1] - faces[0, 0]) / len(faces) for faces in self.bounds], np.float64
        )

    @cached_property
    def grid(self) -> Grid:
        """The cells, with the sides that the header names; closed ones where it names none."""
        axes = []
        named = str(self.attrs.get("boundaries", ""))
        sides = named.split(", ") if named else ["reflecting"] * self.ndim
        for name, faces, side in zip(self.names, self.bounds, sides, strict=True):
            words = side.split("/")
            ends = float(faces[0, 0]), float(faces[-1, 1])
            axes.append(Axis(name, *ends, (words[0], words[-1])))
        return Grid(Domain(tuple(axes)), self.shape)

    @property
    def cell_volume(self) -> float:
        """Volume of one cell."""
        return float(np.prod(self.grid_spacing))

    @property
    def kept_frames(self) -> np.ndarray:
        """Numbers of the frames whose density is here: all of them, or the first and the last."""
        # A kept density is finite everywhere, so its first cell tells.
        corner: Any = (slice(None), *(0,) * self.ndim)
        return np.flatnonzero(~np.isnan(self.density[corner]))

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write a result file; an existing one is replaced only when the new one is whole.

        Raises
        ------
        StoreError
            If the file exists and ``overwrite`` is False, cannot be written, or is being written
            by a run.
        """
        target = Path(path)
        check_target(target, overwrite)
        with replacing(target):
            write_result(target, target.with_name(target.name + ".saving"), self._fill)
        return target

    def _fill(self, file: h5py.File) -> None:
        kept, last = self.kept_frames, len(self.time) - 1
        only_ends = len(kept) < len(self.time) and set(kept) <= {0, last}
        precision = self.density.dtype.name
        write_skeleton(file, self._header(), precision, not only_ends, resumable=False)
        values = [
            {name: series[index] for name, series in self.observables.items()}
            for index in range(len(self.time))
        ]
        frames = map(Frame, range(last + 1), map(float, self.time), self.density, values)
        add_frames(file, frames)
        if only_ends and last in kept:
            file["density"][last] = self.density[last]
        for name, group in GROUPS.items():
            if (found := self.analyses.get(name)) is not None:
                group.fill(file, found)
        status = "complete" if self.status == "complete" else "interrupted"
        write_ending(file, status, self.timings, self.notes, self.failed)

    def _header(self) -> Header:
        return Header(
            names=self.names,
            centers=self.centers,
            bounds=self.bounds,
            loss=self.loss,
            sigma=self.sigma,
            drift=self.drift,
            inputs=self.inputs,
            beta=self.beta,
            seed=self.seed,
            title=self.title,
            case_toml=self.case_toml,
            source=self.source,
            parameters=self.attrs,
        )


def require_result(result: Any) -> None:
    """Raise CaseError for what is no result."""
    if not isinstance(result, Result):
        raise CaseError(
            f"{type(result).__name__} is no Result; fp.run, fp.solve and fp.open_result give one"
        )


def open_result(path: str | Path) -> Result:
    """Read a result file, finished or cut off; a torn last frame is left out.

    Raises
    ------
    StoreError
        If the file is missing, is not a result file, or is damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> case = fp.make_case(problem, 64, name="well", density={"end": 1.0, "frames": 3})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "well.h5")
    ...     solved = fp.run(case, file)
    ...     result = fp.open_result(file)
    >>> result.status, bool((result.density == solved.density).all())
    ('complete', True)
    """
    contents = read(path)
    return Result.from_header(
        contents.header,
        time=contents.time,
        density=contents.density,
        observables=contents.observables,
        analyses=contents.analyses,
        status=contents.status,
        timings=contents.timings,
        notes=contents.notes,
        failed=contents.failed,
    )
