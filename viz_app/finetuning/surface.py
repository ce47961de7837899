"""The plane of the runs' end points, the runs' paths on it, and the loss over it: in parts, when it is asked for."""

import math
import time
from collections.abc import Generator, Iterator
from typing import Any

import torch

from functions.language_model import metrics
from viz_app.finetuning import journal, limits, plane
from viz_app.finetuning.journal import Journal, Message
from viz_app.finetuning.loading import Materials
from viz_app.finetuning.replay import Replay
from viz_app.finetuning.run import Run

LEAST_ANGLE = 1e-3  # radians between the two axes of a plane before they are made orthogonal


class Surface:
    """The messages "plane" and "surface" of a job whose runs stand at their newest steps. `told` takes up those that
    are in the log, so that no point is computed twice.
    """

    def __init__(self, runs: tuple[Run, ...], journal: Journal) -> None:
        self._runs, self._journal = runs, journal
        self._plane: Message | None = None
        self._cells: set[tuple[int, int]] = set()  # those known, on these axes
        self._axes: tuple[list[float], list[float]] | None = None

    def told(self, message: Message) -> None:
        if message["type"] == "plane":
            self._plane = message
        elif message["type"] == "surface":
            self._add(message["x"], message["y"], message["cells"])

    def parts(self, materials: Materials, replay: Replay) -> Iterator[None]:
        """Compute what is missing, and yield now and then."""
        origin = replay.origin
        if origin is None:
            return self._say(f"no loss surface: it needs θ₀, which is not kept beyond {limits.KEPT:,} parameters", [])
        moved = {run.label: plane.Offset(_end(run, replay), origin) for run in self._runs}
        moved = {label: offset for label, offset in moved.items() if plane.dot(offset, offset) > 0}
        if not moved:
            return self._say("no loss surface: no run has moved", [])
        (label, a), *others = moved.items()
        note = f"x runs from the start to the end of {label}"
        if others:
            other, b = max(others, key=lambda item: plane.beside(a, item[1]))
            note += f", y at right angles to it in the plane that holds the end of {other}"
        else:
            run = next(run for run in self._runs if run.label == label)
            b = yield from self._farthest(run, a, replay)
            note += ", y at right angles to it through the path's farthest point from that line"
        if plane.beside(a, b) <= LEAST_ANGLE * math.sqrt(plane.dot(b, b)):
            b = plane.random_like(origin, materials.spec.seed)
            note = f"x runs from the start to the end of {label}, y in a random direction: the paths are straight"
        spanned = plane.span(a, b)
        paths = self._plane["runs"] if self._plane is not None else []
        if [path["steps"] for path in paths] != [_shown(run) for run in self._runs]:
            paths = yield from self._paths(spanned, replay)
            self._say(note, paths)
        yield from self._losses(spanned, [point for path in paths for point in path["points"]], materials, replay)

    def _paths(self, spanned: plane.Plane, replay: Replay) -> Generator[None, None, list[Message]]:
        assert replay.origin is not None
        paths, total, done = [], sum(len(_shown(run)) for run in self._runs), 0
        for run in self._runs:
            points = []
            for step in _shown(run):
                points.append(list(spanned.project(plane.Offset(replay.theta(run, step), replay.origin))))
                done += 1
                self._journal.progress("the runs' paths on the plane of their end points", done, total, "points")
                yield
            paths.append({"run": run.index, "steps": _shown(run), "points": points})
        return paths

    def _farthest(self, run: Run, a: plane.Vector, replay: Replay) -> Generator[None, None, plane.Vector]:
        """The point of a run's path that is farthest from the line along `a`, as an offset from θ_0."""
        assert replay.origin is not None
        best, height = a, -1.0
        for step in _shown(run):
            offset = plane.Offset(replay.theta(run, step), replay.origin)
            if (beside := plane.beside(a, offset)) > height:
                best, height = {name: offset[name].clone() for name in offset}, beside
            yield
        return best

    def _losses(self, spanned: plane.Plane, points: list[Any], materials: Materials, replay: Replay) -> Iterator[None]:
        """The cross-entropy of some held-out examples over the plane, from coarse to fine."""
        assert replay.origin is not None
        x, y = plane.axes([tuple(point) for point in points])
        self._add(x, y, [])
        (batch,) = [part.to(materials.device) for part in materials.encoded.held_out(limits.SURFACE, limits.SURFACE)]
        waiting = [cell for cell in plane.cells() if cell not in self._cells]
        whole = limits.GRID**2
        found: list[list[Any]] = []
        told = time.monotonic()
        for left, (ix, iy) in zip(range(len(waiting) - 1, -1, -1), waiting, strict=True):
            tuned = replay.borrowed()
            spanned.place(tuned.parameters, replay.origin, x[ix], y[iy])
            with torch.no_grad():
                found.append([ix, iy, float(metrics.loss(tuned.module, batch))])
            if not left or time.monotonic() - told > journal.FLUSH:
                self._add(x, y, found)
                self._journal.say({"type": "surface", "kind": "ends", "x": x, "y": y, "cells": found, "done": not left})
                self._journal.progress("the loss surface", whole - left, whole, f"points of {limits.SURFACE} texts")
                found, told = [], time.monotonic()
            yield

    def _add(self, x: list[float], y: list[float], cells: list[Any]) -> None:
        if self._axes != (x, y):  # a plane of other ends
            self._axes, self._cells = (x, y), set()
        self._cells |= {(ix, iy) for ix, iy, _ in cells}

    def _say(self, note: str, paths: list[Message]) -> None:
        message = {"type": "plane", "kind": "ends", "note": note, "runs": paths}
        if message != self._plane:
            self._plane = message
            self._journal.say(message)


def _end(run: Run, replay: Replay) -> plane.Vector:
    """θ where a run has come to, rebuilt if no more of it is in memory."""
    if run.tuned is not None:
        return run.tuned.parameters
    return {name: p.detach().clone() for name, p in replay.theta(run, len(run.rows)).items()}


def _shown(run: Run) -> list[int]:
    """The steps that a path leads over: those evaluated, and the newest."""
    return sorted({*run.evaluated, len(run.rows)})
