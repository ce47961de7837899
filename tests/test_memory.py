"""Memory, measured: what is counted is right to the byte, and what is measured is in order."""

import pytest
import torch

from functions.language_model.adapters import adapt
from functions.language_model.errors import LanguageModelError
from functions.language_model.memory import Trainer, measure
from functions.language_model.model import load


class ForwardOnly:
    """As a zeroth-order method without state: two passes and a temporary of 1,000 numbers."""

    def __init__(self, parameters):
        self.parameters = parameters

    def advance(self, loss):
        with torch.no_grad():
            first, second = loss(), loss()
            noise = torch.ones(1000)
            for parameter in self.parameters.values():
                parameter.add_((second - first) * noise[0] + 1e-3)

    def state_bytes(self):
        return 0


class Adam:
    def __init__(self, parameters):
        self.optimizer = torch.optim.Adam(parameters.values(), lr=1e-3, foreach=False)

    def advance(self, loss):
        self.optimizer.zero_grad()
        with torch.enable_grad():
            loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state_bytes(self):
        states = self.optimizer.state.values()
        return sum(state[key].nbytes for state in states for key in ("exp_avg", "exp_avg_sq"))


def loss(module, batch):
    logits = module(input_ids=batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=1).logits
    return -logits[:, -1].log_softmax(-1)[:, 300].mean()


@pytest.fixture(scope="module", params=["full", "lora"])
def case(request):
    model = load("bundled", "cpu")
    tuned = adapt(model, request.param, seed=0)
    return tuned, model.tokenizer(["a fine film it was"] * 8, return_tensors="pt")


def test_rows_say_what_training_takes(case):
    tuned, batch = case
    before = {name: parameter.detach().clone() for name, parameter in tuned.parameters.items()}
    makers: dict[str, type[Trainer]] = {"forward-only": ForwardOnly, "Adam": Adam}
    result = measure(
        tuned, batch, loss, {name: lambda make=make: make(tuned.parameters) for name, make in makers.items()}
    )
    plain, adam = result.rows
    trainable = 4 * sum(parameter.numel() for parameter in tuned.parameters.values())
    assert (plain.name, adam.name) == ("forward-only", "Adam")
    assert plain.weights == adam.weights == 4 * sum(parameter.numel() for parameter in tuned.module.parameters())
    assert (plain.gradients, plain.state) == (0, 0)
    assert (adam.gradients, adam.state) == (trainable, 2 * trainable)
    assert 4000 <= plain.workspace < 6000
    assert 0 < plain.activations < adam.activations
    assert plain.peak == pytest.approx(plain.weights + max(plain.activations, plain.workspace), abs=5000)
    assert adam.weights + adam.state + max(adam.gradients, adam.activations) <= adam.peak
    for row in result.rows:
        assert row.weights + row.state < row.peak
        assert row.peak <= row.weights + row.activations + row.gradients + row.state + row.workspace
    assert plain.peak < adam.peak
    assert "profiler" in result.how
    for name, parameter in tuned.parameters.items():
        assert torch.equal(parameter, before[name]), name
        assert parameter.grad is None


def test_weights_are_put_back_when_a_step_fails(case):
    tuned, batch = case
    name, parameter = next(iter(tuned.parameters.items()))
    before = parameter.detach().clone()

    class Failing(ForwardOnly):
        def advance(self, loss):
            super().advance(loss)
            raise ArithmeticError(name)

    with pytest.raises(ArithmeticError):
        measure(tuned, batch, loss, {"failing": lambda: Failing(tuned.parameters)})
    assert torch.equal(parameter, before)


def test_a_device_that_keeps_no_record_is_refused(case):
    tuned, batch = case
    elsewhere = type(tuned)(tuned.module, {"w": torch.nn.Parameter(torch.zeros(1, device="meta"))}, (), 0)
    with pytest.raises(LanguageModelError, match="cannot be measured on meta") as caught:
        measure(elsewhere, batch, loss, {})
    assert caught.value.field == "device"


def test_the_states_of_lower_layers_are_part_of_it():
    model = load("bundled", "cpu")
    tuned = adapt(model, "top", seed=0, top=1)
    batch = model.tokenizer(["a fine film it was"] * 8, return_tensors="pt")
    with torch.no_grad():
        loss(tuned.module, batch)
    (row,) = measure(tuned, batch, loss, {"forward-only": lambda: ForwardOnly(tuned.parameters)}).rows
    (alike,) = {tuple(ids) for ids in batch.input_ids.tolist()}
    assert row.states == 2 * len(alike) * model.module.config.hidden_size, "of one text, in float16"
    assert row.states + row.weights < row.peak <= row.states + row.weights + row.activations + row.workspace
