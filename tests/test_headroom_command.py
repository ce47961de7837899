"""`python app.py headroom SPEC`, of functions and of language models."""

import csv
import io
import json
from pathlib import Path

import pytest

from functions.language_model import headroom as measuring
from tests.test_finetuning_session import one_thread, tiny  # noqa: F401
from viz_app import cli


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_of_a_function_along_its_run(capfdbinary: pytest.CaptureFixture[bytes]):
    spec = "f=stiff_quadratic&x0=0,1&steps=40&opt=hizoo:n=1,warmup=20&opt=adam"
    assert cli.main(["headroom", spec]) == 0
    found = rows(capfdbinary.readouterr().out.decode())
    assert [(row["optimizer"], row["step"]) for row in found] == [
        (label, step) for label in ("hizoo", "adam") for step in ("0", "20", "40")
    ]
    start = {name: float(value) for name, value in found[0].items() if value and name != "optimizer"}
    assert start["r_none"] == pytest.approx(4 / 20002) == start["r_p"]
    assert (start["r_exact"], start["r_most"]) == pytest.approx((1, 2))
    assert start["lr_exact"] == pytest.approx(2 / (2 * 2 + 2 * 2)), "s / (s t + 2 q)"
    assert start["gain_exact"] == pytest.approx(0.25)
    assert start["gain_none"] == pytest.approx(16 / (4 * 20002 + 2 * 8) / 2)
    assert found[3]["r_p"] == "", "Adam has no P"


def test_where_the_loss_is_not_convex_cells_are_empty(capfdbinary: pytest.CaptureFixture[bytes]):
    assert cli.main(["headroom", "f=double_well&x0=0,1&opt=mezo", "--at", "start", "--format", "json"]) == 0
    (row,) = json.loads(capfdbinary.readouterr().out)
    assert (row["r_none"], row["r_exact"], row["gain_none"]) == (None, None, None)


def test_of_a_language_model_on_its_way(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    monkeypatch.setattr(measuring, "HALF", 4)
    out = tmp_path / "headroom.csv"
    spec = "tune=full&steps=4&batch=4&eval=1000&truth=0&opt=hizoo:n=2,lr=0.05&opt=mezo:n=2,lr=0.05"
    assert cli.main(["headroom", spec, "--data-dir", str(tmp_path), "--rounds", "8", "--out", str(out)]) == 0
    found = rows(out.read_text("utf-8"))
    assert {(row["optimizer"], row["step"]) for row in found} == {
        (label, step) for label in ("hizoo", "mezo") for step in ("0", "2", "4")
    }
    first = [row for row in found if (row["optimizer"], row["step"]) == ("hizoo", "0")]
    assert [row["name"] for row in first if row["what"] == "R"][:3] == [
        "no preconditioner",
        "P as estimated",
        "exact per tensor",
    ]
    assert float(first[1]["gain"]) == pytest.approx(1), "P starts at 1"
    assert all(row["error"] for row in first if row["what"] == "r")


def test_every_seed_is_measured(
    tiny,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(measuring, "HALF", 4)
    out = tmp_path / "headroom.csv"
    spec = "tune=full&steps=2&batch=4&runs=2&truth=0&opt=hizoo:n=1,lr=0.05&opt=mezo:n=1,lr=0.05"
    assert cli.main(["headroom", spec, "--data-dir", str(tmp_path), "--at", "end", "9", "--out", str(out)]) == 0
    assert "hizoo with seed 1 has no step 9: its last one is 2" in capsys.readouterr().err
    found = rows(out.read_text("utf-8"))
    measured = [(row["optimizer"], row["run"]) for row in found if row["name"] == "no preconditioner"]
    assert measured == [("hizoo", "0"), ("mezo", "0"), ("hizoo", "1"), ("mezo", "1")]
    assert len({row["value"] for row in found if row["name"] == "no preconditioner"}) == 4


def test_only_the_start_trains_nothing(tiny, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]):  # noqa: F811
    spec = "tune=full&steps=4000&batch=4&truth=0&opt=mezo:n=2"
    assert cli.main(["headroom", spec, "--data-dir", str(tmp_path), "--at", "start"]) == 0
    assert {row["step"] for row in rows(capfdbinary.readouterr().out.decode())} == {"0"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [("f=nothing", "There is no function"), ("tune=nothing&opt=mezo", "nothing"), ("task=reviews&steps=0", "0")],
)
def test_a_wrong_spec_is_said_in_one_line(spec: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["headroom", spec, "--data-dir", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err
