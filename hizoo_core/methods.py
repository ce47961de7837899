"""The methods: one record each, for points and for models alike. A new one is a file and an entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from hizoo_core import adam, hizoo, hizoo_l, mezo, newton_diag
from hizoo_core.base import Method

T = TypeVar("T")

METHODS: dict[str, Method] = {
    "hizoo": hizoo.METHOD,
    "hizoo_l": hizoo_l.METHOD,
    "mezo": mezo.METHOD,
    "adam": adam.METHOD,
    "newton_diag": newton_diag.METHOD,
}


class View(Mapping[str, T]):
    """What `of(key, method)` makes of METHODS, less what is None, as METHODS stands whenever it is asked for."""

    def __init__(self, of: Callable[[str, Method], T | None]) -> None:
        self._of = of

    def __getitem__(self, key: str) -> T:
        made = self._of(key, METHODS[key])
        if made is None:
            raise KeyError(key)
        return made

    def __iter__(self) -> Iterator[str]:
        return (key for key, method in METHODS.items() if self._of(key, method) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


POINT_METHODS = View[Method](lambda key, method: method if method.points else None)
"""Those of METHODS that have a form on points."""
