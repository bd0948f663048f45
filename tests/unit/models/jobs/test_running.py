"""The service stops when told, also while it learns; work spread over machines says the same."""

import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta

import joblib
import numpy as np
import psutil
import pytest
from small_city import NOW, fill_bins, rain_and_level

from models.jobs.parallel import ParallelSettings, Runner
from udp.forecasting.sql import SqlForecasts


def write_settings(city, **more):
    path = city.folder / "models.toml"
    path.write_text(
        f'registry = "sqlite:///{city.folder}/registry.sqlite"\n'
        f'forecasts = "sqlite:///{city.folder}/forecasts.sqlite"\nartefacts = "{city.folder}/artefacts"\n'
        f'pages_dir = "{city.folder}/pages"\nbehind = 1e9\n[store.embedded]\nfolder = "{city.folder}/store"\n'
        + "".join(f"[{table}]\n{text}\n" for table, text in more.items())
    )
    return path


@pytest.fixture
def service(city):
    """`udp-models run` as a process, its words in a file."""
    started = []

    def start(**more):
        log = (city.folder / "log").open("w+")
        command = [sys.executable, "-m", "models", "run", "--config", str(write_settings(city, **more))]
        started.append(subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True))
        return started[-1], (city.folder / "log").read_text

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition, process, said, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, said()
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_the_middle_of_learning(city, service, number):
    times, rain, level = rain_and_level(days=60)
    city.put("regen", "precipitation_total", times, np.cumsum(rain))
    city.put("pegel", "water_level", times, level)
    process, said = service()
    until(lambda: re.search(r"abfluss \S+: learning", said()), process, said)
    below = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    process.send_signal(number)
    process.send_signal(signal.SIGTERM)  # who is impatient must not tear the tidying up
    assert process.wait(60) == 0, said()
    print(f"stopped {time.monotonic() - began:.1f} s after being told")
    assert not psutil.wait_procs(below, timeout=60)[1]
    assert "Traceback" not in said()


DEAF = """
import ctypes, time
from models.jobs.stopping import stop_when_told

@ctypes.CFUNCTYPE(None)
def callback():
    print("deaf", flush=True)
    end = time.monotonic() + 600
    while time.monotonic() < end:
        time.sleep(0.05)

stop_when_told()
callback()  # an exception in here never arrives out there
while True:
    time.sleep(1)
"""


SPREAD = """
import time
import joblib
from models.jobs.stopping import stop_when_told

def work(number):
    print("works", flush=True)
    time.sleep(600)

stop_when_told()
list(joblib.Parallel(n_jobs=2, return_as="generator")(joblib.delayed(work)(one) for one in range(8)))
"""


def test_its_workers_end_with_it():
    process = subprocess.Popen([sys.executable, "-c", SPREAD], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert [process.stdout.readline() for _ in range(2)] == ["works\n"] * 2
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    _, left = psutil.wait_procs(below, timeout=60)
    assert len(below) >= 2 and not left
    process.stdout.close()


def test_it_stops_also_where_an_exception_is_dropped():
    process = subprocess.Popen(
        [sys.executable, "-c", DEAF], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout and process.stdout.readline() == "deaf\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()


def test_after_a_round_it_reports_and_waits(city, service):
    fill_bins(city, days=3)
    process, said = service()
    until(lambda: "report: " in said(), process, said)
    assert "round: " in said() and (city.folder / "pages" / "klima" / "index.html").exists()
    process.terminate()
    assert process.wait(60) == 0 and "Traceback" not in said()


@pytest.mark.parametrize(("pace", "elsewhere"), [(0.1, 0), (2.0, 18)])
def test_only_what_takes_long_is_spread(monkeypatch, pace, elsewhere):
    """Twenty items at a pace that the first ones tell; the answers come in the order of the items."""
    seconds, spread = [0.0], []

    class Watched(joblib.Parallel):
        def __call__(self, calls):
            made = list(calls)
            spread.extend(made)
            return super().__call__(made)

    def work(number):
        seconds[0] += pace
        return -number

    monkeypatch.setattr(joblib, "Parallel", Watched)
    run = Runner(ParallelSettings("threading", jobs=2), progress=False, clock=lambda: seconds[0])
    assert run.map(work, list(range(20)), "x") == [-number for number in range(20)]
    assert len(spread) == elsewhere


def test_a_dask_cluster_forecasts_the_same(city, tmp_path):
    distributed = pytest.importorskip("distributed")
    fill_bins(city)
    alone = SqlForecasts(f"sqlite:///{tmp_path}/alone.sqlite")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        settings = ParallelSettings("dask", scheduler=cluster.scheduler_address, worth=timedelta(0))
        spread = Runner(settings, progress=False)
        assert spread.map(abs, list(range(-50, 0)), "x") == list(range(50, 0, -1))
        city.runner = spread
        tally = city.cycle("fuellstand").round(NOW)
    assert (tally.fitted, tally.asked) == (1, 8) and not tally.silent
    theirs = city.forecasts.told().statements
    city.runner = Runner(ParallelSettings(backend="sequential"), progress=False)
    city.cycle("fuellstand", forecasts=alone, artefacts="alone").round(NOW)
    assert {key: (one.bands, one.chance, one.summary) for key, one in theirs.items()} == {
        key: (one.bands, one.chance, one.summary) for key, one in alone.told().statements.items()
    }
    alone.close()


@pytest.mark.parametrize(
    ("module", "word"), [("models.__main__", "abgebrochen"), ("models.evaluate.__main__", "stopped")]
)
def test_ctrl_c_in_a_command_is_one_sentence_and_no_traceback(tmp_path, module, word):
    """Also where the exception would be raised in compiled code."""
    waits = "def wait(*_):\n    print('there', flush=True)\n    while True: time.sleep(0.01)\n"
    acts = {
        "models.__main__": "m._check = wait; m._VERBS = (('check-config', wait, ''),) + tuple("
        "one for one in m._VERBS if one[0] != 'check-config'); m.main(['check-config'])",
        "models.evaluate.__main__": f"m._print = wait; m.main(['--data', {str(tmp_path)!r}])",
    }
    text = f"import time, importlib\n{waits}m = importlib.import_module({module!r})\n{acts[module]}\n"
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "there\n"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert word in said
    assert "Traceback" not in said
