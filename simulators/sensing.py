"""What each device feels of the true city at given moments, in the words of its encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from simulators.almanac import DAY, ORIGIN
from simulators.catchment import Catchment, stream
from simulators.city import City, Device
from simulators.containers import Containers, container
from simulators.meters import QUARTER, Medium, Meters, meter
from simulators.noise import Floats, key_of, normal, smooth, uniform
from simulators.parking import Bay, Parking, bay
from simulators.ponds import Ponds, pond, saturation_mg_l
from simulators.rooms import Rooms, room
from simulators.soil import Soil, pit
from simulators.sound import Street
from simulators.weather import Weather

Values = dict[str, float | int | bool]
_Reader = Callable[["Senses", Device, Floats], Mapping[str, Floats]]

# What drifts when a device drifts: the quantity it was bought for.
MAIN_VALUE: Mapping[str, str] = MappingProxyType(
    {
        "dingtek-df702": "level",
        "milesight-em400-mud": "distance",
        "milesight-em400-tld": "distance",
        "milesight-em410-rdl": "distance",
        "decentlab-dl-mbx": "distance",
        "decentlab-dl-ctd10": "water_depth",
        "milesight-em500-smtc": "humidity",
        "dragino-lse01": "water_SOIL",
        "decentlab-dl-tbrg": "cumulative_precipitation",
        "decentlab-dl-atm41": "air_temperature",
        "milesight-wts506": "temperature",
        "elsys-ers-co2": "co2",
        "milesight-am319": "co2",
        "nwave-nps405": "previous_state_duration",
        "bosch-tps110": "temperature",
        "alpha-omega-klax": "energy",
        "adeunis-pulse": "counter",
        "milesight-em300-di": "pulse",
        "decentlab-dl-optod": "oxygen_concentration",
        "milesight-ws302": "laeq",
    }
)


class Senses:
    """The sensors of one city; everything they read is a function of seed, device and time."""

    def __init__(self, city: City) -> None:
        seed, places = city.seed, city.places
        self.seed = seed
        self.weather = Weather(seed, places.temperature_mean_c, places.precipitation_mm)
        self.catchment = Catchment(seed, self.weather)
        self.containers = Containers(seed)
        self.meters = Meters(seed)
        self.rooms = Rooms(seed, self.weather)
        self.parking = Parking(seed)
        self.ponds = Ponds(seed, self.weather)
        self.soil = Soil(seed, self.weather)
        self.street = Street(seed, self.weather)

    def read(self, device: Device, times: Floats) -> list[Values]:
        """The values `device` encodes at each of the ascending times (epoch seconds)."""
        if len(times) == 0:
            return []
        if device.kind == "parking_bay":
            return self._parking_bay(device, times)
        columns = _READERS[device.profile](self, device, times)
        names = list(columns)
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def site_warmth(self, device: Device, times: Floats) -> Floats:
        """How much warmer than the edge of the town it is here, K: more by night, more between houses."""
        built_up = device.place.district in ("castrop", "rauxel", "habinghorst")
        height = (0.7 if built_up else 0.1) + 0.25 * float(normal(key_of(self.seed, "warm", device.thing), 0))
        night = 1.0 - np.clip(self.weather.radiation(times) / 250, 0, 0.8)
        return np.asarray(
            height * night + 0.1 * smooth(key_of(self.seed, "site", device.thing), times, 3_000)
        )

    def air(self, device: Device, times: Floats) -> Floats:
        """Air temperature at the device, degrees Celsius."""
        return np.asarray(self.weather.temperature(times) + self.site_warmth(device, times))

    def bay(self, device: Device) -> Bay:
        """The parking bay a device lies in."""
        return bay(device.thing, self.seed)

    def _parking_bay(self, device: Device, times: Floats) -> list[Values]:
        """Changes send the state alone, heartbeats (full six hours) the health of the sensor too."""
        place = self.bay(device)
        occupied = self.parking.occupied(place, times)
        changes = self.parking.changes(place, float(times[0]) - 2 * DAY, float(times[-1]) + 1)
        warm = self.air(device, times)
        rows: list[Values] = []
        for time, state, degrees in zip(times.tolist(), occupied.tolist(), warm.tolist(), strict=True):
            before = changes[changes < time - 1]
            row: Values = {"occupied": state > 0}
            is_change = bool(np.any(np.abs(changes - time) < 1))
            if device.profile == "bosch-tps110" and not is_change:
                row["temperature"] = degrees
            elif device.profile == "nwave-nps405" and is_change:
                row["previous_state_duration"] = (time - before[-1]) / 60 if len(before) else 600.0
            elif device.profile == "nwave-nps405":
                row.update(battery_voltage=3.5, temperature=degrees)
            rows.append(row)
        return rows


def _container(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    model = container(
        device.thing,
        senses.seed,
        empty_mm=device.geometry["empty_mm"],
        full_mm=device.geometry["full_mm"],
        round_days=7.0 if device.kind == "paper_container" else 7.9,
    )
    heard = np.nan_to_num(senses.containers.distance_mm(model, times), nan=0.0)  # 0 says: no echo
    air = senses.air(device, times)
    if device.profile == "dingtek-df702":
        tilt = 2 + uniform(key_of(senses.seed, "tilt", device.thing), 0) * 3
        return {"level": heard, "temperature": air, "angle": np.full(len(times), np.round(tilt))}
    return {"distance": heard, "temperature": air, "battery": _battery(senses, device, times)}


def _soil_smtc(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    moisture = _moisture(senses, device, times, catches=1.3)  # a trench also takes the water of the street
    return {
        "humidity": moisture,
        "temperature": senses.soil.temperature(times),
        "ec": 60 + 14 * moisture,
        "battery": _battery(senses, device, times),
    }


def _soil_lse01(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    moisture = _moisture(senses, device, times, catches=0.55)
    return {
        "water_SOIL": moisture,
        "temp_SOIL": senses.soil.temperature(times),
        "conduct_SOIL": 40 + 11 * moisture,
        "Bat": 3.3 + 0.003 * _battery(senses, device, times),
    }


def _moisture(senses: Senses, device: Device, times: Floats, *, catches: float) -> Floats:
    place = device.place
    return senses.soil.moisture(
        pit(device.thing, senses.seed, place.latitude, place.longitude, catches=catches), times
    )


def _stream_gauge(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    place = device.place
    water = stream(place.id, place.latitude, place.longitude, place.size, senses.seed)
    level_mm = 10 * senses.catchment.level_cm(water, times)
    noise = 2.0 * normal(key_of(senses.seed, "gauge", device.thing), times.astype(np.int64))
    if device.profile == "decentlab-dl-ctd10":
        # Spoil heaps make the Deininghauser Bach salty; rain dilutes it.
        salt = 1_900 / (1 + 1.2 * (senses.catchment.flow(water, times) / water.base_flow) ** 0.5)
        return {
            "water_depth": level_mm + noise,
            "temperature": senses.catchment.water_temperature(times),
            "electrical_conductivity": salt,
        }
    distance = device.geometry["zero_mm"] - level_mm + noise
    if device.profile == "milesight-em410-rdl":
        return {
            "distance": distance,
            "temperature": senses.air(device, times),
            "battery": _battery(senses, device, times),
        }
    return {"distance": distance}


def _rain_gauge(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    now, before = _tips(senses, device, times), _tips(senses, device, times - device.interval_s)
    return {"precipitation": now - before, "cumulative_precipitation": np.mod(now, 6_500)}


def _tips(senses: Senses, device: Device, times: Floats) -> Floats:
    """Full tips of 0.1 mm since the counter began."""
    fallen = senses.weather.rain_total(device.place.latitude, device.place.longitude, times)
    return np.asarray(np.floor(fallen * 10 + 1e-9) / 10)


def _atm41(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    weather, place = senses.weather, device.place
    now = weather.rain_total(place.latitude, place.longitude, times)
    before = weather.rain_total(place.latitude, place.longitude, times - device.interval_s)
    return {
        "air_temperature": senses.air(device, times),
        "relative_humidity": weather.humidity(times),
        "atmospheric_pressure": weather.pressure(times) / 10,
        "wind_speed": weather.wind_speed(times),
        "wind_direction": weather.wind_direction(times),
        "precipitation": now - before,
        "solar_radiation": weather.radiation(times),
    }


def _wts506(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    weather, place = senses.weather, device.place
    # A hobby station hangs where there is room for it: some stand in the sun or behind a house.
    sun = 2.5 * float(uniform(key_of(senses.seed, "sun", device.thing), 0)) ** 2
    shelter = 0.4 + 0.4 * float(uniform(key_of(senses.seed, "shelter", device.thing), 0))
    return {
        "temperature": senses.air(device, times) + sun * weather.radiation(times) / 800,
        "humidity": weather.humidity(times),
        "wind_direction": weather.wind_direction(times),
        "pressure": weather.pressure(times),
        "wind_speed": shelter * weather.wind_speed(times),
        "rainfall_total": np.mod(weather.rain_total(place.latitude, place.longitude, times), 650),
        "battery": _battery(senses, device, times),
    }


def _room(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    model = room(device.thing, senses.seed)
    people = senses.rooms.people(model, times)
    noise = 12 * normal(key_of(senses.seed, "ndir", device.thing), times.astype(np.int64))
    co2 = senses.rooms.co2(model, times) + noise
    common = {
        "temperature": senses.rooms.temperature(model, times),
        "humidity": senses.rooms.humidity(model, times),
        "co2": co2,
    }
    if device.profile == "elsys-ers-co2":
        light = np.where(people > 0, 420.0, 0.25 * senses.weather.radiation(times))
        return {**common, "light": light, "motion": np.round(people * 0.7)}
    return {
        **common,
        "pressure": senses.weather.pressure(times),
        "pm2.5": 0.5 * senses.street.pm2_5(device.thing, times),
        "pm10": 0.6 * senses.street.pm10(device.thing, times) + 0.3 * people,
        "tvoc": 100 + 5 * people,
        "activity": people,
        "light_level": np.where(people > 0, 4.0, 1.0),
    }


def _electricity(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    size = 4 + 40 * float(uniform(key_of(senses.seed, "size", device.thing), 0)) ** 2
    model = meter(device.thing, senses.seed, Medium.ELECTRICITY, size)
    quarter = np.floor(times / QUARTER) * QUARTER
    wh = [1_000 * senses.meters.counter(model, quarter - back * QUARTER) for back in range(4)]
    serial = np.full(len(times), float(device.index + 1))
    return {"energy": wh[0], "energy_1": wh[1], "energy_2": wh[2], "energy_3": wh[3], "server_id": serial}


def _water(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    size = 15 + 90 * float(uniform(key_of(senses.seed, "size", device.thing), 0)) ** 2
    model = meter(device.thing, senses.seed, Medium.WATER, size)
    if device.profile == "milesight-em300-di":
        litres = senses.meters.counter(model, times)
        return {"pulse": np.floor(litres), "battery": _battery(senses, device, times)}
    hours = [np.floor(senses.meters.counter(model, times - back * 3_600)) for back in range(3)]
    return {"counter": hours[0], "counter_1": hours[1], "counter_2": hours[2], "timestamp": np.floor(times)}


def _pond(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    oxygen = senses.ponds.oxygen_mg_l(pond(device.thing, senses.seed), times)
    water = senses.ponds.temperature(times)
    return {
        "temperature": water,
        "oxygen_saturation": 100 * oxygen / saturation_mg_l(water),
        "oxygen_concentration": oxygen,
    }


def _noise(senses: Senses, device: Device, times: Floats) -> Mapping[str, Floats]:
    equivalent = senses.street.level_db(device.thing, times)
    key = key_of(senses.seed, "peak", device.thing)
    index = times.astype(np.int64)
    return {
        "la": equivalent + 3 * normal(key, index),
        "laeq": equivalent,
        "lamax": equivalent + 8 - 4 * np.log1p(-uniform(key, index, 1)),
        "battery": _battery(senses, device, times),
    }


def _battery(senses: Senses, device: Device, times: Floats) -> Floats:
    """Per cent; a battery lasts six to ten years and was changed somewhere before."""
    years, age = uniform(key_of(senses.seed, "battery", device.thing), np.arange(2))
    used = (times - ORIGIN) / DAY / 365.25 / (6 + 4 * years) + 0.4 * age
    return np.asarray(np.round(100 * (1 - np.mod(used, 1.0))))


_READERS: Mapping[str, _Reader] = MappingProxyType(
    {
        "dingtek-df702": _container,
        "milesight-em400-mud": _container,
        "milesight-em400-tld": _container,
        "milesight-em500-smtc": _soil_smtc,
        "dragino-lse01": _soil_lse01,
        "milesight-em410-rdl": _stream_gauge,
        "decentlab-dl-mbx": _stream_gauge,
        "decentlab-dl-ctd10": _stream_gauge,
        "decentlab-dl-tbrg": _rain_gauge,
        "decentlab-dl-atm41": _atm41,
        "milesight-wts506": _wts506,
        "elsys-ers-co2": _room,
        "milesight-am319": _room,
        "alpha-omega-klax": _electricity,
        "adeunis-pulse": _water,
        "milesight-em300-di": _water,
        "decentlab-dl-optod": _pond,
        "milesight-ws302": _noise,
    }
)
