# ruff: noqa: E501 - command lines are read line by line
"""`udp keys`, `udp users`, `udp audit` as a stranger types them."""

import re
from datetime import timedelta

import pytest

from udp.__main__ import main
from udp.policy import Role


@pytest.fixture
def run(tmp_path, capsys):
    config = tmp_path / "udp.toml"
    config.write_text(f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n')

    def typed(*words, code=0):
        assert main([*words, "--config", str(config)]) == code
        return capsys.readouterr()

    return typed


def test_a_key_is_made_listed_and_revoked(run):
    made = run("keys", "create", "--role", "app", "--note", "Müllapp", "--dataset", "wetter", "--path", "/api/v1",
               "--days", "30", "--per-minute", "5")  # fmt: skip
    key = made.out.strip()
    number = key.split("_")[1]
    assert "shown only now" in made.err
    listed = run("keys", "list").out
    assert number in listed
    assert key not in listed
    for word in ("Müllapp", "wetter", "/api/v1", "5/min", "100000/day", "until 20"):
        assert word in listed
    assert "opens nothing" in run("keys", "revoke", number).out
    assert "revoked 20" in run("keys", "list").out
    assert "no key" in run("keys", "revoke", number, code=1).err
    log = run("audit").out
    assert "key-made" in log
    assert "key-revoked" in log
    assert key.split("_", 2)[2] not in log
    assert "as it was written" in run("audit", "--verify").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--dataset", "erfunden"), "udp policy show"),
        (("--path", "api"), "must begin with /"),
        (("--days", "0"), "--days 0"),
        (("--per-minute", "-1"), "--per-minute -1"),
    ],
)
def test_what_cannot_be_meant_makes_no_key(run, words, told):
    assert told in run("keys", "create", "--role", "app", *words, code=2).err
    assert "no key has been made" in run("keys", "list").out


def test_a_link_signs_in_once_and_only_after_asking(run, house):
    token = house.porter.sessions.link(Role.ADMIN, "cli:test")
    page = house.client.get(f"/anmelden/einmal?token={token}")
    assert house.client.get("/konto", follow_redirects=False).status_code == 303
    assert token in page.text
    done = house.client.post("/anmelden/einmal", data={"token": token}, follow_redirects=False)
    assert done.status_code == 303
    assert "<dd>admin</dd>" in house.client.get("/konto").text
    assert house.client.get("/api/v1/operations").status_code == 200
    house.client.cookies.clear()
    for bad in (token, "erfunden", ""):
        again = house.client.post("/anmelden/einmal", data={"token": bad}, follow_redirects=False)
        assert again.status_code in (403, 422)
    assert house.client.get("/konto", follow_redirects=False).status_code == 303


def test_a_link_is_printed_and_grows_old(run, house):
    address = run("users", "link", "--role", "crew").out.strip()
    assert re.fullmatch(r"http://localhost:8080/anmelden/einmal\?token=[\w-]{43}", address)
    assert "choose 1 to 1440" in run("users", "link", "--minutes", "9999", code=2).err
    token = house.porter.sessions.link(Role.CREW, "cli:test")
    house.clock[0] += timedelta(minutes=16)
    assert house.client.post("/anmelden/einmal", data={"token": token}).status_code == 403


def test_people_are_listed_and_kept_out(run):
    assert "nobody has signed in yet" in run("users", "list").out
    assert "udp users list" in run("users", "block", "niemand", code=1).err


def test_the_log_survives_as_lines(run):
    run("users", "link")
    (line,) = run("audit", "--last", "1").out.splitlines()
    assert "link-made" in line
    assert "[command line]" in line
