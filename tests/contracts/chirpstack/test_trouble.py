"""When something is wrong: what is said names the thing and the remedy, and what was done is not lost."""

from __future__ import annotations

import http.server
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from chirpstack_double import serve
from chirpstack_world import ApiKey, Refused, World
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loopback import free_port

from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret
from udp.errors import ConfigurationError
from udp.network.downlinks import ChirpStackQueue
from udp.network.failures import NotPermitted
from udp.network.port import Downlink, NetworkRefused, NetworkUnavailable, NetworkUncertain

UNAVAILABLE = Refused(grpc.StatusCode.UNAVAILABLE, "connection reset")


class Failing:
    """Refuses the calls of a method, as often as told, before or after they were done."""

    def __init__(self, method, times=1, error=UNAVAILABLE, only=lambda _request: True):
        self.method, self.left, self.error, self.only = method, times, error, only

    def __call__(self, method, request):
        if method == self.method and self.left and self.only(request):
            self.left -= 1
            raise self.error


def test_a_wrong_token(site):
    with pytest.raises(ConfigurationError, match=r"das Token wird nicht angenommen .* neuen API-Schlüssel"):
        site.plan(token=Secret("falsch"))


@pytest.mark.parametrize("text", ["", "zwei worte", "umlaut-ä", "zeile\n2"])
def test_a_token_that_can_be_none(double, text):
    with pytest.raises(ConfigurationError, match=r"\[chirpstack\] token: das ist kein API-Schlüssel"):
        double.plan(token=Secret(text))


def test_a_token_that_may_only_read(double):
    double.take_in(double.row(1))
    double.world.api_keys["leser"] = ApiKey(read_only=True)
    assert len(double.plan(token=Secret("leser")).steps) == 4
    with pytest.raises(NotPermitted, match=r"Mandant Stadt anlegen: dazu berechtigt das Token nicht"):
        double.sync(token=Secret("leser"))
    double.sync()
    double.take_in(double.row(1, name="Neu"), double.row(2))
    outcome = double.sync(token=Secret("leser"))
    assert [why.split(": ")[1] for _, why in outcome.failed] != []
    assert {"dazu berechtigt das Token nicht" in why for _, why in outcome.failed} == {True}


def test_the_key_of_a_tenant_needs_its_id(double):
    double.take_in(double.row(1))
    double.sync()
    (tenant_id,) = double.world.tenants
    double.world.api_keys["mandant"] = ApiKey(tenant_id)
    with pytest.raises(ConfigurationError, match="tenant_id setzen"):
        double.plan(token=Secret("mandant"))
    double.take_in(double.row(1, name="Neu"), double.row(2))
    mine = {"token": Secret("mandant"), "tenant_id": tenant_id}
    assert [step.kind for step in double.sync(**mine).done] == ["Gerät", "Gerät"]
    assert double.plan(**mine).unchanged == 2


def test_a_device_of_a_tenant_we_may_not_see_is_told_and_does_not_hold_up_the_others(double):
    double.take_in(double.row(1), double.row(2))
    double.sync(tenant="Nachbarstadt", mark="nachbar")
    double.take_in(double.row(3), double.row(2, ausgebaut_am="01.11.2026"))
    made = double.sync(tenant="Stadt")
    assert [step.kind for step in made.done] == ["Mandant", "Anwendung", "Profil", "Gerät"]
    assert "in einer anderen Anwendung" in double.plan(tenant="Stadt").notes[0]
    tenant_id = next(key for key, one in double.world.tenants.items() if one.name == "Stadt")
    double.world.api_keys["mandant"] = ApiKey(tenant_id)
    outcome = double.sync(token=Secret("mandant"), tenant_id=tenant_id)
    ((step, why),) = outcome.failed
    assert step.key == double.eui(1)
    assert "gibt es schon" in why


def test_nobody_there(double):
    port = free_port()
    with pytest.raises(NetworkUnavailable, match=r"nimmt niemand Verbindungen an; läuft ChirpStack"):
        double.plan(server=f"127.0.0.1:{port}")
    with pytest.raises(ConfigurationError, match=r"den Namen 'kein-server\.invalid' gibt es im Netz nicht"):
        double.plan(server="kein-server.invalid:8080")


