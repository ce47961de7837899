"""Pre-train the bundled model, once, on text that is not committed: `python -m functions.language_model.pretrain DIR`.

DIR holds movie_reviews.tsv.gz, pros_cons.tsv.gz and sentence_polarity_rest.tsv.gz (columns label and text; sources and
licences in the model card). The model sees ordinary next-token prediction; half of the passages of film reviews, and
all of the short texts, end in " it was great ." or " it was terrible ." after their reviewer's verdict, so that the
prompt of the fine-tuning tasks is no news to it.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import html
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn.functional import cross_entropy
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

VOCABULARY = 4096
CONTEXT = 128
WIDTH, LAYERS, HEADS = 128, 4, 4
SPECIAL = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
ENDINGS = (" it was terrible .", " it was great .")
TOKENS_A_BATCH = 3072
PEAK_LR, WARMUP = 2e-3, 300
HELD_OUT = 0.02
FILES = ("movie_reviews", "pros_cons", "sentence_polarity_rest")

Texts = list[tuple[str, int]]


def read(folder: Path, name: str) -> Texts:
    with gzip.open(folder / f"{name}.tsv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(html.unescape(html.unescape(row["text"])).strip(), int(row["label"])) for row in rows]


def split(texts: Texts, generator: random.Random) -> tuple[Texts, Texts]:
    """Training texts and held-out texts: whole reviews, so that no passage of one is in both."""
    shuffled = generator.sample(texts, len(texts))
    held_out = math.ceil(HELD_OUT * len(shuffled))
    return shuffled[held_out:], shuffled[:held_out]


def passages(review: str, generator: random.Random) -> Iterator[str]:
    """Consecutive pieces of a review, of one to about four sentences."""
    piece: list[str] = []
    wanted = generator.randint(8, 60)
    for sentence in review.replace(" . ", " .\n").split("\n"):
        piece += sentence.split()
        if len(piece) >= wanted:
            yield " ".join(piece[:90])
            piece, wanted = [], generator.randint(8, 60)
    if len(piece) >= 4:
        yield " ".join(piece[:90])


def epoch(texts: dict[str, Texts], generator: random.Random) -> list[str]:
    examples = []
    for name, rows in texts.items():
        for text, label in rows:
            pieces = passages(text, generator) if name == "movie_reviews" else [text]
            for piece in pieces:
                ends = name != "movie_reviews" or generator.random() < 0.5
                examples.append(piece + ENDINGS[label] if ends else piece)
    generator.shuffle(examples)
    return examples


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE as OPT's, but of lower-cased text; like OPT's it begins every text with </s>."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=CONTEXT, padding_side="left", truncation_side="left", **SPECIAL
    )


def batches(rows: list[list[int]], generator: random.Random) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of about TOKENS_A_BATCH tokens of texts of similar length: (ids, mask), padded on the right."""
    ordered = sorted(rows, key=lambda row: (len(row), generator.random()))
    groups, group = [], []
    for row in ordered:
        if group and (len(group) + 1) * len(row) > TOKENS_A_BATCH:
            groups.append(group)
            group = []
        group.append(row)
    groups.append(group)
    generator.shuffle(groups)
    for group in groups:
        width = max(map(len, group))
        ids = torch.tensor([row + [1] * (width - len(row)) for row in group])
        yield ids, (ids != 1).long()


def loss_of(model: OPTForCausalLM, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean next-token cross-entropy over the tokens that are not padding."""
    hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, :-1]
    wanted = mask[:, 1:].bool()
    return cross_entropy(model.lm_head(hidden[wanted]), ids[:, 1:][wanted])


@torch.no_grad()
def held_out_loss(model: OPTForCausalLM, rows: list[list[int]]) -> float:
    model.eval()
    total = count = 0.0
    for ids, mask in batches(rows, random.Random(0)):
        tokens = int(mask[:, 1:].sum())
        total += float(loss_of(model, ids, mask)) * tokens
        count += tokens
    model.train()
    return total / count


def save(model: OPTForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write the usual files of a Hugging Face model, with the weights in float16."""
    halved = OPTForCausalLM(model.config).half()
    halved.load_state_dict(model.state_dict())
    halved.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    """Train the tokenizer and the model; print a JSON line now and then, and write --out at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the three .tsv.gz files are")
    parser.add_argument("--steps", type=int, default=8000, help="optimizer steps (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "bundled")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    generator = random.Random(0)

    train, held_out = {}, {}
    for name in FILES:
        train[name], held_out[name] = split(read(arguments.folder, name), generator)
    tokenizer = train_tokenizer(epoch(train, random.Random(1)))
    config: dict[str, Any] = dict(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        dropout=0.0,
        attention_dropout=0.0,
        layerdrop=0.0,
        do_layer_norm_before=True,
        init_std=0.05,
    )
    model = OPTForCausalLM(OPTConfig(**config, pad_token_id=1, bos_token_id=2, eos_token_id=2))
    encode = lambda texts: tokenizer(texts, truncation=True, max_length=CONTEXT)["input_ids"]  # noqa: E731
    test = encode(epoch(held_out, random.Random(2)))

    decay = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_LR, betas=(0.9, 0.98))
    final = 0.05

    def rate(step: int) -> float:
        ramp = min(1.0, (step + 1) / WARMUP)
        return ramp * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * step / arguments.steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    step, tokens, began = 0, 0, time.perf_counter()
    while step < arguments.steps:
        for ids, mask in batches(encode(epoch(train, generator)), generator):
            loss = loss_of(model, ids, mask)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step, tokens = step + 1, tokens + int(mask.sum())
            if step % 250 == 0 or step == arguments.steps:
                report = {"step": step, "tokens": tokens, "seconds": round(time.perf_counter() - began)}
                report |= {"train_loss": round(loss.item(), 4), "held_out_loss": round(held_out_loss(model, test), 4)}
                print(json.dumps(report), flush=True)
            if step % 1000 == 0:
                save(model, tokenizer, arguments.out)
            if step == arguments.steps:
                break
    save(model, tokenizer, arguments.out)


if __name__ == "__main__":
    main()
