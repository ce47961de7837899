"""The words of a formula: its tokens, and what to write in place of a name that is not known."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from .base import FunctionError

_TOKEN = re.compile(
    r"(?P<space>[ \t]+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*|π)"
    r"|(?P<superscript>⁻?[⁰¹²³⁴-⁹]+)"
    r"|(?P<operator>\*\*|[-+*/^(),|√−·×])"
)
_ASCII = {"**": "^", "−": "-", "·": "*", "×": "*", "π": "pi", "ln": "log"}
_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@dataclass(frozen=True)
class Token:
    """A piece of a formula, written in ASCII."""

    kind: str  # "number", "name", "superscript", "operator" or "end"
    text: str
    start: int
    spaced: bool  # white space before it


def tokens_of(text: str) -> list[Token]:
    """A formula's tokens, the last of kind "end". Raises FunctionError at a character that is not allowed."""
    tokens, position, spaced = [], 0, False
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            character = text[position]
            shown = f"“{character}” " if character.isprintable() else ""
            raise FunctionError(
                "f",
                f"Formula, position {position + 1}: the character {shown}(U+{ord(character):04X}) is not allowed; "
                "write numbers, names, + - * / ^ and parentheses",
                position,
            )
        kind = str(match.lastgroup)
        if kind != "space":
            written = match.group()
            written = written.translate(_DIGITS) if kind == "superscript" else _ASCII.get(written, written)
            tokens.append(Token(kind, written, position, spaced))
        position, spaced = match.end(), kind == "space"
    return [*tokens, Token("end", "", len(text), spaced)]


def advice(name: str, functions: Collection[str], others: Collection[str]) -> str:
    """What to write in place of a name that is not among these."""
    known = (*others, *functions, "ln")
    if name.lower() in known:
        return f": write {name.lower()}"
    if base := re.fullmatch(r"(?:log|lg|ld)(2|10)?", name.lower()):
        number = base[1] or {"lg": "10", "ld": "2"}[name.lower()]
        return f": write log(x)/log({number})"
    if re.fullmatch(r"[A-Za-z]_?[0-9]*|theta_?[0-9]*", name):
        power = f"; for a power write {name[0]}^{name[1:]}" if re.fullmatch("[xy][0-9]+", name) else ""
        return f": this function has two coordinates, x and y{power}"
    if name == "pow":
        return ": write x^2"
    if pieces := _pieces(name, known):
        return f": write {_product(pieces, functions)}"
    close = get_close_matches(name, known, 1)
    return (
        f"; did you mean {close[0]}?"
        if close
        else f"; known are {', '.join(others)} and the functions {', '.join(functions)}"
    )


def _pieces(name: str, known: Collection[str]) -> list[str]:
    """The known names and whole numbers that a name is made of; empty if it is not."""
    for piece in sorted((*known, *re.findall("^[0-9]+", name)), key=len, reverse=True):
        if name.startswith(piece):
            rest = name[len(piece) :]
            if not rest:
                return [piece]
            if others := _pieces(rest, known):
                return [piece, *others]
    return []


def _product(pieces: list[str], functions: Collection[str]) -> str:
    first, *rest = pieces
    if not rest:
        return first
    return f"{first}({_product(rest, functions)})" if first in functions else f"{first}*{_product(rest, functions)}"
