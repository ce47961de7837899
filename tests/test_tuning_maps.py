"""A map's cells: the figures that single runs of the same spec have, by every door."""

import csv
import gc
import io
import json
import weakref

import numpy as np
import pytest

from viz_app import run, tables
from viz_app.cli import main
from viz_app.playground import wire
from viz_app.spec.text import SpecError
from viz_app.tuning import maps
from viz_app.tuning import spec as map_spec

OPT = "opt=hizoo:alpha=0.1,n=4,lr=0.3,mu=1e-3,warmup=10,estimator=paper"
TEXT = f"f=stiff_quadratic&x0=1,1&runs=7&seed=3&forwards=900&{OPT}&x=alpha=1e-3:1:4&y=n=1,2,8"
MEZO = "f=double_well&runs=6&seed=1&forwards=600&opt=mezo:n=2,lr=1e-3,mu=1e-3&x=lr=1e-4:1:5&y=mu=1e-4,1e-1"
ADAM = "f=booth&runs=2&forwards=300&opt=adam:lr=0.1&x=lr=0.01:1:3&y=beta2=0.9,0.999"
NOISY = f"{TEXT}&noise=2"
DEEP = (
    "f=quadratic:d=12&runs=3&forwards=700&x=alpha=0.01,0.1&y=n=2,8"
    "&opt=hizoo:lr=0.3,alpha=0.1,n=4,warmup=5,estimator=multiplicative"
)
every_map = pytest.mark.parametrize(
    "text", [TEXT, MEZO, ADAM, NOISY, DEEP], ids=["hizoo", "mezo", "adam", "noisy", "deep"]
)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tables.csv_bytes(maps.table(map_spec.parse(text))).decode())))


@every_map
def test_a_cell_agrees_with_a_single_run_of_its_spec(text):
    spec = map_spec.parse(text)
    target = map_spec.default_target(spec)
    minimum = spec.function.minimum
    rows = rows_of(text)
    assert len(rows) == len(spec.settings)
    for index, row in enumerate(rows):
        result = run(spec.cell(index).query())
        trace = result.traces[0]
        assert int(row["steps"]) == trace.steps[-1]
        assert int(row["forwards"]) == trace.forwards[-1] <= spec.forwards
        diverged = np.array([status.kind == "diverged" for status in trace.statuses])
        assert float(row["diverged_share"]) == pytest.approx(diverged.mean())
        final = np.median(np.where(diverged, np.inf, trace.loss[-1] - minimum))
        if np.isfinite(final):
            assert float(row["final_gap"]) == pytest.approx(final, rel=1e-9, abs=1e-30)
        else:
            assert row["final_gap"] == ""
        header, _ = wire.decode(wire.encode(result, target=target))
        passes = header["optimizers"][0]["passes_to_target"]
        assert int(row["reached"]) == passes["reached"]
        assert row["passes_to_target"] == ("" if passes["median"] is None else str(passes["median"]))
        if trace.h is None:
            assert row["hessian_bias"] == ""


