"""What curvature could gain where a model stands (`hizoo_core.headroom` has the formulas), from gradients.

The slope's square s_T = ‖g_T‖² of a group T of parameters is estimated without bias, as the product of the gradients of
two disjoint halves of a sample of training examples. The curvature is the Fisher information with labels drawn from the
model's own probabilities: such an example's gradient has mean zero, so that B ‖mean of B‖² is an unbiased estimate of
tr F_T. A round does both once; errors are jackknife standard errors over rounds.

R of an element-wise Σ = F^-½ or F^-1 takes F from one half's examples for Σ, and from the other half's for tr(ΣF): with
the same F in both places, an element whose F came out too small by chance would pass for one of low curvature.

Memory: the graph of CHUNK examples, and four vectors of the size of what is trained (two above ELEMENTS, where R of
element-wise Σ is left out). No gradients of single examples are kept.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from functions.language_model.adapters import Tuned
from functions.language_model.errors import LanguageModelError
from functions.language_model.metrics import scores

CHUNK = 4  # examples of one graph; the smaller, the more independent estimates of F, and the more time
HALF = 256  # examples of one half, where there are enough; far from a minimum fewer would do, near one they do not
ROUNDS = 4
ELEMENTS = 50_000_000
DAMPING = 1e-3  # of a group's mean, added to F before it is inverted
PASSES = 6  # forward-pass equivalents of an example: two passes forward and backward
ELEMENTWISE = {"F^-1/2": 0.5, "F^-1": 1.0}

Estimate = list[Any]
"""[value, its standard error], None where there is none."""

Curvature = Callable[[str], Any]


@dataclass
class Rounds:
    """K rounds, G groups. sizes: (G,) elements. s, h: (K, G), estimates of ‖g_T‖² and tr F_T. weighted: for other Σ,
    by name, (K, 2) of gᵀΣg and tr(ΣF), the latter of all rounds together for an element-wise Σ. texts: examples in all.
    """

    sizes: list[int]
    s: list[list[float]] = field(default_factory=list)
    h: list[list[float]] = field(default_factory=list)
    weighted: dict[str, list[list[float]]] = field(default_factory=dict)
    texts: int = 0
    seconds: float = 0.0

    def add(self, later: Rounds) -> None:
        """Append the rounds of another measurement at the same place."""
        self.s += later.s
        self.h += later.h
        for name, rows in later.weighted.items():
            self.weighted[name] = self.weighted.get(name, []) + rows
        self.texts += later.texts
        self.seconds += later.seconds

    def ratios(self) -> list[Estimate]:
        """[r_T, standard error] of each group; None for one without curvature."""
        s, h = np.array(self.s), np.array(self.h)
        return [_jackknife(np.divide, s[:, i], h[:, i]) for i in range(s.shape[1])]

    def headroom(self) -> dict[str, Estimate]:
        """[R, standard error] of Σ = 1 ("none"), of Σ = 1/h per group ("tensor"), and of each in `weighted`."""
        return {name: _jackknife(of, *columns) for name, of, *columns in self._statistics()}

    def gains(self) -> dict[str, Estimate]:
        """[R(Σ) / R(1), standard error] of each Σ, from the same rounds, so that errors which they share cancel."""
        (_, plain, *base), *others = self._statistics()

        def over(of: Callable[..., Any], own: int) -> Callable[..., Any]:
            return lambda *means: of(*means[:own]) / plain(*means[own:])

        return {name: _jackknife(over(of, len(columns)), *columns, *base) for name, of, *columns in others}

    def _statistics(self) -> list[Any]:
        """(name, R as a function of means over rounds, those columns) of each Σ."""
        sizes, s, h = np.array(self.sizes), np.array(self.s), np.array(self.h)

        def per_group(s: np.ndarray, h: np.ndarray) -> float:
            curved = h > 0
            return (s * sizes / np.where(curved, h, np.inf)).sum() / sizes[curved].sum()

        whole = [(name, np.divide, *np.array(rows).T) for name, rows in self.weighted.items()]
        return [("none", np.divide, s.sum(1), h.sum(1)), ("tensor", per_group, s, h), *whole]


def _jackknife(statistic: Callable[..., Any], *columns: np.ndarray) -> Estimate:
    """[statistic of the columns' means over the rounds, its standard error]; None where it does not exist."""
    with np.errstate(all="ignore"):
        value = float(statistic(*(column.mean(0) for column in columns)))
        count = len(columns[0])
        error = np.nan
        if count > 1:
            left = [
                float(statistic(*((column.sum(0) - column[k]) / (count - 1) for column in columns)))
                for k in range(count)
            ]
            error = float(np.sqrt((count - 1) * np.var(left)))
    return [x if np.isfinite(x) else None for x in (value, error)]


def halves(count: int, seed: int, round: int, half: int) -> tuple[list[int], list[int]]:
    """Two disjoint halves of a sample of `count` examples for a round; rounds share none until all were used."""
    if count < 2:
        raise LanguageModelError("train", f"{count} training example: the headroom needs at least 2")
    half = min(half, count // 2)
    epoch, place = divmod(round, count // (2 * half))
    order = list(range(count))
    random.Random(f"headroom {seed} {epoch}").shuffle(order)
    rows = order[2 * half * place : 2 * half * (place + 1)]
    return rows[:half], rows[half:]


def measure(
    tuned: Tuned,
    batch: Callable[[Sequence[int]], Any],
    samples: Sequence[tuple[Sequence[int], Sequence[int]]],
    seed: int,
    curvature: Curvature | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rounds:
    """One round for each of `samples`, pairs of disjoint rows of examples, of which `batch` makes batches.

    `curvature(name)` is P of a parameter, broadcastable to its shape: then "P" is measured too. `progress(done, total)`
    is called with counts of texts read. θ is left as it is. Raises LanguageModelError, field "headroom", where
    gradients are not finite.
    """
    started = time.perf_counter()
    names = [group.parameters for group in tuned.groups]
    work = _Work(tuned, batch, torch.Generator().manual_seed(seed))
    rounds = Rounds([sum(tuned.parameters[name].numel() for name in members) for members in names])
    total = 2 * sum(len(a) + len(b) for a, b in samples)
    done = 0

    def read(rows: Sequence[int], sampled: bool) -> Iterator[tuple[int, Mapping[str, torch.Tensor]]]:
        nonlocal done
        for start in range(0, len(rows), CHUNK):
            chunk = rows[start : start + CHUNK]
            yield len(chunk), work.gradient(chunk, sampled)
            done += len(chunk)
            progress(done, total)

    def grouped(value: Callable[[str], Any]) -> list[float]:
        return [sum(float(value(name)) for name in members) for members in names]

    elementwise = sum(rounds.sizes) <= ELEMENTS
    fisher = [work.zeros(), work.zeros()] if elementwise else []
    of_p: list[float] = []
    for sample in samples:
        count, h, t = sum(map(len, sample)), dict.fromkeys(tuned.parameters, 0.0), 0.0
        for which, rows in enumerate(sample):
            for size, found in read(rows, sampled=True):
                for name, f in found.items():
                    square = f.float().square().mul_(size * size)  # B times the weight of B examples
                    h[name] += float(square.sum()) / count
                    if curvature is not None:
                        t += float((square / curvature(name)).sum()) / count
                    if elementwise:
                        fisher[which][name] += square
        rounds.h.append(grouped(h.__getitem__))
        of_p.append(t)
    inverses = {name: _inverse(fisher[0], names, power) for name, power in ELEMENTWISE.items()} if elementwise else {}
    examples = sum(len(b) for _, b in samples)
    traces = {
        key: sum(float((inverse(name) * fisher[1][name]).sum()) for name in tuned.parameters) / examples
        for key, inverse in inverses.items()
    }
    del fisher[1:]  # what remains is what Σ is made from
    for k, (first, second) in enumerate(samples):
        g1, g2 = work.zeros(), work.zeros()
        for g, rows in ((g1, first), (g2, second)):
            for size, found in read(rows, sampled=False):
                for name, f in found.items():
                    g[name].add_(f, alpha=size / len(rows))
        product = {name: g1[name].mul_(g2[name]) for name in g1}
        rounds.s.append(grouped(lambda name, product=product: product[name].sum()))
        if curvature is not None:
            s = sum(float((product[name] / curvature(name)).sum()) for name in product)
            rounds.weighted.setdefault("P", []).append([s, of_p[k]])
        for key, inverse in inverses.items():
            s = sum(float((product[name] * inverse(name)).sum()) for name in product)
            rounds.weighted.setdefault(key, []).append([s, traces[key]])
    if not np.isfinite([rounds.s, rounds.h]).all():
        raise _not_finite()
    rounds.texts, rounds.seconds = total // 2, time.perf_counter() - started
    return rounds


def _inverse(
    fisher: Mapping[str, torch.Tensor], groups: Sequence[Sequence[str]], power: float
) -> Callable[[str], torch.Tensor]:
    """Σ of a parameter: (F + damping)^-power, 0 in a group in which nothing was seen."""
    floor = {}
    for members in groups:
        mean = sum(float(fisher[name].sum()) for name in members) / sum(fisher[name].numel() for name in members)
        floor |= dict.fromkeys(members, DAMPING * mean)

    def inverse(name: str) -> torch.Tensor:
        return (fisher[name] + floor[name]).pow(-power) if floor[name] else torch.zeros_like(fisher[name])

    return inverse


def _not_finite() -> LanguageModelError:
    return LanguageModelError("headroom", "the loss or its gradients are not finite here: no headroom can be measured")


class _Work:
    """Gradients of the mean cross-entropy of a few examples, with their labels or with labels that the model draws."""

    def __init__(self, tuned: Tuned, batch: Callable[[Sequence[int]], Any], generator: torch.Generator) -> None:
        self._tuned, self._batch, self._generator = tuned, batch, generator

    def zeros(self) -> dict[str, torch.Tensor]:
        return {name: torch.zeros_like(p, dtype=torch.float32) for name, p in self._tuned.parameters.items()}

    def gradient(self, rows: Sequence[int], sampled: bool) -> dict[str, torch.Tensor]:
        batch, parameters = self._batch(rows), self._tuned.parameters
        with torch.enable_grad():
            found = scores(self._tuned.module, batch)
            labels = batch.labels
            if sampled:
                probabilities = found.detach().softmax(1).cpu()
                if not probabilities.isfinite().all():
                    raise _not_finite()
                labels = torch.multinomial(probabilities, 1, generator=self._generator)[:, 0].to(found.device)
            value = torch.nn.functional.cross_entropy(found, labels)
            gradients = torch.autograd.grad(value, list(parameters.values()), materialize_grads=True)
        return dict(zip(parameters, gradients, strict=True))
