"""What is written into ChirpStack: what exists, with names that fit, and nothing that was only left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret
from udp.devices.vault import DeviceKeys
from udp.network.difference import Action, compare
from udp.network.found import Found, FoundDevice
from udp.network.settings import ChirpStackSettings
from udp.network.wanted import Wanted, WantedDevice, WantedProfile, shortened

SETTINGS = ChirpStackSettings(server="chirpstack:8080", token=Secret("x"), mark="wir")
EUI = DevEUI.parse("70B3D50000000001")
OTAA = WantedProfile("typ/otaa", "typ", "Ein Typ", 3600, joins=True, lorawan_1_1=False)


class Message:
    """A message of ChirpStack, as far as the comparison looks."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


def ours(**changes):
    fields = {"name": "Behälter", "description": "d", "join_eui": "", "device_profile_id": "p"}
    tags = {"udp": "wir", "udp_thing": "t", "udp_profile": "typ"}
    return Message(**{**fields, "application_id": "a", "tags": tags, **changes})


def found(device):
    profile = Message(id="p", name="typ", description="Ein Typ", uplink_interval=3600, supports_otaa=True)
    return Found("m", "a", {"typ/otaa": profile}, {EUI.hex(): FoundDevice(device)})


@given(st.text(max_size=200), st.sampled_from(["", " (ABP)", " (LoRaWAN 1.1)"]))
def test_every_name_fits_and_short_ones_stay(name, suffix):
    written = shortened(name, suffix)
    assert len(written) <= 100
    assert written.endswith(suffix)
    if len(name) + len(suffix) <= 100:
        assert written == name + suffix


def test_what_was_only_left_out_is_not_surplus():
    wanted = Wanted(left_out=("Gerät ...: das Profil gibt es nicht mehr",), in_force=frozenset({EUI.hex()}))
    plan = compare(wanted, found(ours()), SETTINGS)
    assert (plan.steps, plan.surplus) == ((), ())
    plan = compare(Wanted(), found(ours()), SETTINGS)
    assert [one.action for one in plan.surplus] == [Action.DELETE]


def test_what_carries_another_mark_is_never_surplus():
    assert compare(Wanted(), found(ours(tags={"udp": "andere"})), SETTINGS).surplus == ()
    assert compare(Wanted(), found(ours(tags={})), SETTINGS).surplus == ()


def test_keys_of_a_device_are_part_of_no_text():
    keys = DeviceKeys(app_key=bytes(range(16)))
    device = WantedDevice(EUI, "Behälter", "d", "typ/otaa", "", "t", keys)
    plan = compare(Wanted({"typ/otaa": OTAA}, {EUI.hex(): device}), found(ours()), SETTINGS)
    assert plan.steps[0].told.endswith("Schlüssel eintragen")
    assert bytes(range(16)).hex() not in repr((device, plan))
