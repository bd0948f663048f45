"""What the weather service expects of the next two days, with its name, its age and how sure it is.

The data are the service's and not the city's; whether they are shown to everybody says the policy.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from udp.api import columns_json, representations
from udp.api.desk import Asking, AtDesk, answer
from udp.api.schemas import Answer, Moment
from udp.api.v1 import add_readable
from udp.errors import NotFound
from udp.opendata.offer import licence_page
from udp.policy import operates
from udp.weather.coming import Hour, Minutes, Run

_SECONDS = 60
# What the service asks for where its data are worked on (GeoNutzV, section 3; CC BY 4.0, section 3 a).
_CHANGED = "eigene Elemente ergänzt"


class WeatherHour(Answer):
    """The hour that ends at `valid_time`; null is not said."""

    valid_time: Moment
    rain_mm: float | None = Field(description="expected in this hour", examples=[0.4])
    rain_probability: float | None = Field(description="of more than 0.1 mm", examples=[0.35])
    rain_mm_1_in_10: float | None = Field(description="exceeded in one of ten such hours", examples=[1.6])
    temperature_c: float | None = Field(description="at the end of the hour", examples=[11.3])
    temperature_error_k: float | None = Field(description="how far off that usually is", examples=[1.1])


class WeatherPoint(Answer):
    """The newest point forecast; not `fresh`: the service has brought nothing newer for hours."""

    issued_at: Moment
    known_at: Moment
    fresh: bool
    station: str = Field(examples=["10416"])
    hours: list[WeatherHour]


class WeatherMinutes(Answer):
    """Five minutes that end at `valid_time`, at the city's rain gauges."""

    valid_time: Moment
    rain_mm: float = Field(description="mean of all gauges", examples=[0.1])
    most_mm: float = Field(description="at the wettest gauge", examples=[0.4])


class WeatherRadar(Answer):
    """The newest radar nowcast."""

    issued_at: Moment
    known_at: Moment
    fresh: bool
    steps: list[WeatherMinutes]


class WeatherAnswer(Answer):
    """Null where the service said nothing that is still of use. `attribution` must stand beside the data."""

    forecast: bool = True
    source: str = Field(examples=["Deutscher Wetterdienst"])
    attribution: str = Field(examples=[f"Datenbasis: Deutscher Wetterdienst, {_CHANGED} (CC-BY-4.0)"])
    licence: str = Field(examples=["CC-BY-4.0"])
    licence_url: str = Field(examples=["https://creativecommons.org/licenses/by/4.0/"])
    simulated: bool = Field(description="true: of a virtual city's weather, expected by nobody")
    point: WeatherPoint | None
    radar: WeatherRadar | None


def router() -> APIRouter:
    """One address."""
    api = APIRouter(prefix=representations.V1, tags=["forecasts"])
    summary = "Rain and temperature of the next two days as the weather service expects them"
    add_readable(api, [("/weather-forecast", weather_forecast, WeatherAnswer, summary)])
    return api


async def weather_forecast(request: Request, at: AtDesk, who: Asking) -> Response:
    """The newest runs known, whole; 404 where the policy does not open them ([weather_forecasts] public)."""
    views = await at.views.get()
    if not (views.gate.policy.weather_open or operates(who)):
        raise NotFound("what the weather service expects is not published here ([weather_forecasts] public)")
    known, settings = await at.coming.get(), at.ports.weather
    body = {
        "forecast": True,
        "source": settings.provider,
        "attribution": f"Datenbasis: {settings.provider}, {_CHANGED}"
        + (f" ({settings.licence})" if settings.licence else ""),
        "licence": settings.licence,
        "licence_url": licence_page(settings.licence),
        "simulated": settings.simulated,
        "point": _point(known.point, settings.station) if known.point else None,
        "radar": _radar(known.radar) if known.radar else None,
    }
    return answer(request, who, representations.dumps(body), media_type="application/json", seconds=_SECONDS)


def _point(one: Run[Hour], station: str) -> dict[str, Any]:
    return {**_run(one), "station": station, "hours": [_hour(hour) for hour in one.parts]}


def _radar(one: Run[Minutes]) -> dict[str, Any]:
    return {**_run(one), "steps": [_minutes(step) for step in one.parts]}


def _run(one: Run[Any]) -> dict[str, Any]:
    return {
        "issued_at": columns_json.time(one.issued_at),
        "known_at": columns_json.time(one.known_at),
        "fresh": one.fresh,
    }


def _hour(one: Hour) -> dict[str, Any]:
    return {
        "valid_time": columns_json.time(one.ends),
        "rain_mm": _rounded(one.rain, 2),
        "rain_probability": _rounded(one.chance, 3),
        "rain_mm_1_in_10": _rounded(one.high, 2),
        "temperature_c": _rounded(one.air, 2),
        "temperature_error_k": _rounded(one.air_error, 2),
    }


def _minutes(one: Minutes) -> dict[str, Any]:
    return {
        "valid_time": columns_json.time(one.ends),
        "rain_mm": _rounded(one.rain, 3),
        "most_mm": _rounded(one.most, 3),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    """Kelvin less 273.15 leaves digits nobody said."""
    return None if value is None else round(value, digits)
