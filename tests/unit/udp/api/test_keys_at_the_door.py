"""What a key is for, how often and how long: refused with a problem document, and nothing leaks by it."""

import threading
from datetime import date, timedelta

import pytest

from udp.access.limits import Quota, TooOften, Usage
from udp.auth import KeyWish
from udp.policy import Role
from udp.registry.database import Database


def headers(city, **wish):
    return {"X-Api-Key": city.keys.make(KeyWish(wish.pop("role", Role.APP), **wish))}


def refused(answer, status, kind):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"/api#{kind}"
    assert (body["status"], bool(body["detail"])) == (status, True)
    assert "4711" not in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/latest", 200),
        ("/api/v1/latest/x", 404),
        ("/v1.1/Things", 200),
        ("/v1.1/Things?$expand=Datastreams", 200),
        ("/api/v1/things", 403),
        ("/api/v1/datastreams", 403),
        ("/v1.1", 403),
        ("/v1.1/ThingsX", 403),
        ("/v1.1/Observations", 403),
        ("/metrics", 403),
        ("/health", 403),
        ("/api/v1/live", 403),
        ("/api/v1/operations", 403),
        ("/api/v1/policy", 403),
    ],
)
def test_a_key_opens_only_the_paths_it_is_for(measured, path, status):
    key = headers(measured, paths=("/api/v1/latest", "/v1.1/Things"), role=Role.OPERATOR)
    answer = measured.client.get(path, headers=key)
    if status == 403:
        refused(answer, 403, "out-of-scope")
    else:
        assert answer.status_code == status


def test_a_key_for_one_dataset_shows_that_one_and_what_is_open(measured):
    measured.decide('key = "zaehler"', access="internal", exemption="personal", visible_to='["app"]')
    # The city file closes this series further than the policy does: only operation sees it, at any exit.
    everything = headers(measured, role=Role.OPERATOR)
    one = headers(measured, role=Role.OPERATOR, datasets=("zaehler",))
    secret, other = measured.ids["geheim-1/fill_level"], measured.ids["intern-1/fill_level"]
    for path in ("/api/v1/datastreams/{}", "/v1.1/Datastreams({})"):
        assert measured.client.get(path.format(secret), headers=everything).status_code == 200
        assert measured.client.get(path.format(other), headers=everything).status_code == 200
        assert measured.client.get(path.format(secret), headers=one).status_code == 200
        refused(measured.client.get(path.format(other), headers=one), 404, "not-found")
    assert measured.client.get("/api/v1/latest", headers=one).json()["count"] == 3
    refused(measured.client.get("/api/v1/operations", headers=one), 403, "not-allowed")
    app = headers(measured)
    assert measured.client.get("/api/v1/latest", headers=app).json()["count"] == 2


def test_an_expired_key_is_refused_from_that_second_on(measured):
    key = headers(measured, lasting=timedelta(days=1))
    measured.clock[0] += timedelta(days=1, seconds=-1)
    assert measured.client.get("/api/v1/latest", headers=key).status_code == 200
    measured.clock[0] += timedelta(seconds=1)
    answer = measured.client.get("/api/v1/latest", headers=key)
    refused(answer, 401, "key-refused")
    assert "expired on 2026-11-22" in answer.json()["detail"]


def test_a_revoked_key_is_refused_at_once(measured):
    key = headers(measured)
    assert measured.client.get("/api/v1/things", headers=key).status_code == 200
    measured.keys.revoke(key["X-Api-Key"].split("_")[1])
    refused(measured.client.get("/api/v1/things", headers=key), 401, "key-refused")


@pytest.mark.parametrize("change", ["id", "secret", "cut", "case"])
def test_a_key_almost_right_is_wrong(measured, change):
    key = headers(measured)["X-Api-Key"]
    _, number, secret = key.split("_", 2)
    other = {
        "id": f"udp_{'b' * 10}_{secret}",
        "secret": f"udp_{number}_{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "cut": key[:-1],
        "case": f"udp_{number}_{secret.swapcase()}",
    }[change]
    refused(measured.client.get("/api/v1/things", headers={"X-Api-Key": other}), 401, "key-refused")


def test_past_its_minute_a_key_waits_and_is_told_how_long(measured):
    key = headers(measured, quota=Quota(3, 0))
    for left in (2, 1, 0):
        answer = measured.client.get("/api/v1/things", headers=key)
        assert answer.headers["ratelimit-policy"] == '"minute";q=3;w=60'
        assert answer.headers["ratelimit"].startswith(f'"minute";r={left};t=')
    answer = measured.client.get("/api/v1/things", headers=key)
    refused(answer, 429, "too-often")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert measured.client.get("/api/v1/things").status_code == 200
    other = headers(measured, quota=Quota(3, 0))
    assert measured.client.get("/api/v1/things", headers=other).status_code == 200


def test_a_days_quota_ends_with_the_day_and_uses_are_counted(measured):
    key = headers(measured, quota=Quota(0, 2), note="Müllapp")
    statuses = [measured.client.get("/api/v1/things", headers=key).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    measured.porter.close()
    (listed,) = (one for one in measured.keys.listed() if one.wish.note == "Müllapp")
    assert (listed.uses_today, listed.uses) == (2, 2)
    measured.clock[0] += timedelta(days=1)
    assert measured.client.get("/api/v1/things", headers=key).status_code == 200
    measured.porter.close()
    (listed,) = (one for one in measured.keys.listed() if one.wish.note == "Müllapp")
    assert (listed.uses_today, listed.uses) == (1, 3)


def test_the_quota_outlives_a_restart(measured, tmp_path):
    clock = [0.0]
    first, second = Quota(0, 5), Quota(0, 5)
    usage = Usage(measured.registry.database, lambda: measured.clock[0], lambda: clock[0])
    for _ in range(4):
        usage.admit("k", first)
    usage.close()
    again = Usage(measured.registry.database, lambda: measured.clock[0], lambda: clock[0])
    again.admit("k", second)
    with pytest.raises(TooOften):
        again.admit("k", second)


def test_many_at_once_get_exactly_what_is_allowed(tmp_path):
    with_database = Database(f"sqlite:///{tmp_path}/r.sqlite")
    from udp.access import tables

    tables.make(with_database)
    from datetime import UTC, datetime

    usage = Usage(with_database, lambda: datetime(2026, 11, 21, tzinfo=UTC), lambda: 0.0)
    done, refusals = [], []

    def ask():
        for _ in range(50):
            try:
                usage.admit("k", Quota(120, 0))
                done.append(1)
            except TooOften:
                refusals.append(1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (len(done), len(refusals)) == (120, 280)
    usage.close()
    with with_database.reading() as connection:
        (row,) = connection.execute(tables.key_use.select()).all()
    assert (row.count, row.day) == (120, date(2026, 11, 21))
    with_database.close()


def test_a_key_for_other_paths_opens_no_operator_page(measured):
    (measured.pages / "betrieb").mkdir(parents=True)
    (measured.pages / "betrieb" / "index.html").write_text("Betrieb", encoding="utf-8")
    assert measured.client.get("/betrieb/", headers=headers(measured, role=Role.OPERATOR)).status_code == 200
    for wish in ({"paths": ("/v1.1",)}, {"datasets": ("wetter",)}):
        key = headers(measured, role=Role.OPERATOR, **wish)
        assert measured.client.get("/betrieb/", headers=key).status_code == 401
