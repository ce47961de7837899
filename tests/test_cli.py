import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from functions import FUNCTIONS
from hizoo_core import POINT_METHODS, describe, training_methods
from viz_app import cli, run
from viz_app.finetuning import spec as finetune_spec
from viz_app.finetuning.store import Log
from viz_app.server import create_app
from viz_app.spec.runs import catalogue

SPEC = "f=stiff_quadratic&x0=1,1&steps=20&runs=3&opt=hizoo:n=2&opt=mezo:lr=10&opt=adam"
ROOT = Path(__file__).parents[1]


def app(*arguments: str, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "app.py", *arguments], cwd=ROOT, capture_output=True, timeout=60, **options)


def test_the_shell_writes_the_bytes_that_python_gives():
    done = app("run", SPEC)
    assert done.returncode == 0
    assert done.stdout == run(SPEC).to_csv()
    lines = done.stderr.decode().splitlines()
    assert [line.split()[0] for line in lines] == ["hizoo", "mezo", "adam"]
    assert "forward passes" in lines[0]
    assert "diverged at step" in lines[1]
    assert "inf" in lines[1]


@pytest.mark.parametrize("name", ["csv", "json", "parquet"])
def test_out_takes_the_format_of_its_suffix_or_the_one_named(name: str, tmp_path: Path):
    expected = getattr(run(SPEC), f"to_{name}")()
    assert cli.main(["run", SPEC, "--out", str(tmp_path / f"a.{name}")]) == 0
    assert cli.main(["run", SPEC, "--out", str(tmp_path / "b"), "--format", name]) == 0
    assert (tmp_path / f"a.{name}").read_bytes() == (tmp_path / "b").read_bytes() == expected


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        (["run", "steps=0&runs=0&opt=hizo"], 2, ["steps", "1 to 20,000", "runs", "1 to 256", "opt.hizo", "hizoo"]),
        (["run", "f=expr:x+*y"], 2, ["app.py: f: Formula, position 3", "“*”"]),
        (["run", SPEC, "--out", "run.txt"], 2, ["run.txt", ".parquet", "--format"]),
        (["run", SPEC, "--out", "no/such/folder/run.csv"], 1, ["no/such/folder"]),
        (["run", SPEC, "--out", ".", "--format", "csv"], 1, ["directory"]),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    arguments: list[str], status: int, parts: list[str], capfd: pytest.CaptureFixture[str]
):
    assert cli.main(arguments) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("app.py: ")
    assert all(part in err for part in parts)


def test_an_output_that_fails_while_written_is_one_line(capfd: pytest.CaptureFixture[str]):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    assert cli.main(["run", SPEC, "--out", "/dev/full", "--format", "csv"]) == 1
    assert capfd.readouterr().err == "app.py: cannot write /dev/full: No space left on device\n"


def test_progress_goes_to_standard_error_and_only_when_wanted(capfd: pytest.CaptureFixture[str]):
    assert cli.main(["run", SPEC, "--progress"]) == 0
    out, err = capfd.readouterr()
    assert "step" in err.split("median")[0]
    assert "%|" in err
    assert out.encode() == run(SPEC).to_csv()
    assert cli.main(["run", SPEC]) == 0
    assert "%|" not in capfd.readouterr().err, "no terminal, no bar"


