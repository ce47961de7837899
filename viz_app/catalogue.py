"""What the browser is told: facts that all pages share, and a section a feature.

`python -m viz_app.catalogue` prints it.
"""

import json
from collections.abc import Callable
from typing import Any

from viz_app.estimators import catalogue as estimators
from viz_app.finetuning import catalogue as finetuning
from viz_app.tuning import catalogue as tuning
from viz_app.web import catalogue as web

SECTIONS: dict[str, Callable[[], dict[str, Any]]] = {
    "estimatorsTab": estimators.catalogue,
    "tuning": tuning.catalogue,
    "finetuning": finetuning.catalogue,
}
"""A feature's own facts, under its name."""


def catalogue() -> dict[str, Any]:
    """Plain values for JSON; read in the browser by assets/lab/web/catalogue.mjs."""
    return web.catalogue() | {name: section() for name, section in SECTIONS.items()}


if __name__ == "__main__":
    print(json.dumps(catalogue(), ensure_ascii=False))
