"""The weather's process says that it lives, however rarely it fetches."""

import threading

from udp.config import DatabaseSettings, Settings
from udp.ledger.sql import SqlLedger
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings
from udp.weather.settings import WeatherSettings
from udp.weather_commands import WORKER, keep_on


class Impatient(threading.Event):
    """Waits only in its account of it; set after the third time."""

    def __init__(self, look):
        super().__init__()
        self.waited, self.look = [], look

    def wait(self, timeout=None):
        self.waited.append(timeout)
        self.look()
        if len(self.waited) == 3:
            self.set()
        return self.is_set()


def test_between_two_rounds_it_reports_before_anybody_takes_it_for_gone(tmp_path, shelf):
    ledger_url, reported = f"sqlite:///{tmp_path}/ledger.sqlite", []

    def look():
        ledger = SqlLedger(ledger_url)
        (state,) = ledger.report().workers
        reported.append((state.worker, state.reported_at))
        ledger.close()

    stop = Impatient(look)
    config = Settings(
        registry=DatabaseSettings(f"sqlite:///{tmp_path}/registry.sqlite"),
        ledger=DatabaseSettings(ledger_url),
        store=StoreSettings(embedded=EmbeddedSettings(folder=tmp_path / "store")),
        weather=WeatherSettings(server=shelf.url),
    )
    keep_on(config, stop, every_s=3600)
    assert [worker for worker, _ in reported] == [WORKER] * 3
    assert len({at for _, at in reported}) == 3
    assert all(0 < seconds < 300 for seconds in stop.waited)
