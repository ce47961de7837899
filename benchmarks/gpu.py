"""What a graphics card does: proofs and measurements, under eight minutes on one H100; one JSON line an item.

python -m benchmarks.gpu

On a lent machine without a network, whose own Python brings torch, Triton and transformers, from a copy of the
checkout (nothing is to be installed; a time limit of nine minutes leaves room for the start):

timeout 540 python3 -m benchmarks.gpu | tee "$OUT/gpu.jsonl"

`--device cpu --small` runs the same code with tiny models, to see that it runs. Each line is printed as soon as it is
known and names the card; an item that fails says so in "error", and the others go on. `--seconds` bounds the whole:
what has not begun by then is left out, and said to be.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, OPTConfig, OPTForCausalLM

from benchmarks import probes
from functions.language_model import devices
from functions.language_model.adapters import adapt
from functions.language_model.files import BUNDLED
from functions.language_model.metrics import loss
from functions.language_model.model import load
from functions.language_model.tasks import encode, make
from hizoo_core import kernels
from hizoo_core.torch_optim import HiZOO, MeZO
from hizoo_core.training import METHODS, Trainer

ROUNDS = 5
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
Line = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where everything runs, and whether with tiny models."""

    device: str
    small: bool

    def opt(self, shape: str) -> OPTConfig:
        """A configuration of OPT-125m's or OPT-1.3b's shape."""
        if self.small:
            return OPTConfig(
                hidden_size=32, word_embed_proj_dim=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=2,
                vocab_size=300,
            )  # fmt: skip
        if shape == "OPT-125m":
            return OPTConfig()  # the defaults are facebook/opt-125m's shape
        return OPTConfig(
            hidden_size=2048, word_embed_proj_dim=2048, ffn_dim=8192, num_hidden_layers=24, num_attention_heads=32
        )

    def llama(self) -> LlamaConfig:
        """A configuration of SmolLM2-135M's shape."""
        ids: dict[str, Any] = {"bos_token_id": 2, "eos_token_id": 2, "pad_token_id": 1, "tie_word_embeddings": True}
        if self.small:
            return LlamaConfig(
                vocab_size=4096, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64, **ids
            )
        return LlamaConfig(
            vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3,
            intermediate_size=1536, **ids,
        )  # fmt: skip


