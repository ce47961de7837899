"""P, the diagonal-Hessian estimate of a model's parameters, in few numbers: per group, quantiles and a histogram."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

SAMPLED = 50_000  # elements of a group that are looked at, evenly spaced; a quantile of so many is right to 0.3 %
WIDTHS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # of a bin, in powers of ten
BINS = 48


def summary(groups: Sequence[Any], shapes: dict[str, torch.Size], curvature: Callable[[str], Any]) -> dict[str, Any]:
    """{"quantiles": [[q10, q50, q90, mean] per group], "all": the same of all elements together,
    "histogram": {"edges": [log10 …], "counts": [[…] per group]}}.

    `curvature(name)` is P of a parameter, broadcastable to its shape, which `shapes` gives. The edges are powers of ten
    that all groups share; counts are of a sample of at most `SAMPLED` elements a group.
    """
    samples = [_sample(group.parameters, shapes, curvature) for group in groups]
    quantiles = [_quantiles(values) for values in samples]
    together = _quantiles(_sample([name for group in groups for name in group.parameters], shapes, curvature))
    logs = [values.clamp(min=1e-30).log10() for values in samples]
    edges = _edges(min(float(x.min()) for x in logs), max(float(x.max()) for x in logs))
    inner = torch.tensor(edges[1:-1], dtype=torch.float64)
    counts = [torch.bincount(torch.bucketize(x, inner), minlength=len(edges) - 1).tolist() for x in logs]
    return {"quantiles": quantiles, "all": together, "histogram": {"edges": edges, "counts": counts}}


def reliability(group: Any, shapes: dict[str, torch.Size], of: Callable[[str], float | None]) -> float | None:
    """Mean over a group's elements of their tensors' reliability, `of` each, 0 to 1; None if the estimator tells none.

    Below ½ the group's P cannot be told from that of all that is trained.
    """
    known = [(of(name), shapes[name].numel()) for name in group.parameters]
    if any(value is None for value, _ in known):
        return None
    return sum((value or 0.0) * size for value, size in known) / sum(size for _, size in known)


def _quantiles(values: torch.Tensor) -> list[float]:
    levels = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    return [*torch.quantile(values, levels).tolist(), float(values.mean())]


def _sample(names: Sequence[str], shapes: dict[str, torch.Size], curvature: Callable[[str], Any]) -> torch.Tensor:
    """Every k-th element of P of a group's parameters, with pooled ones counted as often as they are shared."""
    stride = max(1, -(-sum(shapes[name].numel() for name in names) // SAMPLED))
    parts = []
    for name in names:
        P = curvature(name)
        index = torch.arange(0, shapes[name].numel(), stride, device=P.device)
        parts.append(P.expand(shapes[name])[torch.unravel_index(index, shapes[name])].to("cpu", torch.float64))
    return torch.cat(parts)


def _edges(low: float, high: float) -> list[float]:
    """Edges of at most BINS bins, multiples of their width, that hold both numbers."""
    for width in WIDTHS:
        first, last = math.floor(low / width), math.floor(high / width) + 1
        if last - first <= BINS:
            break
    return [round(i * width, 6) for i in range(first, last + 1)]
