"""The house that DESIGN draws: imports run one way and in no circle, in Python and in the browser, and no module is
too long. Read from the source, so that imports within functions and for types alone count too.

A list of exceptions is of what is still wrong today: one that no longer occurs fails its test, and is to be deleted.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("viz_app", "functions", "hizoo_core", "benchmarks", "tests")
MAY_IMPORT = {
    "app": {"viz_app"},
    "functions": {"functions"},
    "hizoo_core": {"hizoo_core"},
    "viz_app": {"viz_app", "functions", "hizoo_core"},
}
WEB = {"dash", "plotly", "fastapi", "starlette", "uvicorn", "dash_mantine_components"}

LAB = ROOT / "viz_app/assets/lab"
SHARED = {"viz_app": {"spec", "web", "shell", "tables"}, "lab": {"web", "vendor"}}
"""What features are made from; whatever else stands beside it is a feature, or made from features."""
BELOW = {"spec": {"spec"}, "web": {"web", "spec"}, "shell": {"shell", "tables"}, "tables": {"shell", "tables"}}
ABOVE = ("__init__", "cli", "server", "api", "catalogue")  # each may import those behind it
MAY_USE = {"tuning": {"playground"}, "estimators": {"playground"}, "modelmap": {"tuning", "finetuning"}}
JS_EXCEPTIONS = {
    ("tuning/main.mjs", "estimators/main.mjs"),
}

LONGEST = 450  # lines


def python_modules() -> dict[str, Path]:
    """Every module of ours by its dotted name; a test's is that of its file."""
    files = [ROOT / "app.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


@cache
def imported(path: Path) -> set[str]:
    """Every dotted name that a file imports: modules, and what is taken from them as if it were one."""
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("__import__", "importlib.import_module"):
            argument = node.args[0] if node.args else None
            assert isinstance(argument, ast.Constant), f"{path}: an import whose name cannot be read"
            name = str(argument.value)
            found.add(".".join(package) + "." + name.lstrip(".") if name.startswith(".") else name)
    return found


def python_imports() -> dict[str, set[str]]:
    """For every module of ours, those of ours that it imports: of `from package import module`, the module alone."""
    modules = python_modules()
    graph = {}
    for name, path in modules.items():
        named = imported(path) & modules.keys()
        graph[name] = {each for each in named if not any(other.startswith(f"{each}.") for other in named)} - {name}
    return graph


def javascript_imports() -> dict[str, set[str]]:
    """For every module of the page, those that it imports, by their paths from `LAB`; types in comments apart."""
    static = r"""^\s*(?:import\s*|(?:import|export)\b[^;"'`()=]*?\bfrom\s*)["']([^"']+)["']"""
    statement = re.compile(static + r"""|\bimport\(\s*["']([^"']+)["']""", re.M)
    graph = {}
    for path in sorted(LAB.rglob("*.mjs")):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        names = [one or other for one, other in statement.findall(code)]
        assert all(name.startswith(".") for name in names), f"{path} imports {names}: must be relative"
        targets = [(path.parent / name).resolve() for name in names]
        assert all(target.is_file() for target in targets), f"{path} imports what is not there: {names}"
        graph[path.relative_to(LAB).as_posix()] = {target.relative_to(LAB).as_posix() for target in targets}
    return graph


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Modules each of which imports the next, and the last the first; empty if there is no such circle."""
    left = {module: set(others) & graph.keys() for module, others in graph.items()}
    while ends := [module for module, others in left.items() if not others]:
        left = {module: others - set(ends) for module, others in left.items() if module not in ends}
    way: list[str] = []
    module = next(iter(left), None)
    while module is not None and module not in way:
        way.append(module)
        module = min(left[module])
    return way[way.index(module) :] if module is not None else []


def may_use(room: str, shared: set[str]) -> set[str] | None:
    """What a folder or module of the app may import, itself apart; None: anything."""
    return None if room in ABOVE else BELOW.get(room) or shared | MAY_USE.get(room, set())


def test_a_circle_is_found():
    assert circle({"a": ["b"], "b": ["c", "elsewhere"], "c": []}) == []
    assert circle({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"]}) == ["b", "c"]


@pytest.mark.parametrize("imports", [python_imports, javascript_imports])
def test_no_module_imports_itself_by_way_of_others(imports):
    graph = imports()
    assert len(graph) > 60
    assert circle(graph) == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_in_one_direction(package):
    modules = {name: path for name, path in python_modules().items() if name.partition(".")[0] == package}
    assert modules, f"{package} has no source"
    for name, path in modules.items():
        found = {other.partition(".")[0] for other in imported(path)}
        assert not found & {"app", *PACKAGES} - MAY_IMPORT[package], f"{name} imports {sorted(found)}"
        assert package not in ("functions", "hizoo_core") or not found & WEB, f"{name} imports {sorted(found & WEB)}"


def test_the_app_is_layered():
    """app.py → cli → server → api → feature → web → spec; `shell` and `tables` stand by themselves, below features."""
    wrong = set()
    for name, others in python_imports().items():
        for other in others:
            if name == "app":
                wrong |= {(name, other)} if other != "viz_app.cli" else set()
            elif name.startswith("viz_app") and other.startswith("viz_app"):
                room, used = ([*each.split("."), "__init__"][1] for each in (name, other))
                allowed = may_use(room, SHARED["viz_app"])
                upwards = used in ABOVE and not (room in ABOVE and ABOVE.index(room) < ABOVE.index(used))
                if room != used and (upwards or (allowed is not None and used not in allowed)):
                    wrong.add((name, other))
    assert not wrong


def test_the_browsers_side_is_layered():
    """Feature → web → vendor."""
    wrong = set()
    for name, others in javascript_imports().items():
        room = name.partition("/")[0]
        allowed = {room, "vendor"} if room in SHARED["lab"] else {room, *SHARED["lab"], *MAY_USE.get(room, ())}
        wrong |= {(name, other) for other in others if other.partition("/")[0] not in allowed}
    assert wrong == JS_EXCEPTIONS


def test_no_module_is_too_long():
    ours = {*python_modules().values(), *LAB.rglob("*.mjs"), *(ROOT / "tests").rglob("*.mjs")}
    ours = {path for path in ours if "vendor" not in path.parts}
    lines = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n") for path in ours}
    assert [name for name, count in lines.items() if count > LONGEST] == []


def names_a_graphics_card(path: Path) -> bool:
    """Whether a module's code names CUDA or MPS; what it says of them in texts for people does not count."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        named = isinstance(node, ast.Attribute) and node.attr in ("cuda", "is_cuda", "mps", "is_mps")
        if named or (isinstance(node, ast.Constant) and re.fullmatch(r"(cuda|mps)(:\d*)?", str(node.value))):
            return True
    return False


def test_few_modules_name_a_graphics_card():
    """Those that ask torch about devices, one a package; and the words of specs."""
    modules = {name: path for name, path in python_modules().items() if not name.startswith("tests.")}
    named = {name for name, path in modules.items() if names_a_graphics_card(path)}
    assert named == {"functions.language_model.devices", "hizoo_core.kernels", "viz_app.finetuning.spec"}
