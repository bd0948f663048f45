"""JSON Patch (RFC 6902) on the properties of one entity."""

from __future__ import annotations

import copy
from typing import Any

from udp.api.problems import BadEntity

_MOST = 1_000
# Copies of copies double with every operation: so many values one patch may copy in all.
_MOST_COPIED = 20_000


def changed(entity: dict[str, Any], patch: Any) -> dict[str, Any]:
    """Properties that differ afterwards; None for what is gone. BadEntity for what cannot be applied."""
    if not isinstance(patch, list) or len(patch) > _MOST:
        raise BadEntity(f"a JSON Patch is a list of at most {_MOST} operations")
    before = copy.deepcopy(entity)
    after: Any = copy.deepcopy(entity)
    copied = 0
    for one in patch:
        copied += _to_be_copied(after, one)
        if copied > _MOST_COPIED:
            raise BadEntity(f"JSON Patch: more than {_MOST_COPIED} values would be copied")
        after = _apply(after, one)
    if not isinstance(after, dict):
        raise BadEntity("a JSON Patch leaves an entity an object")
    return {
        name: after.get(name)
        for name in {*before, *after}
        if name not in before or name not in after or before[name] != after[name]
    }


def _apply(document: Any, operation: Any) -> Any:
    if not isinstance(operation, dict):
        raise BadEntity("each operation of a JSON Patch is an object")
    name, path = operation.get("op"), _pointer(operation.get("path"))
    if name in ("add", "replace", "test") and "value" not in operation:
        raise BadEntity(f"JSON Patch: {name} needs a value")
    if name == "test":
        if _get(document, path) != operation["value"]:
            raise BadEntity(f"JSON Patch: the test of {operation['path']} failed; nothing was changed")
        return document
    if name == "add":
        return _add(document, path, copy.deepcopy(operation["value"]))
    if name == "replace":
        _get(document, path)
        return _add(_remove(document, path) if path else document, path, copy.deepcopy(operation["value"]))
    if name == "remove":
        return _remove(document, path)
    if name in ("move", "copy"):
        source = _pointer(operation.get("from"))
        value = copy.deepcopy(_get(document, source))
        if name == "move" and path[: len(source)] == source and path != source:
            raise BadEntity("JSON Patch: nothing moves into itself")
        return _add(_remove(document, source) if name == "move" else document, path, value)
    raise BadEntity(f"JSON Patch: {str(name)[:20]!r} is no operation")


def _to_be_copied(document: Any, operation: Any) -> int:
    """How many values a `copy` would make."""
    if not isinstance(operation, dict) or operation.get("op") != "copy":
        return 0
    count, waiting = 0, [_get(document, _pointer(operation.get("from")))]
    while waiting and count <= _MOST_COPIED:
        one = waiting.pop()
        count += 1
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return count


def _pointer(written: Any) -> list[str]:
    if not isinstance(written, str) or (written and not written.startswith("/")):
        raise BadEntity("JSON Patch: path and from are JSON pointers, e.g. /properties/colour")
    return [one.replace("~1", "/").replace("~0", "~") for one in written.split("/")[1:]]


def _get(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, list):
            document = document[_index(step, len(document) - 1)]
        else:
            document = _member(document, step)
    return document


def _member(document: Any, step: str) -> Any:
    if not isinstance(document, dict) or step not in document:
        raise BadEntity(f"JSON Patch: there is no {step[:40]!r}")
    return document[step]


def _index(step: str, most: int) -> int:
    if not step.isdecimal() or (len(step) > 1 and step[0] == "0") or int(step) > most:
        raise BadEntity(f"JSON Patch: {step[:20]!r} is no place in the list")
    return int(step)


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        parent.insert(len(parent) if path[-1] == "-" else _index(path[-1], len(parent)), value)
    elif isinstance(parent, dict):
        parent[path[-1]] = value
    else:
        raise BadEntity(f"JSON Patch: nothing can be added below {path[-1][:40]!r}")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise BadEntity("JSON Patch: an entity is removed by DELETE")
    parent = _get(document, path[:-1])
    if isinstance(parent, list):
        del parent[_index(path[-1], len(parent) - 1)]
    else:
        _member(parent, path[-1])
        del parent[path[-1]]
    return document
