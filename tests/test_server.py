import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from viz_app import server
from viz_app.server import PAGES, create_app, show_page


def ids(component) -> list:
    """The ids in a page's layout."""
    children = getattr(component, "children", None) or []
    children = children if isinstance(children, list | tuple) else [children]
    own = [component.id] if getattr(component, "id", None) else []
    return own + [id for child in children for id in ids(child)]


@pytest.mark.parametrize("path", [*PAGES, "/elsewhere", None])
def test_an_address_shows_its_page_and_marks_it_in_the_links(path):
    shown = show_page(path)
    links = [("/", "Playground"), ("/tuning", "Tuning"), ("/opt", "Language model")]
    assert [(link.href, link.children) for link in shown["nav"]] == links
    here = [path or "/"] if path != "/elsewhere" else []
    assert [link.href for link in shown["nav"] if link.className == "here"] == here
    assert ids(shown["page"][0]) == (ids(PAGES[here[0]].layout()) if here else [])
    assert bool(shown["actions"]) == (here in (["/"], ["/tuning"]))


def test_all_pages_and_the_routes_are_served(tmp_path: Path):
    with TestClient(create_app(tmp_path / "lab").server) as client:
        for path in PAGES:
            assert "HiZOO Lab" in client.get(path).text
        assert client.get("/api/map?x=alpha=0:1:3").status_code == 422
        assert client.get("/api/lab/about").status_code == 200
        assert client.get("/api/list").status_code == 200
        assert client.get("/api/finetune").json() == {"jobs": [], "note": None}
    assert (tmp_path / "lab" / "runs.sqlite").is_file()
    for name in (server.NAV, server.ACTIONS, server.FRAME):
        assert name in ids(server.layout())


def test_a_browser_asks_whether_a_module_has_changed(tmp_path: Path):
    with TestClient(create_app(tmp_path / "lab").server) as client:
        module = client.get("/assets/lab/playground/main.mjs")
        assert (module.status_code, module.headers["cache-control"]) == (200, "no-cache")
        again = client.get("/assets/lab/playground/main.mjs", headers={"If-None-Match": module.headers["etag"]})
        assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")


def test_the_data_directory_may_stand_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HIZOO_LAB_DATA", str(tmp_path / "there"))
    assert TestClient(create_app().server).get("/api/finetune").status_code == 200
    assert (tmp_path / "there").is_dir()


def test_the_server_loads_no_torch():
    code = (
        "import sys; from viz_app.server import create_app; create_app();"
        " sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'peft')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=False).returncode == 0
