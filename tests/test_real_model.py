"""SmolLM2 itself: `make test-real` gets it if it is not in the data directory yet. `make test` runs none of this."""

import os
from pathlib import Path

import pytest
import torch

from functions.language_model import metrics, tasks
from functions.language_model.model import LanguageModel, load
from viz_app import cli
from viz_app.finetuning import local_models
from viz_app.finetuning.desk import data_directory

pytestmark = pytest.mark.real
TEMPLATE, WORDS = "Review: {text}\nSentiment:", (" negative", " positive")
SST2 = os.environ.get("SST2", "")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load(str(local_models.get("smollm2", data_directory()).folder), "cpu")


def test_it_is_what_it_says(model: LanguageModel):
    assert model.title == "SmolLM2-135M-Instruct, weights quantized to 4 bits (Q4_1), 135 M parameters"
    assert model.parameter_count == 134_515_008
    assert model.context == 8192
    assert model.module.lm_head.weight is model.module.model.embed_tokens.weight


def test_its_tokens_are_those_that_it_was_trained_with(model: LanguageModel):
    """As SmolLM2's own tokenizer.json has them: no token before the text, digits apart, no doubled spaces lost."""
    ids = model.tokenizer("Review: x\nSentiment: positive")["input_ids"]
    assert ids == [21465, 42, 1792, 198, 35658, 2572, 42, 2731]
    tokens = model.tokenizer.convert_ids_to_tokens(model.tokenizer("  12345 don't  stop")["input_ids"])
    assert tokens == ["ĠĠ", "1", "2", "3", "4", "5", "Ġdon", "'t", "Ġ", "Ġstop"]


def test_it_writes_sense(model: LanguageModel):
    ids = model.tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.no_grad():
        for _ in range(2):
            mask = torch.ones_like(ids)
            logits = model.module(input_ids=ids, attention_mask=mask, logits_to_keep=1).logits
            ids = torch.cat([ids, logits[:, -1].argmax(1, keepdim=True)], dim=1)
    assert model.tokenizer.decode(ids[0]) == "The capital of France is Paris."


@pytest.mark.skipif(not SST2, reason="make test-real SST2=FOLDER measures the accuracy on SST-2")
def test_zero_shot_on_sst2(model: LanguageModel):
    """All 872 sentences of dev. Measured: 681 right, loss 0.48547 (two processors may round a few differently)."""
    task = tasks.make("sst2", SST2, TEMPLATE, WORDS)
    assert len(task.held_out) == 872
    found = metrics.evaluate(model.module, tasks.encode(task, model.tokenizer, model.context).held_out())
    assert found.accuracy == pytest.approx(681 / 872, abs=3 / 872)
    assert found.loss == pytest.approx(0.48547, abs=1e-3)


def test_the_shell_trains_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """In the data directory where the model is; the run is deleted again."""
    spec = "model=smollm2&tune=layernorm&batch=16&steps=2&eval=4&opt=mezo:n=1,lr=1e-4"
    assert cli.main(["finetune", spec, "--out", str(tmp_path / "run.csv")]) == 0
    told = capfd.readouterr().err
    id = told.partition("kept as run ")[2].partition(":")[0]
    assert "forecast: about" in told
    assert "4 forward passes" in told
    assert len((tmp_path / "run.csv").read_text().splitlines()) == 1 + 3
    assert cli.main(["runs", "--delete", id]) == 0
