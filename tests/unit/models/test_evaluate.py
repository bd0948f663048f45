"""The evaluation command prints a table from files made here, and says when there is nothing to evaluate."""

from pathlib import Path

import numpy as np
import pandas as pd

from models.evaluate import main


def test_an_empty_directory_is_said(tmp_path: Path, capsys) -> None:
    assert main(["--data", str(tmp_path)]) == 2
    assert "none of the known series" in capsys.readouterr().err


def test_daily_bins_are_judged_beside_persistence(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        level = 0.0
        for day in range(300):
            level = 0.0 if level >= 8 and rng.random() < 0.7 else min(10.0, level + 2 * rng.integers(0, 3))
            rows.append((number, int(level), 8, np.datetime64("2020-01-01") + day, "X"))
    (tmp_path / "fill").mkdir()
    table = pd.DataFrame(rows, columns=["bin", "level", "threshold", "date", "reason"])
    table.to_parquet(tmp_path / "fill" / "wyndham_daily.parquet")
    assert main(["--data", str(tmp_path), "--only", "fill"]) == 0
    out = capsys.readouterr().out
    assert "fill daily, 1 d: MAE" in out
    assert "persistence" in out


def test_a_stream_that_cannot_be_calibrated_is_named(tmp_path: Path, capsys) -> None:
    (tmp_path / "hydro").mkdir()
    times = np.datetime64("2024-01-01T00:00") + np.arange(24 * 20) * np.timedelta64(1, "h")
    table = pd.DataFrame({"time": times, "precipitation_mm": 0.0, "discharge_m3s": 1.0})
    table.to_csv(tmp_path / "hydro" / "sub_flat.csv", index=False)
    assert main(["--data", str(tmp_path), "--only", "stream"]) == 0
    assert "nicht kalibriert" in capsys.readouterr().out
