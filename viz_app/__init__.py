"""HiZOO Lab: the app around `functions` (what is minimised) and `hizoo_core` (how).

    from viz_app import run
    result = run("f=stiff_quadratic&steps=500&opt=hizoo:alpha=0.1&opt=adam")
    result.table()          # a pyarrow Table, one row per optimizer, run and recorded step

The same spec gives the same bytes in the page, at the shell, over HTTP and here.
"""

from viz_app.playground.result import RunResult
from viz_app.playground.runner import run
from viz_app.spec.runs import OptSpec, RunSpec, SpecError, parse

__all__ = ["OptSpec", "RunResult", "RunSpec", "SpecError", "parse", "run"]
