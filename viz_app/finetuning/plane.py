"""Where a run of fine-tuning goes: θ_t − θ_0 on two axes, and the loss on the plane that they span.

Vectors of θ's size are mappings {name: tensor}, and what is between them is worked out tensor by tensor: nothing of θ's
size is made beside what is handed in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from viz_app.finetuning import limits

Vector = Mapping[str, torch.Tensor]

SAMPLED = 4_000_000  # coordinates that the two random directions reach; drawing more would cost more than it shows
_KEY = 2**31 - 1


class Offset(Mapping[str, torch.Tensor]):
    """θ − θ_0 in float32, one tensor at a time."""

    def __init__(self, theta: Vector, origin: Vector) -> None:
        self._theta, self._origin = theta, origin

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._theta[name].detach().float() - self._origin[name].to(self._theta[name].device).float()

    def __iter__(self) -> Iterator[str]:
        return iter(self._theta)

    def __len__(self) -> int:
        return len(self._theta)


class RandomPlane:
    """Two fixed random orthonormal directions, drawn again from the seed whenever needed and never stored.

    In models with more than `SAMPLED` trainable numbers they are zero in all but every k-th coordinate of each tensor.
    """

    def __init__(self, origin: Vector, seed: int) -> None:
        self._seed = seed
        self._stride = max(1, -(-sum(tensor.numel() for tensor in origin.values()) // SAMPLED))
        gram = torch.zeros(2, 2, dtype=torch.float64)
        for number, tensor in enumerate(origin.values()):
            z = self._directions(number, tensor)
            gram += z @ z.T
        self._triangle = torch.linalg.cholesky(gram)  # Gram-Schmidt, in coordinates
        self._origin = self._products(origin)

    def position(self, theta: Vector) -> tuple[float, float]:
        """The coordinates of θ − θ_0 along the two directions."""
        raw = (self._products(theta) - self._origin)[:, None]
        a, b = torch.linalg.solve_triangular(self._triangle, raw, upper=False).flatten().tolist()
        return a, b

    def _products(self, theta: Vector) -> torch.Tensor:
        products = torch.zeros(2, dtype=torch.float64)
        for number, tensor in enumerate(theta.values()):
            values = tensor.detach().reshape(-1)[:: self._stride].to("cpu", torch.float64)
            products += self._directions(number, tensor) @ values
        return products

    def _directions(self, number: int, tensor: torch.Tensor) -> torch.Tensor:
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + number) % _KEY)
        return torch.randn(2, -(-tensor.numel() // self._stride), generator=generator).double()


@dataclass(frozen=True)
class Plane:
    """The plane through θ_0, θ_0 + a and θ_0 + b: its point (x, y) is θ_0 + (x·first + y·second[0]) a + y·second[1] b.

    x runs along a and y at right angles to it, both in the units of θ.
    """

    a: Vector
    b: Vector
    first: float
    second: tuple[float, float]

    def project(self, offset: Vector) -> tuple[float, float]:
        """(x, y) of the point of the plane nearest to θ_0 + offset."""
        with_a, with_b = dot(offset, self.a), dot(offset, self.b)
        return self.first * with_a, self.second[0] * with_a + self.second[1] * with_b

    def place(self, theta: Mapping[str, torch.Tensor], origin: Vector, x: float, y: float) -> None:
        """Write the parameters of the point (x, y) into `theta`."""
        along_a, along_b = x * self.first + y * self.second[0], y * self.second[1]
        with torch.no_grad():
            for name, tensor in theta.items():
                a, b = self.a[name].to(tensor.device), self.b[name].to(tensor.device)
                tensor.copy_(origin[name].float() + along_a * a + along_b * b)


def span(a: Vector, b: Vector) -> Plane:
    """The plane spanned by two offsets from θ_0, of which `a` is not zero and `b` is not along it (Gram-Schmidt)."""
    length, height = dot(a, a) ** 0.5, beside(a, b)
    return Plane(a, b, 1 / length, (-dot(a, b) / (length**2 * height), 1 / height))


def beside(a: Vector, b: Vector) -> float:
    """The distance of b from the line along a."""
    return max(0.0, dot(b, b) - dot(a, b) ** 2 / dot(a, a)) ** 0.5


def random_like(origin: Vector, seed: int) -> dict[str, torch.Tensor]:
    """A vector of independent normal numbers."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=generator).to(p.device) for name, p in origin.items()}


def dot(a: Vector, b: Vector) -> float:
    """The inner product, summed in float64."""
    return sum(float((a[name] * b[name].to(a[name].device)).sum(dtype=torch.float64)) for name in a)


def axes(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """limits.GRID positions along x and y that cover the points with a margin; neither side is less than a third of the
    other, so that a path along one axis still lies on a surface.
    """
    spans = [(min(values), max(values)) for values in zip(*points, strict=True)]
    sides = [high - low for low, high in spans]
    least = max(*sides, 1e-12) / 3
    lines = []
    for (low, high), side in zip(spans, sides, strict=True):
        half, middle = 0.65 * max(side, least), (low + high) / 2
        lines.append([middle + half * (2 * i / (limits.GRID - 1) - 1) for i in range(limits.GRID)])
    return lines[0], lines[1]


def cells() -> Iterator[tuple[int, int]]:
    """(ix, iy) of every point of the grid once, from coarse to fine."""
    done: set[tuple[int, int]] = set()
    stride = (limits.GRID - 1) // 2
    while stride:
        for iy in range(0, limits.GRID, stride):
            for ix in range(0, limits.GRID, stride):
                if (ix, iy) not in done:
                    done.add((ix, iy))
                    yield ix, iy
        stride //= 2
