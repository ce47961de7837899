"""The manual builds without a warning, and what README, the manual and CONTRIBUTING name is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    return {page: page.read_text("utf-8") for page in PAGES}


def test_the_manual_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api" / "hizoo_core.html").read_text("utf-8")
    assert "HiZOO" in page
    assert "state_dict" in page or "step" in page
    everything = "".join(path.read_text("utf-8") for path in tmp_path.rglob("*.html"))
    assert not re.findall(r'(?:src|href)="https?://[^"]+\.(?:css|js|woff2?)"', everything), "works without a network"


def test_links_lead_somewhere(texts):
    for page, text in texts.items():
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_and_files_that_are_named_exist(texts):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    for page, text in texts.items():
        for module in re.findall(r"python -m (benchmarks\.\w+)", text):
            assert (ROOT / f"{module.replace('.', '/')}.py").exists(), f"{page.name}: {module}"
        for target in re.findall(r"(?:`|^)make ([a-z0-9-]+)", text, re.M):
            assert target in targets, f"{page.name}: make {target}"
        for path in re.findall(r"`((?:functions|hizoo_core|viz_app|benchmarks|tests|docs)/[\w/.-]*\w)`", text):
            assert (ROOT / path).exists() or "yours" in path, f"{page.name}: {path}"


def test_every_page_of_the_manual_is_in_its_navigation():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text("utf-8")))
    assert {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} == listed
