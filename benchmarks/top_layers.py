"""A forward pass through the top layers against one through the whole model: `python -m benchmarks.top_layers`.

One JSON line. The model has SmolLM2-135M's shape and random weights, or is `--model SOURCE` (its texts then are of the
same made-up tokens); the passes of both are interleaved, and medians are compared. `fill` is the time of computing the
states of one text, in whole passes per text: what the cache costs once.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from functions.language_model.metrics import scores
from functions.language_model.tasks import Batch
from functions.language_model.top_layers import TopLayers


def smollm2_shape() -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig

    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, tie_word_embeddings=True, use_cache=False,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config).eval()


def measure(module: Any, top: int, batch: int, tokens: int, rounds: int) -> dict[str, Any]:
    ids = torch.randint(5, 1000, (batch, tokens), generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(batch, dtype=torch.long)
    texts = Batch(ids, torch.ones_like(ids), labels, torch.tensor([5, 6]), torch.arange(batch))
    cut = TopLayers(copy.deepcopy(module), top)

    def timed(work: Callable[[], Any]) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    with torch.no_grad():
        whole = lambda: scores(module, texts)  # noqa: E731
        above = lambda: scores(cut, texts)  # noqa: E731
        fill = timed(lambda: cut.fill(ids.tolist(), batch))
        whole()
        above()
        pairs = [(timed(whole), timed(above)) for _ in range(rounds)]
    one, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "top": top,
        "layers": cut.total,
        "batch": batch,
        "tokens": tokens,
        "whole_ms": round(1e3 * one, 1),
        "top_ms": round(1e3 * other, 1),
        "times_as_fast": round(one / other, 1),
        "fill": round(fill / one, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model's source instead of random weights")
    parser.add_argument("--top", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    if given.model:
        from functions.language_model.model import load

        module = load(given.model, "cpu").module
    else:
        module = smollm2_shape()
    print(json.dumps(measure(module, given.top, given.batch, given.tokens, given.rounds)))


if __name__ == "__main__":
    main()
