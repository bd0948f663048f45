"""`udp chirpstack` as the IT team types it: German, exact, exit codes a script can use."""

from __future__ import annotations

import signal
import subprocess
import sys

import grpc
import pytest
from chirpstack_api import api
from chirpstack_world import Refused

from edge.lorawan.sessions import read_sessions
from udp.__main__ import main
from udp.devices.vault import new_key


def joined(dev_eui):
    """What a join leaves in ChirpStack."""
    network = dict.fromkeys(("nwk_s_enc_key", "s_nwk_s_int_key", "f_nwk_s_int_key"), "3" * 31 + "c")
    return api.DeviceActivation(dev_eui=dev_eui, dev_addr="26012345", app_s_key="4" * 31 + "d", **network)


@pytest.fixture
def udp(double, tmp_path, capsys, monkeypatch):
    """The command over the double's register and server."""
    (tmp_path / "schluessel").write_text(new_key(), encoding="ascii")
    (tmp_path / "token").write_text(double.settings.token.reveal() + "\n", encoding="ascii")
    config = tmp_path / "platform.toml"
    config.write_text(
        f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n'
        f'[devices]\nkey = {{ file = "{tmp_path}/schluessel" }}\nsessions = "{tmp_path}/sessions.toml"\n'
        f'[chirpstack]\nserver = "{double.settings.server}"\ntls = false\n'
        f'token = {{ file = "{tmp_path}/token" }}\n',
        encoding="utf-8",
    )

    def run(*arguments, config=config):
        code = main([*map(str, arguments), "--config", str(config)])
        told = capsys.readouterr()
        return code, told.out, told.err

    def import_rows(*rows):
        path = double.folder / "tabelle.csv"
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines = [columns, *([row.get(column, "") for column in columns] for row in rows)]
        path.write_text("\n".join(";".join(line) for line in lines) + "\n", encoding="utf-8")
        assert run("devices", "import", path)[0] == 0

    run.table = import_rows
    return run


def test_sync_from_the_first_look_to_nothing_left(udp, double):
    udp.table(*(double.row(number) for number in range(1, 31)))
    code, out, err = udp("chirpstack", "sync", "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "neu      Mandant Stadt"
    assert out.splitlines()[-2:] == [
        "... und 13 weitere Zeilen (alle mit --all)",
        "Probelauf: 1 Mandant neu, 1 Anwendung neu, 1 Profil neu, 30 Geräte neu, 0 unverändert; "
        "nichts wurde geändert.",
    ]
    assert not double.world.devices
    code, out, _ = udp("chirpstack", "sync", "--all")
    assert (code, out.splitlines()[-1]) == (
        0,
        "33 erledigt, 0 unverändert, 0 nicht gelungen",
    )
    assert udp("chirpstack", "sync") == (0, "0 erledigt, 30 unverändert, 0 nicht gelungen\n", "")


def test_the_wrong_register_does_not_empty_the_city(udp, double):
    udp.table(*(double.row(number) for number in range(1, 31)))
    udp("chirpstack", "sync")
    assert udp("devices", "undo")[0] == 0
    code, out, err = udp("chirpstack", "sync", "--delete-removed")
    assert code == 2
    assert "30 von 30 Geräten und Gateways würden gelöscht. Ist es das richtige Verzeichnis?" in err
    assert len(double.world.devices) == 30
    assert (
        udp("chirpstack", "sync")[1].splitlines()[0].endswith("bleibt stehen; löschen mit --delete-removed")
    )
    code, out, _ = udp("chirpstack", "sync", "--delete-removed", "--delete-most")
    assert (code, out.splitlines()[-1]) == (0, "30 erledigt, 0 unverändert, 0 nicht gelungen")
    assert not double.world.devices


def test_a_failure_is_an_exit_code_and_a_line(udp, double):
    udp.table(double.row(1))
    udp("chirpstack", "sync")
    udp.table(double.row(2), double.row(3))

    def full(method, request):
        if method == "DeviceService.Create" and request.device.dev_eui == double.eui(2):
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, "Not allowed (Max number of devices exceeded)")

    double.world.before = full
    code, out, err = udp("chirpstack", "sync")
    assert (code, out.splitlines()[-1]) == (1, "1 erledigt, 1 unverändert, 1 nicht gelungen")
    assert err.startswith(f"nicht gelungen: Gerät {double.eui(2).upper()} Behälter 2 (behaelter-0002)")
    assert "Max number of devices exceeded" in err

    def away(_method, _request):
        raise Refused(grpc.StatusCode.UNAVAILABLE, "connection reset")

    double.world.before = away
    code, out, err = udp("chirpstack", "status")
    assert (code, out) == (1, "")
    assert f"ChirpStack {double.settings.server}: Mandanten lesen: connection reset" in err


