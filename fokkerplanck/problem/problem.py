"""The problem: a loss, an extra drift, a noise covariance and a temperature on a domain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import asdict
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from ..domain import Domain
from ..errors import CaseError
from ..grid import Grid
from .callables import CallableField
from .checks import check
from .coefficients import Coefficients, shown
from .expressions.field import Field, in_block, shape_of
from .expressions.formula import read_parameters
from .expressions.names import Names, check_name
from .forces import Drift, Loss, drift_field, loss_field
from .jumps import Jumps, read_jumps
from .model_field import ModelField
from .models import DataModel
from .noise import read_beta, read_settings, sigma_field

Points = Sequence[Any]


class Problem:
    """d theta = (-grad Phi + f) dt + sqrt(2 Sigma/beta) dW, Ito (39), on a box.

    Parameters
    ----------
    loss : str, Landscape, DataModel, mapping or callable, optional
        Phi: a formula ``"x**2"``, a named family ``Landscape("ring", radius=2)`` or
        ``{"name": "ring", "radius": 2}``, a model with its data, or a function of one array per
        axis. May be left out (Phi = 0) where a drift is given.
    sigma : number, str, list, matrix or callable
        Sigma: scalar times the identity, diagonal or matrix, of numbers or formulas; a callable
        returns an array of shape (d, d, ...). ``"minibatch"``: the covariance of the sample
        gradients (31) of a data model.
    beta : number or str, optional
        Inverse temperature > 0; 1 where neither it nor a batch size is given.
    domain : Domain or mapping
        ``{"x": (-4, 4), "y": {"range": (0, 1), "boundary": "periodic"}}``.
    drift : list of str, or callable, optional
        f, added to -grad Phi; one component per parameter.
    batch_size, learning_rate : number or str, optional
        Instead of beta: beta = 2|B|/eta, and 2|B|(1 - momentum)/eta for the heavy ball. The
        learning rate may stand beside beta.
    replacement : bool
        Whether a batch may hold a sample twice. False, for data models, multiplies beta by
        (n - 1)/(n - |B|), the exact correction (33).
    parameters : mapping, optional
        Numbers for use in formulas.
    momentum, friction : number or str, optional
        Heavy ball, with friction = (1 - momentum)/sqrt(learning rate) if momentum is given
        (learning rate 1 where none is). The domain then has 2m axes, m parameters and their m
        velocities; loss, drift and sigma are those of the parameters:
        d theta = v dt, dv = -(friction v + grad Phi - f) dt + sqrt(2 friction Sigma/beta) dW.
    alpha : number or str, optional
        Tail index of the noise (51), in (0, 2]; 2 is Gaussian. Below 2 Sigma is constant.
    jumps : str, optional
        "isotropic" (default) or "components": independent jumps along the axes.
    title : str, optional
    gradient, hessian, div_sigma : callable, optional
        Derivatives of a callable loss, of shapes (d, ...) and (d, d, ...), and of a callable
        sigma, (d, ...): the sum over columns j of d Sigma_ij/dx_j. Where left out they are taken
        by central differences of order 6 (see :mod:`~fokkerplanck.problem.callables`); those of
        formulas are exact.

    Attributes
    ----------
    domain : Domain
    beta : float
    parameters : dict
    friction, batch_size, learning_rate : float or None
    replacement : bool
    model : DataModel or None
        The loss, if it is one of data.
    jumps : Jumps or None
        Heavy-tailed noise in place of the Gaussian one; None where alpha is 2.
    title : str
    coefficients : Coefficients
        The fields it is made of.

    Raises
    ------
    CaseError
        With the case key of the argument.

    Notes
    -----
    A problem does not change. The methods ``..._at(points, t)`` take one array per axis; these
    broadcast, and results have the tensor axes first and then the full broadcast shape, float64.
    All quantities are dimensionless. Formulas are compiled on first use.

    References
    ----------
    Liu and Theodorou, Deep Learning Theory Review, arXiv:1908.10920 (2019), equation (39).

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> box, sgd = {"x": (-3, 3), "y": (-2, 2)}, {"batch_size": 8, "learning_rate": 0.5}
    >>> problem = fp.Problem("(x**2 - 1)**2 + y**2/2", ["1 + x**2", 0.5], domain=box, **sgd)
    >>> problem.beta  # 2|B|/eta
    32.0
    >>> problem.sigma_at((1.0, 0.0)).diagonal()
    array([2. , 0.5])
    """

    domain: Domain
    beta: float
    parameters: dict[str, float]
    friction: float | None
    batch_size: float | None
    learning_rate: float | None
    replacement: bool
    model: DataModel | None
    jumps: Jumps | None
    title: str
    has_drift: bool
    coefficients: Coefficients

    def __init__(
        self,
        loss: Loss = None,
        sigma: Any = 1.0,
        beta: float | str | None = None,
        domain: Domain | Mapping[str, Any] | None = None,
        *,
        drift: Drift = None,
        parameters: Mapping[str, Any] | None = None,
        batch_size: float | str | None = None,
        learning_rate: float | str | None = None,
        replacement: bool = True,
        momentum: float | str | None = None,
        friction: float | str | None = None,
        alpha: float | str | None = None,
        jumps: str | None = None,
        title: str = "",
        gradient: Callable[..., Any] | None = None,
        hessian: Callable[..., Any] | None = None,
        div_sigma: Callable[..., Any] | None = None,
    ):
        arguments = {name: value for name, value in locals().items() if name != "self"}
        # What the caller does to a list of its own later changes no problem.
        arguments["sigma"] = sigma if callable(sigma) else deepcopy(sigma)
        if domain is None:
            raise CaseError("there is no domain; give each axis its range", "domain")
        box = domain if isinstance(domain, Domain) else Domain.from_mapping(domain)
        for name in box.names:
            check_name(name, f"domain.{name}")
        values = read_parameters(parameters or {}, box.names)
        model = loss if isinstance(loss, DataModel) else None
        settings = read_settings(
            values,
            None if model is None else model.samples,
            beta=beta,
            batch_size=batch_size,
            learning_rate=learning_rate,
            momentum=momentum,
            friction=friction,
            replacement=replacement,
        )
        heavy = settings.friction is not None
        if heavy and box.ndim % 2:
            raise CaseError(
                f"{box.ndim} axes were given; with momentum there is a velocity for each parameter",
                "domain",
            )
        if loss is None and drift is None:
            raise CaseError("neither a loss nor a drift is given; one is needed", "loss")
        free = box.axes[: box.ndim // 2] if heavy else box.axes
        constants = {**values, "beta": settings.beta}
        names = Names(tuple(axis.name for axis in free), constants, time=True)
        lengths = tuple(axis.length for axis in free)
        field = sigma_field(sigma, names, lengths, model)
        given = {"gradient": gradient, "hessian": hessian, "div_sigma": div_sigma}
        self.__dict__.update(
            domain=box,
            parameters=values,
            **asdict(settings),
            model=model,
            jumps=read_jumps(
                alpha,
                jumps,
                values,
                field.constant,
                settings.beta,
                settings.learning_rate,
                heavy,
            ),
            title=title,
            has_drift=drift is not None,
            _written=(loss, sigma, drift),
            _arguments={**arguments, "domain": box, "parameters": values},
            _free=len(free),
            coefficients=Coefficients(
                loss_field(loss, names, lengths),
                drift_field(drift, names, lengths),
                field,
                {
                    key: CallableField(
                        function,
                        (len(free), len(free)) if key == "hessian" else (len(free),),
                        lengths,
                        key,
                    )
                    for key, function in given.items()
                    if function is not None
                },
            ),
        )

    _written: tuple[Any, Any, Any]
    _arguments: dict[str, Any] | None  # None where the problem was changed afterwards
    _free: int  # number of parameters: ndim, or half of it with friction

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a Problem does not change; make a new one with another {name}")

    def __repr__(self) -> str:
        loss, sigma, drift = (shown(part) for part in self._written)
        sides = ", ".join(f"{a.name} in [{a.lower:g}, {a.upper:g}]" for a in self.domain.axes)
        extra = "" if not self.has_drift else f", drift={drift}"
        extra += "" if self.friction is None else f", friction={self.friction:g}"
        return f"Problem(loss={loss}, sigma={sigma}, beta={self.beta:g}{extra}; {sides})"

    @property
    def names(self) -> tuple[str, ...]:
        """Axis names."""
        return self.domain.names

    @property
    def has_loss(self) -> bool:
        """Whether a loss was given; without one Phi is 0 and the drift is all there is."""
        return self._written[0] is not None

    @property
    def ndim(self) -> int:
        """Number of axes d."""
        return self.domain.ndim

    @property
    def loss_key(self) -> str:
        """Case key that messages about the loss name."""
        return self.coefficients.loss.key

    @property
    def drift_time_dependent(self) -> bool:
        """Whether the deterministic drift, loss included, depends on t."""
        return self.coefficients.drift_time_dependent

    @property
    def sigma_time_dependent(self) -> bool:
        """Whether Sigma depends on t."""
        return self.coefficients.sigma_time_dependent

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the coefficients are made of: slope of the loss, drift, Sigma."""
        return self.coefficients.fields

    @property
    def minibatch_noise(self) -> bool:
        """Whether Sigma is the covariance of the sample gradients of the model."""
        return isinstance(self.coefficients.sigma, ModelField)

    @property
    def time_dependent(self) -> bool:
        """Whether any coefficient depends on t."""
        return self.drift_time_dependent or self.sigma_time_dependent

    @cached_property
    def constant_sigma(self) -> np.ndarray | None:
        """Sigma, shape (d, d), if it depends neither on the point nor on time; else None."""
        constant = self.coefficients.sigma.constant
        return None if constant is None else self._full_sigma(constant, ())

    @cached_property
    def isotropic_scale(self) -> float | None:
        """The number s if Sigma = s I is constant, without extra drift and momentum; else None."""
        sigma = self.constant_sigma
        if sigma is None or self.has_drift or self.friction is not None:
            return None
        scale = float(sigma[0, 0])
        return scale if scale > 0.0 and np.array_equal(sigma, scale * np.eye(self.ndim)) else None

    @cached_property
    def noiseless(self) -> tuple[bool, ...]:
        """For each axis, whether its row of Sigma is identically zero (unknown for callables)."""
        rows = tuple(bool(row.all()) for row in self.coefficients.sigma.zero)
        return rows if self.friction is None else (True,) * self._free + rows

    @property
    def loss_may_jump(self) -> bool:
        """Whether the loss is a formula with functions that jump; their gradients do not see it."""
        return self.coefficients.loss_may_jump

    @property
    def divergence_reach(self) -> float:
        """How far differences for div Sigma reach, as a share of each axis; 0 where it is exact."""
        return self.coefficients.divergence_reach

    def loss_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """Phi, shape (...)."""
        shape = shape_of(points)
        values = self.coefficients.loss(points[: self._free], t)
        return values if values.shape == shape else np.broadcast_to(values, shape).copy()

    def gradient_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """grad Phi, shape (d, ...)."""
        return self._padded(self.coefficients.gradient, points, t)

    def hessian_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """Hessian of Phi, shape (d, d, ...)."""
        return self._padded(self.coefficients.hessian, points, t)

    def drift_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """Deterministic drift -grad Phi + f, or that of the heavy ball; shape (d, ...)."""
        drift = self.gradient_at(points, t)
        np.negative(drift, out=drift)
        free = self._free
        if self.friction is not None:
            force = drift[:free].copy()
            for i in range(free):
                drift[i] = points[free + i]
                drift[free + i] = force[i] - self.friction * drift[i]
        if self.coefficients.drift is not None:
            # The extra drift is a force: with momentum it acts on the velocities, the last axes.
            drift[-free:] += self.coefficients.drift(points[:free], t)
        return drift

    def sigma_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """Sigma, shape (d, d, ...); with momentum friction Sigma in the velocity block."""
        return self._full_sigma(self.coefficients.sigma(points[: self._free], t), shape_of(points))

    def div_sigma_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """Divergence of Sigma over columns, sum_j d Sigma_ij/dx_j; shape (d, ...)."""
        # With momentum Sigma varies with the parameters only, and acts on the velocities only.
        if self.coefficients.sigma.constant is not None or self.friction is not None:
            return np.zeros((self.ndim, *shape_of(points)))
        return self.coefficients.div_sigma(points, t)

    def velocity_at(self, points: Points, t: float = 0.0) -> np.ndarray:
        """Drift less div Sigma/beta: J = velocity rho - (1/beta) Sigma grad rho (48)."""
        return self.drift_at(points, t) - self.div_sigma_at(points, t) / self.beta

    def grid(self, cells: int | Sequence[int]) -> Grid:
        """Grid of this domain, with ``cells`` for all axes or one number per axis."""
        return Grid.of(self.domain, cells)

    def with_beta(self, beta: float) -> Problem:
        """The same loss, drift and Sigma at another temperature.

        ``beta`` in a formula keeps the value it was read with.

        Raises
        ------
        CaseError
            Unless beta > 0.
        """
        other = copy(self)
        other.__dict__.update(beta=read_beta(beta, {}), _arguments=None)
        return other

    @property
    def arguments(self) -> dict[str, Any] | None:
        """What it was made from; None where that is another problem, as in :meth:`with_beta`."""
        return None if self._arguments is None else dict(self._arguments)

    def check(self, grid: Grid, t: float = 0.0) -> None:
        """Raise :class:`CaseError` if a coefficient has no meaning at a cell centre.

        Loss, gradient, drift, Sigma and its divergence must be finite, Sigma symmetric and
        without negative eigenvalues; the message names the place.
        """
        check(self, grid, t)

    def _padded(self, field: Field, points: Points, t: float) -> np.ndarray:
        """Evaluate a field of the parameters, with zeros for the velocities."""
        values = field(points[: self._free], t)
        if self.friction is None:
            return values
        return in_block(values, len(field.shape), slice(self._free), self.ndim, shape_of(points))

    def _full_sigma(self, sigma: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if self.friction is None:
            return sigma
        return in_block(self.friction * sigma, 2, slice(self._free, None), self.ndim, shape)
