"""Sessions come into the register and its sessions file, downlinks into the queue, states to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from chirpstack_api import api

from edge.wire.identifiers import DevEUI, GatewayEUI
from udp.devices.sessions import session_tables
from udp.errors import ConfigurationError
from udp.network.activations import read_activations
from udp.network.downlinks import ChirpStackQueue
from udp.network.port import Downlink, DownlinkQueue, NetworkRefused
from udp.network.status import read_status


def join(site, number, dev_addr="26012345", **keys):
    """What a join leaves in ChirpStack."""
    network = dict.fromkeys(("nwk_s_enc_key", "s_nwk_s_int_key", "f_nwk_s_int_key"), "3" * 31 + "c")
    given = {"app_s_key": "4" * 31 + "d", **network, **keys}
    made = api.DeviceActivation(dev_eui=site.eui(number), dev_addr=dev_addr, **given)
    with site.connect() as connection:
        request = api.ActivateDeviceRequest(device_activation=made)
        connection.call(connection.devices.Activate, request, "")


def activations(site):
    with site.connect() as connection:
        return read_activations(connection, site.register)


def test_sessions_of_joined_devices_reach_the_keyring(site):
    site.take_in(site.row(1), site.row(2), site.abp(3))
    site.sync()
    join(site, 1)
    found = activations(site)
    assert (found.news, found.never_joined) == ({DevEUI.parse(site.eui(1))}, 1)
    written = {entry["dev_eui"].lower(): entry for entry in session_tables(site.register)[0]}
    assert set(written) == {site.eui(1), site.eui(3)}
    assert written[site.eui(1)] == {
        "dev_eui": site.eui(1).upper(),
        "dev_addr": "26012345",
        "nwk_s_key": "3" * 31 + "c",
        "app_s_key": "4" * 31 + "d",
        "codec": "dingtek-df702",
    }
    again = activations(site)
    assert (again.news, again.unchanged) == (set(), 1)
    join(site, 1, dev_addr="26012346")
    assert activations(site).news == {DevEUI.parse(site.eui(1))}
    # A session that a join gave does not turn the device into one that never joins.
    assert site.plan().steps == ()


def test_a_device_whose_root_key_only_chirpstack_has_stays_one_that_joins(site):
    site.take_in(site.row(1))
    site.sync()
    site.take_in(site.row(2))
    site.sync()
    join(site, 2)
    site.register.undo()
    site.take_in(site.row(2, app_key=None, join_eui=None))
    activations(site)
    assert site.plan().steps == ()


def test_sessions_that_the_keyring_cannot_use_are_told(site):
    site.take_in(site.row(1), site.row(2))
    site.sync()
    join(site, 1, nwk_s_enc_key="5" * 32)
    join(site, 2, app_s_key="")
    found = activations(site)
    assert (found.later, found.sealed) == ([DevEUI.parse(site.eui(1))], [DevEUI.parse(site.eui(2))])
    assert session_tables(site.register)[0] == []


def test_before_the_first_sync_there_are_no_sessions(site):
    with pytest.raises(ConfigurationError, match="erst udp chirpstack sync"):
        activations(site)


def test_many_sessions_are_kept_at_once(double):
    double.take_in(*(double.row(number) for number in range(1, 301)))
    double.sync()
    for number in range(1, 301):
        join(double, number, dev_addr=f"2602{number:04x}")
    before = double.registry.version()
    assert len(activations(double).news) == 300
    assert double.registry.version() == before  # sessions are nobody's inventory


def test_the_queue_keeps_the_ports_promises(site):
    site.take_in(site.row(1))
    site.sync()
    dev_eui = DevEUI.parse(site.eui(1))
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    with site.connect() as connection:
        queue: DownlinkQueue = ChirpStackQueue(connection)
        assert queue.waiting(dev_eui) == ()
        first = queue.enqueue(Downlink(dev_eui, 10, b"\x01\x02"))
        second = queue.enqueue(Downlink(dev_eui, 11, b"\x03", confirmed=True, expires_at=expires_at))
        one, two = queue.waiting(dev_eui)
        assert (
            one.id,
            one.f_port,
            one.payload,
            one.confirmed,
            one.expires_at,
            one.pending,
            one.f_cnt_down,
        ) == (
            first,
            10,
            b"\x01\x02",
            False,
            None,
            False,
            None,
        )
        assert (two.id, two.confirmed, two.expires_at) == (second, True, expires_at)
        third = queue.enqueue(Downlink(dev_eui, 10, b"\x04"), replace=True)
        assert [item.id for item in queue.waiting(dev_eui)] == [third]
        queue.flush(dev_eui)
        queue.flush(dev_eui)
        assert queue.waiting(dev_eui) == ()
        with pytest.raises(NetworkRefused):
            queue.enqueue(Downlink(DevEUI.parse(site.eui(7)), 10, b"\x01"))


def test_what_others_put_into_the_queue_is_shown_as_it_is(double):
    double.take_in(double.row(1))
    double.sync()
    strange = api.DeviceQueueItem(id="x", dev_eui=double.eui(1), f_port=224, is_pending=True, f_cnt_down=9)
    double.world.queues[double.eui(1)] = [strange]
    with double.connect() as connection:
        queue = ChirpStackQueue(connection)
        (item,) = queue.waiting(DevEUI.parse(double.eui(1)))
        assert (item.f_port, item.payload, item.pending, item.f_cnt_down) == (224, b"", True, 9)
        queue.enqueue(Downlink(DevEUI.parse(double.eui(1)), 1, b"\x01"), replace=True)
        assert [one.f_port for one in queue.waiting(DevEUI.parse(double.eui(1)))] == [224, 1]


def test_gateways_and_devices_tell_how_they_are(double):
    eui = double.gateway()
    double.take_in(double.row(1), double.row(2), double.row(3))
    double.sync()
    now = datetime.now(UTC).replace(microsecond=0)
    double.world.seen[eui] = now - timedelta(hours=2)
    double.world.seen[double.eui(1)] = now
    double.world.status[double.eui(1)] = api.DeviceStatus(margin=-5, battery_level=87.5)
    double.world.status[double.eui(2)] = api.DeviceStatus(
        margin=10, battery_level=-1, external_power_source=True
    )
    with double.connect() as connection:
        (gateway,), devices = read_status(connection)
    assert (gateway.eui, gateway.state, gateway.last_seen_at) == (
        GatewayEUI.parse(eui),
        "offline",
        now - timedelta(hours=2),
    )
    assert [(one.last_seen_at, one.margin, one.battery, one.mains) for one in devices] == [
        (now, -5, 87.5, False),
        (None, 10, None, True),
        (None, None, None, False),
    ]


def test_a_fresh_chirpstack_has_no_states(site):
    with site.connect() as connection:
        assert read_status(connection) == ([], [])
