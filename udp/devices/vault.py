"""Keep device keys so that a stolen database is worth nothing: sealed with a key that lies elsewhere."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret
from udp.errors import ConfigurationError

_FORM = b"\x01"
_TEXT = b"\x02"
_NONCE = 12
_SECRETS = ("app_key", "nwk_key", "dev_addr", "nwk_s_key", "app_s_key")
_REMEDY = 'make one by "udp devices new-key --out FILE" and set [devices] key = { file = "FILE" }'


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """Root keys (OTAA) and the session in force (ABP, or what a join gave), as far as we hold them.

    `joined`: the session came from a join, the next one replaces it; without, it is for ever (ABP).
    """

    app_key: bytes | None = field(default=None, repr=False)
    nwk_key: bytes | None = field(default=None, repr=False)
    dev_addr: bytes | None = field(default=None, repr=False)
    nwk_s_key: bytes | None = field(default=None, repr=False)
    app_s_key: bytes | None = field(default=None, repr=False)
    joined: bool = field(default=False, kw_only=True)

    def __bool__(self) -> bool:
        return any(getattr(self, name) is not None for name in _SECRETS)

    @property
    def has_session(self) -> bool:
        """Whether frames can be opened with these."""
        return None not in (self.dev_addr, self.nwk_s_key, self.app_s_key)

    @property
    def personalised(self) -> bool:
        """Whether the device never joins: activated by personalisation (ABP)."""
        return self.has_session and not self.joined


class Vault:
    """Seals and opens with AES-256-GCM; a sealed entry opens for its own device only."""

    def __init__(self, key: Secret, random_octets: Callable[[int], bytes] = os.urandom) -> None:
        self._cipher = AESGCM(_key(key))
        self._random = random_octets

    def seal(self, dev_eui: DevEUI, keys: DeviceKeys) -> bytes:
        """The entry to keep: form, nonce, ciphertext with its tag."""
        content: dict[str, str | bool] = {
            name: value.hex() for name in _SECRETS if (value := getattr(keys, name)) is not None
        }
        if keys.has_session:
            content["joined"] = keys.joined
        nonce = self._random(_NONCE)
        return _FORM + nonce + self._cipher.encrypt(nonce, json.dumps(content).encode(), _FORM + dev_eui)

    def open(self, dev_eui: DevEUI, sealed: bytes) -> DeviceKeys:
        """What was sealed. ConfigurationError if it was sealed with another key, or for another device."""
        nonce, content = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            # The form is authenticated too: it stands in the associated data.
            opened = json.loads(self._cipher.decrypt(nonce, content, sealed[:1] + dev_eui))
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError(
                f"device register: the keys of {dev_eui} do not open with the configured key; set [devices] "
                "key to the one they were sealed with"
            ) from error
        joined = opened.pop("joined", None)
        keys = DeviceKeys(*(bytes.fromhex(opened[name]) if name in opened else None for name in _SECRETS))
        # Entries sealed before `joined` was kept: a session beside root keys came from a join.
        return replace(
            keys, joined=keys.has_session and keys.app_key is not None if joined is None else joined
        )

    def seal_text(self, owner: str, text: str) -> bytes:
        """A single secret of somebody who is no device, e.g. a project; it opens for `owner` only."""
        nonce = self._random(_NONCE)
        return _TEXT + nonce + self._cipher.encrypt(nonce, text.encode(), _TEXT + owner.encode())

    def open_text(self, owner: str, sealed: bytes) -> str:
        """What `seal_text` sealed. ConfigurationError as for `open`."""
        try:
            nonce, content = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
            return self._cipher.decrypt(nonce, content, sealed[:1] + owner.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError(
                f"the secret of {owner} does not open with the configured key; set it to the one it was "
                "sealed with ([devices] key)"
            ) from error


def new_key() -> str:
    """A fresh key as text for a file: 32 random octets, base64url."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")


def _key(secret: Secret) -> bytes:
    text = secret.reveal().strip()
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != 32:
        raise ConfigurationError(f"device register: the key is not 32 octets in base64url; {_REMEDY}")
    return octets


def opened_vault(key: Secret | None) -> Vault:
    """The vault of the settings. ConfigurationError with the remedy when they name no key."""
    if key is None:
        raise ConfigurationError(f"device register: no key is set, so device keys cannot be kept; {_REMEDY}")
    return Vault(key)
