"""Figures that were drawn already, as images inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from ..io.result import Result
from .records import Picture

# Section and caption by the start of a figure's file name; longer names come first.
PLACES = (
    ("density", "evolution", "Density at some of the output times"),
    ("free_energy", "evolution", "Free energy and distance to the stationary state"),
    ("observables", "evolution", "Observables over time"),
    ("quasi_potential", "stationary", "Loss and quasi-potential"),
    ("current", "stationary", "Stationary current"),
    ("entropy_production", "stationary", "Entropy production"),
    ("modes", "spectrum", "Slowest modes"),
    ("eigenvalues", "spectrum", "Eigenvalues in the complex plane"),
    ("mean_time", "passage", "Mean first-passage time"),
    ("committor", "passage", "Committor"),
    ("arrival", "passage", "Density of the time of arrival"),
    ("escape", "passage", "Wells and the times between them"),
    ("walkers_paths", "ensemble", "Paths of some walkers over the density"),
    ("walkers", "ensemble", "Walkers against the density"),
    ("schedules", "control", "Schedules and what they cost"),
    ("feedback", "control", "Best feedback"),
    ("local_entropy_depths", "smoothing", "Depths of the minima"),
    ("local_entropy", "smoothing", "Local entropy"),
    ("discrete", "discrete", "Density of the steps against the diffusion"),
)
# Pixels on the page per pixel of the file: figures of all widths keep one size of letters, and
# those as wide as a printed page fill the column.
SCALE = 0.65


def pictures_of(result: Result, files: Sequence[Path]) -> dict[str, list[Picture]]:
    """Pictures by the key of their section.

    Parameters
    ----------
    result : Result
    files : sequence of path
        Figures of the result; only PNG becomes part of the page.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    found: dict[str, list[Picture]] = {}
    for file in files:
        if file.suffix != ".png":
            continue
        section, caption = place_of(file.stem)
        alt = f"Figure: {caption.lower()}; axes {', '.join(result.names)}"
        found.setdefault(section, []).append(figure_of(file, caption, alt))
    return found


def place_of(stem: str) -> tuple[str, str]:
    """Key of the section and caption for a figure; ``"evolution"`` for an unknown one."""
    for start, section, caption in PLACES:
        if stem == start:
            return section, caption
    for start, section, caption in PLACES:
        if stem.startswith(f"{start}_"):
            more = stem.removeprefix(f"{start}_").replace("_", " ")
            return section, f"{caption}: {more}"
    return "evolution", stem.replace("_", " ").capitalize()


def figure_of(file: Path, caption: str, alt: str) -> Picture:
    """An image file as a picture of a page.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    data = file.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        width, height = (round(SCALE * side) for side in image.size)
    source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(source, width, height, alt, caption)
