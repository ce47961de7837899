"""Losses for the tests of hizoo_core, which knows nothing of `functions`."""

import numpy as np


class Quadratic:
    """½ Σ h_j x_j²."""

    def __init__(self, *h):
        self.h = np.array(h, dtype=float)

    def value(self, x):
        return 0.5 * (self.h * x * x).sum(axis=-1)

    def gradient(self, x):
        return self.h * x

    def hessian_diagonal(self, x):
        return np.broadcast_to(self.h, x.shape)


class Ripples:
    """exp(sin x) + x⁴ + y² cos y in two dimensions: not a quadratic, of either curvature, and transcendental."""

    def value(self, x):
        x, y = x[..., 0], x[..., 1]
        return np.exp(np.sin(x)) + x**4 + y * y * np.cos(y)

    def gradient(self, x):
        x, y = x[..., 0], x[..., 1]
        return np.stack([np.cos(x) * np.exp(np.sin(x)) + 4 * x**3, 2 * y * np.cos(y) - y * y * np.sin(y)], axis=-1)

    def hessian_diagonal(self, x):
        x, y = x[..., 0], x[..., 1]
        return np.stack(
            [
                (np.cos(x) ** 2 - np.sin(x)) * np.exp(np.sin(x)) + 12 * x**2,
                (2 - y * y) * np.cos(y) - 4 * y * np.sin(y),
            ],
            axis=-1,
        )
