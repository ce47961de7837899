"""The page's frame in HTML and the widgets' theme. Colours stand once, as variables in assets/style.css."""

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