def test_something_else_there(double):
    class Page(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_arguments):
            pass

    page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    try:
        with pytest.raises(ConfigurationError, match=r"kein ChirpStack v4 .* \[chirpstack\] server prüfen"):
            double.plan(server=f"127.0.0.1:{page.server_port}")
    finally:
        page.shutdown()
        page.server_close()


def test_an_old_version(double):
    old = Refused(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
    double.world.before = Failing("TenantService.List", times=9, error=old)
    with pytest.raises(ConfigurationError, match="kein ChirpStack v4 oder ein zu altes"):
        double.plan()


@pytest.fixture(scope="module")
def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret, made.public_bytes(serialization.Encoding.PEM)


def test_tls_where_it_is_expected_and_where_it_is_not(double, certificate, tmp_path):
    (tmp_path / "ca.pem").write_bytes(certificate[1])
    server, port = serve(World(dict(double.world.api_keys)), certificate=certificate)
    try:
        there = {"server": f"localhost:{port}"}
        assert double.plan(**there, tls=True, ca=tmp_path / "ca.pem").steps
        with pytest.raises(ConfigurationError, match=r"Zertifikat wird nicht anerkannt .*\[chirpstack\] ca"):
            double.plan(**there, tls=True)
        with pytest.raises(ConfigurationError, match=r"dort wird TLS gesprochen; \[chirpstack\] tls = true"):
            double.plan(**there, tls=False)
        with pytest.raises(ConfigurationError, match="dort wird kein TLS gesprochen"):
            double.plan(tls=True)
        with pytest.raises(ConfigurationError, match=r"\[chirpstack\] ca: .* nicht zu lesen"):
            double.plan(**there, tls=True, ca=tmp_path / "fehlt.pem")
    finally:
        server.stop(None).wait()


def test_a_short_absence_is_bridged_and_a_long_one_is_told(double):
    double.take_in(double.row(1))
    double.world.before = Failing("TenantService.List", times=3)
    assert double.plan().steps
    double.world.before = Failing("TenantService.List", times=99)
    with pytest.raises(NetworkUnavailable, match="Mandanten lesen"):
        double.plan()
    assert double.world.before.left == 99 - 4


def test_an_answer_that_never_comes(double):
    def asleep(_method, _request):
        threading.Event().wait(0.5)

    double.world.before = asleep
    with pytest.raises(NetworkUnavailable, match="keine Antwort in der Frist"):
        double.plan(timeout=timedelta(milliseconds=50))


def test_a_place_made_although_the_answer_was_lost_is_not_made_twice(double):
    double.take_in(double.row(1))
    double.world.after = Failing("ApplicationService.Create")
    with pytest.raises(NetworkUncertain, match="vor einer Wiederholung nachsehen"):
        double.sync()
    assert double.sync().failed == []
    assert len(double.world.applications) == len(double.world.tenants) == 1


@pytest.mark.parametrize(
    "method",
    ["DeviceService.Create", "DeviceService.CreateKeys", "GatewayService.Create", "DeviceService.Activate"],
)
def test_what_was_made_although_the_answer_was_lost_is_ours(double, method):
    double.gateway()
    double.take_in(double.row(1), double.abp(2))
    double.world.after = Failing(method)
    outcome = double.sync()
    assert (outcome.failed, outcome.untried) == ([], 0)
    assert double.plan().unchanged == 3
    assert double.world.keys[double.eui(1)].nwk_key == double.row(1)["app_key"]


def test_one_refusal_does_not_hold_up_the_others_and_the_next_sync_goes_on(double):
    double.take_in(*(double.row(number) for number in range(1, 11)))
    bad = Refused(grpc.StatusCode.INVALID_ARGUMENT, "Not allowed (Max number of devices exceeded for tenant)")
    mine = double.eui(4)
    double.world.before = Failing(
        "DeviceService.Create", error=bad, only=lambda request: request.device.dev_eui == mine
    )
    outcome = double.sync()
    ((step, why),) = outcome.failed
    assert (step.key, outcome.untried) == (mine, 0)
    assert "Max number of devices exceeded" in why
    assert [one.key for one in double.sync().done] == [mine]


def test_a_refused_profile_is_told_at_its_devices(double):
    double.take_in(double.row(1), double.abp(2))
    bad = Refused(grpc.StatusCode.INVALID_ARGUMENT, "Validation error")
    double.world.before = Failing(
        "DeviceProfileService.Create", error=bad, only=lambda request: request.device_profile.supports_otaa
    )
    outcome = double.sync()
    assert [step.kind for step, _ in outcome.failed] == ["Profil", "Gerät"]
    assert "das Profil dingtek-df702 ließ sich nicht anlegen" in outcome.failed[1][1]
    assert [step.kind for step in double.sync().done] == ["Profil", "Gerät"]


def test_keys_refused_after_the_device_was_made_are_put_by_the_next_sync(double):
    double.take_in(double.row(1))
    double.world.before = Failing(
        "DeviceService.CreateKeys", error=Refused(grpc.StatusCode.INTERNAL, "out of memory")
    )
    assert len(double.sync().failed) == 1
    (step,) = double.plan().steps
    assert step.told.endswith("Schlüssel eintragen")
    assert double.sync().failed == []
    assert double.plan().unchanged == 1


def test_a_server_that_dies_on_the_way_is_gone_on_with(double):
    double.take_in(*(double.row(number) for number in range(1, 61)))
    calls = []

    def dying(method, _request):
        if method == "DeviceService.Create":
            calls.append(method)
        if len(calls) > 20:
            raise UNAVAILABLE

    double.world.before = dying
    outcome = double.sync()
    assert outcome.stopped
    assert outcome.untried > 20
    assert len(outcome.done) + len(outcome.failed) + outcome.untried == 63
    # Nobody waits for each of the rest in turn.
    assert len(calls) <= 20 + 4 * double.settings.parallel
    made = len(double.world.devices)
    double.world.before = lambda _method, _request: None
    outcome = double.sync()
    assert (outcome.failed, outcome.untried, outcome.stopped) == ([], 0, "")
    assert len(outcome.done) >= 60 - made
    assert double.plan().unchanged == 60


def test_a_server_that_dies_while_it_is_read_is_told_at_once(double):
    double.take_in(*(double.row(number) for number in range(1, 61)))
    double.world.before = Failing("DeviceService.Get", times=999)
    with pytest.raises(NetworkUnavailable, match=r"Gerät .* lesen: connection reset"):
        double.plan()
    assert 999 - double.world.before.left <= 4 * 2 * double.settings.parallel


def test_a_valve_is_not_opened_twice(double):
    double.take_in(double.row(1))
    double.sync()
    with double.connect() as connection:
        queue, order = ChirpStackQueue(connection), Downlink(DevEUI.parse(double.eui(1)), 10, b"\x01")
        double.world.after = Failing("DeviceService.Enqueue")
        with pytest.raises(NetworkUncertain, match="ungewiss"):
            queue.enqueue(order)
        assert [one.payload for one in queue.waiting(order.dev_eui)] == [b"\x01"]
        unknown = replace(order, dev_eui=DevEUI.parse(double.eui(2)))
        with pytest.raises(NetworkRefused, match=f"Auftrag an Gerät {unknown.dev_eui}"):
            queue.enqueue(unknown)


def test_secrets_are_told_nowhere(double, caplog):
    caplog.set_level("DEBUG")
    double.take_in(double.row(1), double.abp(2))
    double.world.before = Failing("DeviceService.CreateKeys", error=Refused(grpc.StatusCode.INTERNAL, "x"))
    outcome = double.sync()
    told = repr((double.plan(), outcome, double.settings)) + caplog.text
    secrets = (double.row(1)["app_key"], "1" * 31 + "a", "2" * 31 + "b", double.settings.token.reveal())
    assert [one for one in secrets if one in told or one.upper() in told] == []
