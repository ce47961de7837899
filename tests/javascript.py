"""What the browser's modules write, for Python to read: programs for node in tests/js."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent  # node is installed beside Python, and finds this Python by PATH


def written(page: str, *arguments: int, given: Any = None) -> list[dict[str, Any]]:
    """The JSON lines that `node tests/js/write_<page>.mjs ARGUMENTS` prints; `given` is its standard input, as JSON."""
    done = subprocess.run(
        [str(BIN / "node"), f"tests/js/write_{page}.mjs", *map(str, arguments)],
        input=json.dumps(given),
        cwd=ROOT,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
