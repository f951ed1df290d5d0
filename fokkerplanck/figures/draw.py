"""From names of figures to files."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..errors import CaseError, CaseWarning, StoreError
from ..io.result import Result
from .density import density_figures
from .discrete import discrete_figures
from .entropy_production import entropy_production_figures
from .free_energy import free_energy_figures
from .local_entropy import local_entropy_figures
from .modes import eigenvalues_figures, modes_figures
from .observables import observables_figures
from .passage.arrival import arrival_figures
from .passage.committor import committor_figures
from .passage.escape import escape_figures
from .passage.mean_time import mean_time_figures
from .schedules import schedules_figures
from .stationary.current import current_figures
from .stationary.quasi_potential import quasi_potential_figures
from .style import house_style, save_figure
from .walkers import walkers_figures

# Each returns its figures by file stem; none where the result lacks what it needs.
STILLS: dict[str, Callable[[Result], dict[str, Figure]]] = {
    "density": density_figures,
    "free_energy": free_energy_figures,
    "observables": observables_figures,
    "quasi_potential": quasi_potential_figures,
    "current": current_figures,
    "entropy_production": entropy_production_figures,
    "schedules": schedules_figures,
    "local_entropy": local_entropy_figures,
    "discrete": discrete_figures,
    "modes": modes_figures,
    "eigenvalues": eigenvalues_figures,
    "walkers": walkers_figures,
    "mean_time": mean_time_figures,
    "committor": committor_figures,
    "arrival": arrival_figures,
    "escape": escape_figures,
}
FIGURES = tuple(STILLS)

# Drawn unasked where there is data: of every result, and of one whose case has [stationary] or
# [spectrum].
USUAL = ("density", "free_energy", "walkers")
STATIONARY = ("quasi_potential", "current", "entropy_production")
SPECTRUM = ("modes", "eigenvalues")
# Drawn unasked of a result whose case has [passage], those that there is data for.
PASSAGE = ("mean_time", "committor", "arrival", "escape")


def draw(
    result: Result,
    directory: str | Path,
    figures: Sequence[str] | None = None,
) -> list[Path]:
    """Draw figures into a directory, which is made if need be, and return their files.

    Files of the same names are replaced: a figure can always be drawn again from its result.

    Parameters
    ----------
    result : Result
    directory : path
    figures : sequence of str, optional
        Names out of ``FIGURES``, drawn as PNG at 200 dpi. Without names: what the result has of
        density, free energy and walkers and, analysed by [stationary], of quasi-potential, current
        and entropy production, by [spectrum] of modes and eigenvalues, by [passage] of the mean
        time, the committor, the times of arrival and the wells.

    Raises
    ------
    CaseError
        For an unknown name.
    StoreError
        If the result has no frame and no analysis, or the directory cannot be written.

    Warns
    -----
    CaseWarning
        For a figure asked for by name that this result has no data for.

    Examples
    --------
    >>> import tempfile
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> result = fp.run(fp.make_case(problem, 64, density={"end": 1.0, "frames": 3}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = fp.draw(result, folder, ["density"])
    >>> [file.name for file in files]
    ['density.png']
    """
    chosen = _usual(result) if figures is None else tuple(dict.fromkeys(figures))
    for name in chosen:
        if name not in FIGURES:
            raise CaseError(_unknown(name), "output.figures")
    analyses = (
        result.stationary,
        result.spectrum,
        result.passage,
        result.control,
        result.smoothing,
        result.discrete,
    )
    if not len(result.kept_frames) and all(found is None for found in analyses):
        if result.failed:
            return []
        raise StoreError("this result has no frame yet, so there is nothing to draw")
    folder = Path(directory)
    paths: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with house_style():
            for name in chosen:
                drawn = _draw_one(name, result, folder)
                if not drawn and figures is not None:
                    warnings.warn(
                        f"the figure {name!r} was left out: this result has no data for it",
                        CaseWarning,
                        stacklevel=2,
                    )
                paths += drawn
    except OSError as error:
        raise StoreError(f"the figures cannot be written: {error.strerror}", folder) from error
    return paths


def _usual(result: Result) -> tuple[str, ...]:
    analysed = result.stationary is not None and result.stationary.velocity is not None
    return (
        *USUAL,
        *(STATIONARY if analysed else ()),
        *(SPECTRUM if result.spectrum is not None else ()),
        *(PASSAGE if result.passage is not None else ()),
        *(("schedules",) if result.control is not None else ()),
        *(("local_entropy",) if result.smoothing is not None else ()),
        *(("discrete",) if result.discrete is not None else ()),
    )


def _draw_one(name: str, result: Result, folder: Path) -> list[Path]:
    paths = []
    for stem, figure in STILLS[name](result).items():
        paths.append(folder / f"{stem}.png")
        save_figure(figure, paths[-1])
    return paths


def _unknown(name: str) -> str:
    nearest = difflib.get_close_matches(str(name), FIGURES, n=1, cutoff=0.0)[0]
    return f"{name!r} is not a figure; did you mean {nearest!r}? Known are {', '.join(FIGURES)}"
