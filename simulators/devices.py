"""Puts the virtual city's values into the bytes a real device would send for them.

`encode(kind, values, rng)` gives (FPort, payload). Values saturate at the ends of the device's
field and are rounded to its resolution. Kinds and their values, each with unit and resolution;
what stands in [..] may be left out:

dingtek-df702: level mm, temperature Cel 1, [angle deg, full, fire, tilt, battery: alarms]
milesight-em400-mud, -tld: distance mm, temperature Cel 0.1, [battery %, tilted]
milesight-em410-rdl: distance mm, temperature Cel 0.1, [battery %, tilted, radar_signal_rssi dBm]
milesight-em500-smtc: humidity % 0.5 (soil), temperature Cel 0.1 (soil), ec uS/cm, [battery %]
milesight-wts506: temperature Cel 0.1, humidity % 0.5, wind_direction deg 0.1, pressure hPa 0.1,
    wind_speed m/s 0.1, rainfall_total mm 0.01, [rainfall_counter, battery %]
milesight-ws302: la, laeq, lamax dB(A) 0.1, [battery %]
milesight-em300-di: pulse (count), [battery %, temperature Cel, humidity %]
milesight-am319: temperature Cel 0.1, humidity % 0.5, co2 [ppm], pressure hPa 0.1, pm2.5, pm10
    ug/m3, [activity, light_level 0-5, tvoc (index), hcho mg/m3 0.01]
decentlab-dl-mbx: distance mm, [number_of_valid_samples: 0 says "no echo", battery_voltage V]
decentlab-dl-ctd10: water_depth mm, temperature Cel 0.1, electrical_conductivity uS/cm,
    [freezing_flag, battery_voltage V]
decentlab-dl-tbrg: precipitation mm 0.1 (in the interval), cumulative_precipitation mm 0.1,
    [precipitation_interval s = 600, battery_voltage V]
decentlab-dl-atm41: air_temperature Cel 0.1, relative_humidity % 0.1, atmospheric_pressure kPa 0.01,
    wind_speed m/s 0.01, wind_direction deg 0.1, precipitation mm 0.001 (since the last frame),
    solar_radiation W/m2, [maximum_wind_speed m/s, lightning_strike_count,
    lightning_average_distance km, battery_voltage V, ..]
decentlab-dl-optod: temperature Cel 0.01, oxygen_saturation % 0.01, oxygen_concentration mg/L 0.01,
    [oxygen_concentration_alt ppm, status, battery_voltage V]
elsys-ers-co2: temperature Cel 0.1, humidity % 1, co2 [ppm], [light lx, motion, vdd mV]
elsys-ers-sound: temperature, humidity, soundPeak dB 1, soundAvg dB 1, [light, motion, vdd]
bosch-tps110: occupied, [temperature Cel 1: makes it a heartbeat]
nwave-nps405: occupied, [previous_state_duration min; or battery_voltage V 0.004 together with
    temperature Cel 0.5: makes it a heartbeat]
adeunis-pulse: counter (pulses), [counter_1, counter_2, ..: an hour earlier each, timestamp: unix s,
    low_battery, frame_counter]
alpha-omega-klax: energy Wh, [energy_1, energy_2, energy_3: 15 minutes earlier each, battery % 10,
    server_id: 80-bit number, message_index]
dragino-lse01: water_SOIL % 0.01, temp_SOIL Cel 0.01, conduct_SOIL uS/cm, [TempC_DS18B20 Cel 0.1,
    Bat V 0.001]

Decentlab kinds also take [device_id], a 16-bit number.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import MappingProxyType

from simulators.encoders import decentlab, meters, milesight, single
from simulators.encoders.quantise import Encoder

ENCODERS: Mapping[str, Encoder] = MappingProxyType(
    {
        "adeunis-pulse": meters.adeunis_pulse,
        "alpha-omega-klax": meters.klax,
        "bosch-tps110": single.bosch_tps110,
        "decentlab-dl-atm41": decentlab.atm41,
        "decentlab-dl-ctd10": decentlab.ctd10,
        "decentlab-dl-mbx": decentlab.mbx,
        "decentlab-dl-optod": decentlab.optod,
        "decentlab-dl-tbrg": decentlab.tbrg,
        "dingtek-df702": single.dingtek_df702,
        "dragino-lse01": single.dragino_lse01,
        "elsys-ers-co2": single.elsys,
        "elsys-ers-sound": single.elsys,
        "milesight-am319": milesight.am319,
        "milesight-em300-di": milesight.em300_di,
        "milesight-em400-mud": milesight.em400,
        "milesight-em400-tld": milesight.em400,
        "milesight-em410-rdl": milesight.em410_rdl,
        "milesight-em500-smtc": milesight.em500_smtc,
        "milesight-ws302": milesight.ws302,
        "milesight-wts506": milesight.wts506,
        "nwave-nps405": single.nwave_nps405,
    }
)


def encode(kind: str, values: Mapping[str, float | bool | int], rng: random.Random) -> tuple[int, bytes]:
    """FPort and application payload of one uplink of a device of `kind`.

    `rng` fills what real devices send and no caller cares for (radar strength, gusts).
    Raises ValueError for an unknown kind or a missing value, naming it.
    """
    encoder = ENCODERS.get(kind)
    if encoder is None:
        raise ValueError(f"no encoder for devices of kind {kind!r}; known are {', '.join(ENCODERS)}")
    try:
        return encoder(values, rng)
    except KeyError as error:
        raise ValueError(f"{kind}: value {error.args[0]!r} is missing; given are {sorted(values)}") from error
