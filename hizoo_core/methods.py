"""The methods: one record each, for points and for models alike. A new one is a file and an entry here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hizoo_core import adam, hizoo, hizoo_l, mezo, newton_diag
from hizoo_core.base import Method

METHODS: dict[str, Method] = {
    "hizoo": hizoo.METHOD,
    "hizoo_l": hizoo_l.METHOD,
    "mezo": mezo.METHOD,
    "adam": adam.METHOD,
    "newton_diag": newton_diag.METHOD,
}


class PointMethods(Mapping[str, Method]):
    """Those of METHODS that have a form on points, as METHODS stands whenever they are asked for."""

    def __getitem__(self, key: str) -> Method:
        method = METHODS[key]
        if method.points is None:
            raise KeyError(key)
        return method

    def __iter__(self) -> Iterator[str]:
        return (key for key, method in METHODS.items() if method.points is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


POINT_METHODS = PointMethods()
