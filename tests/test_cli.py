import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from functions import FUNCTIONS
from hizoo_core import POINT_METHODS, describe, training_methods
from hizoo_core.training import Diverged
from viz_app import cli, run
from viz_app.finetuning import liveness
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


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Ctrl-C reaches a command that a test starts, even where the tests run in the background of a shell script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


TUNE = "steps=2&batch=4&held_out=8&tune=layernorm&truth=0&opt=mezo:n=1,lr=0.01&opt=adam"
COLUMNS = "optimizer,step,forwards,seconds,train_loss,val_loss,val_accuracy,slope,curvature,lr,p_q10,p_q50,p_q90"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning with hardly anything measured."""
    from types import SimpleNamespace

    from functions.language_model import memory

    monkeypatch.setattr(memory, "measure", lambda *_: SimpleNamespace(rows=(), how=""))


@pytest.mark.usefixtures("small")
def test_finetune_writes_a_table_and_keeps_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    data = ["--data-dir", str(tmp_path)]
    assert cli.main(["finetune", TUNE, "--out", str(tmp_path / "run.csv"), "--progress", *data]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert "forward passes/s" in err
    assert "loading" in err
    assert "held-out loss" in err
    assert re.search(r"forecast: about \d+ s; .* for the whole process \(estimate\)", err)
    assert re.search(r"about \d+ s left", err)
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


def followed(hint: str, **options) -> subprocess.CompletedProcess[bytes]:
    """What a printed command does when it is typed into a shell."""
    return subprocess.run(hint, shell=True, cwd=ROOT, capture_output=True, timeout=120, **options)


def test_an_interrupted_finetune_leaves_its_table_and_a_command_that_goes_on(tmp_path: Path):
    data, table = tmp_path / "my runs", tmp_path / "it's.csv"
    spec = "steps=150&eval=100000&batch=4&tune=layernorm&truth=0&opt=mezo:n=4"
    command = [sys.executable, "app.py", "finetune", spec, "--data-dir", str(data), "--out", str(table)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        log = Log(data)
        end = time.monotonic() + 60
        while not (log.jobs() and log.steps(1, 0)) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        error = process.stderr.read().decode()
        assert process.wait(30) == 130
    assert "Traceback" not in error
    sentence, _, hint = error.splitlines()[-1].partition("; go on with: ")
    assert sentence == "app.py: interrupted; what was trained is kept"
    assert log.job(1).message.endswith(hint)
    made = len(log.steps(1, 0))
    assert 0 < made < 150
    assert log.job(1).state == "stopped"
    assert len(table.read_text().splitlines()) == made + 2, "the header, the start and every step"

    table.unlink()
    done = followed(hint)
    assert done.returncode == 0, done.stderr
    assert log.job(1).state == "finished"
    assert len(table.read_text().splitlines()) == 150 + 2
    (kept,) = [line for line in done.stderr.decode().splitlines() if line.startswith("kept as run 1: ")]
    python, program, *arguments = shlex.split(kept.removeprefix("kept as run 1: "))
    assert (python, program) == (sys.executable, "app.py")
    out = arguments.index("--out") + 1
    arguments[out] = str(tmp_path / arguments[out])
    assert cli.main(arguments) == 0
    assert (tmp_path / "weights.safetensors").is_file()
    log.close()


@pytest.mark.usefixtures("small")
def test_any_exception_leaves_a_job_that_can_be_resumed_and_deleted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from viz_app.finetuning.session import Session

    data = ["--data-dir", str(tmp_path)]
    made = Session.advance

    def breaks(self: Session) -> bool:
        if self.runs[0].rows:
            raise Diverged(2, "the loss is not finite")
        return made(self)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "advance", breaks)
        out = tmp_path / "run.csv"
        assert cli.main(["finetune", TUNE, "--out", str(out), *data]) == 1
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("app.py: the loss is not finite (details in ")
    assert "--resume 1 --out" in error
    assert len(out.read_text().splitlines()) >= 2
    log = Log(tmp_path)
    assert log.job(1).state == "failed"
    assert error.endswith(log.job(1).message)
    assert "Traceback" in (tmp_path / "shell.log").read_text()
    assert cli.main(["finetune", "--resume", "1", "--out", str(out), *data]) == 0
    assert log.job(1).state == "finished"
    assert cli.main(["runs", "--delete", "1", *data]) == 0
    assert log.jobs() == []
    log.close()


@pytest.mark.parametrize("device", ["shell", "cpu"])
def test_a_dead_job_can_be_deleted_and_a_living_one_cannot(
    device: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    log = Log(tmp_path)
    id = log.create_job(finetune_spec.parse(TUNE).query(), device)
    log.change_state(id, "running")
    lock = liveness.shell_lock(tmp_path, id) if device == "shell" else liveness.device_lock(tmp_path, device)
    assert lock.acquire()
    delete = ["runs", "--delete", str(id), "--data-dir", str(tmp_path)]
    assert cli.main(delete) == 1
    assert "is running: stop it" in capfd.readouterr().err
    lock.release()
    assert cli.main(delete) == 0
    assert log.jobs() == []
    log.close()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("tune", ["lora&rank=2", "prefix&prefix=2"])
def test_weights_of_an_adapter_are_a_folder_or_a_zip(tune: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    data = ["--data-dir", str(tmp_path / "data")]
    spec = f"tune={tune}&steps=1&batch=4&truth=0&opt=mezo:n=1"
    assert cli.main(["finetune", spec, "--out", str(tmp_path / "run.csv"), *data]) == 0
    for out in ("adapter", "adapter.zip", "adapter"):
        assert cli.main(["weights", "1", "--out", str(tmp_path / out), *data]) == 0
    assert "in peft's format, an adapter of bundled" in capfd.readouterr().err
    files = ["adapter_config.json", "adapter_model.safetensors"]
    assert sorted(file.name for file in (tmp_path / "adapter").iterdir()) == files
    assert zipfile.ZipFile(tmp_path / "adapter.zip").namelist() == files
    assert cli.main(["weights", "1", "--out", str(tmp_path / "run.csv"), *data]) == 1
    assert "an adapter is a folder" in capfd.readouterr().err


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
    log.close()
