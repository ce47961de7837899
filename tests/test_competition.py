"""The competition is fair, repeats itself, goes on where it was stopped, and its tables are those of its results."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import competition
from benchmarks.competition import CONFIRM_SEED, CONTESTS, FINALISTS, HELD_OUT_SEEDS, LABELS, TUNE_SEED, Nearness
from functions import resolve

SMALL = replace(competition.quick(CONTESTS["quadratic, d = 10"]), settings=12)
RULES = Nearness(dimensions=(2,), directions=(8,), alphas=(0.03, 0.3), passes=600)


@pytest.mark.parametrize("name", LABELS)
def test_every_competitor_gets_the_same_settings_and_is_reported_on_a_seed_that_none_has_seen(name, monkeypatch):
    calls = []
    compete = competition.compete

    def watched(contest, method, settings, seed, runs):
        calls.append((seed, settings, runs))
        return compete(contest, method, settings, seed, runs)

    monkeypatch.setattr(competition, "compete", watched)
    entry = competition.fastest(SMALL, name)
    seeds = [seed for seed, _, _ in calls]
    assert seeds == [TUNE_SEED] * SMALL.settings + [CONFIRM_SEED] * FINALISTS + list(HELD_OUT_SEEDS)
    assert {runs for seed, _, runs in calls if seed == TUNE_SEED} == {SMALL.tuning_runs}
    assert {settings for seed, settings, _ in calls if seed == CONFIRM_SEED} <= {each for _, each, _ in calls[:12]}
    assert len({settings for _, settings, _ in calls}) > 6
    winner = calls[-1][1]
    assert all(getattr(winner, key) == value for key, value in entry["setting"].items())
    assert competition.fastest(SMALL, name) == entry


def test_a_competitor_spends_the_budget_and_no_more():
    for name in LABELS:
        who = competition.competitor(name, resolve(SMALL.f))
        middle = competition.hyperparameters(who, 10, {axis.name: axis.value(0.0) for axis in who.axes})
        trace = competition.compete(SMALL, who.method, middle, 0, 1)
        assert SMALL.passes - trace.forwards[-1] < trace.forwards[-1] / trace.steps[-1]


def test_gradient_noise_reaches_the_competitors():
    noisy = replace(SMALL, gradient_noise=100.0)
    who = competition.competitor("mezo", resolve(SMALL.f))
    settings = competition.hyperparameters(who, 10, {"lr": 1.0, "n": 4})
    quiet, loud = (competition.compete(contest, "mezo", settings, 0, 2) for contest in (SMALL, noisy))
    assert not np.allclose(quiet.loss[-1], loud.loss[-1])
    assert quiet.loss[0, 0] == loud.loss[0, 0], "the recorded loss has no noise"


def test_the_best_alpha_is_the_one_nearest_the_truth(monkeypatch):
    errors = {0.03: 0.2, 0.3: 0.1}
    seeds = []

    def estimate(d, n, estimator, alpha, seed, rules):
        seeds.append(seed)
        return np.full((4, 2), errors[alpha]) + np.array([-0.01, 0.01, -0.01, 0.01])[:, None]

    monkeypatch.setattr(competition, "_estimate", estimate)
    entry = competition.nearest(2, 8, "paper", RULES)
    assert entry is not None
    assert entry["alpha"] == 0.3
    assert entry["error"] == pytest.approx(0.1, rel=0.01)
    assert entry["factor"] == pytest.approx(math.exp(0.1))
    assert entry["spread"] == pytest.approx(0.01)
    # Twenty runs whose standard deviation is 0.01: Student's t at 19 degrees of freedom is 2.093.
    half = 2.093 * 0.01 * math.sqrt(20 / 19) / math.sqrt(20)
    assert entry["interval"] == pytest.approx([math.exp(0.1 - half), math.exp(0.1 + half)], rel=1e-5)
    assert seeds == [TUNE_SEED, TUNE_SEED, *HELD_OUT_SEEDS]


def test_multiplicative_with_one_direction_has_no_entry():
    assert competition.nearest(2, 1, "multiplicative", RULES) is None


def test_what_has_been_computed_is_not_computed_again_and_each_entry_is_saved():
    todo = list(competition.tasks([SMALL], RULES))
    first = competition.start_document([SMALL], RULES)
    saved = []
    competition.compute(first, todo, lambda document: saved.append(json.dumps(document)))
    assert len(saved) == len(todo) == len(set(saved))

    stopped = json.loads(saved[4])
    stopped["nearest"]["d = 2, n = 8"]["paper"]["factor"] = "kept"
    again = []
    competition.compute(stopped, todo, again.append)
    assert len(again) == len(todo) - 5
    assert stopped["nearest"]["d = 2, n = 8"]["paper"]["factor"] == "kept"
    assert stopped["fastest"] == json.loads(saved[-1])["fastest"]


def test_the_tables_rank_reliable_competitors_first_and_leave_the_reference_out():
    document = competition.start_document([SMALL], RULES)
    document["nearest"] = {
        "d = 2, n = 1": {
            "paper": {"alpha": 0.1, "error": 0.5, "factor": 1.6, "spread": 0.2, "interval": [1.5, 1.7]},
            "released": {"alpha": 0.1, "error": 0.7, "factor": 2.0, "spread": 0.1, "interval": [1.9, 2.1]},
            "multiplicative": None,
        }
    }

    def entry(gap, lost=0.0, passes=None, gaps=None):
        return {"setting": {}, "gap": gap, "gaps": gaps or [gap] * 5, "lost": lost, "passes": passes}

    document["fastest"][SMALL.name] = {
        "mezo": entry(2.0, gaps=[0.4, 1.0, 2.0, 3.0, 4.0]),
        "released": entry(1e-9, lost=0.125, passes=240),
        "paper": entry(None, lost=1.0),
        "multiplicative": entry(0.5, gaps=[0.4, 0.45, 0.5, 0.5, 0.6]),
        "newton_diag": entry(1e-30, passes=30),
    }
    text = competition.tables(document)
    row = "| d = 2, n = 1 | **1.6, 1.5 to 1.7 (0.20), α = 0.1** | 2, 1.9 to 2.1 (0.10), α = 0.1 | needs n ≥ 2 |"
    assert row in text
    # MeZO's seeds overlap with the best's: nothing separates them.
    row = "| **2.0e+00, 4.0e-01 to 4.0e+00** | 1.0e-09 (240) (12% lost) | diverged |"
    assert f"{row} **5.0e-01, 4.0e-01 to 6.0e-01** | 1.0e-30 (30) |" in text


def test_what_was_computed_by_other_rules_is_computed_again(tmp_path, monkeypatch, capsys):
    results = tmp_path / "competition.json"
    monkeypatch.setattr(competition, "RESULTS", results)
    document = competition.start_document(CONTESTS.values(), Nearness())
    entry = {"setting": {}, "gap": 0.125, "gaps": [0.125] * 5, "lost": 0.0, "passes": None}
    kept, dropped = list(CONTESTS)[:2]
    document["fastest"] = {kept: {"mezo": entry}, dropped: {"mezo": entry}}
    document["contests"][dropped]["settings"] += 1
    results.write_text(json.dumps(document), "utf-8")
    competition.main(["--table"])
    printed = capsys.readouterr().out
    assert f"| {kept} |" in printed
    assert f"| {dropped} |" not in printed


def test_quick_writes_nothing_and_prints_every_row(capsys, monkeypatch):
    monkeypatch.setattr(competition, "_save", lambda document: pytest.fail("a quick run was saved"))
    competition.main(["--quick"])
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in CONTESTS)
    assert "not run" not in printed


def test_an_unknown_contest_is_named(capsys):
    with pytest.raises(SystemExit):
        competition.main(["Rosenbrok"])
    assert "'Rosenbrok'" in capsys.readouterr().err


def test_the_manual_shows_the_tables_of_the_results_file():
    page = (competition.RESULTS.parent.parent / "docs" / "findings" / "estimators.md").read_text("utf-8")
    document = json.loads(competition.RESULTS.read_text("utf-8"))
    assert competition.insert(page, competition.tables(document), competition.MARKERS) == page


def test_a_known_winner_is_reported_again_without_a_search(monkeypatch):
    entry = competition.fastest(SMALL, "mezo")
    monkeypatch.setattr(competition, "search", lambda *arguments: pytest.fail("a new search"))
    assert competition.report_again(SMALL, "mezo", entry) == entry
