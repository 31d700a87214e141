"""A log format of the user's own, described in a TOML or YAML file: which files, where their time is, what lines say.

::

    name = "myapp"
    path = 'task_logs/\\d+/task_0*(?P<task>\\d+)_(?P<app>\\w+)\\.stdout'
    time = '^(?P<time>\\d+\\.\\d+) '

    [[patterns]]
    regex = 'step=(?P<step>\\d+) begins'
    span = ["myapp.step", "task", "step"]
    event = "begins"
    parents = [["parsl.rundir.task", "task"]]

Regular expressions are searched in the message of a line, as bytes. One that takes too long on a line is given up.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from importers import stall
from importers.fingerprint import Fingerprint
from importers.line_reader import LineTime, read_lines
from importers.pattern import Pattern, SpanKey, searchable
from importers.places import has_time, place_of, source_at
from importers.rows import Batch
from importers.sources import Progress, Source

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Compiled = TypeVar("_Compiled", re.Pattern[str], re.Pattern[bytes], LineTime)

_SPAN_TYPE = re.compile(r"[\w.:-]+")

RUN = "run"
"""The group that holds a run's id, in the path or in a message."""


class FormatError(Exception):
    """A format of the user's own can't be used: the message says which, where and why, and what to do."""


class PatternFormat:
    """An importer made from a pattern file: see ``sources.Importer``."""

    def __init__(
        self,
        name: str,
        *,
        roots: tuple[str, ...],
        files: tuple[str, ...],
        path: re.Pattern[str] | None,
        run: str,
        time: LineTime | None,
        patterns: tuple[Pattern, ...],
        origin: str,
        version: str,
    ) -> None:
        self.NAME, self.ROOTS = name, roots
        self.origin = origin
        self._files, self._path, self._run = files, path, run
        self._time, self._patterns, self.version = time, patterns, version
        self._given_up: set[object] = set()
        self.stalled_at: Path | None = None
        """The file at which ``path`` or ``time`` took too long: from there on no file is found."""

    @property
    def takes(self) -> str:
        """Say which files it takes, for people."""
        return f"path {self._path.pattern}" if self._path else f"files {', '.join(self._files)}"

    def find(self, path: Path) -> Source | None:
        """Recognise a file by the end of its path; none after one at which a regular expression took too long."""
        if self.stalled_at is not None:
            return None
        try:
            with stall.noticed():
                fields = self._fields(path)
                if fields is None:
                    return None
                is_record = self._time.has_time if self._time else has_time
                return source_at(self.NAME, path, fields, self._run or fields.get(RUN, ""), is_record)
        except stall.Stalled:
            self.stalled_at = path
            return None

    def _fields(self, path: Path) -> dict[str, str] | None:
        """Return the fields in a file's path, or None where the file is none of this format."""
        place = place_of(path)
        if self._path is None:
            return {} if any(place.match(glob) for glob in self._files) else None
        parts = place.parts[1:]
        for start in range(len(parts) - 1, -1, -1):
            if match := stall.match(self._path.fullmatch, "/".join(parts[start:])):
                return match.groupdict("")
        return None

    def read(self, source: Source, batch: Batch, progress: Progress) -> str:
        """Read a file by the patterns."""
        for _ in self._given_up:
            batch.reject("a regular expression that took too long before is not used", 0, source.name)
        batch.given_up = self._given_up
        with stall.noticed():
            fingerprint = read_lines(source, batch, progress, self._patterns, self._time)
        if source.identity and source.run.run_id is None and batch.run in batch.span_runs:
            batch.run_names[batch.run] = f"{self.NAME} ({batch.run[:8]})"
        return fingerprint


def load(file: Path) -> PatternFormat:
    """Read a pattern file. Raises FormatError."""
    try:
        data = file.read_bytes()
        told = _PARSERS[file.suffix](data.decode("utf-8"))
    except KeyError:
        raise FormatError(f"{file}: a pattern file is named *.toml, *.yaml or *.yml") from None
    except OSError as error:
        raise FormatError(f"{file}: it can not be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        # A YAML error is several lines; a TOML error says the line itself.
        what = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(f"{file}: it is no {file.suffix[1:].upper()}: {what}") from None
    try:
        version = Fingerprint(data).hexdigest()
        return _format(_Table(told, "", _FORMAT_KEYS), str(file), version)
    except _Mistake as mistake:
        raise FormatError(f"{file}: {mistake}") from None


def _parse_yaml(text: str) -> Any:
    """Parse YAML. Raises ValueError."""
    import yaml  # here, as few imports have a pattern file

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
}


