"""A reference for the diagonal of the loss's Hessian, estimated through gradients, to compare P with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from functions.language_model.adapters import Tuned
from functions.language_model.errors import LanguageModelError


def hutchinson(
    tuned: Tuned, batch: Any, loss: Callable[[Any, Any], torch.Tensor], probes: int, seed: int
) -> dict[str, tuple[float, float]]:
    """Of each trainable parameter, the mean over its elements of diag(H) of loss(module, batch), and its std. error.

    Hutchinson's estimate: z with entries ±1 at random (Rademacher) has E[z ⊙ Hz] = diag(H), and Hz is the gradient of
    (gradient · z). The standard error is over the probes, NaN for a single one. The gradient is made once; a probe
    costs one more backward pass through forward and backward, and no forward pass.

    Beyond a training step's memory: the graph of the gradient, and three vectors of the size of what is trained.

    Raises LanguageModelError: field "truth" (no probes), or "loss" (one without gradient, or whose curvature is not
    finite, as it may be in float16).
    """
    if probes < 1:
        raise LanguageModelError("truth", f"{probes} probes: must be at least 1")
    parameters = list(tuned.parameters.values())
    generator = torch.Generator().manual_seed(seed)
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # the fused kernels cannot be differentiated twice
        value = loss(tuned.module, batch)
        if not value.requires_grad:
            raise LanguageModelError("loss", "this loss has no gradient, so its Hessian cannot be estimated")
        gradients = torch.autograd.grad(value, parameters, create_graph=True, materialize_grads=True)
    # A parameter that the loss is linear in, or does not depend on, has a gradient without a graph.
    curved = [gradient for gradient in gradients if gradient.requires_grad]
    means = torch.zeros(probes, len(parameters), dtype=torch.float64)
    for row in means if curved else ():
        z = [_signs(parameter, generator) for parameter in parameters]
        along = [signs for signs, gradient in zip(z, gradients, strict=True) if gradient.requires_grad]
        products = torch.autograd.grad(curved, parameters, along, retain_graph=True, materialize_grads=True)
        for i, (signs, product) in enumerate(zip(z, products, strict=True)):
            row[i] = torch.linalg.vecdot(signs.flatten().float(), product.flatten().float()).item() / signs.numel()
    if not means.isfinite().all():
        raise LanguageModelError("loss", f"the curvature is not finite in {str(parameters[0].dtype)[6:]}")
    mean, error = means.mean(0), means.std(0) / probes**0.5 if probes > 1 else torch.full((len(parameters),), torch.nan)
    return {name: (float(m), float(e)) for name, m, e in zip(tuned.parameters, mean, error, strict=True)}


def _signs(parameter: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    signs = torch.randint(2, parameter.shape, generator=generator, dtype=torch.int8)
    return signs.to(parameter.device, parameter.dtype).mul_(2).sub_(1)
