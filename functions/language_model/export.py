"""Trained parameters as files that other programs load.

An adapter (LoRA, prefix) takes two files in peft's format, adapter_model.safetensors and adapter_config.json, which
`peft.PeftModel.from_pretrained(base, folder)` loads. The model's own parameters go into one safetensors file, under
their names in the model: `model.load_state_dict(load_file(path), strict=False)`.
"""

from __future__ import annotations

import copy
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from functions.language_model.adapters import Tuned


@dataclass(frozen=True)
class Weights:
    """The trainable parameters by name, on the CPU; peft's configuration of the adapter, or None if they are the
    model's own.
    """

    tensors: dict[str, torch.Tensor]
    adapter: Any = None

    @property
    def count(self) -> int:
        return sum(tensor.numel() for tensor in self.tensors.values())


def weights(tuned: Tuned) -> Weights:
    """Copies of a model's trainable parameters as they are now."""
    tensors = {name: p.detach().to("cpu", copy=True).contiguous() for name, p in tuned.parameters.items()}
    return Weights(tensors, tuned.adapter)


def save(weights: Weights, path: Path, facts: Mapping[str, str], model: str) -> None:
    """Write the weights: of an adapter a folder `path`, made if it is missing, or a zip file of the same where the name
    ends in ".zip"; otherwise one safetensors file. `facts` become its metadata; `model` is the source of the base model
    (a hub id or a folder), which peft notes. Raises OSError.
    """
    metadata = {**facts, "format": "pt"}
    if weights.adapter is None:
        save_file(weights.tensors, path, metadata)
    elif path.suffix == ".zip":
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, zipfile.ZipFile(path, "w") as archive:
            _save_adapter(weights, Path(folder), metadata, model)
            for file in sorted(Path(folder).iterdir()):
                archive.write(file, file.name)
    else:
        path.mkdir(exist_ok=True)
        _save_adapter(weights, path, metadata, model)


def _save_adapter(weights: Weights, folder: Path, metadata: Mapping[str, str], model: str) -> None:
    config = copy.copy(weights.adapter)
    config.inference_mode, config.base_model_name_or_path = True, model
    config.save_pretrained(str(folder))
    save_file(_peft_tensors(weights), folder / "adapter_model.safetensors", dict(metadata))


def _peft_tensors(weights: Weights) -> dict[str, torch.Tensor]:
    """The tensors by peft's names, which are without that of the adapter."""
    if weights.adapter.peft_type == "LORA":
        return {f"base_model.model.{name}.weight": tensor for name, tensor in weights.tensors.items()}
    return {"prompt_embeddings": torch.cat([*weights.tensors.values()], dim=1)}  # a layer's keys, then its values
