"""Values as JSON knows them: numbers that are not finite become null."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def finite(value: Any) -> Any:
    """A JSON value with None for every number that is not finite, and lists for tuples and numpy's arrays."""
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [finite(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
