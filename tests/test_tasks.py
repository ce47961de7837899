"""Tasks: what is read, refused and drawn, and how prompts become tokens."""

import subprocess
import sys
from collections import Counter

import pytest
import torch

from functions.language_model import LanguageModelError, metrics, tables, tasks
from functions.language_model.tasks import encode, make

ROWS = [("good fun", "pos"), ("a bore", "neg"), ("so-so , but fine", "pos"), ('he said "no"', "neg"), ("läuft", "pos")]


def refused(field, *parts, **settings):
    with pytest.raises(LanguageModelError) as caught:
        make(**settings)
    assert caught.value.field == field
    for part in parts:
        assert part in caught.value.message
    assert len(caught.value.message) < 600
    return caught.value.message


def csv(rows, header="text,label", mark=","):
    quoted = ['"' + text.replace('"', '""') + '"' + mark + label for text, label in rows]
    return "\n".join([header.replace(",", mark), *quoted]).encode()


def table(count=100, classes=("neg", "pos")):
    return csv([(f"text number {i}", classes[i % len(classes)]) for i in range(count)])


def texts(examples):
    return [example.text for example in examples]


@pytest.fixture(scope="module")
def reviews():
    return make("reviews", seed=0)


# The tasks


def test_the_reviews_are_synthetic_and_say_so(reviews):
    assert reviews.synthetic
    assert "synthetic" in reviews.title.lower()
    assert "synthetic" in reviews.credit.lower()
    assert (len(reviews.train), len(reviews.held_out)) == tasks.REVIEWS
    assert not set(texts(reviews.train)) & set(texts(reviews.held_out))
    for examples in (reviews.train, reviews.held_out):
        assert Counter(example.label for example in examples)[0] == len(examples) // 2
    assert reviews == make("reviews", seed=0) != make("reviews", seed=1)
    refused("data", "task=table", data="my.csv")


def test_reading_and_checking_loads_no_torch():
    code = (
        "import sys; from functions.language_model import tasks, metrics; tasks.make(); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_an_unknown_task_is_named():
    refused("task", "'imdb'", "reviews, sst2, table", task="imdb")


def sst2_folder(folder, train, dev):
    for name, rows in (("train", train), ("dev", dev)):
        lines = ["label\ttext", *(f"{label}\t{text}" for text, label in rows)]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_sst2_is_read_from_a_folder_with_its_stray_quotes(tmp_path):
    train = [('" good fun', 1), ("a bore .", 0), ('it \'s a " hoot " .', 1)]
    dev = [("fine .", 1), ("no .", 0)]
    task = make("sst2", data=sst2_folder(tmp_path, train, dev))
    assert [(example.text, example.label) for example in task.train] == train
    assert sorted((example.text, example.label) for example in task.held_out) == sorted(dev)
    assert task.classes == ("negative", "positive")
    assert not task.synthetic
    assert "Socher" in task.credit


def test_sst2_from_one_file_is_split(tmp_path):
    rows = [(f"sentence {i}", i % 2) for i in range(50)]
    task = make("sst2", data=str(sst2_folder(tmp_path, rows, rows) / "train.tsv"))
    assert (len(task.train), len(task.held_out)) == (40, 10)
    assert task.key == "sst2"


def test_sst2_refuses_another_label_and_a_missing_file(tmp_path):
    folder = sst2_folder(tmp_path, [("fine", 1), ("bad", 0), ("so-so", 2)], [])
    (folder / "dev.tsv").write_text("label\ttext\n1\tfine\n")
    refused("data", "row 4", "'2'", task="sst2", data=folder)
    (folder / "dev.tsv").unlink()
    refused("data", "dev.tsv", "No such file", task="sst2", data=folder)


def test_sst2_without_network_says_what_to_do(monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_, **__: None)
    refused("data", "hub", "train.tsv and dev.tsv", task="sst2")


def test_sst2_from_the_hubs_files(monkeypatch, tmp_path):
    import huggingface_hub
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path, count in zip(tasks.SST2_FILES, (6, 4), strict=True):
        columns = {"sentence": [f"{path[5:8]} {i} " for i in range(count)], "label": [i % 2 for i in range(count)]}
        (tmp_path / path).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), tmp_path / path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda repo, path, repo_type: str(tmp_path / path))
    task = make("sst2")
    assert texts(task.train) == [f"tra {i}" for i in range(6)]
    assert sorted(texts(task.held_out)) == [f"val {i}" for i in range(4)]


# A table of one's own


