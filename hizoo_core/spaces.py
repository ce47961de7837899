"""Where θ lives while `optimize` runs: `BatchedPoints`, numpy's float64 and many runs at once.

A method sees what `base.Space` says of it. The parameters of a module live in `module_parameters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np

from hizoo_core import noise, reliability
from hizoo_core.auto_rate import AUTO, AutoRate, Seen
from hizoo_core.base import Block, Method, Objective
from hizoo_core.estimators import weights

NEVER = np.iinfo(np.int64).max  # a step that no run makes


class NumpyArithmetic:
    exp = staticmethod(np.exp)
    clip = staticmethod(np.clip)
    subtract = staticmethod(np.subtract)
    absolute = staticmethod(np.absolute)

    @staticmethod
    def total(x: np.ndarray) -> np.ndarray:
        # Numpy adds one by one, in order, along an axis that is not the fastest: so a run's bits do not depend on
        # how many runs there are.
        return np.add.reduce(x, axis=0)

    @staticmethod
    def hold(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        np.maximum(x, low, out=x)
        np.minimum(x, high, out=x)

    @staticmethod
    def root(x: np.ndarray, out: np.ndarray) -> np.ndarray:
        return np.sqrt(x, out)


class FloatArithmetic:
    """Of Python floats: a single run's losses, on which numpy would take ten times as long for the same bits."""

    @staticmethod
    def subtract(x: float, y: float, out: None) -> float:
        return x - y

    @staticmethod
    def absolute(x: float, out: float) -> float:
        return abs(x)


