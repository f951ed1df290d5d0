"""Groups of a result as xarray trees: what each may hold, and how it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..grid import Grid

if TYPE_CHECKING:
    from xarray import DataTree

# Words in `Variable.dims` that stand for several dimensions.
AXES, CORNERS = "axes", "corners"
# Dimensions whose coordinates name the axes.
COMPONENTS = {
    "component": "component of a vector or matrix",
    "component2": "second component of a matrix",
}


@dataclass(frozen=True)
class Variable:
    """One array of a group; dimensionless.

    Parameters
    ----------
    dims : str
        Names of its dimensions; ``axes`` stands for those of the grid, ``corners`` for those of
        the cells' corners. A variable over its own name is a coordinate.
    long_name : str
    optional : bool
        Whether it may be absent where its other dimensions are there.
    text : bool
        Whether it holds words in place of numbers.
    bounds_of : str
        Coordinate of intervals whose ends these are, one more than there are intervals.
    words : tuple of str
        Those that it holds in every file.
    least : int
        Fewest entries along each of its own dimensions.
    indexes : str
        The dimension whose rows its values number, ``"well"``, in a group within this one
        ``"loss/point"``; of several each is for one entry of its last dimension.
    counts : bool
        Whether it counts something: whole numbers from 0 on.
    formerly : str
        Its name up to schema 1, where that was another one.
    """

    dims: str
    long_name: str
    optional: bool = False
    text: bool = False
    words: tuple[str, ...] = ()
    least: int = 0
    indexes: str = ""
    bounds_of: str = ""
    counts: bool = False
    formerly: str = ""

    @property
    def attributes(self) -> dict[str, str]:
        """What stands beside its values."""
        extra = {"bounds_of": self.bounds_of} if self.bounds_of else {}
        return {**_described(self.long_name), **extra}


@dataclass(frozen=True)
class Attribute:
    """One attribute of a group.

    Parameters
    ----------
    long_name : str
    kind : type
        float, int, bool or str; ndarray for a number along each axis.
    optional : bool
        Whether a group may do without it.
    least : float, optional
        Below which no number is possible.
    lines_for : str
        Dimension that the text has a line for each entry of.
    """

    long_name: str
    kind: type = float
    optional: bool = False
    least: float | None = None
    lines_for: str = ""


@dataclass(frozen=True)
class Layout:
    """What a group may hold.

    Parameters
    ----------
    variables : mapping of str to Variable
    attributes : mapping of str to Attribute
    children : mapping of str to Layout
        Groups within it; ``cycle_*`` stands for any number of them, counted from 0.
    """

    variables: Mapping[str, Variable]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    children: Mapping[str, Layout] = field(default_factory=dict)

    def child(self, name: str) -> Layout | None:
        """Layout of a group within this one; None where it may not be there."""
        stem, _, end = name.rpartition("_")
        return self.children.get(name) or self.children.get(f"{stem}_*" if end.isdigit() else "")

    def build(
        self,
        grid: Grid,
        arrays: Mapping[str, Any],
        attributes: Mapping[str, Any] | None = None,
        children: Mapping[str, DataTree | None] | None = None,
    ) -> DataTree:
        """The tree of a group.

        Parameters
        ----------
        grid : Grid
            Gives the coordinates of axes and components.
        arrays : mapping
            array_like by the names of ``variables``; None are left out. Coordinates that are not
            given count from 0.
        attributes : mapping, optional
            Values of None are left out.
        children : mapping, optional
            Trees of the groups within it; None are left out.

        Raises
        ------
        TypeError
            If a name is unknown, or an array that the others need is not given.
        ValueError
            If the shapes do not fit together.
        """
        from xarray import Dataset, DataTree

        given = {name: np.asarray(one) for name, one in arrays.items() if one is not None}
        attrs = {name: one for name, one in (attributes or {}).items() if one is not None}
        if unknown := {*given, *attrs} - {*self.variables, *self.attributes}:
            raise TypeError(f"{', '.join(sorted(unknown))}: no such names in this group")
        data: dict[str, Any] = {}
        for name, one in self.variables.items():
            if name in given:
                data[name] = (dims_of(one, grid.names), given[name], one.attributes)
        used = {word for name in given for word in self.variables[name].dims.split()}
        # Some groups have them whether anything runs over them or not.
        used |= COMPONENTS.keys() & self.variables.keys()
        sizes = {
            dim: size
            for dims, array, _ in data.values()
            for dim, size in zip(dims, array.shape, strict=True)
        }
        for name, one in self.variables.items():
            if one.dims == name and name in sizes and name not in {*data, *COMPONENTS}:
                values = np.array(one.words) if one.words else np.arange(sizes[name])
                data[name] = ((name,), values, one.attributes)
        data |= _coordinates(grid, used)
        whole = {name: _words(one) for name, one in data.items()}
        tree = DataTree(Dataset(whole, attrs=attrs).set_coords([n for n in whole if n in sizes]))
        for name, child in (children or {}).items():
            if child is not None:
                tree[name] = child
        if lacking := self.lacking(tree):
            raise TypeError(f"{lacking} is not given")
        return tree

    def lacking(self, tree: DataTree) -> str:
        """A name without which the others mean nothing; empty where there is none."""
        dims = {str(dim) for dim in tree.dims}
        for name, one in self.variables.items():
            if one.optional or name in tree.variables:
                continue
            words = set(one.dims.split()) - {AXES, CORNERS, *COMPONENTS, name}
            if words <= dims:
                return name
        for name, attribute in self.attributes.items():
            if name not in tree.attrs and not attribute.optional:
                return name
        return ""

    @property
    def renamed(self) -> dict[str, str]:
        """Names of arrays by those of schema 1."""
        return {one.formerly: name for name, one in self.variables.items() if one.formerly}

    @property
    def has_axes(self) -> bool:
        """Whether the coordinates of the axes stand in this group."""
        return any(AXES in one.dims.split() for one in self.variables.values())

    def names(self) -> Iterator[str]:
        """Every name in this group and in those within it, of groups, arrays and dimensions."""
        for name, one in self.variables.items():
            yield from (name, *({*one.dims.split()} - {AXES, CORNERS}))
        for name, child in self.children.items():
            yield name
            yield from child.names()


class Arrays:
    """The arrays and attributes of a group as numpy and Python have them.

    ``arrays.mean_time`` is the array of that name, or the attribute, or the group within this one;
    None where this result does not have it.

    Parameters
    ----------
    tree : DataTree
    layout : Layout
        Names beyond it are an AttributeError.
    """

    def __init__(self, tree: DataTree, layout: Layout):
        self._tree, self._layout = tree, layout

    def __getattr__(self, name: str) -> Any:
        # Copying and pickling ask before there is a tree.
        layout = self.__dict__.get("_layout")
        if layout is None:
            raise AttributeError(name)
        if name in layout.attributes:
            value, kind = self._tree.attrs.get(name), layout.attributes[name].kind
            return value if value is None or kind is np.ndarray else kind(value)
        if name in layout.variables:
            return self._tree.variables[name].values if name in self._tree.variables else None
        within = layout.child(name)
        if within is None:
            raise AttributeError(f"a result has no {name!r} here; its names are {self}")
        child = self._tree.children.get(name)
        return None if child is None else Arrays(child, within)

    def __dir__(self) -> list[str]:
        layout = self._layout
        return [*super().__dir__(), *layout.variables, *layout.attributes, *layout.children]

    def __repr__(self) -> str:
        tree = self._tree
        return ", ".join(map(str, (*tree.data_vars, *tree.attrs, *tree.children)))

    def _repr_html_(self) -> str:
        return str(self._tree._repr_html_())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arrays) and self._tree.identical(other._tree)

    __hash__ = None  # type: ignore[assignment]

    @property
    def tree(self) -> DataTree:
        """The group as xarray has it."""
        return self._tree

    @property
    def numbers(self) -> dict[str, float]:
        """The attributes that are numbers, in the order of the layout."""
        return {
            name: float(self._tree.attrs[name])
            for name, one in self._layout.attributes.items()
            if one.kind in (float, int) and name in self._tree.attrs
        }

    def numbered(self, stem: str) -> tuple[Arrays, ...]:
        """The groups ``stem_0``, ``stem_1`` and so on within this one."""
        found: list[Arrays] = []
        while f"{stem}_{len(found)}" in self._tree.children:
            found.append(getattr(self, f"{stem}_{len(found)}"))
        return tuple(found)

    def some(self, *names: str) -> dict[str, np.ndarray]:
        """Those of the arrays of these names that are there."""
        found = self._tree.variables
        return {name: found[name].values for name in names if name in found}


def _described(long_name: str) -> dict[str, str]:
    return {"long_name": long_name, "units": "1"}


def dims_of(one: Variable, names: tuple[str, ...]) -> tuple[str, ...]:
    """Dimensions of a variable on axes of these names."""
    several = {AXES: names, CORNERS: tuple(f"{name}_corner" for name in names)}
    return tuple(dim for word in one.dims.split() for dim in several.get(word, (word,)))


def _words(one: tuple[tuple[str, ...], np.ndarray, dict[str, str]]) -> Any:
    """Texts as objects, as readers of netCDF-4 give them."""
    dims, array, attrs = one
    return (dims, array.astype(object) if array.dtype.kind == "U" else array, attrs)


def _coordinates(grid: Grid, used: set[str]) -> dict[str, Any]:
    """Coordinates of axes, corners and components, where they are used."""
    found: dict[str, Any] = {}
    names = np.array(grid.names, dtype=object)
    for name, long_name in COMPONENTS.items():
        if name in used:
            found[name] = ((name,), names, _described(long_name))
    if AXES in used:
        ends = np.array(["lower", "upper"], dtype=object)
        found["bound"] = (("bound",), ends, _described("side of a cell"))
        for name, centers, bounds in zip(grid.names, grid.centers, grid.bounds, strict=True):
            attrs = {**_described(f"{name}, cell centre"), "bounds": f"{name}_bounds"}
            found[name] = ((name,), centers, attrs)
            faces = _described(f"{name}, cell faces")
            found[f"{name}_bounds"] = ((name, "bound"), bounds, faces)
    if CORNERS in used:
        for name, bounds in zip(grid.names, grid.bounds, strict=True):
            corners = np.append(bounds[:, 0], bounds[-1, 1])
            corner = f"{name}_corner"
            found[corner] = ((corner,), corners, _described(f"{name}, cell face"))
    return found