@pytest.mark.parametrize("mark", [",", "\t", ";"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_a_table_is_read_whatever_separates_it(mark, start, line):
    body = start + csv(ROWS, mark=mark).replace(b"\n", line.encode())
    assert [(row.text, row.label) for row in tables.read(body, "text", "label")] == ROWS


def test_columns_may_have_other_names_and_neighbours():
    body = b'id;"stars";"review, please"\n1;5;fine\n2;1;bad, bad\n3;1.0;worse\n4;5;better\n'
    task = make("table", data=body, text_column="review, please", label_column="stars")
    assert task.classes == ("1", "5")
    assert task.words == (" 1", " 5")
    assert sorted(texts(task.train + task.held_out)) == ["bad, bad", "better", "fine", "worse"]
    message = refused("text_column", "'text'", "'id'", "'stars'", task="table", data=body, label_column="stars")
    assert "'review, please'" in message
    refused("label_column", "'label'", task="table", data=body, text_column="id")


@pytest.mark.parametrize(
    ("labels", "classes", "words"),
    [
        (("1", "0"), ("0", "1"), tasks.VERDICTS),
        (("Positive", "Negative"), ("Negative", "Positive"), tasks.VERDICTS),
        (("10", "9", "2.5"), ("2.5", "9", "10"), (" 2.5", " 9", " 10")),
        (("sport", "art", "law"), ("art", "law", "sport"), (" art", " law", " sport")),
    ],
)
def test_classes_are_sorted_and_have_words(labels, classes, words):
    task = make("table", data=table(30, labels))
    assert task.classes == classes
    assert task.words == words
    for example in task.train:
        assert classes[example.label] == labels[int(example.text.split()[-1]) % len(labels)]


def test_a_fifth_is_held_out_with_every_class_in_it():
    body = csv([(f"text {i}", "rare" if i < 3 else "common") for i in range(200)])
    task = make("table", data=body, seed=4)
    held = Counter(task.classes[example.label] for example in task.held_out)
    assert held == {"rare": 1, "common": 39}
    assert not set(texts(task.train)) & set(texts(task.held_out))
    assert len(task.train) + len(task.held_out) == 200
    assert task == make("table", data=body, seed=4)
    assert task.held_out != make("table", data=body, seed=5).held_out
    assert len(make("table", data=table(5000)).held_out) <= 512


def test_a_text_that_comes_twice_is_not_in_both_parts():
    body = csv([(f"text {i // 2}", "neg" if i // 2 % 2 else "pos") for i in range(60)])
    task = make("table", data=body)
    assert not set(texts(task.train)) & set(texts(task.held_out))


@pytest.mark.parametrize(
    ("field", "body", "parts"),
    [
        ("data", b"\xff\xfet\x00e\x00", ("UTF-8", "byte 1")),
        ("data", "text,label\nsch\xf6n,1\n".encode("latin-1"), ("UTF-8", "byte 15")),
        ("data", b"", ("not a table",)),
        ("data", b"once upon a time\nthere was a text\n", ("not a table", "'once upon a time'")),
        ("data", b"PK\x03\x04,\x00\x01\n\x00,1", ("not a table",)),
        ("data", b"text,label\n", ("no rows",)),
        ("data", b"text,label\nfine,1\nbad, bad,0\n", ("row 3", "3 fields", "double quotes")),
        ("data", b'text,label\n"fine,1\nbad,0\n', ("not a table", "line")),
        ("data", b"text,label\nfine,1\n\n ,0\n", ("row 4", "empty text")),
        ("data", b"text,label\nfine,1\nbad,\n", ("row 3", "empty label")),
        ("data", b"text,label\nfine,1\ngood,1\nbad,0\n", ("class '0'", "two different")),
        ("label_column", b"text,text,label\nfine,x,1\n", ()),
        ("label_column", b"text,label\nfine,1\ngood,1\n", ("1 different", "'1'", "2 to 10")),
        ("label_column", csv([(f"text {i}", f"id {i}") for i in range(11)]), ("11 different", "2 to 10")),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_place(field, body, parts):
    field = "text_column" if b"text,text" in body else field
    refused(field, *parts, task="table", data=body)


def test_too_many_rows_a_missing_file_and_no_data(tmp_path, monkeypatch):
    monkeypatch.setattr(tasks, "ROWS", 99)
    refused("data", "more than 99 rows", task="table", data=table(100))
    assert make("table", data=table(99)).classes == ("neg", "pos")
    refused("data", "missing.csv", "No such file", task="table", data=tmp_path / "missing.csv")
    refused("data", "directory", task="table", data=str(tmp_path))
    refused("data", "task=table needs data", task="table")


def test_a_path_and_its_bytes_are_the_same_table(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(table(40))
    by_path, by_bytes = make("table", data=str(path)), make("table", data=table(40))
    assert by_path.train == by_bytes.train
    assert "mine.csv" in by_path.credit


# Template, words, shots


def test_the_template_takes_the_text_once():
    task = make("reviews", template="  review : {text} verdict :  ")
    assert task.template == "review : {text} verdict :"
    assert task.prompt("fine {text}") == "review : fine {text} verdict :"
    refused("template", "0 times", template="it was")
    refused("template", "2 times", template="{text} {text}")


def test_label_words_are_one_per_class():
    assert make("reviews", words=("bad ", "good")).words == (" bad", " good")
    refused("words", "3 label words", "2 classes", words=("a", "b", "c"))
    refused("words", "'bad'", "two classes", words=("bad", " bad"))
    refused("words", "'positive'", "empty", words=("bad", " "))


def test_few_shots_are_so_many_of_each_class():
    task = make("table", data=table(100, ("a", "b", "c")), shots=4, seed=1)
    assert Counter(example.label for example in task.train) == {0: 4, 1: 4, 2: 4}
    whole = make("table", data=table(100, ("a", "b", "c")), seed=1)
    assert set(task.train) < set(whole.train)
    assert task.held_out == whole.held_out
    assert make("reviews", shots=8, seed=1).train != make("reviews", shots=8, seed=2).train
    refused("shots", "shots is 30", "0 (all) to 2", task="table", data=table(100, ("a", "b", "c")), shots=30)
    refused("shots", "shots is -1", shots=-1)


def test_a_limit_of_training_texts_draws_each_class_in_proportion():
    body = table(1000, ("common",) * 90 + ("seldom",) * 9 + ("rare",))
    whole = make("table", data=body, seed=1)
    counts = Counter(example.label for example in whole.train)
    assert counts == {0: 720, 1: 8, 2: 72}, "alphabetical: common, rare, seldom"
    limited = make("table", data=body, seed=1, train=111)
    assert Counter(example.label for example in limited.train) == {0: 100, 1: 1, 2: 10}, "of 99.9, 1.11, 9.99"
    assert len(set(limited.train)) == 111
    assert set(limited.train) < set(whole.train)
    assert limited.held_out == whole.held_out
    assert make("table", data=body, seed=1, train=111) == limited
    fewest = make("table", data=body, seed=1, train=3)
    assert Counter(example.label for example in fewest.train) == {0: 1, 1: 1, 2: 1}, "a class with no text cannot be"
    assert make("table", data=body, seed=1, train=800).train != whole.train, "all of them, in an order of its own"
    assert make("reviews", train=64, seed=1).train != make("reviews", train=64, seed=2).train


def test_a_limit_is_within_the_texts_that_there_are():
    body = table(100, ("a", "b", "c"))
    there = len(make("table", data=body).train)
    refused("train", f"train is {there + 1}", f"0 (all) or 3 to {there}", task="table", data=body, train=there + 1)
    refused("train", "train is 2,", "or 3 to", task="table", data=body, train=2)
    refused("train", "train is -1", train=-1)
    assert len(make("table", data=body, shots=5, train=15).train) == 15, "of the texts that shots leaves"
    refused("train", "train is 16", "3 to 15", task="table", data=body, shots=5, train=16)


# Tokens


@pytest.fixture(scope="module")
def bundled():
    from transformers import AutoTokenizer

    from functions.language_model.model import BUNDLED

    return AutoTokenizer.from_pretrained(BUNDLED)


def byte_level(start=None):
    """A byte-level BPE as GPT-2's, cased, without padding token; with `start` as OPT's, which begins every text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["a film that was great it was good . a plot so bad it was terrible ."] * 20, trainer)
    if start:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A", special_tokens=[(start, 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")


@pytest.fixture(scope="module", params=["bundled", "gpt2", "opt"])
def tokenizer(request):
    if request.param == "bundled":
        return request.getfixturevalue("bundled")
    return byte_level("</s>" if request.param == "opt" else None)


@pytest.fixture(scope="module")
def small():
    return make("table", data=table(64))


def test_prompts_end_where_the_label_word_follows(tokenizer, small):
    encoded = encode(small, tokenizer, context=64)
    batch = encoded.batch(step=0, size=6, seed=0)
    for ids, mask, label, row in zip(batch.ids, batch.mask, batch.labels, batch.rows, strict=True):
        example = small.train[int(row)]
        assert label == example.label
        kept = ids[mask.bool()]
        assert kept.tolist() == tokenizer(small.prompt(example.text))["input_ids"]
        assert mask.tolist() == sorted(mask.tolist())  # padded on the left
        whole = torch.cat([kept, batch.word_ids[label : label + 1]])
        assert whole.tolist() == tokenizer(small.prompt(example.text) + small.words[label])["input_ids"]
    assert (batch.ids.dtype, batch.labels.dtype) == (torch.int64, torch.int64)


@pytest.mark.parametrize("template", ["{text} it was", "a film : {text} it was"])
def test_a_long_text_loses_its_beginning_only(tokenizer, template):
    long = " ".join(f"{i} so bad ," for i in range(300)) + " but great ."
    body = csv([(f"{i} {long}", "neg" if i % 2 else "pos") for i in range(10)])
    task = make("table", data=body, template=template)
    encoded = encode(task, tokenizer, context=32)
    full = tokenizer(task.prompt(task.train[0].text), verbose=False)["input_ids"]
    row = encoded.train_tokens[0]
    assert len(row) == 32
    head = tokenizer(template.partition("{text}")[0].rstrip())["input_ids"]  # </s> too, where the tokenizer begins so
    assert row[: len(head)] == head
    assert row[len(head) :] == full[len(full) - 32 + len(head) :]
    assert tokenizer.decode(row).endswith("it was")
    with pytest.raises(LanguageModelError, match="template alone") as caught:
        encode(task, tokenizer, context=2)
    assert caught.value.field == "template"


def test_batches_are_permutations_that_depend_on_step_and_seed_alone(bundled, small):
    encoded, again = encode(small, bundled, 64), encode(small, bundled, 64)
    count, size = len(small.train), 8
    later = again.batch(9, size, 3)  # asked first: nothing hangs on the steps before
    batches = [encoded.batch(step, size, 3) for step in range(2 * count)]
    assert torch.equal(batches[9].ids, later.ids)
    rows = torch.cat([batch.rows for batch in batches])
    epochs = rows[: len(rows) // count * count].reshape(-1, count)
    assert all(sorted(epoch.tolist()) == list(range(count)) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(encoded.batch(0, size, 4).rows, batches[0].rows)
    assert {int(batch.labels.sum()) for batch in batches} <= {3, 4, 5}  # each class has its share of every batch
    whole = encoded.batch(5, 1000, 0)
    assert whole.rows.tolist() == list(range(count))


def test_held_out_batches_cover_the_first_examples_once(bundled, reviews):
    encoded = encode(reviews, bundled, 64)
    batches = encoded.held_out(size=20, limit=50)
    assert [len(batch.labels) for batch in batches] == [20, 20, 10]
    assert sorted(torch.cat([batch.rows for batch in batches]).tolist()) == list(range(50))
    for batch in batches:
        assert batch.labels.tolist() == [reviews.held_out[row].label for row in batch.rows.tolist()]
    assert sum(len(batch.labels) for batch in encoded.held_out()) == len(reviews.held_out)


def test_a_label_word_of_several_tokens_is_refused_with_suggestions(bundled, small):
    def fault(words):
        task = make("table", data=table(20), words=words)
        with pytest.raises(LanguageModelError) as caught:
            encode(task, bundled, 64)
        assert caught.value.field == "words"
        return caught.value.message

    message = fault(("terriblest", "great"))
    assert "'terriblest' of class 'neg' is 2 tokens" in message
    assert "' terrible'" in message
    assert "terrible" in message.partition("try ")[2]
    suggestions = message.partition("try ")[2].split(", ")
    encode(make("table", data=table(20), words=(suggestions[0], "great")), bundled, 64)
    assert "great" not in suggestions
    assert fault(("qqxq", "zzxz")).count("try ") == 2
    assert "same token" in fault(("great", "Great"))


def test_the_bundled_model_reads_the_task_better_than_by_chance(bundled, reviews):
    from functions.language_model.model import load

    model = load("bundled", device="cpu")
    encoded = encode(reviews, model.tokenizer, model.context)
    batches = encoded.held_out(limit=128)
    evaluation = metrics.evaluate(model.module, batches)
    assert 0.5 < evaluation.accuracy < 0.85
    mean = sum(metrics.loss(model.module, batch).item() * len(batch.rows) for batch in batches) / 128
    assert evaluation.loss == pytest.approx(mean, rel=1e-5)
    # padding changes nothing: alone, the first text gets the same probabilities
    alone = metrics.evaluate(model.module, encoded.held_out(size=1, limit=1))
    assert alone.probabilities[0] == pytest.approx(evaluation.probabilities[0], abs=1e-5)
