"""Real text: the bundled model on SST-2, every tuning mode and optimizer once, as a Markdown table.

    python -m benchmarks.sst2 FOLDER        FOLDER holds train.tsv and dev.tsv (columns label, text)

The settings are those tuned on the synthetic reviews (viz_app/finetuning/presets.json), so nothing here was chosen with
SST-2 in view; one seed, PASSES forward passes each (a backward pass counts as two), loss and accuracy on all of dev.
"""

from __future__ import annotations

import argparse
import time
from multiprocessing import get_context

from benchmarks.tune_finetune import TUNES, trial
from viz_app.finetuning import presets as finetune_presets

PASSES = 2400
NAMES = {"mezo": "MeZO", "hizoo": "HiZOO", "adam": "Adam"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder with SST-2's train.tsv and dev.tsv")
    parser.add_argument("--passes", type=int, default=PASSES, help="forward passes of each run (default %(default)s)")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    cases = [(tune, method) for tune in TUNES for method in NAMES]
    jobs = []
    for tune, method in cases:
        setting = dict(finetune_presets.for_run("bundled", "reviews", tune).opts[method])
        jobs.append(("sst2", arguments.folder, tune, method, setting, arguments.passes, 0, False))
    began = time.perf_counter()
    print("| tuned | method | loss on dev | accuracy | seconds |\n| --- | --- | --- | --- | --: |")
    with get_context("spawn").Pool(arguments.processes) as pool:
        for (tune, method), got in zip(cases, pool.imap(trial, jobs), strict=True):
            loss = f"{got['zero_loss']:.3f} → {got['loss']:.3f}"
            accuracy = f"{got['zero_accuracy']:.1%} → {got['accuracy']:.1%}"
            print(f"| {tune} | {NAMES[method]} | {loss} | {accuracy} | {got['seconds']:.0f} |", flush=True)
    print(f"\n{arguments.passes:,} forward passes a run; {time.perf_counter() - began:.0f} seconds in all.")


if __name__ == "__main__":
    main()