def test_a_closed_pipe_ends_quietly():
    command = [sys.executable, "app.py", "run", "f=booth&steps=2000&runs=16&opt=adam"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait(30) == 141
    assert error == b""


def test_interrupt_is_130(tmp_path: Path):
    command = [sys.executable, "app.py", "run", "f=ackley&steps=20000&runs=120&opt=hizoo:n=64", "--progress"]
    command += ["--out", str(tmp_path / "run.csv")]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read(1), "the bar has begun"
        process.send_signal(signal.SIGINT)
        error = process.stderr.read()
        assert process.wait(30) == 130
    assert b"Traceback" not in error
    assert not (tmp_path / "run.csv").exists()


def test_list_names_everything(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for family in FUNCTIONS.values():
        assert f"  {family.key}: {family.name}" in out
    for method in POINT_METHODS.values():
        assert f"  {method.key}: {method.name}" in out
        assert all(f"      {h.name} " in out for h in describe(method.hyperparameters))
    for method in training_methods.METHODS.values():
        assert f"  {method.key}: {method.name}" in out.split("Fine-tuning", 1)[1]
    assert cli.main(["list", "--json"]) == 0
    expected = catalogue() | {"finetune": finetune_spec.catalogue()}
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(expected))


def test_help_explains_the_spec(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as done:
        cli.main(["run", "--help"])
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("x0=1,1", "opt=hizoo:lr=0.1", "--out", "--progress", "theta_0"))


def test_a_taken_port_is_one_line(capfd: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["--port", str(port)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert (
        err
        == f"app.py: cannot serve on 127.0.0.1:{port}: Address already in use; choose others with --host and --port\n"
    )


TUNE = "steps=2&batch=4&tune=layernorm&truth=0&opt=mezo:n=1,lr=0.01&opt=adam"
COLUMNS = "optimizer,step,forwards,seconds,train_loss,val_loss,val_accuracy,slope,curvature,p_q10,p_q50,p_q90"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning with hardly anything measured."""
    from types import SimpleNamespace

    from viz_app.finetuning import plane as landscape
    from viz_app.finetuning import session as finetune

    monkeypatch.setattr(finetune, "HELD_OUT", 8)
    monkeypatch.setattr(finetune, "SURFACE", 4)
    monkeypatch.setattr(landscape, "GRID", 3)
    monkeypatch.setattr(finetune.memory, "measure", lambda *_: SimpleNamespace(rows=(), how=""))


@pytest.mark.usefixtures("small")
def test_finetune_writes_a_table_and_keeps_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    data = ["--data-dir", str(tmp_path)]
    assert cli.main(["finetune", TUNE, "--out", str(tmp_path / "run.csv"), "--progress", *data]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "pass/s" in err
    assert "held-out loss" in err
    assert "app.py weights 1" in err
    lines = (tmp_path / "run.csv").read_text().splitlines()
    assert lines[0] == COLUMNS
    assert [line.split(",")[:3] for line in lines[1:]] == [
        [label, str(step), str(step * cost)] for label, cost in (("mezo", 2), ("adam", 3)) for step in range(3)
    ]

    assert cli.main(["runs", *data]) == 0
    assert "finished  bundled reviews/layernorm: mezo, adam" in capfd.readouterr().out
    assert cli.main(["runs", "--json", *data]) == 0
    assert json.loads(capfd.readouterr().out)[0]["state"] == "finished"

    assert cli.main(["finetune", "--resume", "1", *data]) == 0
    assert capfd.readouterr().out.splitlines() == lines, "the same again, from the log"

    file = tmp_path / "weights.safetensors"
    assert cli.main(["weights", "1", "--run", "1", "--step", "1", "--out", str(file), *data]) == 0
    assert "42 tensors, 6,912 numbers, after step 1" in capfd.readouterr().err
    from safetensors import safe_open

    with safe_open(file, "pt") as weights:
        assert len(weights.keys()) == 42
        assert weights.metadata()["step"] == "1"

    for wrong in (["--step", "9"], ["--run", "2"]):
        assert cli.main(["weights", "1", *wrong, "--out", str(file), *data]) == 1
        assert "must be 0 to" in capfd.readouterr().err
    assert cli.main(["runs", "--delete", "1", *data]) == 0
    assert cli.main(["finetune", "--resume", "1", *data]) == 1
    assert "there is no run 1" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "parts"),
    [
        (["tune=lore&opt=hizo"], 2, ["Did you mean lora?", "Did you mean hizoo?"]),
        (["loss=f1&opt=adam"], 2, ["Adam needs a gradient"]),
        ([], 2, ["either a SPEC or --resume ID"]),
        ([TUNE, "--resume", "1"], 2, ["either a SPEC or --resume ID"]),
        ([TUNE, "--out", "run.txt"], 2, [".parquet", "--format"]),
        ([TUNE, "--out", "no/such/folder/run.csv"], 1, ["no/such/folder"]),
        (["words=terrible,extraordinarily&opt=mezo"], 2, ["'extraordinarily'", "tokens"]),
        (["model=/no/such/model&opt=mezo"], 2, ["/no/such/model"]),
    ],
)
def test_what_goes_wrong_in_finetune_is_said_in_one_line(
    arguments: list[str], status: int, parts: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    assert cli.main(["finetune", *arguments, "--data-dir", str(tmp_path)]) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("app.py: ")
    assert all(part in err for part in parts)


@pytest.mark.usefixtures("small")
def test_an_interrupted_finetune_is_kept_and_resumed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    spec = "steps=5000&eval=100000&batch=4&tune=layernorm&truth=0&opt=mezo:n=1"
    command = [sys.executable, "app.py", "finetune", spec, "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        log = Log(tmp_path)
        end = time.monotonic() + 60
        while not (log.jobs() and log.steps(1, 0)) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.stderr.read().decode()
        assert process.wait(30) == 130
    assert "Traceback" not in error
    assert error.endswith("what was trained is kept; go on with: python app.py finetune --resume 1\n")
    made = len(log.steps(1, 0))
    assert made > 0
    assert log.job(1).state == "stopped"

    from viz_app.finetuning.session import Session

    monkeypatch.setattr(Session, "advance", lambda self: False)
    assert cli.main(["finetune", "--resume", "1", "--data-dir", str(tmp_path)]) == 0
    assert len(capfd.readouterr().out.splitlines()) == made + 2
    log.close()


def test_help_loads_no_torch():
    code = "import sys; from viz_app import cli; cli._parser().format_help(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=True)
    assert done.stdout == b"False\n"


def test_a_shell_that_is_killed_leaves_a_run_that_the_page_shows_as_stopped(tmp_path):
    log = Log(tmp_path)
    spec = "tune=layernorm&steps=5000&batch=4&shots=16&truth=0&opt=mezo:n=1"
    where = ["--data-dir", str(tmp_path), "--out", str(tmp_path / "x.csv")]
    shell = subprocess.Popen([sys.executable, "app.py", "finetune", spec, *where], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (log.jobs() and log.steps(1, 0)):
        assert shell.poll() is None
        time.sleep(0.1)
    with TestClient(create_app(tmp_path).server) as client:
        (job,) = client.get("/api/finetune").json()["jobs"]
        assert job["state"] == "running"
        shell.kill()
        shell.wait()
        (job,) = client.get("/api/finetune").json()["jobs"]
        assert job["state"] == "stopped"
        assert "--resume 1" in job["message"]
        assert client.delete("/api/finetune/1").status_code == 204
