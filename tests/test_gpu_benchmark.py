"""The benchmark for graphics cards: all of its items run, with tiny models on the CPU."""

import json

from benchmarks import gpu


def run(capsys, *arguments):
    gpu.main(["--device", "cpu", "--small", *arguments])
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_every_item_runs(capsys):
    lines = run(capsys)
    assert not [line for line in lines if "error" in line]
    names = "\n".join(line["name"] for line in lines)
    for shape in ("OPT-125m", "OPT-1.3b"):
        for dtype in ("float32", "bfloat16"):
            assert f"{shape}'s shape, {dtype}: a step of hizoo against 3 forward passes" in names
            assert f"{shape}'s shape, {dtype}: memory of MeZO beyond weights and P" in names
    for part in ("the bundled model, bfloat16", "SmolLM2's shape, float32", "made again on the CPU", "randn and add"):
        assert part in names
    assert "probes of lora" in names
    assert {line["card"] for line in lines} == {gpu.devices.pick_device("cpu").title}
    steps = [line for line in lines if "steps each" in line["name"] or "made again" in line["name"]]
    assert [line["met"] for line in steps] == [True] * 8
    kernels = [line for line in lines if "by the kernels" in line["name"]]
    assert [line["value"] for line in kernels] == [0.0] * 8, "torch's on either side"


def test_what_there_is_no_time_for_is_said(capsys):
    lines = run(capsys, "--seconds", "0")
    assert [line["left out"] for line in lines] == ["0 s are over"] * len(gpu.ITEMS)


def test_an_item_that_fails_does_not_stop_the_others(capsys, monkeypatch):
    def fails(place):
        yield {"name": "first"}
        raise ArithmeticError("no more")

    monkeypatch.setattr(gpu, "ITEMS", (fails, lambda place: iter([{"name": "second"}])))
    lines = run(capsys)
    assert [line["name"] for line in lines] == ["first", "fails", "second"]
    assert "no more" in lines[1]["error"]
