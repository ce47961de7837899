"""hizoo_core as people install it: what is in the wheel, and that it works without this checkout, and without torch."""

import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

import hizoo_core
from hizoo_core import training

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = shutil.ignore_patterns(".*", "assets", "docs", "build", "*.egg-info", "__pycache__", "node_modules")


def run(*command, cwd, **environment):
    """Standard output of a command that sees neither this checkout nor a package index."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=kept | {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=NOT_COPIED)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=folder / "source")
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment with nothing but the wheel, and this one's packages behind it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    own = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", packages, wheel, cwd=folder)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return own


def test_the_wheel_holds_the_package_alone(wheel):
    assert wheel.name == f"hizoo_core-{hizoo_core.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith("METADATA"))
        text = archive.read(metadata).decode()
    modules = {f"hizoo_core/{path.name}" for path in (ROOT / "hizoo_core").glob("*.py")}
    assert {name for name in names if ".dist-info/" not in name} == modules | {"hizoo_core/py.typed"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert re.search(r"^Requires-Dist: torch.*extra == ['\"]torch['\"]$", text, re.MULTILINE)
    assert re.findall(r"^Requires-Dist: (\w+)", text, re.MULTILINE) == ["numpy", "torch"]
    assert "HiZOO" in text.partition("\n\n")[2]  # the README


def test_the_readmes_lines_run_from_the_installed_wheel(python, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    (lines,) = (block for block in blocks if "from hizoo_core import HiZOO" in block)
    (tmp_path / "lines.py").write_text(lines, encoding="utf-8")
    assert float(run(python, "-I", tmp_path / "lines.py", cwd=tmp_path, OMP_NUM_THREADS="1").split()[-1]) < 10
    code = """
import importlib.util, sys, hizoo_core
assert not {"torch", "dash", "functions", "viz_app"} & set(sys.modules)
assert not importlib.util.find_spec("viz_app") and not importlib.util.find_spec("functions")
print(hizoo_core.__file__)
"""
    assert Path(run(python, "-I", "-c", code, cwd=tmp_path).strip()).is_relative_to(python.parent.parent)


def test_without_torch_the_extra_is_named(python, tmp_path):
    code = """
import sys
sys.modules["torch"] = None
import hizoo_core
from hizoo_core import optimize
for name in ("HiZOO", "HiZOOL", "MeZO"):
    try:
        getattr(hizoo_core, name)
    except ImportError as error:
        print(error)
"""
    said = run(python, "-I", "-c", code, cwd=tmp_path).splitlines()
    assert said == [
        f"hizoo_core.{name} needs torch: pip install 'hizoo-core[torch]'" for name in ("HiZOO", "HiZOOL", "MeZO")
    ]


OPTIMIZERS = [hizoo_core.HiZOO, hizoo_core.HiZOOL, hizoo_core.MeZO, training.Trainer, training.StepRecord]


@pytest.mark.parametrize("public", OPTIMIZERS, ids=lambda public: public.__name__)
def test_every_argument_is_documented(public):
    documentation = f"{inspect.getdoc(public)}\n{inspect.getdoc(public.__init__)}"
    for name in inspect.signature(public).parameters:
        assert re.search(rf"^\s+{name}: \S", documentation, re.MULTILINE), f"{public.__name__}: {name}"
