"""What a page is made of: checks, tables, pictures, sections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..analyses.text import PageTable

# Wider pictures than this scroll on a phone.
WIDE = 600

# A promise kept, one broken, something to know before the numbers are used.
State = Literal["kept", "broken", "care"]


@dataclass(frozen=True)
class Check:
    """One promise or expectation and what came of it.

    Parameters
    ----------
    state : State
    what, found : str
    """

    state: State
    what: str
    found: str


@dataclass(frozen=True)
class Picture:
    """An image as it stands in the page.

    Parameters
    ----------
    source : str
        A data URI.
    width, height : int
        Pixels on the page, where it is wide enough.
    alt, caption : str
    """

    source: str
    width: int
    height: int
    alt: str
    caption: str

    @property
    def wide(self) -> bool:
        """Whether its letters would be too small at the width of a phone."""
        return self.width > WIDE


@dataclass(frozen=True)
class PageSection:
    """One part of the page.

    Parameters
    ----------
    key : str
        Its id in the page.
    title : str
    findings : tuple of (str, str)
        What, and what was found.
    tables : tuple of PageTable
    pictures : tuple of Picture
    """

    key: str
    title: str
    findings: tuple[tuple[str, str], ...] = ()
    tables: tuple[PageTable, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.findings or self.tables or self.pictures)
