"""Component ids: every string that Python and the page's modules must agree on stands here or in its pattern."""

URL = "url"
GO = "go"  # {"query"}: ask the server to open another spec
PAGE = "page"  # the opened spec, its controls' ranges and presets: what the page's modules start from
F = "f"  # the function's spec as the controls have it now
CONTROLS = "controls"
FUNCTION = "function"
FORMULA = "formula"
THEME = "theme"
MANTINE = "mantine"
OPT_PAGE = "opt-page"  # starts the modules of the Language model page
OPT_PLOTLY = "opt-plotly"
OPT_ASKED = "opt-asked"  # what the form's widgets are made for: see `finetuning.form.widgets`
OPT_MADE = "opt-made"  # the number of what they were made for
OPT_FORM = "opt-form"
TUNING_CONTROLS = "tuning-controls"
TUNING_PAGE = "tuning-page"  # as PAGE, of the Tuning page
TUNING_GO = "tuning-go"  # as GO
TUNING_METHOD = "tuning-method"
TUNING_MEASURE = "tuning-measure"
TUNING_TAB = "tuning-tab"


def slider(slot: str, name: str) -> dict[str, str]:
    """The slider of hyperparameter `name` in card `slot`."""
    return {"role": "slider", "slot": slot, "name": name}


def field(slot: str, name: str) -> dict[str, str]:
    """The text field beside it."""
    return {"role": "field", "slot": slot, "name": name}


def choice(slot: str, name: str) -> dict[str, str]:
    """A hyperparameter with a few named values."""
    return {"role": "choice", "slot": slot, "name": name}


def reset(slot: str, name: str) -> dict[str, str]:
    """The button that puts a hyperparameter back to its preset."""
    return {"role": "reset", "slot": slot, "name": name}


def switch(slot: str) -> dict[str, str]:
    """An optimizer's on/off."""
    return {"role": "switch", "slot": slot}


def duplicate(slot: str) -> dict[str, str]:
    """The button that adds a second copy of an optimizer, to compare settings."""
    return {"role": "duplicate", "slot": slot}
