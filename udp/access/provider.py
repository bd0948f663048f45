"""Talks to the sign-in provider: discovery, keys, exchange of the code. Believes nothing unsigned."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import urllib3
from authlib.oauth2.auth import ClientAuth
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from udp.access.settings import ProviderSettings
from udp.errors import PlatformError

_METADATA_S = 3600.0
_KEYS_AGAIN_S = 30.0
_LARGEST = 1_000_000
_LEEWAY_S = 60


class SignInRefused(PlatformError):
    """Somebody could not be signed in; says why, without what they brought."""


class ProviderUnavailable(PlatformError):
    """The provider did not answer as a provider does; the same may be tried later."""


class Provider:
    """One provider; safe from several threads. Metadata and keys are kept for an hour."""

    def __init__(
        self, settings: ProviderSettings, now: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self.settings = settings
        self._now = now
        self._monotonic = monotonic
        timeout = urllib3.Timeout(settings.timeout.total_seconds())
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)
        self._lock = threading.Lock()
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def metadata(self) -> Mapping[str, Any]:
        """OpenID Connect Discovery 1.0; ProviderUnavailable also when it speaks for somebody else."""
        with self._lock:
            if self._metadata and self._monotonic() - self._metadata[0] < _METADATA_S:
                return self._metadata[1]
        url = get_well_known_url(self.settings.issuer, external=True)
        found: Mapping[str, Any] = OpenIDProviderMetadata(self._json("GET", url))
        for name in ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(found.get(name), str):
                raise ProviderUnavailable(f"{url} names no {name}")
        if found["issuer"] != self.settings.issuer:
            raise ProviderUnavailable(f"{url} speaks for {found['issuer']!r}, not {self.settings.issuer!r}")
        with self._lock:
            self._metadata = (self._monotonic(), found)
        return found

    def exchange(self, code: str, verifier: str, redirect: str) -> str:
        """The ID token for a code (RFC 6749, 4.1.3 with RFC 7636). SignInRefused when there is none."""
        settings, metadata = self.settings, self.metadata()
        method = "none" if settings.client_secret is None else _method(metadata)
        secret = "" if settings.client_secret is None else settings.client_secret.reveal()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        if method == "none":
            fields["client_id"] = settings.client_id
        body = urlencode(fields)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        auth = ClientAuth(settings.client_id, secret, method)
        url, headers, body = auth.prepare("POST", metadata["token_endpoint"], headers, body)
        answer = self._json("POST", url, headers, body, refused=True)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInRefused("the provider gave no ID token")
        return token

    def claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """What a good ID token says (OpenID Connect Core 1.0, 3.1.3.7). SignInRefused for any other."""
        settings = self.settings
        try:
            try:
                decoded = jwt.decode(token, self._key_set(), algorithms=list(settings.algorithms))
            except InvalidKeyIdError:
                decoded = jwt.decode(token, self._key_set(again=True), algorithms=list(settings.algorithms))
            claims: Any = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": settings.issuer},
                    "aud": {"essential": True, "value": settings.client_id},
                    "sub": {"essential": True},
                    "nonce": {"essential": True, "value": nonce},
                },
                {"client_id": settings.client_id, "nonce": nonce},
            )
            claims.validate(now=int(self._now()), leeway=_LEEWAY_S)
        except (JoseError, ValueError) as error:
            raise SignInRefused(f"the provider's ID token does not hold: {type(error).__name__}") from error
        if "exp" not in claims or "iat" not in claims or not isinstance(claims.get("sub"), str):
            raise SignInRefused("the provider's ID token lacks sub, exp or iat")
        return dict(claims)

    def _key_set(self, *, again: bool = False) -> KeySet:
        now = self._monotonic()
        with self._lock:
            kept = self._keys
        age = now - kept[0] if kept else 0.0
        # A flood of tokens with invented keys must not become a flood to the provider.
        if kept and (age < _KEYS_AGAIN_S if again else age < _METADATA_S):
            return kept[1]
        url = self.metadata()["jwks_uri"]
        try:
            found = KeySet.import_key_set(self._json("GET", url))
        except (JoseError, ValueError, KeyError) as error:
            raise ProviderUnavailable(f"{url} holds no keys that can be used: {error}") from error
        with self._lock:
            self._keys = (now, found)
        return found

    def _json(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        *,
        refused: bool = False,
    ) -> Any:
        try:
            answer = self._pool.request(
                method, url, headers=headers, body=body, redirect=False, preload_content=False
            )
            octets = answer.read(_LARGEST + 1)
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(f"{url} does not answer: {error}") from error
        if refused and answer.status in (400, 401, 403):
            raise SignInRefused("the provider refused the code")
        if answer.status != 200 or len(octets) > _LARGEST:
            raise ProviderUnavailable(f"{url} answered {answer.status}")
        try:
            found = json.loads(octets)
        except ValueError as error:
            raise ProviderUnavailable(f"{url} answered no JSON") from error
        if not isinstance(found, dict):
            raise ProviderUnavailable(f"{url} answered no JSON object")
        return found


def _method(metadata: Mapping[str, Any]) -> str:
    offered = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
