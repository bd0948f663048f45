"""The live pages as a browser without JavaScript uses them, and as machines abuse them."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest

from udp.access.audit import AuditLog
from udp.ledger.port import Packet, PacketOutcome, PacketValue
from udp.ledger.port import Page as LedgerPage

from .conftest import APPLICATION, NAME, NOW, OPERATOR, Town

TTN_KEY = "NNSXS.ABCDEFGHIJKLMNOPQRSTUVWXYZ.SECRET"


def link_of(text: str) -> str:
    found = re.search(r"/buerger/mein/(link_[\w-]+)", text)
    assert found
    return found[0]


def test_from_the_form_to_the_deletion(town: Town) -> None:
    answer = town.client.post("/buerger/anmelden", data=town.form())
    assert answer.status_code == 201
    page = link_of(answer.text)
    assert "wartet auf die Freigabe" in town.client.get(page).text
    project = town.office.projects.all()[0]
    town.office.approve(project.slug)
    shown = town.client.post(f"{page}/schluessel")
    key = re.search(r"Bearer (ttn_[\w-]+)", shown.text)
    assert key
    assert f"https://eingang.beispiel.de/things-stack/{project.slug}" in shown.text
    assert key[1] not in town.client.get(page).text
    assert town.client.post(f"{page}/abholen", data={"anwendung": "x", "schluessel": "y"}).status_code == 422
    listening = {"anwendung": "mein-balkon", "schluessel": TTN_KEY}
    on = town.client.post(f"{page}/abholen", data=listening, follow_redirects=True)
    assert "mein-balkon@ttn" in on.text
    assert TTN_KEY not in on.text
    assert town.client.post(f"{page}/loeschen").status_code == 422
    assert town.client.post(f"{page}/loeschen", data={"sicher": "ja"}).status_code == 200
    assert town.client.get(page).status_code == 404
    assert town.office.projects.all() == []
    assert all(not one.thing.startswith("b-") for one in town.registry.inventory().datastreams.values())


def test_mistakes_come_back_beside_their_fields_with_everything_written(town: Town) -> None:
    answer = town.client.post("/buerger/anmelden", data=town.form(mail="keine", einwilligung="", titel="<b>"))
    assert answer.status_code == 422
    for key in ("mail", "einwilligung", "titel"):
        assert f'id="{key}-fehler"' in answer.text
        assert f'href="#{key}"' in answer.text
    assert f'value="{NAME}"' in answer.text
    assert "<b>" not in answer.text.replace("<b>passt</b>", "")
    assert "&lt;b&gt;" in answer.text
    assert town.office.projects.all() == []


def test_machines_are_kept_out_without_a_riddle_for_people(town: Town) -> None:
    assert town.client.post("/buerger/anmelden", data=town.form(webseite="http://spam")).status_code == 201
    hasty = town.form()
    town.ticks[0] -= 29.5
    assert town.client.post("/buerger/anmelden", data=hasty).status_code == 422
    for ticket in ("", "999.000.sig.00", "nan.sig.", "x"):
        assert town.client.post("/buerger/anmelden", data=town.form(beleg=ticket)).status_code == 422
    stale = town.form()
    town.ticks[0] += 5 * 3600
    assert town.client.post("/buerger/anmelden", data=stale).status_code == 422
    assert town.office.projects.all() == []


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://boese.test"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_forms_sent_from_other_sites_are_refused(town: Town, headers: dict[str, str]) -> None:
    form = town.form()
    assert town.client.post("/buerger/anmelden", data=form, headers=headers).status_code == 403
    assert (
        town.client.post("/buerger/anmelden", data=form, headers={"Origin": "https://stadt.test"}).status_code
        == 201
    )


def test_bodies_are_bounded_and_only_what_they_claim(town: Town) -> None:
    huge = {"titel": "x" * 30_000}
    assert town.client.post("/buerger/anmelden", data=huge).status_code == 413
    assert town.client.post("/buerger/anmelden", content=b"a=1").status_code == 422
    chunks = iter([b"x" * 15_000, b"y" * 15_000])
    kind = {"Content-Type": "application/json"}
    assert town.client.post("/api/v1/citizens/projects", content=chunks, headers=kind).status_code == 413
    for body in (b"[1]", b"{", b'{"titel": 1}', b"[" * 5_000):
        assert town.client.post("/api/v1/citizens/projects", content=body, headers=kind).status_code == 422
    assert (
        town.client.post("/api/v1/citizens/projects", json={**APPLICATION, "role": "admin"}).status_code
        == 422
    )


def test_applications_and_guesses_are_limited_by_client(town: Town) -> None:
    town.apply()
    for _ in range(4):
        town.client.post("/api/v1/citizens/projects", json=APPLICATION)
    answer = town.client.post("/api/v1/citizens/projects", json=APPLICATION)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    town.ticks[0] += 3601
    assert town.client.post("/api/v1/citizens/projects", json=APPLICATION).status_code == 422
    codes = [town.client.get(f"/buerger/mein/link_{number}").status_code for number in range(40)]
    assert codes[0] == 404
    assert codes[-1] == 429


def test_the_last_ten_packets_say_what_happened_and_why(town: Town) -> None:
    project, secret, stream = town.approved()
    values = (PacketValue("temperatur", "21.5", stream, 21.5, 1), PacketValue("akku", "3.1"))
    told = [
        Packet(
            NOW - timedelta(minutes=20 - n), project, outcome, f"detail {n}", "70B3D57ED0000001", n, 1, 900
        )
        for n, outcome in enumerate(PacketOutcome)
    ]
    told.append(Packet(NOW, project, PacketOutcome.STORED, "", "70B3D57ED0000001", 99, 1, 900, values))
    told.append(Packet(NOW, "b-22222222", PacketOutcome.STORED, "fremdes Paket"))
    town.ledger.write(LedgerPage(packets=told))
    page = town.client.get(f"/buerger/mein/{secret}").text
    assert page.count('class="paket"') == 10
    assert "Lufttemperatur: 21,5 Grad Celsius" in page
    assert "keine Messgröße angemeldet" in page
    assert "abgewiesen: falscher Schlüssel" in page
    assert "13:00:00 Uhr" in page  # local time
    assert "fremdes Paket" not in page
    told_by_program = town.client.get("/api/v1/citizens/mine", headers={"Authorization": f"Bearer {secret}"})
    assert len(told_by_program.json()["packets"]) == 10


def test_a_personal_link_never_comes_into_a_log(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    secret = str(town.apply()["secret"])
    town.registry.close()
    town.registry.database._engine.dispose()
    with caplog.at_level(logging.DEBUG):
        for path in (f"/buerger/mein/{secret}", "/buerger/mein/link_falsch", f"/buerger/mein/{secret}/x"):
            town.client.get(path)
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith(("httpx2", "httpcore2"))]
    assert not [one for one in ours if secret in one]


def test_staff_decides_on_the_operators_side(town: Town) -> None:
    assert town.client.get("/betrieb/buerger").status_code == 401
    town.apply()
    project = town.office.projects.all()[0]
    action = f"/betrieb/buerger/{project.slug}"
    assert town.client.post(action, data={"entscheidung": "freigeben"}).status_code == 401
    assert NAME in town.client.get("/betrieb/buerger", headers=OPERATOR).text
    foreign = {**OPERATOR, "Sec-Fetch-Site": "cross-site"}
    assert town.client.post(action, data={"entscheidung": "freigeben"}, headers=foreign).status_code == 403
    assert town.client.post(action, data={"entscheidung": "ablehnen"}, headers=OPERATOR).status_code == 422
    done = town.client.post(
        action, data={"entscheidung": "freigeben"}, headers=OPERATOR, follow_redirects=False
    )
    assert done.status_code == 303
    assert town.office.projects.all()[0].state.value == "approved"


def test_live_pages_are_kept_by_nobody_and_framed_nowhere(town: Town) -> None:
    page = town.client.get("/buerger/anmelden")
    assert page.headers["cache-control"] == "no-store"
    assert "noindex" in page.headers["x-robots-tag"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "script" not in page.text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)


def test_a_class_code_opens_at_once_by_form_and_by_interface(town: Town) -> None:
    code = town.codes.make("Klasse 8b", 12, NOW.date(), "frau-k")
    answer = town.client.post("/buerger/anmelden", data=town.form(klassencode=code.upper()))
    assert answer.status_code == 201
    assert "ist freigegeben" in answer.text
    assert town.client.post(f"{link_of(answer.text)}/schluessel").status_code == 200
    # A class behind one address: more than one client may try in an hour (5 here).
    for number in range(16, 26):
        made = town.apply(class_code=code, devices=[f"70B3D57ED00000{number}"])
        assert made["state"] == "approved"
    assert [one.used for one in town.codes.listed()] == [11]
    assert "Klasse 8b" not in town.client.get("/api/v1/things").text


def test_guessed_class_codes_come_back_beside_their_field_and_are_limited(town: Town) -> None:
    town.codes.make("8b", 12, NOW.date(), "frau-k")
    answer = town.client.post("/buerger/anmelden", data=town.form(klassencode="aaaa-bbbb-cccc-dddd"))
    assert answer.status_code == 422
    assert 'id="klassencode-fehler"' in answer.text
    assert 'href="#klassencode"' in answer.text
    wrong = {**APPLICATION, "class_code": "aaaa-bbbb-cccc-dddd"}
    told = [town.client.post("/api/v1/citizens/projects", json=wrong) for _ in range(5)]
    assert "klassencode" in told[0].json()["errors"]
    assert [one.status_code for one in told] == [422, 422, 422, 422, 429]
    assert town.office.projects.all() == []


def test_what_staff_wrote_into_the_form_for_codes_stays_when_something_is_wrong(town: Town) -> None:
    wrong = {"klasse": '8b "Süd" <b>', "plaetze": "0", "bis": "2027-01-31"}
    for more in ({}, {"plaetze": "viele"}, {"bis": "bald"}):
        answer = town.client.post("/betrieb/buerger/klassencode", data=wrong | more, headers=OPERATOR)
        assert answer.status_code == 422
        assert 'value="8b &#34;Süd&#34; &lt;b&gt;"' in answer.text
        assert f'value="{(wrong | more)["bis"]}"' in answer.text


def test_staff_makes_and_revokes_class_codes_on_the_page(town: Town) -> None:
    address = "/betrieb/buerger/klassencode"
    wish = {"klasse": "8b Berufskolleg", "plaetze": "2", "bis": "2026-12-18"}
    assert town.client.post(address, data=wish).status_code == 401
    foreign = {**OPERATOR, "Sec-Fetch-Site": "cross-site"}
    assert town.client.post(address, data=wish, headers=foreign).status_code == 403
    for wrong in (
        {"plaetze": "viele"},
        {"bis": "bald"},
        {"klasse": " "},
        {"plaetze": "0"},
        {"bis": "2020-01-01"},
    ):
        refused = town.client.post(address, data=wish | wrong, headers=OPERATOR)
        assert refused.status_code == 422, wrong
        assert 'role="alert"' in refused.text
    assert not town.codes.listed()
    made = town.client.post(address, data=wish, headers=OPERATOR)
    assert made.status_code == 200
    code = re.search(r">([a-z0-9-]{19})</code>", made.text)
    assert code
    assert town.apply(class_code=code[1])["state"] == "approved"
    page = town.client.get("/betrieb/buerger", headers=OPERATOR).text
    assert code[1] not in page
    assert "1 von 2 Plätzen, bis 18.12.2026" in page
    number = town.codes.listed()[0].number
    gone = town.client.post(f"{address}/{number}", headers=OPERATOR, follow_redirects=False)
    assert gone.status_code == 303
    page = town.client.get("/betrieb/buerger", headers=OPERATOR).text
    assert "gesperrt" in page
    assert f"{address}/{number}" not in page
    assert town.client.post(f"{address}/{number}", headers=OPERATOR).status_code == 404
    log = AuditLog(town.registry.database).read()
    assert [(one.what, one.origin) for one in log if one.what.startswith("class-code")] == [
        ("class-code-revoked", "operator page"), ("class-code-made", "operator page"),
    ]  # fmt: skip
