"""The page's frame in HTML and the widgets' theme. Colours stand once, as variables in assets/style.css."""

import json
from typing import Any

MANTINE: Any = {
    "fontFamily": "var(--font)",
    "fontFamilyMonospace": "var(--font)",
    "primaryColor": "dark",
    "defaultRadius": "sm",
    "cursorType": "pointer",
}

THEMES = ("light", "dark", "projector")

# The stored theme is set before anything is painted, so that a dark page never flashes white.
INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
    <script>
      document.documentElement.dataset.theme =
        new URLSearchParams(location.hash.slice(1)).get("theme") || localStorage.getItem("lab-theme") || "light";
    </script>
    <script id="catalogue" type="application/json">CATALOGUE</script>
  </head>
  <body>
    {%app_entry%}
    <footer>
      {%config%}
      {%scripts%}
      {%renderer%}
    </footer>
  </body>
</html>
"""


def index(catalogue: dict[str, Any]) -> str:
    """The frame with the catalogue in it, for the page's modules to read."""
    # In a script "<" could start a tag, and "{%" one of Dash's placeholders.
    text = json.dumps(catalogue, ensure_ascii=False).replace("<", "\\u003c").replace("{%", "{ %")
    return INDEX.replace("CATALOGUE", text)
