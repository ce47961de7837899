import io
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import pytest

from viz_app import run
from viz_app.tables import FORMATS, format_of

HIZOO = "opt=hizoo:lr=0.1,alpha=0.1,mu=1e-3,n=2,estimator=paper"
SPEC = f"f=stiff_quadratic&x0=1,1&steps=20&runs=3&{HIZOO},warmup=3&opt=adam:lr=0.05&opt=newton_diag&{HIZOO},warmup=0"


def rows(table: pa.Table, label: str, run: int | None = None) -> dict[str, np.ndarray]:
    """One optimizer's (and one run's) columns; empty cells are NaN."""
    chosen = pc.equal(table["optimizer"], label)
    if run is not None:
        chosen = pc.and_(chosen, pc.equal(table["run"], run))
    return {name: table.filter(chosen)[name].to_numpy() for name in table.column_names}


def test_columns_and_rows_are_the_designs():
    result = run(SPEC)
    table = result.table()
    names = ["optimizer", "run", "step", "forwards", "loss"]
    assert table.column_names == [*names, "theta_0", "theta_1", "h_0", "h_1", "true_h_0", "true_h_1"]
    order = zip(*(table[name].to_pylist() for name in ("optimizer", "run", "step")), strict=True)
    assert list(order) == [(label, r, s) for label in result.labels for r in range(3) for s in range(21)]
    one, trace = rows(table, "hizoo", 2), result.traces[0]
    np.testing.assert_array_equal(one["loss"], trace.loss[:, 2])
    np.testing.assert_array_equal(one["forwards"], trace.forwards)
    for j in range(2):
        np.testing.assert_array_equal(one[f"theta_{j}"], trace.theta[:, 2, j])
        np.testing.assert_array_equal(one[f"h_{j}"], trace.h[:, 2, j])
        np.testing.assert_array_equal(one[f"true_h_{j}"], [20000.0, 2.0][j])
    assert np.isnan(rows(table, "adam")["h_0"]).all()


def test_every_format_holds_the_same_numbers():
    result = run(SPEC)
    table = result.table()
    csv = pyarrow.csv.read_csv(io.BytesIO(result.to_csv()))
    assert csv.cast(table.schema).equals(table), "read back without loss"
    assert pyarrow.parquet.read_table(io.BytesIO(result.to_parquet())).equals(table, check_metadata=True)
    document = json.loads(result.to_json())
    assert [entry["label"] for entry in document["optimizers"]] == list(result.labels)
    for entry in document["optimizers"]:
        expected = rows(table, entry["label"])
        for name, values in entry["columns"].items():
            np.testing.assert_array_equal(values, expected[name])
        missing = set(expected) - set(entry["columns"])
        assert missing == ({"optimizer"} if entry["method"] == "hizoo" else {"optimizer", "h_0", "h_1"})


def test_metadata_names_spec_and_stride():
    result = run(SPEC)
    metadata = result.table().schema.metadata
    assert metadata[b"spec"].decode() == result.spec.query()
    assert metadata[b"recorded_every"] == b"1"
    document = json.loads(result.to_json())
    assert document["spec"] == result.spec.query()
    assert document["recorded_every"] == 1
    assert document["function"]["spec"] == "stiff_quadratic"
    assert document["optimizers"][0]["hyperparameters"]["warmup"] == 3
    assert document["optimizers"][0]["statuses"][0]["kind"] == "finished"


def test_a_diverged_runs_rows_end_at_its_last_finite_step():
    result = run("f=stiff_quadratic&steps=300&runs=3&opt=mezo:lr=0.5&opt=adam:lr=0.1")
    table = result.table()
    for number, status in enumerate(result.statuses["mezo"]):
        assert status.kind == "diverged"
        mine = rows(table, "mezo", number)
        np.testing.assert_array_equal(mine["step"], np.arange(len(mine["step"])))
        assert 1 <= len(mine["step"]) <= status.step < 300
        assert np.isfinite(mine["loss"]).all()
    assert len(rows(table, "adam")["step"]) == 3 * 301
    entry = json.loads(result.to_json())["optimizers"][0]
    assert [status["step"] for status in entry["statuses"]] == [status.step for status in result.statuses["mezo"]]
    assert entry["columns"]["loss"] == rows(table, "mezo")["loss"].tolist()


def test_a_run_that_diverges_at_once_leaves_the_row_of_its_start():
    result = run("f=expr:log(x)+y^2&x0=1e-3,1&steps=5&runs=2&opt=adam:lr=1")
    assert result.statuses["adam"][0].step == 1
    assert result.table().num_rows == 2
    assert len(json.loads(result.to_json())["optimizers"][0]["columns"]["loss"]) == 2


def test_where_the_true_hessian_is_not_finite_its_cell_is_empty():
    result = run("f=expr:1/x%2By^2&x0=1e-110,1&steps=1&runs=1&opt=mezo:lr=0")  # a loss of 1e110, a curvature of 2e330
    assert np.isinf(result.traces[0].true_h[0, 0, 0])
    start = {name: values[0] for name, values in rows(result.table(), "mezo").items()}
    assert math.isnan(start["true_h_0"])
    assert start["true_h_1"] == 2
    assert result.to_csv().decode().splitlines()[1].endswith(",,2")
    assert json.loads(result.to_json())["optimizers"][0]["columns"]["true_h_0"][0] is None


def test_a_thousand_dimensions_fit_in_a_csv():
    result = run("f=quadratic:d=1000&x0=1&steps=2&runs=2&opt=hizoo:lr=1e-6,n=1,estimator=paper")
    lines = result.to_csv().decode().splitlines()
    assert len(lines) == 1 + 2 * 3
    assert {line.count(",") for line in lines} == {4 + 3 * 1000}
    assert [float(cell) for cell in lines[3].split(",")[5:1005]] == result.traces[0].theta[2, 0].tolist()


@pytest.mark.parametrize("name", FORMATS)
def test_write_takes_the_format_from_the_suffix(name: str, tmp_path):
    result = run("steps=3&runs=1&opt=adam")
    path = tmp_path / f"run.{name.upper()}"
    result.write(path)
    assert path.read_bytes() == result.encode(name)
    with pytest.raises(ValueError, match=r"'run.txt' ends in none of .csv, .json, .parquet"):
        format_of("run.txt")


def test_json_names_the_changes_of_a_fork():
    document = json.loads(run("f=booth&steps=9&runs=1&opt=mezo:lr=1e-3,n=1@4:lr=2e-3&opt=adam:lr=0.1").to_json())
    fork, plain = (optimizer["changes"] for optimizer in document["optimizers"])
    assert [(change["step"], change["hyperparameters"]["lr"]) for change in fork] == [(4, 0.002)]
    assert plain == []