class _Mistake(Exception):
    """What is wrong in a pattern file, and where."""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and value.isprintable() else None


def _regex(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _texts(value: object) -> tuple[str, ...] | None:
    texts = [_text(item) for item in value] if isinstance(value, list) else [None]
    return tuple(text for text in texts if text) if None not in texts else None


def _key(value: object) -> SpanKey | None:
    return _texts(value) or None


def _keys(value: object) -> tuple[SpanKey, ...] | None:
    keys = [_key(item) for item in value] if isinstance(value, list) else [None]
    return tuple(key for key in keys if key) if None not in keys else None


_REGEX = "a regular expression as text"
_TEXT, _TEXTS = "text, not empty, of printable characters", "a list of texts"
_FORMAT_KEYS: dict[str, tuple[Callable[[Any], object], str]] = {
    "name": (_text, _TEXT),
    "files": (_texts, _TEXTS),
    "path": (_regex, _REGEX),
    "run": (_text, _TEXT),
    "time": (_regex, _REGEX),
    "time_format": (_text, _TEXT),
    "utc": (lambda value: value if isinstance(value, bool) else None, "true or false"),
    "roots": (_texts, _TEXTS),
    "patterns": (lambda value: value if isinstance(value, list) and value else None, "a list with a pattern or more"),
}
_PATTERN_KEYS: dict[str, tuple[Callable[[Any], object], str]] = {
    "regex": (_regex, _REGEX),
    "span": (_key, "a list: a span type, and the fields of its key"),
    "event": (_text, _TEXT),
    "parents": (_keys, "a list of lists: a span type, and the fields of its key"),
    "attributes": (_texts, "a list of fields"),
    "each": (_text, "a field"),
}
"""What each key holds: how it is checked, giving None for what can't be, and how that is said."""


class _Table:
    """A table of a pattern file whose keys and their kinds are known to be right. Raises _Mistake."""

    def __init__(self, told: object, place: str, keys: Mapping[str, tuple[Callable[[Any], object], str]]) -> None:
        self._place = place
        if not isinstance(told, dict):
            raise self.mistake(f"it is no table of keys and values. Keys are {', '.join(keys)}")
        if unknown := [str(key) for key in told if key not in keys]:
            raise self.mistake(f"unknown key {unknown[0]!r}. Allowed are {', '.join(keys)}")
        self._values = {key: (keys[key][0](value), value) for key, value in told.items()}
        for key, (value, written) in self._values.items():
            if value is None:
                raise self.mistake(f"{key} must be {keys[key][1]}, not {_short(written)}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def mistake(self, what: str) -> _Mistake:
        """Return a mistake in this table."""
        return _Mistake(self._place + what)

    def get(self, key: str, default: Any) -> Any:
        """Return a value, or the default where it is not given."""
        return self._values[key][0] if key in self._values else default

    def need(self, key: str, way_out: str) -> Any:
        """Return a value that must be there."""
        if key not in self._values:
            raise self.mistake(f"{key} is missing: {way_out}")
        return self._values[key][0]


def _short(value: object) -> str:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):
        shown = type(value).__name__
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _format(table: _Table, origin: str, version: str) -> PatternFormat:
    name = table.need("name", "say what the format is called")
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise table.mistake(f"name {name!r} may hold letters, digits, '_', '.' and '-' only")
    files, path = table.get("files", ()), table.get("path", None)
    if bool(files) == (path is not None):
        raise table.mistake("give either files, a list such as ['myapp*.log'], or path, a regular expression")
    for glob in files:
        if {"", ".", "..", "**"} & set(glob.split("/")):
            raise table.mistake(f"files are told by the end of their path, like 'logs/*.txt': {glob!r} is no such end")
    compiled = _compile(table, "path", lambda: re.compile(path)) if path is not None else None
    fields = set(compiled.groupindex) if compiled else set()
    if RUN in fields and "run" in table:
        raise table.mistake("run is given, and path has a group run: take one of them away")
    patterns = tuple(
        _pattern(_Table(told, f"pattern {number}: ", _PATTERN_KEYS), fields)
        for number, told in enumerate(table.need("patterns", "say what lines look like"), start=1)
    )
    if "run" in table and any(pattern.run for pattern in patterns):
        raise table.mistake("run is given, and a pattern has a group run: take one of them away")
    return PatternFormat(
        name,
        roots=_roots(table, patterns),
        files=files,
        path=compiled,
        run=table.get("run", ""),
        time=_time(table),
        patterns=patterns,
        origin=origin,
        version=version,
    )


def _compile(table: _Table, key: str, make: Callable[[], _Compiled]) -> _Compiled:
    """Return what is made of a regular expression. Raises _Mistake where it is none."""
    try:
        with warnings.catch_warnings():
            # Python warns of what a later one will refuse or read otherwise.
            warnings.simplefilter("error")
            return make()
    except re.error as error:
        place = "" if error.pos is None else f" at position {error.pos}"
        raise table.mistake(f"{key} is no regular expression{place}: {error.msg}") from None
    except (ValueError, OverflowError, RecursionError, Warning) as error:
        raise table.mistake(f"{key}: {error}") from None


# In bytes, a letter beyond ASCII is several, of which a quantifier or a class would take one.
_PARTED = re.compile(r"[^\x00-\x7f][*+?{]|(?<!\\)\[(?:\\.|[^\]\\])*\\?[^\x00-\x7f]")


def _bytes(table: _Table, key: str) -> bytes:
    text: str = table.get(key, "")
    if found := _PARTED.search(text):
        raise table.mistake(
            f"{key}, at position {found.end() - 1}: letters beyond ASCII are several bytes, so put (?:...) round one "
            "that is repeated, and alternatives (?:...|...) in place of [...]"
        )
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise table.mistake(f"{key}: {error}") from None


def _pattern(table: _Table, fields: set[str]) -> Pattern:
    regex = _bytes(table, "regex") if table.need("regex", "say what such a line looks like") else b""
    compiled = _compile(table, "regex", lambda: re.compile(regex, re.MULTILINE))
    groups = set(compiled.groupindex)
    if both := groups & fields:
        raise table.mistake(f"{min(both)!r} is a group of regex, and one of path: rename one of them")
    span: SpanKey = table.need("span", "say which span the line tells of, as [type, field, ...]")
    parents: tuple[SpanKey, ...] = table.get("parents", ())
    attributes: tuple[str, ...] = table.get("attributes", ())
    each: str = table.get("each", "")
    for place, (span_type, *names) in (("span", span), *(("parents", parent) for parent in parents)):
        if not _SPAN_TYPE.fullmatch(span_type):
            raise table.mistake(f"{place}: {span_type!r} is no span type: use letters, digits, '.', '_', ':' and '-'")
        _check_fields(table, place, names, groups | fields)
    _check_fields(table, "attributes", attributes, groups | fields)
    if each and (each not in groups or each not in span[1:]):
        raise table.mistake(f"each: {each!r} must be a group of regex, and a field of span")
    if span in parents:
        raise table.mistake(f"parents: a {span[0]} can't lie in itself")
    if not (table.get("event", "") or parents or attributes):
        raise table.mistake("it says nothing of its span: give event, parents or attributes")
    return Pattern(
        regex,
        span,
        table.get("event", ""),
        parents,
        attributes,
        each,
        literal=searchable(compiled),
        run=RUN if RUN in groups else "",
        anywhere=True,
    )


def _check_fields(table: _Table, key: str, names: Iterable[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            fields = f"Known are {', '.join(sorted(known))}" if known else "There is none: name groups, (?P<task>...)"
            raise table.mistake(f"{key}: no field is called {name!r}, in regex or path. {fields}")


def _time(table: _Table) -> LineTime | None:
    if "time" not in table:
        for key in ("time_format", "utc"):
            if key in table:
                raise table.mistake(f"{key} needs time: a regular expression with a group (?P<time>...) that finds it")
        return None
    regex = _bytes(table, "time")
    form, utc = table.get("time_format", "seconds"), table.get("utc", False)
    return _compile(table, "time", lambda: LineTime(regex, form, utc))


def _roots(table: _Table, patterns: Iterable[Pattern]) -> tuple[str, ...]:
    types = {key[0] for pattern in patterns for key in (pattern.span, *pattern.inside)}
    roots: tuple[str, ...] = table.get("roots", ())
    for root in roots:
        if root not in types:
            known = ", ".join(sorted(types))
            raise table.mistake(f"roots: {root!r} is no span type of the patterns. Known are {known}")
    return roots
