"""The command as a stranger meets it: what it says when something is missing, and that it tells no secret."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import yaml
from grafana_double import ADMIN, Grafana, serving
from grafana_site import FOREIGN

from dashboards.__main__ import main
from dashboards.grafana.boards import all_boards
from dashboards.grafana.command import KEY, TOKEN
from dashboards.grafana.source import PLUGIN, SOURCE
from udp.policy import Role


@pytest.fixture
def double():
    state = Grafana()
    with serving(state) as url:
        state.url = url
        yield state


@pytest.fixture
def told(double, town, monkeypatch, capsys, tmp_path):
    """Run it; (exit code, out, err). The key is that of the climate team unless told otherwise."""
    (tmp_path / "token").write_text(f"{ADMIN}\n")
    (tmp_path / "key").write_text(town.key(Role.CLIMATE))

    def run(*more, key=None, url=None):
        if key is not None:
            (tmp_path / "key").write_text(key)
        given = ["--url", url or double.url, "--platform", town.address]
        files = ["--token-file", str(tmp_path / "token"), "--key-file", str(tmp_path / "key")]
        code = main(["grafana", *given, *files, *more])
        printed = capsys.readouterr()
        assert ADMIN not in printed.out + printed.err
        assert (tmp_path / "key").read_text() not in printed.out + printed.err
        return code, printed.out, printed.err

    return run


def test_one_command_and_the_boards_stand_a_second_changes_nothing(told, double):
    code, out, err = told()
    assert (code, err) == (0, "")
    assert "21 angelegt" in out and "Grafana erreicht die Daten-API" in out
    assert set(double.boards) == {one.uid for one in all_boards()}
    writes = len(double.writes)
    code, out, _ = told()
    assert code == 0 and "Nichts geändert: alle 21 Teile stimmen." in out
    assert len(double.writes) == writes


def test_that_boards_can_be_shared_with_everybody_is_said(told, double):
    assert "Hinweis" not in told()[1]
    double.shares = True
    assert "[public_dashboards] enabled = false" in told()[1]


def test_secrets_come_from_the_environment_too(told, double, town, monkeypatch, capsys):
    monkeypatch.setenv(TOKEN, ADMIN)
    monkeypatch.setenv(KEY, town.key(Role.CLIMATE))
    assert main(["grafana", "--url", double.url, "--platform", town.address]) == 0
    monkeypatch.delenv(TOKEN)
    capsys.readouterr()
    assert main(["grafana", "--url", double.url]) == 2
    assert f"Umgebungsvariable {TOKEN}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "10.4.2"}, "zu alt; gebraucht wird 11"),
        ({"plugins": []}, f"grafana-cli plugins install {PLUGIN}"),
        ({"anonymous": True}, "lässt Unangemeldete ein"),
        ({"broken": "database is locked"}, "database is locked"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_written(told, double, change, words):
    for name, value in change.items():
        setattr(double, name, value)
    code, _, err = told()
    assert code == 1 and words in err
    assert not double.writes


def test_who_is_not_there_or_is_no_grafana_is_said(told):
    code, _, err = told(url="http://127.0.0.1:9")
    assert code == 1 and "antwortet nicht" in err and "läuft Grafana" in err

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        code, _, err = told(url=f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert code == 1 and "nicht wie Grafana" in err
    assert "gehören nicht in die Adresse" in told(url="http://admin:geheim@127.0.0.1:9")[2]
    assert "ist keine Adresse" in told(url="grafana.example.org")[2]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_a_key_that_sees_everything_is_refused_before_grafana_has_it(told, double, town, role):
    code, _, err = told(key=town.key(role))
    assert code == 1 and "einen der Rolle climate" in err
    assert SOURCE not in double.sources


def test_a_key_the_platform_does_not_know_is_refused(told, double):
    code, _, err = told(key="udp_wrongwrong_" + "x" * 43)
    assert code == 1 and "nimmt diesen Schlüssel nicht" in err and not double.writes


def test_what_came_by_files_is_left_to_the_files(told, double):
    told()
    double.sources[SOURCE] |= {"readOnly": True, "url": "http://elsewhere"}
    first = all_boards()[0]
    double.boards[first.uid]["meta"]["provisioned"] = True
    double.boards[first.uid]["dashboard"]["title"] = "alt"
    code, out, _ = told()
    assert out.count("kommt aus Grafanas Dateien") == 2
    assert double.boards[first.uid]["dashboard"]["title"] == "alt"
    assert code == 0


def test_a_board_saved_by_another_meanwhile_is_taken_up_again(told, double, monkeypatch):
    told()
    uid = all_boards()[0].uid
    double.boards[uid]["dashboard"]["title"] = "von Hand"
    save, raced = Grafana.save, []

    def late(self, body):
        if not raced:
            raced.append(1)
            self.boards[uid]["dashboard"]["version"] += 1
        return save(self, body)

    monkeypatch.setattr(Grafana, "save", late)
    code, out, _ = told()
    assert code == 0 and "geändert: Tafel" in out and raced
    assert double.boards[uid]["dashboard"]["title"] == all_boards()[0].title


def test_the_same_as_files_without_the_key(town, tmp_path, capsys):
    key = town.key(Role.CLIMATE)
    (tmp_path / "key").write_text(key)
    given = [
        "grafana",
        "--files",
        str(tmp_path / "prov"),
        "--key-file",
        str(tmp_path / "key"),
        "--platform",
        town.address,
    ]
    assert main(given) == 0
    assert "angelegt" in capsys.readouterr().out
    written = {one: one.read_text() for one in (tmp_path / "prov").rglob("*") if one.is_file()}
    assert not any(key in text or key.split("_", 2)[2] in text for text in written.values())
    (source,) = yaml.safe_load((tmp_path / "prov/datasources/udp.yaml").read_text())["datasources"]
    assert source["secureJsonData"] == {"apiKeyValue": f"$__file{{{tmp_path / 'key'}}}"}
    assert (source["uid"], source["url"]) == (SOURCE, town.address)
    (provider,) = yaml.safe_load((tmp_path / "prov/dashboards/udp.yaml").read_text())["providers"]
    boards = sorted((tmp_path / "prov/dashboards/udp").glob("*.json"))
    assert str(boards[0].parent) == provider["options"]["path"]
    assert {json.loads(one.read_text())["uid"] for one in boards} == {one.uid for one in all_boards()}
    assert main(given) == 0
    assert "Nichts geändert" in capsys.readouterr().out
    assert main(["grafana", "--files", str(tmp_path / "prov")]) == 2


def test_a_file_where_a_folder_should_be_is_said(town, tmp_path, capsys):
    (tmp_path / "prov").write_text(FOREIGN)
    assert main(["grafana", "--files", str(tmp_path / "prov"), "--key-file", str(tmp_path / "key")]) == 2
    assert "lässt sich nicht schreiben" in capsys.readouterr().err
