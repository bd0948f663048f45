"""Catalogue, pages and dumps as strangers use them; what is closed stands in none of them."""

import csv
import gzip
import hashlib
import http.client
import io
import socket
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import uvicorn
from pyshacl import validate
from rdflib import Graph, URIRef

from udp.datasets.reading import read_policy
from udp.opendata.dumping import Dumps
from udp.opendata.offer import offered
from udp.policy import Gate
from udp.store.census import everything

SHAPES = Path(__file__).parents[1] / "opendata" / "dcat_ap_de.shacl.ttl"
SECRET = "4711.25"
CLOSED = ("Frau S.", "geheim-1", "intern-1", "ohne-lizenz-1", "battery_voltage", SECRET)


def dump(city, daily_files=5):
    gate = Gate(read_policy(city.policy))
    offers = offered(gate, city.registry.inventory())
    folder = city.client.app.state.opendata.dumps.folder
    return Dumps(folder).make(city.store, offers, lambda: city.clock[0], daily_files)


@pytest.fixture
def dumped(measured):
    dump(measured)
    return measured


@pytest.fixture
def served(dumped):
    """Behind a real server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(dumped.client.app, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield dumped, f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=20)


def key_of_bins(city):
    """The dataset that open containers belong to."""
    offers = offered(Gate(read_policy(city.policy)), city.registry.inventory())
    return next(key for key, one in offers.items() if city.ids["behaelter-1/fill_level"] in one.streams)


def test_a_month_loads_with_one_line_of_pandas(served):
    city, base = served
    key = key_of_bins(city)
    values = pd.read_parquet(f"{base}/opendata/{key}/2026-11.parquet")
    today = np.datetime64("2026-11-21")
    found = city.store.read(
        [city.ids["behaelter-1/fill_level"]],
        everything(),
    )
    over = found.take(found.phenomenon_time < today)
    assert values["value"].tolist() == over.result.tolist()
    assert values["time"].tolist() == [pd.Timestamp(one, tz="UTC") for one in over.phenomenon_time]
    assert set(values["unit"]) == {"%"}
    text = pd.read_csv(f"{base}/opendata/{key}/2026-11.csv.gz")
    assert text["value"].tolist() == values["value"].tolist()
    day = pd.read_parquet(f"{base}/opendata/{key}/2026-11-20.parquet")
    assert len(day) == 24


@pytest.mark.parametrize("ending", ["parquet", "csv.gz"])
def test_checksum_and_length_are_those_of_the_file(dumped, ending):
    address = f"/opendata/{key_of_bins(dumped)}/2026-11.{ending}"
    answer = dumped.client.get(address)
    line = dumped.client.get(address + ".sha256").text
    assert line == f"{hashlib.sha256(answer.content).hexdigest()}  2026-11.{ending}\n"
    assert int(answer.headers["content-length"]) == len(answer.content)
    again = dumped.client.get(address, headers={"Range": "bytes=0-9"})
    assert (again.status_code, again.content) == (206, answer.content[:10])


def test_the_same_rows_give_the_same_octets(dumped, tmp_path):
    folder = dumped.client.app.state.opendata.dumps.folder
    before = {path.name: path.read_bytes() for path in folder.rglob("*.gz")}
    assert before
    for path in [*folder.rglob("*.json")]:
        path.unlink()
    assert dump(dumped).made
    assert {path.name: path.read_bytes() for path in folder.rglob("*.gz")} == before


def test_nothing_closed_stands_in_any_file(dumped):
    folder = dumped.client.app.state.opendata.dumps.folder
    files = list(folder.rglob("*.parquet"))
    assert files
    for path in files:
        table = pd.read_parquet(path)
        assert set(table["thing"]) <= {"behaelter-1", "wetter-1"}, path
        assert float(SECRET) not in set(table["value"])
        text = gzip.decompress(path.with_suffix(".csv.gz").read_bytes()).decode()
        assert not [word for word in CLOSED if word in text], path


@pytest.mark.parametrize("path", ["", "catalog.ttl", "catalog.rdf", "catalog.jsonld"])
@pytest.mark.parametrize("who", [False, True])
def test_nothing_closed_stands_in_catalogue_or_pages_even_for_operators(dumped, path, who):
    headers = dumped.operator if who else {}
    answer = dumped.client.get(f"/opendata/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    for word in (*CLOSED, "/opendata/zaehler", "/opendata/netz", "/opendata/luft"):
        assert word not in answer.text


def test_pages_say_who_when_how_and_how_to_load(dumped):
    key = key_of_bins(dumped)
    page = dumped.client.get(f"/opendata/{key}/").text
    for word in ("Verantwortlich", "So zitieren Sie", "dl-de/zero-2-0", "pd.read_parquet(&#34;",
                 "curl -O", "2026-11.csv.gz", "Prüfsumme", 'lang="de"'):  # fmt: skip
        assert word in page, word
    assert "noindex" not in page
    assert "<script" not in page
    assert not [word for word in CLOSED if word in page]


GUESSED = (
    *("zaehler", "netz", "luft", "gibt-es-nicht", "Wetter", "catalog", "%00", "a" * 5000),
    *("..", "%2e%2e", ".", "..%2f..", "%2e%2e%2f%2e%2e%2fetc"),
)
FILES = (
    *("../../registry.sqlite", "..%2f..%2fregistry.sqlite", "%2e%2e/policy.toml", "..%5c..%5cpolicy.toml"),
    *("2026-11.json", "2026-11.parquet%00", "2026-11.parquet/../2026-11.json", "....//2026-11.parquet"),
    *("2026-13.parquet", "2026-1%D9%A1.parquet", "-------.parquet", "2027-01.parquet", "2026-11"),
    *("2026-11.parquet.unfinished", "2026-11.parquet.sha256.sha256", "2026-11.parquet%0a"),
)


def asked(base, target):
    """As it is written: no client in between makes a clean path of it."""
    with closing(http.client.HTTPConnection(base.removeprefix("http://"), timeout=20)) as connection:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_guessed_datasets_and_paths_that_lead_elsewhere_say_nothing(served):
    city, base = served
    city.pages.mkdir(exist_ok=True)
    key = key_of_bins(city)
    targets = [f"/opendata/{one}/{rest}" for one in GUESSED for rest in ("", "2026-11.parquet")]
    targets += [f"/opendata/{key}/{one}" for one in FILES]
    for target in targets:
        status, body = asked(base, target)
        assert status == 404, (target, status, body[:300])
        assert not [word for word in CLOSED if word.encode() in body], target
        assert b"SQLite" not in body
    assert asked(base, f"/opendata/{key}/2026-11.parquet")[0] == 200


def test_what_is_closed_later_is_gone_at_once_and_its_files_with_the_next_run(dumped):
    key = key_of_bins(dumped)
    dumped.decide(f'key = "{key}"', access="restricted", exemption="state")
    for path in ("", "2026-11.parquet", "2026-11-20.csv.gz", "2026-11.parquet.sha256"):
        assert dumped.client.get(f"/opendata/{key}/{path}").status_code == 404
    assert f"/opendata/{key}" not in dumped.client.get("/opendata/catalog.ttl").text
    assert dump(dumped).removed
    assert not list((dumped.client.app.state.opendata.dumps.folder / key).glob("*"))


def test_files_made_under_finer_terms_are_not_given_and_new_ones_hold_steps_only(dumped):
    key = key_of_bins(dumped)
    dumped.decide(f'key = "{key}"', outside='{ time_step = "6h", current = "step", place_m = 500 }')
    assert dumped.client.get(f"/opendata/{key}/2026-11.parquet").status_code == 404
    assert "2026-11.parquet" not in dumped.client.get(f"/opendata/{key}/").text
    dump(dumped)
    answer = dumped.client.get(f"/opendata/{key}/2026-11.parquet")
    assert answer.status_code == 200
    table = pd.read_parquet(io.BytesIO(answer.content))
    bins = table[table["thing"] == "behaelter-1"]
    assert set(bins["step_s"]) == {21600}
    assert {one.hour % 6 for one in bins["time"]} == {0}
    assert bins["count"].max() == 6
    assert 51.55 not in set(bins["latitude"])
    assert max(bins["time"]) + timedelta(hours=6) <= pd.Timestamp("2026-11-21", tz="UTC")


def test_a_formula_in_a_name_stays_text(dumped):
    text = gzip.decompress(
        dumped.client.get(f"/opendata/{key_of_bins(dumped)}/2026-11.csv.gz").content
    ).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["thing_name"] for row in rows} == {"'=1+1"}
    assert all(not cell.startswith(("=", "+", "@", "\t")) for row in rows for cell in row.values())
    assert rows[0]["time"].endswith("Z")


def test_late_values_come_with_the_next_run_and_nothing_else_is_written(dumped):
    key = key_of_bins(dumped)
    assert dump(dumped).made == ()
    late = dumped.clock[0] - timedelta(days=2, minutes=7)
    dumped.measure("behaelter-1/fill_level", [late], [77.5])
    assert set(dump(dumped).made) == {f"{key}/2026-11", f"{key}/2026-11-19"}
    table = pd.read_parquet(io.BytesIO(dumped.client.get(f"/opendata/{key}/2026-11-19.parquet").content))
    assert 77.5 in set(table["value"])


def term(name):
    prefix, _, word = name.partition(":")
    return URIRef({"dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/"}[prefix] + word)


def test_the_catalogue_is_valid_in_all_syntaxes_and_says_the_same(dumped):
    graphs = []
    for syntax, form in (("ttl", "turtle"), ("rdf", "xml"), ("jsonld", "json-ld")):
        answer = dumped.client.get(f"/opendata/catalog.{syntax}")
        graph = Graph().parse(data=answer.text, format=form)
        conforms, _, report = validate(graph, shacl_graph=Graph().parse(SHAPES))
        assert conforms, report
        graphs.append(graph)
    assert len({len(graph) for graph in graphs}) == 1
    graph = graphs[0]
    for address in graph.objects(None, term("dcat:downloadURL")):
        assert dumped.client.get(str(address)).status_code == 200, address
    ends = {str(one) for one in graph.objects(None, term("dcat:endDate"))}
    assert "2026-11-21T11:00:00+00:00" in ends
    assert any("regionalKey/055620004004" in str(one) for one in graph.objects())


@pytest.mark.parametrize(
    "lost",
    ["dct:title", "dct:publisher", "dcat:contactPoint", "dct:license", "dcat:accessURL"],
)
def test_the_shapes_notice_what_is_missing(dumped, lost):
    graph = Graph().parse(data=dumped.client.get("/opendata/catalog.ttl").text)
    graph.remove((None, term(lost), None))
    conforms, _, _ = validate(graph, shacl_graph=Graph().parse(SHAPES))
    assert not conforms


def test_who_paid_stands_on_the_page_of_the_dataset_and_in_the_interface(measured):
    key, stream = key_of_bins(measured), measured.ids["behaelter-1/fill_level"]
    page, policy = f"/opendata/{key}/", "/api/v1/policy"
    assert "Förderung" not in measured.client.get(page).text
    told = '{ text = "Gefördert vom Land", link = "https://land.example/f", logo = "/foerderung/land.svg" }'
    measured.decide(f'key = "{key}"', funding=told)
    measured.clock[0] += timedelta(minutes=10)
    datasets = {one["key"]: one for one in measured.client.get(policy).json()["datasets"]}
    assert datasets[key]["funding"] == {
        "text": "Gefördert vom Land",
        "link": "https://land.example/f",
        "logo": "/foerderung/land.svg",
    }
    assert [one for one, told in datasets.items() if told["funding"]] == [key]
    assert key in measured.client.get(f"/api/v1/datastreams/{stream}").json()["datasets"]
    text = measured.client.get(page).text
    assert '<a href="https://land.example/f">Gefördert vom Land</a>' in text
    assert 'src="/foerderung/land.svg"' in text
