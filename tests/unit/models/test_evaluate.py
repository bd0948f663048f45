"""The evaluation command reads series as strangers keep them, or says which file and column is meant."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.evaluate.__main__ import main
from models.evaluate.meters import read_meters

HOURS = np.timedelta64(1, "h")
START = np.datetime64("2024-01-01T00:00")


def stream(count: int, seed: int = 0) -> pd.DataFrame:
    """Hourly rain and the outflow of one linear store."""
    rng = np.random.default_rng(seed)
    rain = np.where(rng.random(count) < 0.06, rng.gamma(1.0, 4.0, count), 0.0).round(2)
    flow, store = np.empty(count), 5.0
    for i, fallen in enumerate(rain):
        store = 0.93 * store + fallen
        flow[i] = 0.1 + 0.05 * store
    return pd.DataFrame(
        {"time": START + np.arange(count) * HOURS, "precipitation_mm": rain, "discharge_m3s": flow.round(4)}
    )


def put(folder: Path, name: str, table: pd.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith(".csv"):
        table.to_csv(folder / name, index=False)
    else:
        table.to_parquet(folder / name)


def echoes(count: int = 4, days: int = 50) -> pd.DataFrame:
    """Containers a metre deep that fill by the hour and are emptied when they are full."""
    parts = []
    for number in range(count):
        rng, content = np.random.default_rng(number), 0.0
        rows = []
        for hour in range(24 * days):
            content += float(rng.poisson(0.4 + 0.1 * number))
            content = 0.0 if content > 85 and hour % 24 == 8 else content
            rows.append(100.0 - min(content, 95.0))
        parts.append(
            pd.DataFrame({"container": f"B{number}", "time": START + np.arange(len(rows)) * HOURS,
                          "distance_cm": np.round(rows), "depth_cm": 100.0})
        )  # fmt: skip
    return pd.concat(parts)


def hourly_meter(days: int) -> pd.DataFrame:
    """One meter that always uses the same."""
    times = pd.date_range("2023-01-01", periods=24 * days, freq="h")
    return pd.DataFrame({"meter": "M1", "t": times, "value": 1.0})


def printed(data: Path, section: str, capsys) -> str:
    """What the command says of a directory that it can evaluate."""
    assert main(["--data", str(data), "--only", section]) == 0
    return str(capsys.readouterr().out)


def figure(out: str, word: str, name: str) -> float:
    """The number behind ``name`` in the line that holds ``word``."""
    row = next(line for line in out.splitlines() if word in line)
    return float(row.split(name)[1].split()[0])


def test_an_empty_directory_is_said(tmp_path: Path, capsys) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "none of the known series" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "absent")]) == 2
    assert "is no directory" in capsys.readouterr().err


def test_daily_bins_are_judged_beside_persistence(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        level = 0.0
        for day in range(300):
            level = 0.0 if level >= 8 and rng.random() < 0.7 else min(10.0, level + 2 * rng.integers(0, 3))
            rows.append((number, int(level), 8, np.datetime64("2020-01-01") + day, "X"))
    table = pd.DataFrame(rows, columns=["bin", "level", "threshold", "date", "reason"])
    put(tmp_path / "fill", "another_city.parquet", table)
    out = printed(tmp_path, "fill", capsys)
    assert "fill daily, 1 d (12 bins): MAE" in out
    assert "persistence" in out


def test_a_stream_that_cannot_be_calibrated_is_named(tmp_path: Path, capsys) -> None:
    table = stream(24 * 20).assign(precipitation_mm=0.0, discharge_m3s=1.0)
    put(tmp_path / "hydro", "sub_flat.csv", table)
    assert "nicht kalibriert" in printed(tmp_path, "stream", capsys)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.drop(columns="precipitation_mm"), "no column with the rain"),
        (lambda t: t.drop(columns="time"), "no column with the time"),
        (lambda t: t.rename(columns={"discharge_m3s": "turbidity"}), "no column to forecast"),
        (lambda t: t.assign(discharge_m3s=[*t["discharge_m3s"][:9].astype(str), "abc"] * 20),
         "line 11, column discharge_m3s: 'abc' is no number"),
        (lambda t: t.assign(time=["gestern", *t["time"][1:].astype(str)]), "line 2, column time: 'gestern'"),
        (lambda t: t.head(0), "holds no rows"),
    ],
)  # fmt: skip
def test_an_unreadable_file_is_named_with_its_column_and_the_others_go_on(
    tmp_path: Path, capsys, spoil, said: str
) -> None:
    put(tmp_path / "hydro", "sub_bad.csv", spoil(stream(200)))
    put(tmp_path / "hydro", "sub_flat.csv", stream(24 * 20).assign(discharge_m3s=1.0))
    assert main(["--data", str(tmp_path), "--only", "stream"]) == 1
    told = capsys.readouterr()
    assert said in told.err
    assert "sub_bad.csv" in told.err
    assert "sub_flat" in told.out


def test_litres_shuffled_rows_and_wild_clocks_are_the_same_stream(tmp_path: Path, capsys) -> None:
    plain = stream(24 * 32)
    rng = np.random.default_rng(1)
    litres = plain.assign(discharge_l_s=1000 * plain["discharge_m3s"]).drop(columns="discharge_m3s")
    forms = {
        "plain": plain,
        "litres": pd.concat([litres, litres.head(30)]).sample(frac=1, random_state=0),
        "jitter": plain.assign(
            time=plain["time"] - rng.integers(0, 600, len(plain)).astype("timedelta64[s]")
        ),
    }
    scores = {}
    for name, table in forms.items():
        put(tmp_path / name / "hydro", "sub_x.csv", table)
        out = printed(tmp_path / name, "stream", capsys)
        scores[name] = figure(out, "perfect rain", "NSE")
        assert "(m3/s, step 60 min)" in out
    assert scores["litres"] == pytest.approx(scores["plain"], abs=0.02)
    assert scores["jitter"] == pytest.approx(scores["plain"], abs=0.05)


def test_logger_codes_are_gaps_and_that_is_said(tmp_path: Path, capsys) -> None:
    table = stream(24 * 20)
    table.loc[5:20, "discharge_m3s"] = -999
    table.loc[3, "precipitation_mm"] = -1.0
    put(tmp_path / "hydro", "sub_codes.csv", table)
    main(["--data", str(tmp_path), "--only", "stream"])
    out = capsys.readouterr().out
    assert "16 x -999 read as gaps" in out
    assert "1 negative values read as gaps" in out


def test_daily_basin_lives_without_evaporation_and_takes_its_area(tmp_path: Path, capsys, slow_store) -> None:
    rng = np.random.default_rng(2)
    days = 365 * 7
    rain = np.where(rng.random(days) < 0.4, rng.gamma(1.0, 5.0, days), 0.0)
    warmth = 10.0 - 8.0 * np.cos(2 * np.pi * np.arange(days) / 365.25)
    table = pd.DataFrame(
        {"time": np.datetime64("2010-01-01") + np.arange(days), "precipitation_mm": rain,
         "temperature_c": warmth, "discharge_m3s": slow_store(rain)}
    )  # fmt: skip
    table.loc[rng.random(days) < 0.02, ["precipitation_mm", "temperature_c"]] = np.nan
    put(tmp_path / "hydro", "daily_x.csv", table.drop(index=[400, 401]))
    assert main(["--data", str(tmp_path), "--only", "daily"]) == 1
    assert "area_km2" in capsys.readouterr().err
    (tmp_path / "hydro" / "metadata.json").write_text(json.dumps({"daily_x": {"area_km2": 86.4}}))
    out = printed(tmp_path, "daily", capsys)
    assert figure(out, "daily_x", "NSE") > 0.5
    assert "Oudin" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1, 2]", "by file name"),
        ('{"daily_x": "Emscher"}', "by file name"),
        ('{"daily_x": {"area_km2": 5, "split": "2010-13-45"}}', "daily_x: split '2010-13-45' is no date"),
        ('{"daily_x": {"area_km2": "large"}}', "daily_x: area_km2 'large' is no number"),
        ('{"daily_x": {"area_km2": 5, "latitude": "52N"}}', "daily_x: latitude '52N' is no number"),
    ],
)
def test_what_metadata_cannot_mean_is_named(tmp_path: Path, capsys, content: str, said: str) -> None:
    table = stream(400).assign(time=np.datetime64("2010-01-01") + np.arange(400))
    put(tmp_path / "hydro", "daily_x.csv", table)
    (tmp_path / "hydro" / "metadata.json").write_text(content)
    assert main(["--data", str(tmp_path), "--only", "daily"]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "metadata.json" in told


@pytest.mark.parametrize("step", [12, 24])
def test_a_stream_on_too_long_steps_is_refused_with_the_remedy(tmp_path: Path, capsys, step: int) -> None:
    table = stream(400)
    put(tmp_path / "hydro", "sub_x.csv", table.assign(time=START + np.arange(400) * step * HOURS))
    assert main(["--data", str(tmp_path), "--only", "stream"]) == 1
    told = capsys.readouterr().err
    assert f"sub_x.csv, column discharge_m3s: a value every {step} h" in told
    assert "daily_" in told


def test_echoes_are_understood_in_every_sensible_form(tmp_path: Path, capsys) -> None:
    long = echoes()
    forms = {
        "long": long,
        "mm": long.assign(distance_mm=10 * long["distance_cm"], depth_m=1.0).drop(
            columns=["distance_cm", "depth_cm"]
        ),
        "percent": long.assign(fill_pct=100.0 - long["distance_cm"])[["container", "time", "fill_pct"]],
        "wide": long.pivot_table(index="time", columns="container", values="distance_cm"),
    }
    found = {}
    for name, table in forms.items():
        put(tmp_path / name / "fill", "sensors.parquet", table)
        out = printed(tmp_path / name, "fill", capsys)
        found[name] = figure(out, "pooled inflow rate", "MAE")
        assert "fill hourly: 4 containers" in out
    assert found["mm"] == found["long"]
    assert max(found.values()) < 1.3 * min(found.values())


def test_a_sensor_whose_clock_runs_ahead_changes_nothing_and_is_named(tmp_path: Path, capsys) -> None:
    table = echoes()
    later = np.datetime64("now", "s") + np.timedelta64(60, "D")
    ahead = pd.concat([table, table.head(1).assign(time=later.astype("datetime64[ns]"))])
    said = {}
    for name, one in (("plain", table), ("ahead", ahead)):
        put(tmp_path / name / "fill", "sensors.parquet", one)
        said[name] = printed(tmp_path / name, "fill", capsys).splitlines()
    assert said["ahead"] == [*said["plain"], "  note: 1 rows of the future left out"]


@pytest.mark.parametrize(("mark", "judged"), [("true", True), ("yes", True), ("no", False)])
def test_what_is_marked_as_test_is_tested(tmp_path: Path, mark: str, judged: bool) -> None:
    table = hourly_meter(10).assign(test="no")
    table.loc[24 * 8 :, "test"] = mark
    put(tmp_path, "readings.csv", table)
    read = read_meters(tmp_path)
    assert read is not None
    (meter,) = read.meters
    assert bool(meter.split == table["t"][24 * 8].to_datetime64()) is judged


def test_what_was_corrected_is_said_of_loads_too(tmp_path: Path, capsys) -> None:
    put(tmp_path / "consumption", "readings.csv", hourly_meter(10).assign(test="no"))
    out = printed(tmp_path, "load", capsys)
    assert "note: no weather.parquet" in out
    assert "note: no column utility" in out


def test_a_mark_that_is_neither_yes_nor_no_is_said(tmp_path: Path) -> None:
    table = hourly_meter(10).assign(test="no")
    table.loc[200:, "test"] = "vielleicht"
    put(tmp_path, "readings.csv", table)
    read = read_meters(tmp_path)
    assert read is not None
    assert "test: 40 x neither yes nor no, as 'vielleicht'; read as no" in read.remarks


def test_a_meter_whose_clock_runs_ahead_ends_today_and_rows_without_any_time_are_refused(
    tmp_path: Path, capsys
) -> None:
    table = hourly_meter(10)
    later = table["t"].iloc[-1]
    ahead = table.tail(1).assign(t=pd.Timestamp.now().normalize() + pd.Timedelta(days=60))
    put(tmp_path, "readings.csv", pd.concat([table, table.tail(3), ahead]))
    read = read_meters(tmp_path)
    assert read is not None
    assert read.meters[0].load.times[-1] == later.to_datetime64()
    assert {"1 rows of the future left out", "3 times stand twice; the last counts"} < set(read.remarks)
    put(tmp_path / "consumption", "readings.csv", table.assign(t=""))
    assert main(["--data", str(tmp_path), "--only", "consumption"]) == 1
    assert "readings.csv, column t: no row has a time" in capsys.readouterr().err


@pytest.mark.parametrize(("begin", "said"), [("gestern", "'gestern'"), ("", "is empty")])
def test_a_fault_without_a_readable_start_is_named_by_its_column(
    tmp_path: Path, capsys, begin: str, said: str
) -> None:
    put(tmp_path / "consumption", "readings.parquet", hourly_meter(10))
    fault = {"meter": ["M1"], "type": ["night"], "begin": [begin], "end": ["2023-01-02"]}
    put(tmp_path / "consumption", "events.csv", pd.DataFrame(fault))
    assert main(["--data", str(tmp_path), "--only", "consumption"]) == 1
    assert f"events.csv, line 2, column begin: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t.assign(time=t["time"].astype("int64")), "column time: holds numbers and no times"),
        (lambda t: t.assign(Time=t["time"]), "column time stands there twice"),
    ],
)
def test_times_that_could_be_misunderstood_are_refused(tmp_path: Path, capsys, spoil, said: str) -> None:
    put(tmp_path / "fill", "sensors.parquet", spoil(echoes(1, 5)))
    assert main(["--data", str(tmp_path), "--only", "fill"]) == 1
    assert f"sensors.parquet, {said}" in capsys.readouterr().err


def test_an_empty_column_of_depths_is_as_good_as_none_and_called_so(tmp_path: Path, capsys) -> None:
    put(tmp_path / "fill", "sensors.parquet", echoes(1, 5).assign(depth_cm=np.nan))
    assert "note: no depth_cm: the farthest echoes" in printed(tmp_path, "fill", capsys)


def test_echoes_without_a_known_column_say_what_would_do(tmp_path: Path, capsys) -> None:
    put(tmp_path / "fill", "x.parquet", echoes(1, 3)[["container", "time"]].assign(blob=1))
    assert main(["--data", str(tmp_path)]) == 1
    assert "distance_cm, distance_mm, fill_percent" in capsys.readouterr().err


def test_meters_without_faults_or_weather_are_said(tmp_path: Path, capsys) -> None:
    table = hourly_meter(120)
    hour = table["t"].dt.hour
    table = table.assign(utility="electricity", value=5.0 + 3.0 * ((hour > 7) & (hour < 18)))
    put(tmp_path / "consumption", "readings.parquet", table)
    out = printed(tmp_path, "consumption", capsys)
    assert "no events.csv" in out
    assert "no weather.parquet" in out
    put(tmp_path / "consumption", "readings.parquet", table.drop(columns="value"))
    assert main(["--data", str(tmp_path), "--only", "consumption"]) == 1
    assert "no column with the consumption" in capsys.readouterr().err
