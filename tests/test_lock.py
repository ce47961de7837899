"""The lock: what is installed is what it says, and it says every version of what pyproject.toml asks for."""

import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = {"requirements.txt": ("app",), "requirements-dev.txt": ("app", "dev")}
NOT_LOCKED = {"pip", "setuptools", "wheel"}  # a virtual environment brings its own
OF_CUDA = ("nvidia-", "cuda-", "triton")  # torch names their exact versions itself


def lock(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def here(name: str) -> dict[str, Requirement]:
    """The lock's lines that hold for this Python and platform, by package."""
    return {canonicalize_name(r.name): r for r in lock(name) if r.marker is None or r.marker.evaluate()}


@pytest.mark.parametrize("name", GROUPS)
def test_every_line_is_one_exact_version(name):
    assert lock(name)
    for requirement in lock(name):
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        assert not requirement.url, requirement


@pytest.mark.parametrize("name", GROUPS)
def test_the_lock_meets_the_ranges(name):
    locked = here(name)
    for group in GROUPS[name]:
        for text in PROJECT["dependency-groups"][group]:
            asked = Requirement(text)
            (exact,) = locked[canonicalize_name(asked.name)].specifier
            assert asked.specifier.contains(exact.version), f"{asked} is not met by {exact}: run `make lock`"


@pytest.mark.parametrize(("python", "system"), [("3.11", "linux"), ("3.12", "darwin"), ("3.13", "win32")])
def test_the_lock_serves_every_python_and_platform(python, system):
    """One version of each package, whatever the Python and the platform."""
    for name in GROUPS:
        environment = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": system}
        names = [canonicalize_name(r.name) for r in lock(name) if not r.marker or r.marker.evaluate(environment)]
        assert len(names) == len(set(names))
        assert {"torch", "numpy", "scipy", "dash"} <= set(names)


def test_the_lock_serves_cpu_and_cuda_builds_of_torch():
    for name in GROUPS:
        assert not [r for r in lock(name) if r.name.startswith(OF_CUDA)]
        assert str(here(name)["torch"].specifier) == "==2.13.0"  # met by 2.13.0+cpu and 2.13.0+cu130 alike


def test_what_is_installed_is_the_lock(pytestconfig):
    if "error" in (pytestconfig.option.pythonwarnings or []):
        pytest.skip("`make latest` installs newer versions")
    installed = {canonicalize_name(d.metadata["Name"]): Version(d.version) for d in distributions()}
    locked = here("requirements-dev.txt")
    for name, requirement in locked.items():
        if name not in NOT_LOCKED:
            assert name in installed, (
                f"{requirement} is not installed: run `make test`, or pip install -r requirements-dev.txt"
            )
            assert requirement.specifier.contains(installed[name], prereleases=True), (
                f"{name} {installed[name]} is installed, {requirement} is locked"
            )
    beside = {name for name in installed if name not in locked and not name.startswith(OF_CUDA)}
    assert beside <= NOT_LOCKED, f"installed beside the lock: {sorted(beside - NOT_LOCKED)}"
