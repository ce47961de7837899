"""How much of a fine-tuning job is measured and kept (examples, probes, points, bytes), and on what. Loads no torch."""

from viz_app.finetuning.presets import BUNDLED

HELD_OUT_BATCH = 64  # examples of one forward pass of an evaluation
LOWER_BATCH = 32  # texts that the layers below a cut read at a time
SENTENCES = 24  # held-out texts whose predictions the page follows
REFERENCE = 32  # training examples of Hutchinson's estimate of the Hessian's diagonal
PROBES = 8  # of that estimate
SURFACE = 32  # held-out examples of the loss at each point of the surface
GRID = 17  # points a side of the surface: one more than a power of two, so that each pass halves the distance

KEPT = 200_000_000  # trainable parameters up to which θ_0 is kept in memory; beyond, the model is loaded again
CHECKPOINT_SHARE = 20  # a checkpoint may take up to one part in so many of the time
SNAPSHOTS = 500_000_000  # bytes of parameters and optimizer states kept, so that rebuilding a step starts nearby


def single_threaded(model: str) -> bool:
    """Whether a model is so small that threads spend more on waiting for each other than they save."""
    return model == BUNDLED
