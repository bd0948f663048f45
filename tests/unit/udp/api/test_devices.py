"""The register's words about devices: for those who run the platform, and for nobody else."""

import pytest
from sqlalchemy import insert

from udp.registry import schema

PRIVATE = {
    "eigentuemer": "Erika Beispiel",
    "foto": "mast.jpg",
    "standort": "hinter dem Tor",
    "hoehe_m": "87.125",
}


@pytest.fixture
def kept(measured):
    with measured.registry.database.writing() as connection:
        connection.execute(insert(schema.thing_record).values(thing="behaelter-1", content=PRIVATE))
        connection.execute(
            insert(schema.maintenance).values(
                thing="behaelter-1", at="2026-05-01", kind="batterie", text="getauscht", person="Max Muster"
            )
        )
        secret = insert(schema.device_secret)
        connection.execute(secret.values(dev_eui=bytes.fromhex("0000000000000001"), sealed=b"sealed-key"))
    return measured


def test_staff_reads_owner_place_photo_height_and_maintenance_and_no_keys(kept):
    whole = kept.client.get("/api/v1/devices", headers=kept.operator)
    assert [one["dev_eui"] for one in whole.json()["devices"]] == ["0000000000000001", "0000000000000003"]
    one = kept.client.get("/api/v1/devices/00-00-00-00-00-00-00-01", headers=kept.operator)
    assert one.json()["record"] == {
        "owner": "Erika Beispiel", "photo": "mast.jpg", "place": "hinter dem Tor", "height_m": "87.125",
    }  # fmt: skip
    assert one.json()["maintenance"] == [
        {"at": "2026-05-01", "kind": "batterie", "text": "getauscht", "person": "Max Muster"}
    ]
    assert one.headers["cache-control"] == "no-store"
    for text in (whole.text, one.text):
        assert "sealed" not in text
    assert kept.client.get("/api/v1/devices/0000000000000009", headers=kept.operator).status_code == 404
    assert kept.client.get("/api/v1/devices/kaputt", headers=kept.operator).status_code == 404


def test_without_an_operators_key_nothing_of_it_leaves_by_any_door(kept):
    for path in ("/api/v1/devices", "/api/v1/devices/0000000000000001", "/api/v1/devices/0000000000000009"):
        assert kept.client.get(path).status_code == 401
    for path in ("/api/v1/things", "/api/v1/things/behaelter-1", "/api/v1/datastreams", "/api/v1/latest",
                 "/v1.1/Things", "/v1.1/Locations"):  # fmt: skip
        answer = kept.client.get(path)
        assert answer.status_code == 200
        for private in (*PRIVATE.values(), "Max Muster", "getauscht"):
            assert private not in answer.text
