"""spec → RunResult: pure, so that traces are cached and every interface gives the same bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import fields
from functools import partial

import numpy as np

from hizoo_core import Trace, optimize
from viz_app.playground.result import RunResult
from viz_app.spec.runs import OptSpec, RunSpec, divergence_limit, parse

RECORDED = 2**22  # most numbers of θ kept per optimizer: recorded steps × runs × dimensions
CACHE_BYTES = 256 * 2**20


def run(
    spec: str | RunSpec,
    *,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RunResult:
    """Run every optimizer of a spec on its function, or take the traces from the cache.

    `progress(done, total)` counts steps over all optimizers. Raises SpecError for a spec that cannot be run, and
    `hizoo_core.Cancelled` soon after `cancelled()` has turned true.
    """
    spec = parse(spec) if isinstance(spec, str) else spec
    every = record_every(spec)
    total = spec.steps * len(spec.opts)
    report = progress or (lambda done, total: None)
    traces = []
    for before, opt in zip(range(0, total, spec.steps), spec.opts, strict=True):
        # One optimizer's trace does not depend on the others': dragging one slider computes one trace.
        key = (spec.f, spec.x0, spec.steps, spec.runs, spec.seed, spec.noise, opt)
        advance = partial(_advance, report, before, total)
        traces.append(_cache.get(key) or _cache.put(key, _trace(spec, opt, every, cancelled, advance)))
        report(before + spec.steps, total)
    return RunResult(spec, spec.function, spec.labels, tuple(traces), every)


def record_every(spec: RunSpec) -> int:
    """The smallest stride between recorded steps that keeps θ of one optimizer within RECORDED numbers."""
    rows = RECORDED // (spec.runs * len(spec.x0))
    return -(-spec.steps // (rows - 1))


def _trace(spec: RunSpec, opt: OptSpec, every: int, cancelled, progress: Callable[[int], None]) -> Trace:
    return optimize(
        spec.function,
        opt.method,
        opt.hyperparameters,
        np.array(spec.x0, dtype=float),
        steps=spec.steps,
        runs=spec.runs,
        seed=spec.seed,
        record_every=every,
        cancelled=cancelled,
        progress=progress,
        limit=divergence_limit(spec.function),
        changes=opt.changes,
        gradient_noise=spec.noise,
    )


def _advance(report: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    report(before + done, total)


class _TraceCache:
    """The most recently used traces, up to a number of bytes; safe to share between threads."""

    def __init__(self, capacity: int):
        self.capacity = capacity
        self._traces: OrderedDict[Hashable, Trace] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Trace | None:
        with self._lock:
            if key in self._traces:
                self._traces.move_to_end(key)
            return self._traces.get(key)

    def put(self, key: Hashable, trace: Trace) -> Trace:
        with self._lock:
            if key not in self._traces:
                self._traces[key] = trace
                self._bytes += _size(trace)
            while self._bytes > self.capacity:
                self._bytes -= _size(self._traces.popitem(last=False)[1])
        return trace

    def clear(self) -> None:
        with self._lock:
            self._traces.clear()
            self._bytes = 0


def _size(trace: Trace) -> int:
    values = (getattr(trace, field.name) for field in fields(trace))
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


_cache = _TraceCache(CACHE_BYTES)
