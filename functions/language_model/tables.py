"""A user's own table of texts and labels: CSV or TSV, UTF-8, with a header, separated by commas, tabs or semicolons."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from functions.language_model.errors import LanguageModelError

Source = str | Path | bytes  # a path, or a file's content


class Row(NamedTuple):
    number: int
    text: str
    label: str


def read(data: str | Path | bytes, text_column: str, label_column: str, most: int | None = None) -> list[Row]:
    """The rows of a CSV or TSV with a header; runs of white space in a text become one space. Rows are counted as a
    spreadsheet counts them: the header is row 1.
    """
    name, body = ("the table", data) if isinstance(data, bytes) else (Path(data).name, _bytes(Path(data)))
    try:
        content = body.decode("utf-8-sig").lstrip("\r\n")
    except UnicodeDecodeError as error:
        message = f"{name} is not UTF-8 (byte {error.start + 1}): save it as CSV with the encoding UTF-8"
        raise LanguageModelError("data", message) from error
    delimiter = _delimiter(content, {text_column, label_column}, name)
    # A tab needs no quotes, and the texts of TSV files are full of stray ones; in a CSV they hold commas together.
    quoting, unquoted = (csv.QUOTE_NONE, _unquoted) if delimiter == "\t" else (csv.QUOTE_MINIMAL, str)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, quoting=quoting, strict=True)
    rows: list[Row] = []
    try:
        header = [unquoted(column).strip() for column in next(reader)]
        places = {}
        for field_name, column in (("text_column", text_column), ("label_column", label_column)):
            if header.count(column) != 1:
                found = ", ".join(repr(other[:40]) for other in header[:12])
                times = "no column" if column not in header else "more than one column"
                raise LanguageModelError(field_name, f"{name} has {times} {column[:40]!r}: its columns are {found}")
            places[field_name] = header.index(column)
        for number, fields in enumerate(reader, 2):
            if not any(map(str.strip, fields)):
                continue
            if len(fields) != len(header):
                hint = "" if delimiter == "\t" else f' (a text with "{delimiter}" in it must stand in double quotes)'
                message = f"row {number} of {name} has {len(fields)} fields, the header {len(header)}{hint}"
                raise LanguageModelError("data", message)
            if len(rows) == most:
                raise LanguageModelError("data", f"{name} has more than {most:,} rows: leave some out")
            text, label = (" ".join(unquoted(fields[place]).split()) for place in places.values())
            if not text or not label:
                missing = "label" if text else "text"
                message = f"row {number} of {name} has an empty {missing}: fill it in, or leave the row out"
                raise LanguageModelError("data", message)
            rows.append(Row(number, text, label))
    except csv.Error as error:
        raise LanguageModelError("data", f"{name} is not a table: line {reader.line_num}: {error}") from error
    if not rows:
        raise LanguageModelError("data", f"{name} has a header, but no rows")
    return rows


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{str(path)[:200]!r} cannot be read: {error.strerror}; data must be the path of a CSV or TSV file"
        raise LanguageModelError("data", message) from error


def _delimiter(content: str, wanted: set[str], name: str) -> str:
    """Comma, tab or semicolon: the one under which the header has the wanted columns, else the most columns."""
    header = content.partition("\n")[0].strip("\r")
    columns = {mark: {part.strip(' "') for part in header.split(mark)} for mark in ",\t;"}
    best = max(columns, key=lambda mark: (wanted <= columns[mark], len(columns[mark])))
    if len(columns[best]) < 2 or not header.replace("\t", "").isprintable():
        message = (
            f"{name} is not a table: its first line must name the columns ({' and '.join(sorted(wanted))}), "
            f"separated by commas, tabs or semicolons, but is {header[:60]!r}"
        )
        raise LanguageModelError("data", message)
    return best


def _unquoted(text: str) -> str:
    """A TSV's field without the quotes that a program has put round it."""
    inner = text[1:-1].replace('""', "")
    whole = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in inner
    return text[1:-1].replace('""', '"') if whole else text
