"""The competition's results as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from hizoo_core.estimators import ESTIMATORS

LABELS = {
    "mezo": "MeZO",
    "released": "`released`",
    "paper": "`paper`",
    "multiplicative": "`multiplicative`",
    "newton_diag": "exact diagonal",
}
COMPETING = [name for name in ESTIMATORS if name in LABELS]  # `reliable` is younger than the stored results
REFERENCE = "newton_diag"  # sees gradient and Hessian: not ranked
SOLVED = 1e-12  # of the gap at the start: below it gaps count as equal


def tables(document: dict[str, Any]) -> str:
    """Both Markdown tables; the best of each row in bold, the reference left out."""
    rules, seeds = document["rules"]["nearest"], len(document["seeds"]["held_out"])
    return "\n".join(
        [
            f"Nearest the reference after {rules['passes']:,} forward passes from P = 1, with the best of "
            f"{len(rules['alphas'])} α for each, μ = {rules['mu']:g}: geometric mean of P over the true diagonal, its "
            f"95 % interval over {seeds} held-out seeds of {document['runs']} runs each, and in brackets the "
            "standard deviation of its natural logarithm over elements and runs.",
            "",
            *_nearest_table(document),
            "",
            "Fastest: the median run's gap to the minimum at the budget. The figure is the median over "
            f"{seeds} seeds that tuning has not seen, with the lowest and the highest seed behind it, and in brackets "
            f"the passes after which it stayed below {document['precision']:g} of the start's. Bold: the best that "
            "loses no run, and every other that loses none and whose seeds overlap with its own; where the best end "
            f"below {SOLVED:g} of the start's gap, the one with the fewest passes.",
            "",
            *_fastest_table(document),
        ]
    )


def _nearest_table(document: dict[str, Any]) -> Iterator[str]:
    yield "| d, n | " + " | ".join(f"{LABELS[name]}" for name in COMPETING) + " |"
    yield "| --- |" + " --: |" * len(COMPETING)
    for row, entries in document["nearest"].items():
        best = min((entry["error"] for entry in entries.values() if entry), default=None)
        cells = []
        for name in COMPETING:
            if (entry := entries.get(name)) is None:
                cells.append("needs n ≥ 2" if name in entries else "not run")
                continue
            low, high = entry["interval"]
            text = f"{entry['factor']:.3g}, {low:.3g} to {high:.3g} ({entry['spread']:.2f}), α = {entry['alpha']:g}"
            cells.append(f"**{text}**" if entry["error"] == best else text)
        yield f"| {row} | " + " | ".join(cells) + " |"


def _fastest_table(document: dict[str, Any]) -> Iterator[str]:
    yield "| contest | passes | settings each | start | " + " | ".join(LABELS.values()) + " |"
    yield "| --- |" + " --: |" * (3 + len(LABELS))
    for row, entries in document["fastest"].items():
        rules = document["contests"][row]
        ranked = {name: entry for name, entry in entries.items() if name != REFERENCE}
        best = min(ranked.values(), key=lambda entry: _merit(entry, rules["start"]))
        cells = []
        for name in LABELS:
            if name not in entries:
                cells.append("not run")
                continue
            text = _fastest_cell(entries[name])
            cells.append(f"**{text}**" if name != REFERENCE and _ties(entries[name], best, rules["start"]) else text)
        numbers = f"{rules['passes']:,} | {rules['settings']} | {rules['start']:.2g}"
        yield f"| {row} | {numbers} | " + " | ".join(cells) + " |"


def _merit(entry: dict[str, Any], start: float) -> tuple[bool, bool, float]:
    """Smaller is better: no run lost, then the gap as printed; where that is nothing, the passes."""
    gap = math.inf if entry["gap"] is None else float(f"{entry['gap']:.1e}")
    if gap <= SOLVED * start and entry["passes"] is not None:
        return entry["lost"] > 0, False, entry["passes"]
    return entry["lost"] > 0, True, gap


def _ties(entry: dict[str, Any], best: dict[str, Any], start: float) -> bool:
    """Whether the seeds cannot tell an entry from the best: neither loses a run, and their gaps overlap; where both are
    solved, only the best's own passes count.
    """
    if entry is best:
        return True
    if entry["lost"] > best["lost"] or None in (*entry["gaps"], *best["gaps"]) or best["gap"] <= SOLVED * start:
        return False
    return min(entry["gaps"]) <= max(best["gaps"])


def _fastest_cell(entry: dict[str, Any]) -> str:
    if entry["gap"] is None:
        return "diverged"
    text = f"{entry['gap']:.1e}"
    if len(set(entry["gaps"])) > 1:
        low, high = (f"{each:.1e}" if math.isfinite(each) else "∞" for each in _ends(entry["gaps"]))
        text += f", {low} to {high}"
    if entry["passes"] is not None:
        text += f" ({entry['passes']:,})"
    return text + (f" ({entry['lost']:.0%} lost)" if entry["lost"] else "")


def _ends(gaps: list[float | None]) -> tuple[float, float]:
    known = [math.inf if gap is None else gap for gap in gaps]
    return min(known), max(known)
