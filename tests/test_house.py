"""Imports run one way: app.py → viz_app → {functions, hizoo_core}. Read from the source: lazy ones count too."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FIRST_PARTY = {"app", "viz_app", "functions", "hizoo_core", "benchmarks", "tests"}
MAY_IMPORT = {
    "functions": {"functions"},
    "hizoo_core": {"hizoo_core"},
    "viz_app": {"viz_app", "functions", "hizoo_core"},
}
WEB = {"dash", "plotly", "fastapi", "starlette", "uvicorn", "dash_mantine_components"}


def imports(path: Path) -> set[str]:
    """The top-level modules that a file imports, at any depth of its code; relative imports are of its own package."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = path.relative_to(ROOT).parts[:-1][: -node.level + 1 or None] if node.level else ()
            found.add(above[0] if node.level else str(node.module).partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            argument = node.args[0] if node.args else None
            assert isinstance(argument, ast.Constant), f"{path}: an import whose name cannot be read"
            found.add(str(argument.value).lstrip(".").partition(".")[0] or path.parts[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_in_one_direction(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"{package} has no source"
    for path in files:
        wrong = imports(path) & FIRST_PARTY - MAY_IMPORT[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("package", ["functions", "hizoo_core"])
def test_the_mathematics_knows_no_page(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        assert not imports(path) & WEB, f"{path.relative_to(ROOT)} imports {sorted(imports(path) & WEB)}"


def test_app_only_knows_viz_app():
    assert imports(ROOT / "app.py") & FIRST_PARTY == {"viz_app"}
