"""Whether Triton's kernels can be used on a device, found out by trying; and the one that draws a direction.

Without Triton, or where it does not work, torch's own operations do the same, slower. That is said once: as a warning,
and by `missing`.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from types import ModuleType

import torch

from hizoo_core import normals

EXACT = {"enable_fp_fusion": False}  # of a launch: the compiler makes no fused multiplications and additions of its own


def module(device: torch.device) -> ModuleType | None:
    """`triton_kernels`, where they can be used: on CUDA devices; None elsewhere."""
    if device.type != "cuda" or missing(device):
        return None
    from hizoo_core import triton_kernels

    return triton_kernels


def missing(device: torch.device) -> str:
    """Why a graphics card makes do without the kernels: "" if it does not, and of a device that is none."""
    return _tried(device) if device.type == "cuda" else ""


@cache
def _tried(device: torch.device) -> str:
    try:
        from hizoo_core import triton_kernels

        stream, first, count = normals.Stream.of(1, 2, 3), 5_000, 10_000
        drawn, expected = torch.empty(2, count, device=device)
        launch_fill(triton_kernels, drawn, stream, first)
        normals.fill_on_device(expected, stream, first)
        if not torch.allclose(drawn, expected, rtol=1e-4, atol=1e-5):
            raise ArithmeticError("its numbers are not those of torch's operations")
        return ""
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever a compiler may raise
        sentence = str(error).strip().partition("\n")[0][:200]
        found = f"no fused kernels on {device}, steps take longer: {type(error).__name__}: {sentence}"
        warnings.warn(found, stacklevel=3)
        return found


def on(device: torch.device) -> AbstractContextManager[object]:
    """Where Triton launches: on the current device, whatever the tensors' is."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def launch_fill(kernels: ModuleType, out: torch.Tensor, stream: normals.Stream, first: int) -> None:
    """`normals.Source.fill` for a vector of float32, in one pass over it."""
    if not out.numel():
        return
    begin, end = normals.tiles(first, out.numel())
    start, stride = normals.signed(stream.start), normals.signed(stream.stride)
    with on(out.device):
        kernels.fill[((end - begin) // normals.TILE,)](out, first, out.numel(), start, stride, **EXACT)
