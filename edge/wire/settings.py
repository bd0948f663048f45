"""One TOML file to one frozen settings class; unknown keys and wrong types are errors that name the key.

Every process reads its settings through here. Secrets never stand in the file: a `Secret` is
`{ file = "path" }` or `{ environment = "NAME" }` and does not show its value.
"""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class SettingsError(ValueError):
    """The file cannot be meant as it stands; names file, key and remedy."""


class Secret:
    """A password or key; `reveal()` is the only way to its text. `reference`: what it was read from."""

    __slots__ = ("_text", "reference")

    def __init__(self, text: str, reference: Mapping[str, str] | None = None) -> None:
        self._text = text
        self.reference = dict(reference or {})

    def reveal(self) -> str:
        """The secret itself: hand it to the library that needs it and to nothing else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def load(cls: type[T], path: Path, environment: Mapping[str, str] = os.environ) -> T:
    """Read `path` into the dataclass `cls`; SettingsError says what is wrong and where.

    Durations are numbers of seconds; relative paths are relative to the working directory.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    return typing.cast(T, _build(cls, content, f"{path}: ", environment))


def render(settings: Any) -> str:
    """What is in force, defaults included, as TOML that `load` understands.

    A secret stands there as what it is read from, never as itself; what is not set is left out.
    """
    return "\n".join(_table(settings, "")).strip()


def _table(settings: Any, path: str) -> Iterator[str]:
    """Plain values first: in TOML they would otherwise belong to the table before them."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    for name, value in values.items():
        if not _is_table(value) and (text := _value(value)):
            yield f"{name} = {text}"
    for name, value in values.items():
        if not _is_table(value):
            continue
        where = f"{path}.{name}" if path else name
        for one in value if isinstance(value, tuple) else (value,):
            yield f"\n[[{where}]]" if isinstance(value, tuple) else f"\n[{where}]"
            yield from _table(one, where)


def _is_table(value: Any) -> bool:
    some = value[0] if isinstance(value, tuple) and value else value
    return dataclasses.is_dataclass(some)


def _value(value: Any) -> str:
    """A value as TOML; empty for what is not set."""
    if isinstance(value, Secret):
        pairs = [f"{key} = {_value(text)}" for key, text in value.reference.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else ""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, timedelta):
        return _value(value.total_seconds())
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(int(value) if isinstance(value, float) and value.is_integer() else value)
    # A string of JSON is one of TOML, but for DEL (TOML 1.0.0, String).
    return "" if value is None else json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _build(cls: type[Any], content: Any, where: str, environment: Mapping[str, str]) -> Any:
    if not isinstance(content, dict):
        raise SettingsError(f"{where}expected a table, found {content!r}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if unknown := sorted(set(content) - set(fields)):
        raise SettingsError(f"{where}unknown key {unknown[0]!r}; known are {', '.join(sorted(fields))}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in content:
            values[name] = _convert(hints[name], content[name], f"{where}{name}: ", environment)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SettingsError(f"{where}key {name!r} is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise SettingsError(f"{where}{error}") from error


def _convert(hint: Any, value: Any, where: str, environment: Mapping[str, str]) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        inner = next(option for option in typing.get_args(hint) if option is not type(None))
        return _convert(inner, value, where, environment)
    if origin is tuple:
        if not isinstance(value, list):
            raise SettingsError(f"{where}expected a list, found {value!r}")
        item = typing.get_args(hint)[0]
        return tuple(_convert(item, one, f"{where}[{n}] ", environment) for n, one in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type[Any], hint), value, where, environment)
    if hint is Secret:
        return _secret(value, where, environment)
    return _scalar(hint, value, where)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is timedelta and number:
        return timedelta(seconds=value)
    if hint is float and number:
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint in (int, bool, str) and type(value) is hint:
        return value
    expected = "a number of seconds" if hint is timedelta else getattr(hint, "__name__", str(hint))
    raise SettingsError(f"{where}expected {expected}, found {value!r}")


def _secret(value: Any, where: str, environment: Mapping[str, str]) -> Secret:
    if isinstance(value, dict) and len(value) == 1:
        if isinstance(path := value.get("file"), str):
            try:
                return Secret(Path(path).read_text(encoding="utf-8").strip(), {"file": path})
            except OSError as error:
                raise SettingsError(f"{where}cannot read {path}: {error.strerror}") from error
        if isinstance(name := value.get("environment"), str):
            if name not in environment:
                raise SettingsError(f"{where}environment variable {name} is not set")
            return Secret(environment[name], {"environment": name})
    raise SettingsError(
        f'{where}a secret is {{ file = "path" }} or {{ environment = "NAME" }}, never plain text'
    )
