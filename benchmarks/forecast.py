"""The forecast of time and memory against what jobs took: `python -m benchmarks.forecast`, one JSON line per job.

Ten jobs on four architectures with random weights, made in a temporary directory. `seconds` and `bytes` are what was
measured; `time` is forecast over measured before the start, `corrected` the same after a quarter of the steps, `memory`
forecast over the process's peak. Right to within 1.5 (time, corrected) and 1.25 (memory) is the goal. `--table` makes
a table of these lines, as the manual has it.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

JOBS = (
    ("bundled", "tune=full&forwards=600&opt=hizoo&opt=mezo&opt=adam"),
    ("bundled", "tune=lora&forwards=600&opt=hizoo:n=4&opt=mezo"),
    ("opt-10m", "tune=full&steps=15&batch=16&eval=60&opt=hizoo:n=2&opt=mezo:n=2"),
    ("opt-10m", "tune=lora&steps=20&batch=16&eval=60&opt=mezo:n=2"),
    ("llama-8m", "tune=full&steps=15&batch=16&eval=60&opt=adam"),
    ("llama-8m", "tune=layernorm&steps=20&batch=16&eval=60&opt=hizoo:n=2"),
    ("llama-50m", "tune=lora&steps=8&batch=8&eval=40&opt=hizoo:n=2,pool=none"),
    ("llama-50m", "tune=full&steps=6&batch=8&eval=30&opt=mezo:n=1"),
    ("gpt2-20m", "tune=full&steps=8&batch=8&eval=30&truth=0&opt=hizoo:n=1,pool=none&opt=adam"),
    ("neox-15m", "tune=prefix&steps=12&batch=16&eval=60&opt=mezo:n=2&opt=hizoo:n=2"),
)


def models() -> dict[str, Any]:
    """Configurations by name; the tokenizer is the bundled model's."""
    from transformers import GPT2Config, GPTNeoXConfig, LlamaConfig, OPTConfig

    ids: dict[str, Any] = {"vocab_size": 4096, "bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1}
    return {
        "opt-10m": OPTConfig(
            **ids, hidden_size=320, num_hidden_layers=8, num_attention_heads=8, ffn_dim=1280,
            max_position_embeddings=128,
        ),
        "llama-8m": LlamaConfig(
            **ids, hidden_size=256, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=2,
            intermediate_size=704,
        ),
        "llama-50m": LlamaConfig(
            **ids, hidden_size=640, num_hidden_layers=10, num_attention_heads=10, num_key_value_heads=5,
            intermediate_size=1728, tie_word_embeddings=True,
        ),
        "gpt2-20m": GPT2Config(**ids, n_embd=448, n_layer=8, n_head=7, n_positions=128),
        "neox-15m": GPTNeoXConfig(
            **ids, hidden_size=384, num_hidden_layers=7, num_attention_heads=6, intermediate_size=1536
        ),
    }  # fmt: skip


def make(folder: Path, name: str) -> str:
    """The source of a model, made in `folder` if it is not there."""
    if name == "bundled":
        return name
    path = folder / name
    if not path.exists():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from functions.language_model.files import BUNDLED

        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(models()[name]).save_pretrained(path)
        AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(path)
    return str(path)


def measure(model: str, text: str, data: Path) -> dict[str, Any]:
    """Train one job in this process, as the shell does, and compare."""
    started = time.perf_counter()
    from viz_app.finetuning import machine
    from viz_app.finetuning import spec as specs
    from viz_app.finetuning.session import Session
    from viz_app.finetuning.store import Log

    spec = specs.parse(f"model={model}&device=cpu&{text}")
    log = Log(data)
    measured = time.perf_counter()
    machine.note_speed(log, "cpu", model)
    started += time.perf_counter() - measured
    session = Session(log.create_job(spec.query(), "shell"), spec, log)
    session.open()
    loaded = time.perf_counter()
    made, corrected = session.forecast, None
    assert made is not None
    while not session.trained():
        session.advance()
        if corrected is None and min(len(run.rows) / run.steps for run in session.runs) >= 0.25:
            corrected = time.perf_counter() - started + (session.left() or 0)
    seconds = time.perf_counter() - started
    training = sum(run.seconds for run in session.runs)
    session.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    parts = {
        "loading": (made.loading, loaded - started),
        "training": (sum(made.training), training),
        "measuring": (made.measuring(made.evaluations), seconds - (loaded - started) - training),
    }
    return {
        "seconds": round(seconds, 1),
        "bytes": peak,
        "time": round(made.seconds / seconds, 2),
        "corrected": round((corrected or made.seconds) / seconds, 2),
        "memory": round(made.bytes / peak, 2),
        "parts": {name: [round(value, 2) for value in pair] for name, pair in parts.items()},
    }


def table(lines: Iterable[str]) -> str:
    """Markdown of the benchmark's lines."""
    rows = ["| model | spec | s | time | corrected | MB | memory |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for line in lines:
        job = json.loads(line)
        seconds, corrected, memory = (f"{job[name]:.2f}" for name in ("time", "corrected", "memory"))
        what = f"{job['model']} | `{job['spec']}`"
        rows.append(
            f"| {what} | {job['seconds']:.0f} | {seconds} | {corrected} | {job['bytes'] / 1e6:,.0f} | {memory} |"
        )
    return "\n".join(rows)


def main() -> None:
    """Each job in a process of its own, whose peak is the job's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--job", nargs=2, metavar=("MODEL", "SPEC"), help=argparse.SUPPRESS)
    parser.add_argument("--only", nargs="*", type=int, metavar="N", help="these of the jobs, from 0 (default: all)")
    parser.add_argument("--table", metavar="FILE", help="make a table of this file's lines instead")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(Path(arguments.table).read_text("utf-8").splitlines()))
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.job:
            model, text = arguments.job
            print(json.dumps(measure(model, text, Path(folder))))
            return
        for name, text in [JOBS[i] for i in arguments.only or range(len(JOBS))]:
            model = subprocess.run(
                [sys.executable, "-c", "from benchmarks import forecast; from pathlib import Path;"
                 f"print(forecast.make(Path({folder!r}), {name!r}))"],
                check=True, capture_output=True, text=True,
            ).stdout.splitlines()[-1]  # fmt: skip
            command = [sys.executable, "-m", "benchmarks.forecast", "--job", model, text]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            print(json.dumps({"model": name, "spec": text, **json.loads(done.stdout.splitlines()[-1])}), flush=True)


if __name__ == "__main__":
    main()
