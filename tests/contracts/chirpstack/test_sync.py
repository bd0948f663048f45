"""Syncs: everything is made, a repetition changes nothing, and what is not ours stays as it is."""

from __future__ import annotations

from chirpstack_api import api

from udp.network.difference import Action
from udp.network.found import find_application, find_tenant
from udp.network.telling import counted, plan_lines

ZEROS = "0" * 32


def device(connection, dev_eui):
    return connection.call(connection.devices.Get, api.GetDeviceRequest(dev_eui=dev_eui), "").device


def keys(connection, dev_eui):
    request = api.GetDeviceKeysRequest(dev_eui=dev_eui)
    return connection.call(connection.devices.GetKeys, request, "").device_keys


def session(connection, dev_eui):
    request = api.GetDeviceActivationRequest(dev_eui=dev_eui)
    return connection.call(connection.devices.GetActivation, request, "").device_activation


def profile_of(connection, dev_eui):
    request = api.GetDeviceProfileRequest(id=device(connection, dev_eui).device_profile_id)
    return connection.call(connection.profiles.Get, request, "").device_profile


def gateway(connection, gateway_id):
    request = api.GetGatewayRequest(gateway_id=gateway_id)
    return connection.call(connection.gateways.Get, request, "").gateway


def test_everything_is_made_and_a_repetition_changes_nothing(site):
    eui = site.gateway()
    site.take_in(site.row(1), site.row(2, profil="elsys-ers-co2", leer_mm=None, voll_mm=None), site.abp(3))
    outcome = site.sync()
    assert (outcome.failed, outcome.untried) == ([], 0)
    assert counted(outcome.done) == (
        "1 Mandant neu, 1 Anwendung neu, 3 Profile neu, 1 Gateway neu, 3 Geräte neu, "
    )
    with site.connect() as connection:
        one = device(connection, site.eui(1))
        assert (one.name, one.join_eui, one.tags["udp_thing"]) == (
            "Behälter 1",
            "70b3d57ed0000001",
            "behaelter-0001",
        )
        root = keys(connection, site.eui(1))
        assert (root.nwk_key, root.app_key) == (site.row(1)["app_key"], ZEROS)  # LoRaWAN 1.0: the AppKey
        profile = profile_of(connection, site.eui(1))
        assert (profile.name, profile.supports_otaa, profile.adr_algorithm_id) == (
            "dingtek-df702",
            True,
            "default",
        )
        assert not profile_of(connection, site.eui(3)).supports_otaa
        assert profile_of(connection, site.eui(3)).abp_rx2_freq == 869_525_000
        active = session(connection, site.eui(3))
        assert (active.dev_addr, active.app_s_key) == ("26010003", "2" * 31 + "b")
        assert {active.nwk_s_enc_key, active.s_nwk_s_int_key, active.f_nwk_s_int_key} == {"1" * 31 + "a"}
        there = gateway(connection, eui)
        assert (there.name, there.location.latitude) == ("Gateway Rathaus", 51.5)
    plan = site.plan()
    assert (plan.steps, plan.surplus, plan.notes, plan.unchanged) == ((), (), (), 4)
    assert site.sync().done == []


def test_a_dry_run_is_told_and_does_nothing(site):
    site.take_in(site.row(1))
    lines = plan_lines(site.plan(), deleting=False)
    assert lines[-1] == f"neu      Gerät {site.eui(1).upper()} Behälter 1 (behaelter-0001), dingtek-df702"
    assert plan_lines(site.plan(), deleting=False) == lines
    with site.connect() as connection:
        assert find_tenant(connection) == ""


def test_what_changed_in_the_register_follows(site):
    site.take_in(site.row(1), site.row(2))
    site.sync()
    site.take_in(site.row(1, name="Neuer Name", app_key="ab" * 15 + "cd"), site.row(2))
    (step,) = site.plan().steps
    assert step.action is Action.CHANGE
    assert step.told.endswith("Name „Neuer Name“ statt „Behälter 1“; Schlüssel ersetzen")
    assert "abab" not in step.told
    assert site.sync().failed == []
    with site.connect() as connection:
        assert device(connection, site.eui(1)).name == "Neuer Name"
        assert keys(connection, site.eui(1)).nwk_key == "ab" * 15 + "cd"
    assert site.plan().steps == ()


def test_what_the_network_server_alone_knows_stays(site):
    site.take_in(site.row(1))
    site.sync()
    with site.connect() as connection:
        one, profile = device(connection, site.eui(1)), profile_of(connection, site.eui(1))
        one.variables["ort"], one.tags["fremd"], one.is_disabled, one.skip_fcnt_check = "x", "y", True, True
        connection.call(connection.devices.Update, api.UpdateDeviceRequest(device=one), "")
        profile.payload_codec_runtime, profile.payload_codec_script = api.CodecRuntime.JS, "var a;"
        profile.supports_class_c, profile.class_c_timeout, profile.rx1_delay = True, 8, 5
        request = api.UpdateDeviceProfileRequest(device_profile=profile)
        connection.call(connection.profiles.Update, request, "")
        assert site.plan().steps == ()
        site.take_in(site.row(1, name="Neu"))
        assert site.sync().failed == []
        one, after = device(connection, site.eui(1)), profile_of(connection, site.eui(1))
        assert (one.name, one.variables["ort"], one.tags["fremd"]) == ("Neu", "x", "y")
        assert one.is_disabled and one.skip_fcnt_check
        assert after == profile