class BatchedPoints:
    """θ of shape (B, d), one block; all the probes of a step are evaluated in one call on (2n + 1, B, d).

    Inside, arrays are stored and indexed with the runs last: (d, B), (n, d, B), numbers (n, B). So inner loops are
    long, and the objective is given views of which x[..., j] is contiguous. What a step needs that does not depend on θ
    is made for many steps at once. With n = 1 the axis of the directions is left out. All of this is for the sake of
    numpy's cost per call, which is what a step of a few runs consists of: broadcasting, a Python float as operand, a
    strided result and a new array each add to it.
    """

    xp: Any = NumpyArithmetic
    of_losses: Any = NumpyArithmetic

    def __init__(
        self,
        method: Method,
        settings: Sequence[Any],
        objective: Objective,
        start: np.ndarray,
        runs: slice,
        seed: int,
        *,
        gradient_noise: float = 0.0,
        state: Mapping[str, Any] | None = None,
        draw: Callable[[int, int, int, np.ndarray], None] = noise.draw,
        steps: int = NEVER,
    ) -> None:
        """Runs `runs` of every setting side by side, setting after setting; all settings have the same n.

        At most `steps` steps will be made. `gradient_noise` σ: a step's loss has a term ξ·θ of its own, ξ ~ N(0, σ²).
        `state`: starting values of the method's state, numbers or (d,), in place of its own. `draw` is called as
        `noise.draw`.
        """
        d, cells, count = start.size, len(settings), runs.stop - runs.start
        width = cells * count
        self._value, self._objective = objective.value, objective
        self._seed, self._runs, self._cells, self._draw = seed, runs, cells, draw
        form = method.on_points
        self.constants = _side_by_side([form.init(hyperparameters, np.array) for hyperparameters in settings], count)
        self.chunk = noise.steps_per_stream(d)
        self._block = -1  # the block of steps whose numbers are drawn
        self._tilt, self._half, self._sigma = None, None, gradient_noise
        if gradient_noise:
            self._tilts = np.empty((min(self.chunk, steps), d, width))
        self.n = n = settings[0].n if method.stochastic else 0
        keeps = self._keeps = int(method.estimates_hessian)  # 1 where there is a P
        auto = getattr(settings[0], "lr", None) == AUTO
        centre = self._centre = int(keeps or auto)  # 1 where the loss at θ itself is probed too
        values = {**form.state, **form.numbers, **(state or {})}
        arrays = {name: np.empty((1 if name in form.numbers else d, width)) for name in (*form.state, *form.numbers)}
        for name, array in arrays.items():
            array[...] = np.reshape(values[name], (-1, 1))
        # One array, so that one copy records both P and θ, and θ lies among the probes where it is one of them.
        rows = np.empty((keeps + 1 + 2 * n, d, width))
        self.recorded = rows[: keeps + 1]  # P (HiZOO alone), θ
        theta = rows[keeps]
        theta[:] = start[:, None]
        if keeps:
            rows[0] = arrays["P"]
            arrays["P"] = rows[0]
        self.block = Block(theta, arrays, self.constants)
        self.auto, self.paced = None, None
        if not n:
            return
        self._mu = _repeat([hyperparameters.mu for hyperparameters in settings], count)
        if keeps:
            self.block.root = np.sqrt(rows[0])
        # The probes, stored by probe to be written and by coordinate to be read by the objective.
        self._points = points = rows[1 + keeps - centre :]
        self._plus, self._minus = points[centre : centre + n], points[centre + n :]
        self._probed = probes = np.empty((d, len(points), width))
        self._by_probe, self._probes = probes.transpose(1, 0, 2), probes.transpose(1, 2, 0)
        # A row of first differences and, for HiZOO, one of second differences; and the same ready to meet the vectors.
        self.numbers = np.empty((1 + keeps, n, width))
        self._u = np.empty((min(self.chunk, steps), n, d, count))
        if n == 1:
            self._plus, self._minus = self._plus[0], self._minus[0]
            self.numbers = self.numbers[:, 0]
        self._multipliers = self.numbers[..., None, :]
        self._single = n == 1 and width == 1 and not auto
        if self._single:
            self.of_losses = FloatArithmetic
            self._scalars = tuple(row.reshape(()) for row in self.numbers)
        self.numbers = tuple(self.numbers) if not self._single else (None, None)
        self._offsets = self._vectors = np.empty(0)
        self._scaled = np.empty((d, width) if n == 1 else (n, d, width))
        self._products = np.empty((1 + keeps, *self._scaled.shape))
        self._totals = self._products if n == 1 else np.empty((1 + keeps, d, width))
        self._rows = tuple(self._products)
        self._blocks = ((self.block, *self._totals),)
        if auto:
            self.auto, self.paced = AutoRate(width, self._mu), self._pace
            self._before = theta.copy()  # θ where the last step was made
            if gradient_noise:
                self._halves = np.empty_like(self._tilts)

    def resume(self, other: BatchedPoints) -> None:
        """Take over θ and the state of a space of the same method and runs."""
        self.block.theta[...] = other.block.theta
        for name, array in self.block.state.items():
            array[...] = other.block.state[name]
        if self._keeps:
            self.block.root = np.sqrt(self.block.state["P"])
        if self.auto and other.auto:
            self.auto.state, self._before = other.auto.state, other._before

    def through(self, first: int, end: int) -> Iterator[int]:
        """Yield the steps first .. end − 1 (within one chunk), each with its directions in place."""
        block, offset = divmod(first, self.chunk)
        fresh, self._block = block != self._block, block
        if fresh and self._sigma:
            self._draw_tilts(block, noise.TILT, self._tilts)
            if self.auto:
                self._draw_tilts(block, noise.HALF, self._halves)
        steps = range(first, end)
        if not self.n:
            for t in steps:
                self._tilt = self._tilts[t % self.chunk] if self._sigma else None
                yield t
            return
        if fresh:
            self._draw(self._seed, block, self._runs.start, self._u)
        u = self._u[offset : offset + end - first]
        if self.n == 1:
            u = u[:, 0]
        # What the differences are multiplied with: η/(2nμ) u, and the estimator's function of u.
        vectors = np.empty((1 + self._keeps, *u.shape[:-1], self.block.theta.shape[-1]))
        self._spread(u, self.constants.move, vectors[0])
        if self._keeps:
            self._spread(weights(self.constants.estimator, u), self.constants.weigh, vectors[1])
        offsets = u * self._mu if self._cells == 1 else self._spread(u, self._mu, np.empty_like(vectors[0]))
        for t, self._offsets, self._vectors in zip(steps, offsets, vectors.swapaxes(0, 1), strict=True):
            if self._sigma:
                self._tilt = self._tilts[t % self.chunk]
                self._half = self._halves[t % self.chunk] if self.auto else None
            yield t

    def _draw_tilts(self, block: int, direction: int, out: np.ndarray) -> None:
        drawn = np.empty((len(out), 1, len(self.block.theta), self._runs.stop - self._runs.start))
        noise.draw(self._seed, block, self._runs.start, drawn, direction)
        out[...] = np.tile(self._sigma * drawn[:, 0], self._cells)

    def drawn(self, t: int) -> tuple[np.ndarray, np.ndarray | None]:
        """The u of a step that `through` has reached, (n, d, runs), and its ξ, (d, settings × runs), if any."""
        i = t % self.chunk
        u = self._u[i] if self.n else np.empty((0, *self.block.theta.shape))
        return u, self._tilts[i] if self._sigma else None

    def _spread(self, u: np.ndarray, factor: Any, out: np.ndarray) -> np.ndarray:
        """Numbers u (…, runs) times a factor, or the factor of each setting, into out (…, settings × runs)."""
        if self._cells == 1:
            return np.multiply(u, factor, out)
        by_setting = out.reshape(*u.shape[:-1], self._cells, -1)
        if np.ndim(factor):
            np.multiply(u[..., None, :], np.reshape(factor, (self._cells, -1)), by_setting)
        else:
            by_setting[...] = (u * factor)[..., None, :]
        return out

    def probe(self) -> Sequence[Any]:
        """The losses at θ (where the method wants it), at the θ + Σ^{1/2} μ u_i, and at the θ − Σ^{1/2} μ u_i."""
        block, n, centre = self.block, self.n, self._centre
        offsets = np.divide(self._offsets, block.root, self._scaled) if self._keeps else self._offsets
        np.add(block.theta, offsets, self._plus)
        np.subtract(block.theta, offsets, self._minus)
        self._by_probe[...] = self._points
        losses = self._value(self._probes)
        if self._tilt is not None:
            losses = losses + np.add.reduce(self._probed * self._tilt[:, None], axis=0)
        if self._single:
            return losses[:, 0].tolist()
        if n == 1:
            return (losses[0], losses[1], losses[2]) if centre else (losses[0], losses[1])
        plus, minus = losses[centre : centre + n], losses[centre + n :]
        return (losses[0], plus, minus) if centre else (plus, minus)

    def _pace(self, centre: np.ndarray, first: np.ndarray, second: np.ndarray, moves: Any) -> np.ndarray:
        """See `base.Space.paced`. Under gradient noise ξ a batch has two halves, whose noise is ξ + ζ and ξ − ζ with a
        ζ of ξ's distribution: (ζ·z)² estimates the variance of a slope, as the losses of single examples would.
        """
        assert self.auto is not None
        theta, mu, width = self.block.theta, self._mu, self.block.theta.shape[-1]
        g, c = np.reshape(first, (self.n, width)) / (2 * mu), np.reshape(second, (self.n, width)) / mu**2
        centre_noise, g_noise, none = np.zeros(width), np.zeros_like(g), np.zeros_like(c)
        if self._half is not None:
            centre_noise = np.add.reduce(self._half * theta, axis=0) ** 2
            shifts = np.reshape(self._scaled if self._keeps else self._offsets, (self.n, *theta.shape))
            g_noise = (np.add.reduce(self._half * shifts, axis=1) / mu) ** 2
        rate = self.auto.decide(Seen(centre, g, c, centre_noise, g_noise, none), moves)
        back = rate < 0
        if back.any():
            theta[:, back] = self._before[:, back]
        self._before[...] = theta
        first *= np.maximum(rate, 0.0)
        return first

    def sums(self, *numbers: np.ndarray) -> tuple[tuple[Any, ...]]:
        """The block, with each row of `numbers` summed over the directions with its own vectors: (d, B) each."""
        if self._single:
            scalars, vectors, products = self._scalars, self._vectors, self._rows
            for i, number in enumerate(numbers):  # a broadcast multiplication takes three times as long
                scalar = scalars[i]
                scalar[()] = number
                np.multiply(scalar, vectors[i], products[i])
            return self._blocks
        np.multiply(self._multipliers, self._vectors, self._products)
        if self.n > 1:
            np.add.reduce(self._products, axis=1, out=self._totals)
        return self._blocks

    def residuals(self, second: Any) -> Any:
        """What is left of the second differences, in place, beside those that e predicts; the state's move follows."""
        k, e, mu2 = self.constants, self.block.state["e"], self._mu**2
        m = e + 1.0
        d = len(m)
        level = _in_order(np.abs(m)) / d
        predicted = _in_order(m) + _in_order(m * self._vectors[1]) / k.weigh
        if self._single:
            second -= float(predicted[0] * mu2)
            mean, square = second / mu2, (second / mu2) ** 2
        else:
            second -= predicted * mu2
            each = np.reshape(second / mu2, (self.n, -1))
            mean, square = NumpyArithmetic.total(each) / self.n, NumpyArithmetic.total(each * each) / self.n
        whole = reliability.Whole(mean, square, level, self.n, d)
        state = self.block.state
        self.block.move, after = reliability.learn({x: state[x] for x in reliability.NUMBERS}, k.alpha, whole, None)
        for name, value in after.items():
            state[name][...] = value
        return second

    def gradient(self) -> np.ndarray:
        gradient = self._objective.gradient(self.block.theta.T).T
        return gradient if self._tilt is None else gradient + self._tilt

    def hessian_diagonal(self) -> np.ndarray:
        return self._objective.hessian_diagonal(self.block.theta.T).T


def _in_order(x: np.ndarray) -> np.ndarray:
    """Sums over the coordinates (the last axis but one), one by one: the same bits for any number of runs."""
    return np.add.accumulate(x, axis=-2)[..., -1, :]


def _side_by_side(constants: Sequence[Any], runs: int) -> Any:
    """The constants of several settings as one, each setting's `runs` times; those of a single one as they are."""
    if len(constants) == 1:
        return constants[0]
    names = [field.name for field in fields(constants[0])]
    return SimpleNamespace(**{name: _repeat([getattr(each, name) for each in constants], runs) for name in names})


def _repeat(values: list[Any], runs: int) -> Any:
    """The value that all share (numpy takes a number faster than an array), or each of them `runs` times."""
    if all(value == values[0] for value in values):
        return values[0]
    return np.repeat(np.asarray(values), runs)