def take_turns(device: str, sides: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of each side, in turn, after two rounds that are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for round_ in range(rounds + 2):
        for name, side in sides.items():
            devices.wait(device)
            began = time.perf_counter()
            with torch.no_grad():
                side()
            devices.wait(device)
            if round_ > 1:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def milliseconds(seconds: dict[str, list[float]]) -> dict[str, float]:
    return {name: round(1000 * statistics.median(each), 3) for name, each in seconds.items()}


def goal(value: float, most: float) -> Line:
    return {"value": float(f"{value:.3g}"), "goal": f"<= {most:g}", "met": value <= most}


# The kernels


def equal(place: Place) -> Iterator[Line]:
    """Steps by the kernels against the same ones by torch's operations, on the same device."""
    device = torch.device(place.device)
    began = time.perf_counter()
    missing = kernels.missing(device)
    used = kernels.module(device) is not None
    yield {"name": "the fused kernels", "used": used, "why not": missing, "seconds": time.perf_counter() - began}
    for (name, maker), dtype in product(MAKERS.items(), DTYPES):
        (theta, P), (other, Q) = (trained(place, maker, DTYPES[dtype], fused) for fused in (True, False))
        line: Line = {"name": f"{name}, {dtype}: probes and θ by the kernels against torch's", "unit": "of the largest"}
        # A narrow format rounds at random, by u's last bits: some numbers differ by a unit.
        line |= goal(float((theta - other).abs().max() / other.abs().max()), 1e-5 if dtype == "float32" else 0.05)
        yield line | {"different": float((theta != other).double().mean()), "P": float(((P - Q) / Q).abs().max())}


def trained(place: Place, maker: Any, dtype: torch.dtype, fused: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Every θ that three steps with made-up losses pass through, and P."""
    torch.manual_seed(0)
    sizes = ((33, 7), (20, 10), (2, 1001)) if place.small else ((700, 300), (33, 7), (2, 41_001))
    own = [torch.nn.Parameter((torch.randn(size, device=place.device) * 0.02).to(dtype)) for size in sizes]
    optimizer = maker(own)
    if not fused:  # the kernels are out of its sight
        optimizer._tables.find = lambda *_: None
    seen: list[torch.Tensor] = []
    losses = cycle([0.7, 0.701, 0.6995, 0.7004, 0.6999])
    for _ in range(3):
        optimizer.attempt(lambda: seen.append(flat(own)) or next(losses))
        optimizer.count()
    P = [state["P"] for state in optimizer.state.values() if "P" in state]
    return torch.cat([*seen, flat(own)]), flat(P) if P else torch.ones(1)


MAKERS: dict[str, Callable[[Any], Any]] = {
    "mezo": lambda p: MeZO(p, lr=1e-4, n=2),
    "paper": lambda p: HiZOO(p, lr=1e-4, alpha=0.05, n=2),
    "released": lambda p: HiZOO(p, lr=1e-4, alpha=0.05, n=2, estimator="released"),
    "multiplicative": lambda p: HiZOO(p, lr=1e-4, alpha=0.05, n=2, estimator="multiplicative"),
}


def flat(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.cat([each.detach().float().flatten() for each in tensors]).clone()


def bandwidth(place: Place) -> Iterator[Line]:
    """A pass over θ from one probe to the next, against torch's randn and add, and one read and write of θ."""
    count = 2**14 if place.small else 2**28
    for dtype, scaled in ((d, s) for d in DTYPES for s in (False, True)):
        theta = torch.nn.Parameter(torch.randn(count, device=place.device).to(DTYPES[dtype]).view(-1, 1024))
        optimizer = HiZOO([theta], n=1) if scaled else MeZO([theta], n=1)
        optimizer.attempt(lambda: 0.0)
        space, P = optimizer._opened(1), optimizer.state[theta].get("P")
        side = iter(range(10**9))

        def torchs(theta=theta, P=P) -> None:
            u = torch.randn_like(theta)
            theta.add_(u if P is None else u / P.sqrt(), alpha=1e-3)

        seconds = take_turns(
            place.device,
            {
                "ours": lambda space=space, side=side: space._move_to((0, 1.0 if next(side) % 2 else -1.0)),
                "torch's": torchs,
                "one read and write": lambda theta=theta: theta.mul_(1.0),
            },
        )
        name = f"a pass over {count:,} of {dtype}{' and P' if scaled else ''}: ours against torch's randn and add"
        moved = count * (2 * theta.element_size() + 4 * scaled)
        yield {"name": name, "unit": "ratio", **goal(ratio(seconds["ours"], seconds["torch's"]), 1)} | {
            "ms": milliseconds(seconds),
            "against one read and write": round(ratio(seconds["ours"], seconds["one read and write"]), 3),
            "GB a second": round(moved / statistics.median(seconds["ours"]) / 1e9, 1),
        }


# Steps


def steps(place: Place) -> Iterator[Line]:
    """HiZOO's and MeZO's steps against their forward passes, and memory, at OPT's shapes with random weights."""
    for shape, dtype in product(("OPT-125m", "OPT-1.3b"), DTYPES):
        model, tokens = opt(place, shape, dtype)
        parameters = list(model.parameters())

        def forward(model=model, tokens=tokens) -> float:
            logits = model(input_ids=tokens, logits_to_keep=1).logits[:, -1].float()
            return float(torch.nn.functional.cross_entropy(logits, tokens[:, -1]))

        hizoo, mezo = HiZOO(parameters, lr=1e-7, alpha=1e-6), MeZO(parameters, lr=1e-7)
        seconds = take_turns(
            place.device,
            {
                "forward": forward,
                "hizoo": lambda hizoo=hizoo, forward=forward: hizoo.step(forward),
                "mezo": lambda mezo=mezo, forward=forward: mezo.step(forward),
            },
        )
        case = f"{shape}'s shape, {dtype}"
        for name, passes in (("hizoo", 3), ("mezo", 2)):
            value = ratio(seconds[name], seconds["forward"]) / passes
            line = {"name": f"{case}: a step of {name} against {passes} forward passes", "unit": "ratio"}
            yield line | goal(value, 1.1) | {"ms": milliseconds(seconds)}
        del hizoo, mezo
        for maker in (HiZOO, MeZO):
            yield {"name": f"{case}: memory of {maker.__name__} beyond weights and P", "unit": "MB"} | workspace(
                place, parameters, maker
            )
        del model, parameters, forward
        devices.release()


def opt(place: Place, shape: str, dtype: str) -> tuple[Any, torch.Tensor]:
    """A model with random weights, and a batch."""
    torch.manual_seed(0)
    with torch.device(place.device):
        model: Any = OPTForCausalLM(place.opt(shape))
        model.eval().to(DTYPES[dtype])
        return model, torch.randint(4, 300 if place.small else 50_000, (2, 8) if place.small else (16, 64))


def workspace(place: Place, parameters: list[Any], maker: Any) -> Line:
    """The most that an optimizer holds in two steps whose loss takes nothing, its tables included."""
    meter = devices.peak(place.device)
    assert meter is not None
    made: list[Any] = []

    def two_steps() -> None:
        made.append(maker(parameters, lr=1e-7))
        for _ in range(2):
            made[0].step(lambda: 0.0)

    held = meter[0](two_steps)
    P = sum(value.nbytes for state in made[0].state.values() for value in state.values())
    return goal((held - P) / 1e6, 64)


def graphs(place: Place) -> Iterator[Line]:
    """The forward pass from a CUDA graph against kernel by kernel: what launches cost of it."""
    for shape, dtype in product(("OPT-125m", "OPT-1.3b"), DTYPES):
        name = f"{shape}'s shape, {dtype}: a forward pass launched kernel by kernel against from a CUDA graph"
        model, tokens = opt(place, shape, dtype)
        mask = torch.ones_like(tokens)

        def run(model=model, tokens=tokens, mask=mask) -> torch.Tensor:
            return model(input_ids=tokens, attention_mask=mask, logits_to_keep=1, use_cache=False).logits

        with torch.no_grad():
            graph = devices.captured(place.device, run)
        if graph is None:
            yield {"name": name, "cannot": f"no graphs on {place.device}"}
            continue
        seconds = take_turns(place.device, {"kernel by kernel": run, "graph": graph})
        value = ratio(seconds["kernel by kernel"], seconds["graph"])
        yield {"name": name, "unit": "ratio", "value": round(value, 2), "ms": milliseconds(seconds)}
        del model, graph, run
        devices.release()


def batched(place: Place) -> Iterator[Line]:
    """All 2n + 1 probes of an adapter in one forward pass, against one after another (see `benchmarks.probes`)."""
    yield from probes.cases(place.device, counts=(1,) if place.small else (1, 4, 8))


# Jobs


def jobs(place: Place) -> Iterator[Line]:
    """The bundled model and one of SmolLM2's shape train, as the page's jobs do."""
    from viz_app.finetuning import spec as specs
    from viz_app.finetuning.session import Session
    from viz_app.finetuning.store import Log

    with tempfile.TemporaryDirectory() as folder:
        shaped = Path(folder) / "shaped"
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(place.llama()).save_pretrained(shaped)
        AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(shaped)
        few = 3 if place.small else 20
        for name, model, tune in (
            ("the bundled model", "bundled", "tune=full"),
            ("SmolLM2's shape", str(shaped), "tune=full"),
            ("SmolLM2's shape, top layers", str(shaped), "tune=top&top=2"),
        ):
            for dtype in DTYPES:
                text = f"model={model}&{tune}&steps={few}&batch=8&train=64&held_out=32&eval=1000&truth=0&dtype={dtype}"
                opts = "opt=hizoo:n=1,lr=1e-5&opt=mezo:n=1,lr=1e-5&opt=adam:lr=1e-4"
                spec = specs.parse(f"{text}&device={place.device}&{opts}")
                log = Log(Path(folder) / f"{name}{dtype}".replace("'", ""))
                session, began = Session(log.create_job(spec.query(), "shell"), spec, log), time.perf_counter()
                session.open()
                opened = time.perf_counter()
                while session.advance():
                    pass
                told = [m["message"] for m in log.messages(session.job) if m["type"] in ("note", "status")]
                rows = [log.steps(session.job, run.index) for run in session.runs]
                finite = all(math.isfinite(row.loss) for each in rows for row in each)
                losses = {run.label: [row[0].loss, row[-1].loss] for run, row in zip(session.runs, rows, strict=True)}
                session.close()
                yield {
                    "name": f"{name}, {dtype}: {few} steps each of hizoo, mezo and adam",
                    "met": finite and all(len(each) == few for each in rows),
                    "loss": losses, "told": told, "seconds": round(time.perf_counter() - opened, 2),
                    "opening": round(opened - began, 2),
                }  # fmt: skip


def replay(place: Place) -> Iterator[Line]:
    """The records of steps on the device, made again on the CPU: how far θ is apart, of how far it went."""
    count = 3 if place.small else 20
    for method in ("mezo", "hizoo"):
        records: list[Any] = []
        ends = []
        for device in (place.device, "cpu"):
            model = load("bundled", device, "float32")
            tuned = adapt(model, "full", seed=0)
            task = encode(make("reviews"), model.tokenizer, model.context)
            start = flat(list(tuned.parameters.values())).cpu()
            trainer = Trainer(tuned.parameters, method, METHODS[method].hyperparameters(n=2, lr=1e-4), count, 0)
            if ends:
                for record in records:
                    trainer.replay(record)
            else:
                for step in range(count):
                    batch = task.batch(step, 16, 0).to(device)
                    records.append(trainer.advance(lambda batch=batch, tuned=tuned: loss(tuned.module, batch)))
            ends.append(flat(list(tuned.parameters.values())).cpu())
        there, here = ends
        line: Line = {"name": f"{count} steps of {method} on the device, made again on the CPU", "unit": "of the way"}
        yield line | goal(float((there - here).norm() / (there - start).norm()), 1e-3)


ITEMS = (equal, steps, bandwidth, replay, jobs, batched, graphs)  # the last may leave the card unusable if it fails


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one JSON line an item."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="auto", help="auto, cpu, or a card's name, as in specs")
    parser.add_argument("--small", action="store_true", help="tiny models: to see that everything runs")
    parser.add_argument("--seconds", type=float, default=450.0, help="after which nothing more is begun")
    given, began = parser.parse_args(arguments), time.perf_counter()
    device = devices.pick_device(given.device)
    place = Place(device.name, given.small)

    def say(line: Line) -> None:
        line |= {"at": round(time.perf_counter() - began, 1), "card": device.title, "torch": torch.__version__}
        line |= {"small": True} if given.small else {}
        print(json.dumps(line), flush=True)

    for item in ITEMS:
        if time.perf_counter() - began > given.seconds:
            say({"name": item.__name__, "left out": f"{given.seconds:g} s are over"})
            continue
        try:
            for line in item(place):
                say(line)
        except Exception as error:
            say({"name": item.__name__, "error": "".join(traceback.format_exception(error)[-4:])})
        devices.release()


if __name__ == "__main__":
    main()