def test_a_device_made_by_hand_is_left_alone_until_it_is_adopted(site):
    site.take_in(site.row(1))
    site.sync()
    site.take_in(site.row(2))
    with site.connect() as connection:
        made = device(connection, site.eui(1))
        made.dev_eui, made.name = site.eui(2), "Von Hand"
        made.tags.clear()
        connection.call(connection.devices.Create, api.CreateDeviceRequest(device=made), "")
        plan = site.plan()
        assert plan.steps == ()
        assert [note for note in plan.notes if "fremd" in note and "--adopt" in note]
        site.sync()
        assert device(connection, site.eui(2)).name == "Von Hand"
        assert site.sync(adopt=True).failed == []
        assert device(connection, site.eui(2)).name == "Behälter 2"
        assert keys(connection, site.eui(2)).nwk_key == site.row(2)["app_key"]
    assert site.plan().notes == ()


def test_a_device_of_another_application_is_left_alone(site):
    site.take_in(site.row(1))
    site.sync()
    with site.connect() as connection:
        tenant_id = find_tenant(connection)
        other = api.Application(name="Andere", tenant_id=tenant_id)
        request = api.CreateApplicationRequest(application=other)
        moved = device(connection, site.eui(1))
        moved.application_id = connection.call(connection.applications.Create, request, "").id
        connection.call(connection.devices.Update, api.UpdateDeviceRequest(device=moved), "")
        plan = site.plan()
        assert plan.steps == plan.surplus == ()
        assert "in einer anderen Anwendung" in plan.notes[0]
        assert find_application(connection, tenant_id) != moved.application_id


def test_what_left_the_register_stays_unless_deleting_is_asked_for(site):
    site.take_in(site.row(1), site.row(2))
    site.sync()
    with site.connect() as connection:
        foreign = device(connection, site.eui(1))
        foreign.dev_eui = site.eui(9)
        foreign.tags.clear()
        connection.call(connection.devices.Create, api.CreateDeviceRequest(device=foreign), "")
    site.take_in(site.row(2, ausgebaut_am="01.11.2026"))
    plan = site.plan()
    assert plan.steps == ()
    assert [one.key for one in plan.surplus] == [site.eui(2)]
    assert "bleibt stehen" in plan_lines(plan, deleting=False)[0]
    assert site.sync().done == []
    assert [one.action for one in site.sync(deleting=True).done] == [Action.DELETE]
    assert site.plan().surplus == ()
    with site.connect() as connection:
        assert device(connection, site.eui(9)).dev_eui == site.eui(9)


def test_counters_of_a_device_that_never_joins_go_on(site):
    site.take_in(site.abp(1))
    site.sync()
    with site.connect() as connection:
        running = session(connection, site.eui(1))
        running.f_cnt_up, running.n_f_cnt_down = 500, 7
        connection.call(connection.devices.Activate, api.ActivateDeviceRequest(device_activation=running), "")
        site.take_in(site.abp(1) | {"name": "Neu"})
        assert site.sync().failed == []
        after = session(connection, site.eui(1))
        assert (after.f_cnt_up, after.n_f_cnt_down) == (500, 7)


def test_from_joining_to_never_joining_and_back(site):
    site.take_in(site.row(1))
    site.sync()
    site.take_in(site.abp(1))
    assert site.sync().failed == []
    with site.connect() as connection:
        assert not profile_of(connection, site.eui(1)).supports_otaa
        assert session(connection, site.eui(1)).dev_addr == "26010001"
        assert site.plan().steps == ()
        site.take_in(site.row(1))
        assert site.sync().failed == []
        assert profile_of(connection, site.eui(1)).supports_otaa
    assert site.plan().steps == ()


def test_a_lorawan_1_1_device_has_both_keys_and_a_profile_of_its_own(site):
    site.take_in(site.row(1, nwk_key="9" * 31 + "8"), site.row(2))
    site.sync()
    with site.connect() as connection:
        root = keys(connection, site.eui(1))
        assert (root.nwk_key, root.app_key) == ("9" * 31 + "8", site.row(1)["app_key"])
        assert profile_of(connection, site.eui(1)).name == "dingtek-df702 (LoRaWAN 1.1)"
        assert profile_of(connection, site.eui(2)).name == "dingtek-df702"
    assert site.plan().steps == ()


def test_a_gateway_may_stand_where_its_own_receiver_says(site):
    eui = site.gateway()
    site.sync()
    with site.connect() as connection:
        there = gateway(connection, eui)
        there.location.latitude += 0.0005  # 56 m
        there.location.altitude = 120.0
        connection.call(connection.gateways.Update, api.UpdateGatewayRequest(gateway=there), "")
        assert site.plan().steps == ()
        there.location.latitude += 0.01
        connection.call(connection.gateways.Update, api.UpdateGatewayRequest(gateway=there), "")
        (step,) = site.plan().steps
        assert "Ort um 1169 m versetzt" in step.told
        site.sync()
        assert gateway(connection, eui).location.latitude == 51.5
    assert site.plan().steps == ()


def test_without_a_key_a_device_is_not_made(site):
    site.take_in(site.row(1, app_key=None, join_eui=None, profil="dingtek-df702"), site.row(2))
    plan = site.plan()
    assert "kein Schlüssel im Verzeichnis" in plan.notes[0]
    assert [step.key for step in plan.steps if step.kind == "Gerät"] == [site.eui(2)]
    site.sync()
    site.take_in(site.row(1, name="Ohne Schlüssel", app_key=None, join_eui=None))
    assert site.plan().steps == ()


def test_more_devices_than_a_page(site):
    site.take_in(*(site.row(number) for number in range(1, 231)))
    assert len(site.sync().done) == 2 + 1 + 230
    if site.world is not None:  # look, make, give keys: three questions for each device, and a few more
        assert site.world.calls.total() < 3 * 230 + 20
    assert site.plan().unchanged == 230
    site.take_in(site.row(230, name="Letzter"))
    assert [step.key for step in site.plan().steps] == [site.eui(230)]