@every_map
def test_the_stream_draws_what_the_single_run_draws(text):
    spec = map_spec.parse(text)
    header, cells, end = decoded(maps.stream(spec))
    assert header["cells"] == len(spec.settings) == len(cells)
    assert [header[key]["name"] for key in "xy"] == [spec.x.name, spec.y.name]
    assert end["spent"] == sum(
        spec.base.runs * cell.steps * header["passes"][index] for index, cell in ((i, spec.cell(i)) for i in cells)
    )
    for index, arrays in cells.items():
        trace = run(spec.cell(index).query()).traces[0]
        steps = arrays["step"].astype(int)
        assert steps[0] == 0
        assert steps[-1] == trace.steps[-1]
        gaps = np.where(np.isnan(trace.loss), np.inf, trace.loss - (spec.function.minimum or 0.0))[steps]
        with np.errstate(invalid="ignore"):
            median = np.median(gaps, axis=1)
        np.testing.assert_allclose(arrays["gap_q"][1], wire_number(median), rtol=1e-5)
        finals = np.where([status.kind == "diverged" for status in trace.statuses], np.inf, gaps[-1])
        middle = int(np.argsort(finals, kind="stable")[(len(finals) - 1) // 2])
        np.testing.assert_allclose(arrays["path"], trace.theta[steps][:, middle, :2].astype(np.float32), rtol=1e-5)
        if trace.h is not None:
            np.testing.assert_allclose(arrays["shown_h"], trace.h[steps][:, middle, :2], rtol=1e-5)
            np.testing.assert_allclose(arrays["shown_hessian"][:, 0], trace.true_h[steps][:, middle, 0], rtol=1e-5)


def wire_number(values: np.ndarray) -> np.ndarray:
    tiny = np.finfo(np.float32).tiny
    with np.errstate(over="ignore"):
        return np.where((values > 0) & (values < tiny), tiny, values).astype(np.float32)


def decoded(messages) -> tuple[dict, dict[int, dict[str, np.ndarray]], dict]:
    """Header, arrays by cell, and the last message of a stream."""
    header, cells, end = {}, {}, {}
    passes: dict[int, int] = {}
    for message in messages:
        assert int.from_bytes(message[:4], "little") == len(message) - 4
        length = int.from_bytes(message[4:8], "little")
        head = json.loads(message[8 : 8 + length])
        if head["kind"] == "map":
            header = head
        elif head["kind"] == "end":
            end = head
        else:
            _, [arrays] = wire.decode(message[4:])
            for row, index in enumerate(head["cells"]):
                assert index not in cells
                cells[index] = {name: array[row] for name, array in arrays.items()}
                passes[index] = head["passes_per_step"][row]
            assert head["done"] == len(cells)
    return header | {"passes": passes}, cells, end


def test_a_large_map_comes_coarse_first():
    spec = map_spec.parse(f"f=stiff_quadratic&runs=200&forwards=3000&{OPT}&x=alpha=1e-3:1:12&y=n=1,2,4,8")
    first, rest = maps.levels(spec)
    assert sorted(first + rest) == list(range(48))
    assert len(first) == 8
    assert {index % 12 for index in first} == {1, 4, 7, 10}, "spread over the whole width"


def test_half_of_the_runs_diverged_has_no_median():
    spec = map_spec.parse("f=stiff_quadratic&runs=5&forwards=300&opt=mezo:n=1&x=lr=1e-5,1e-1&y=mu=1e-3,1e-2")
    cells = {index: row for index, row in enumerate(rows_of(spec.query()))}
    assert [float(cells[index]["diverged_share"]) for index in (0, 1)] == [0, 1]
    assert cells[1]["final_gap"] == ""


def test_the_bias_is_the_mean_ratio_of_p_to_the_truth():
    text = "f=quadratic:d=4,condition=10&x0=0&runs=4&forwards=2000&opt=hizoo:lr=0,n=16&x=alpha=0.01,0.05&y=n=8,16"
    spec = map_spec.parse(text)
    for index, row in enumerate(rows_of(text)):
        trace = run(spec.cell(index).query()).traces[0]
        late = trace.steps >= trace.steps[-1] / 2
        whole = np.exp(np.log(trace.h[late] / trace.true_h[late]).mean())
        assert float(row["hessian_bias"]) == pytest.approx(whole, rel=0.1)  # the map keeps fewer steps


def test_the_figures_do_not_depend_on_the_door_or_on_how_many_cells_there_are():
    few = f"f=stiff_quadratic&runs=4&forwards=900&{OPT}&x=alpha=0.001,0.01&y=n=1,8"
    many = few.replace("alpha=0.001,0.01", "alpha=0.001,0.01," + ",".join(f"{0.1 + i / 1000:g}" for i in range(200)))
    small, (_, cells, _) = rows_of(few), decoded(maps.stream(map_spec.parse(many)))
    for row, (ix, iy) in zip(small, [(0, 0), (1, 0), (0, 1), (1, 1)], strict=True):
        cell = cells[iy * 202 + ix]
        assert cell["bias"] == pytest.approx(float(row["hessian_bias"]), rel=1e-6)  # float32
        assert cell["loss"] == pytest.approx(float(row["final_gap"] or "inf"), rel=1e-6)
        assert len(cell["step"]) <= 31, "every second recorded step"
        assert cell["step"][-1] == int(row["steps"])


@pytest.mark.parametrize(("f", "x0"), [("expr:1/x+y^2", "0,1"), ("expr:log(x)+y^2", "-1,1")])
def test_a_start_where_the_loss_is_not_finite_is_refused(f, x0):
    with pytest.raises(SpecError, match=r"x0: The function is (infinite|not defined) at the start"):
        map_spec.parse(f"f={f}&x0={x0}&runs=2&forwards=100&{OPT}&y=n=1,2")


def test_a_map_of_long_runs_of_many_dimensions_keeps_one_batch_at_a_time():
    spec = map_spec.parse("f=quadratic:d=1000&runs=8&forwards=10&opt=mezo:n=1&x=lr=1e-7,1e-6,1e-5&y=mu=1e-3,1e-2")
    alive = []
    for cells, batch in maps.compute(spec):
        alive.append(weakref.ref(batch))
        assert len(cells.which) < len(spec.settings), "several batches"
    del cells, batch
    gc.collect()
    assert not any(reference() for reference in alive)
    assert maps.table(spec).num_rows == 6


def test_the_shell_writes_the_same_table(tmp_path, capsys):
    out = tmp_path / "map.csv"
    run_spec = f"f=stiff_quadratic&x0=1,1&runs=7&seed=3&forwards=900&{OPT}"
    assert main(["map", run_spec, "--x", "alpha=1e-3:1:4", "--y", "n=1,2,8", "--out", str(out)]) == 0
    assert out.read_bytes() == tables.csv_bytes(maps.table(map_spec.parse(TEXT)))
    assert "best of 12 cells: alpha=" in capsys.readouterr().err
    assert main(["map", run_spec, "--x", ""]) == 2
    assert "There is no hyperparameter “”" in capsys.readouterr().err
    assert main(["map", run_spec, "--x", "alpha=1:0:4"]) == 2
    assert "The low end of α smoothing, 1, must be below the high end, 0" in capsys.readouterr().err
    assert main(["map", run_spec, "--out", str(tmp_path / "map.txt")]) == 2
    assert ".csv, .json, .parquet" in capsys.readouterr().err


def test_without_a_minimum_the_summary_speaks_of_the_loss():
    spec = map_spec.parse("f=monkey_saddle&runs=2&forwards=60&opt=mezo:n=1&x=lr=1e-3,1e-2&y=mu=1e-3,1e-2")
    assert ": final loss (no minimum is known) " in maps.summary(spec, maps.table(spec))


def test_the_summary_says_so_if_nothing_reaches_the_target():
    spec = map_spec.parse(f"{TEXT}&target=1e-300")
    assert maps.summary(spec, maps.table(spec)).startswith(
        "nothing reaches a gap of 1e-300 and stays there; lowest of 12"
    )
    spec = map_spec.parse("f=stiff_quadratic&runs=2&forwards=300&opt=mezo:n=1&x=lr=1,10&y=mu=1e-3,1e-2")
    assert "diverged" in maps.summary(spec, maps.table(spec))


def test_a_cell_that_leaves_the_target_again_is_not_the_best():
    text = "f=stiff_quadratic&x0=1,1&runs=4&forwards=1500&noise=30&target=0.5&opt=adam&x=lr=1,0.05&y=beta2=0.9,0.99"
    spec = map_spec.parse(text)
    rows = maps.table(spec).to_pylist()
    touched = [row for row in rows if row["passes_to_target"] is not None and row["final_gap"] > 0.5]
    assert touched, "else this tests nothing"
    assert min(rows, key=lambda row: row["passes_to_target"] or np.inf) in touched
    summary = maps.summary(spec, maps.table(spec))
    assert not any(f"lr={row['lr']:g}, beta2={row['beta2']:g}:" in summary for row in touched)
