"""Entities as the examples of OGC 18-088 write them, one per type."""

from __future__ import annotations

from typing import Any

MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"


def thing(**more: Any) -> dict[str, Any]:
    return {
        "name": "Bank",
        "description": "Eine Sitzbank",
        "properties": {"farbe": "rot", "teile": [1, 2]},
    } | more


def location(longitude: float = 7.31, latitude: float = 51.55, **more: Any) -> dict[str, Any]:
    return {
        "name": "Marktplatz", "description": "Mitte", "encodingType": "application/vnd.geo+json",
        "location": {"type": "Point", "coordinates": [longitude, latitude]},
    } | more  # fmt: skip


def sensor(**more: Any) -> dict[str, Any]:
    return {
        "name": "Lux 1", "description": "Lichtmesser", "encodingType": "http://schema.org/description",
        "metadata": "Datenblatt",
    } | more  # fmt: skip


def observed(**more: Any) -> dict[str, Any]:
    return {
        "name": "Beleuchtungsstärke", "definition": "https://example.org/illuminance", "description": "Licht",
    } | more  # fmt: skip


def stream(**more: Any) -> dict[str, Any]:
    return {
        "name": "Licht", "description": "Licht am Markt", "observationType": MEASUREMENT,
        "unitOfMeasurement": {"name": "Lux", "symbol": "lx", "definition": "https://ucum.org/lx"},
    } | more  # fmt: skip


def feature(longitude: float = 7.4, **more: Any) -> dict[str, Any]:
    return {
        "name": "Himmel", "description": "Über dem Markt", "encodingType": "application/geo+json",
        "feature": {"type": "Point", "coordinates": [longitude, 51.5]},
    } | more  # fmt: skip


def observation(hour: int = 10, result: float = 8, **more: Any) -> dict[str, Any]:
    return {"phenomenonTime": f"2026-11-20T{hour:02}:00:00Z", "result": result} | more


def complete(**more: Any) -> dict[str, Any]:
    """A Thing with all that can be inside it."""
    return thing(
        Locations=[location()],
        Datastreams=[
            stream(
                Sensor=sensor(), ObservedProperty=observed(),
                Observations=[observation(1, 1), observation(2, 2, FeatureOfInterest=feature())],
            )
        ],
    ) | more  # fmt: skip


def link(address: str) -> dict[str, int]:
    """`{"@iot.id": ...}` of an address."""
    return {"@iot.id": int(address.rpartition("(")[2].rstrip(")"))}
