"""The offer of this moment: from the profiles in force, the shipped properties and the register."""

from __future__ import annotations

from collections.abc import Mapping

from udp.citizens.offer import Offer, offer
from udp.registry.port import Inventory
from udp.registry.profiles import HERE, Profile, load_observed_properties
from udp.registry.toml_tables import open_toml


def current_offer(profiles: Mapping[str, Profile], inventory: Inventory) -> Offer:
    """What one may choose from, as long as profiles and districts stay as they are."""
    path = HERE / "observed_properties.toml"
    units = {key: str(content["unit"]) for key, content in open_toml(path).items() if "unit" in content}
    return offer(profiles, load_observed_properties(path), units, inventory)
