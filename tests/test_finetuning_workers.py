"""Workers that die, hang and are stopped, and servers that come and go: no step is lost."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fake_session
from tests.lab_server import SHORT, Lab, errors, lab_in
from tests.test_finetuning_worker import check_steps, spec, until
from viz_app.finetuning import workers
from viz_app.finetuning.store import Log


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab_in(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


def worker_of(lab: Lab) -> subprocess.Popen:
    return lab.desk.workers._processes["cpu"]._process


def sentences(lab: Lab, id: int) -> str:
    return " | ".join(m["message"] for m in lab.log.messages(id) if m["type"] == "status")


def test_a_killed_worker_is_reported_and_the_job_goes_on(lab: Lab):
    id = lab.start("steps=150&opt=mezo&opt=adam")
    for target in (3, 40):
        until(lambda target=target: lab.steps(id) > target)
        worker_of(lab).kill()
        until(lambda: "was killed (signal 9) at step" in sentences(lab, id))
    lab.ended(id)
    check_steps(lab.log, id, 150)
    assert "; it resumes from the log" in sentences(lab, id)


def test_a_worker_that_dies_again_and_again_fails_its_job(lab: Lab):
    bad, good = lab.start(f"{SHORT}&seed={fake_session.KILLED_AT_OPENING}"), lab.start()
    lab.ended(bad, "failed")
    message = lab.http.get(f"/api/finetune/{bad}").json()["message"]
    assert "was killed (signal 9), 3 times in a row without a new step" in message
    lab.ended(good)


def test_deaths_with_progress_between_them_do_not_count(lab: Lab):
    id = lab.start(f"steps=20&opt=mezo&seed={fake_session.KILLED_EVERY_5}")
    lab.ended(id)
    check_steps(lab.log, id, 20, runs=1)
    assert sentences(lab, id).count("was killed") == 4, "more than fail a job that makes no step"


def test_a_question_that_kills_the_worker_is_answered(lab: Lab):
    id = lab.start("steps=5&opt=mezo")
    lab.ended(id)
    message = errors(lab.http.get(f"/api/finetune/{id}/at?run=0&step=4"), 503)["worker"]
    assert "was killed (signal 9) while it was rebuilding a step from the log" in message
    assert lab.http.get(f"/api/finetune/{id}/at?run=0&step=3").status_code == 200


def test_stop_ends_a_step_that_does_not_end(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "STOP", 0.5)
    id = lab.start(f"{SHORT}&seed={fake_session.HANGS}")
    until(lambda: lab.steps(id) == 2)
    lab.http.post(f"/api/finetune/{id}/stop")
    lab.ended(id, "stopped")
    assert "the step did not end within" in lab.log.job(id).message
    lab.ended(lab.start())


def test_a_job_is_stopped_while_its_model_is_loading_and_the_others_go_on(lab: Lab):
    loading = [lab.start(f"{SHORT}&seed={fake_session.LOADS}") for _ in range(workers.DEATHS)]
    after = lab.start()
    for id in loading:
        until(lambda id=id: lab.desk.workers.doing("cpu") == {"job": id, "command": None, "doing": "loading"})
        lab.http.post(f"/api/finetune/{id}/stop")
        lab.ended(id, "stopped")
        assert lab.log.job(id).message == "stopped before the model was loaded"
    lab.ended(after)


def test_a_silent_worker_is_ended_and_its_job_goes_on(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    id = lab.start("steps=100&opt=mezo")
    until(lambda: lab.steps(id) > 3)
    with monkeypatch.context() as patch:  # the next worker may take longer than that to start
        patch.setattr(workers, "SILENCE", 2.0)
        os.kill(worker_of(lab).pid, signal.SIGSTOP)
        until(lambda: "gave no sign of life" in sentences(lab, id))
    lab.ended(id)
    check_steps(lab.log, id, 100, runs=1)


def test_a_job_for_a_device_that_is_not_there_fails_in_words(lab: Lab):
    id = lab.log.create_job(spec(), "cuda:5")  # of a time when there was one
    lab.desk.workers.wake()
    lab.ended(id, "failed")
    assert "there is no device cuda:5 on this machine (there is cpu)" in lab.log.job(id).message


def test_a_closed_server_leaves_its_job_to_the_next(tmp_path: Path):
    with lab_in(tmp_path) as first:
        id = first.start("steps=300&opt=mezo&opt=adam")
        until(lambda: first.steps(id) > 3)
        process = worker_of(first)
    assert process.wait(10) == 0
    log = Log(tmp_path)
    assert log.job(id).state == "running"
    with lab_in(tmp_path) as second:
        second.ended(id)
    check_steps(log, id, 300)
    log.close()


def test_of_two_servers_one_keeps_the_workers(tmp_path: Path):
    with lab_in(tmp_path) as first:
        first.ended(first.start())
        with lab_in(tmp_path) as second:
            until(lambda: second.http.get("/api/finetune").json()["note"] is not None)
            id = second.start()
            second.ended(id)
            check_steps(second.log, id, 4)
            assert second.desk.workers._processes == {}
            assert second.http.get(f"/api/finetune/{id}/at?run=0&step=1").status_code == 200


SERVER = """
import sys
from pathlib import Path
import uvicorn
from fastapi import FastAPI
from viz_app.finetuning import routes as live
app = FastAPI()
live.add_routes(app, Path(sys.argv[1]), (sys.executable, sys.argv[2]))
uvicorn.run(app, port=int(sys.argv[3]), log_level="error")
"""


def test_sigkill_of_the_server_loses_no_step(tmp_path: Path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = Log(tmp_path)
    id = log.create_job(spec(300), "cpu")
    arguments = [sys.executable, "-c", SERVER, str(tmp_path), fake_session.__file__, str(port)]
    environment = {**os.environ, "PYTHONPATH": str(workers.ROOT), "FAKE_STEP": "0.01"}
    with subprocess.Popen(arguments, env=environment) as server:
        until(lambda: len(log.steps(id, 0)) > 5)  # it takes up what it finds
        server.kill()
    time.sleep(1.0)
    made = len(log.steps(id, 0))
    time.sleep(0.3)
    assert len(log.steps(id, 0)) == made < 300, "the worker ends with its server"
    assert log.job(id).state == "running"
    with lab_in(tmp_path) as lab:
        lab.ended(id)
    check_steps(log, id, 300)
    log.close()


def test_sigkill_of_a_real_worker_changes_nothing(tmp_path: Path):
    """The bundled model: what is trained over a killed worker is what is trained without."""
    text = "tune=layernorm&steps=12&batch=4&eval=1000000&truth=0&device=cpu&opt=mezo:n=1,lr=1e-2"
    with lab_in(tmp_path, workers.COMMAND) as lab:
        id, whole = lab.start(text), lab.start(text)
        until(lambda: lab.steps(id) >= 3, 60)
        worker_of(lab).kill()
        for job in (id, whole):
            until(lambda job=job: lab.steps(job) == 12, 60)
            lab.http.post(f"/api/finetune/{job}/stop")
        assert "was killed (signal 9) at step" in sentences(lab, id)
        ours, theirs = lab.log.steps(id, 0), lab.log.steps(whole, 0)
        assert [row.step for row in ours] == list(range(1, 13))
        for mine, other in zip(ours, theirs, strict=True):
            assert mine.scalars == pytest.approx(other.scalars, abs=1e-5)