def test_sessions_are_written_for_those_who_open_frames(udp, double, tmp_path):
    udp.table(double.row(1))
    udp("chirpstack", "sync")
    double.world.sessions[double.eui(1)] = joined(double.eui(1))
    code, out, _ = udp("chirpstack", "activations")
    assert (code, out) == (0, "1 neue Sitzung, 0 unverändert, 0 Geräte noch nicht beigetreten\n")
    path = tmp_path / "sessions.toml"
    assert [str(one.dev_addr) for one in read_sessions(path)] == ["26012345"]
    assert path.stat().st_mode & 0o077 == 0


def test_sessions_come_by_themselves_until_the_process_is_told_to_stop(udp, double, tmp_path):
    udp.table(double.row(1))
    udp("chirpstack", "sync")
    command = [sys.executable, "-m", "udp", "chirpstack", "activations", "--every", "1"]
    path = tmp_path / "sessions.toml"
    with subprocess.Popen(
        [*command, "--config", str(tmp_path / "platform.toml")], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().startswith(b"0 neue Sitzungen")
        double.world.sessions[double.eui(1)] = joined(double.eui(1))
        while not process.stdout.readline().startswith(b"1 neue Sitzung,"):
            pass
        assert process.stdout.readline()  # the next round: the file of the last one is complete
        assert [str(one.dev_addr) for one in read_sessions(path)] == ["26012345"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_downlink_and_queue(udp, double):
    udp.table(double.row(1))
    udp("chirpstack", "sync")
    order = (
        "chirpstack",
        "downlink",
        double.eui(1),
        "--f-port",
        "10",
        "--hex",
        "01 ff",
        "--expires-in",
        "3600",
    )
    code, out, _ = udp(*order)
    assert code == 0
    assert out.startswith(f"{double.eui(1).upper()}: 2 Oktette für Port 10 eingereiht (")
    code, out, _ = udp("chirpstack", "queue", double.eui(1))
    assert "Port 10  01FF  wartet, bis 20" in out
    assert out.endswith(f"{double.eui(1).upper()}: 1 in der Warteschlange\n")
    assert udp("chirpstack", "queue", double.eui(1), "--flush")[1].endswith(": 0 in der Warteschlange\n")
    code, _, err = udp("chirpstack", "downlink", double.eui(1), "--f-port", "224", "--hex", "01")
    assert (code, "FPort 224" in err) == (2, True)
    with pytest.raises(SystemExit):
        udp("chirpstack", "downlink", double.eui(1), "--f-port", "1", "--hex", "xyz")
    code, _, err = udp("chirpstack", "downlink", double.eui(2), "--f-port", "1", "--hex", "01")
    assert (code, f"Auftrag an Gerät {double.eui(2).upper()}" in err) == (1, True)


def test_status(udp, double):
    udp.table(double.row(1))
    udp("chirpstack", "sync")
    code, out, _ = udp("chirpstack", "status")
    assert (code, out.splitlines()[-1]) == (
        0,
        "0 Gateways, 0 nicht da; 1 Gerät, 1 noch nie gehört",
    )
    assert "nie gehört      Zustand unbekannt       Behälter 1" in out


def test_without_settings_the_remedy_is_told(udp, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(f'[registry]\nurl = "sqlite:///{tmp_path}/r.sqlite"\n', encoding="utf-8")
    code, _, err = udp("chirpstack", "status", config=other)
    assert code == 2
    assert "[chirpstack] server" in err
