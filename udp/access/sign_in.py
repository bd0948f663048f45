"""The way of a person through the provider and back: authorization code with PKCE, state and nonce."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from udp.access.audit import AuditLog
from udp.access.people import People
from udp.access.provider import Provider, SignInRefused
from udp.access.sessions import Sessions
from udp.roles import Role

WAY_S = 600
BACK = "/anmelden/zurueck"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the cookie it keeps meanwhile."""

    address: str
    cookie: str


class SignIn:
    """One provider and our memory of sessions and people."""

    def __init__(
        self,
        provider: Provider,
        sessions: Sessions,
        people: People,
        audit: AuditLog,
        now: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._sessions = sessions
        self._people = people
        self._audit = audit
        self._now = now
        self._redirect = provider.settings.public_url.rstrip("/") + BACK

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by TLS, so that cookies may ask for it."""
        return self._redirect.startswith("https://")

    def begin(self, target: str) -> Begun:
        """`target`: the page of ours to come back to. ProviderUnavailable."""
        state, nonce = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        verifier = secrets.token_urlsafe(48)
        address = prepare_grant_uri(
            self._provider.metadata()["authorization_endpoint"],
            self._provider.settings.client_id,
            "code",
            redirect_uri=self._redirect,
            scope=self._provider.settings.scope,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        kept = {"state": state, "nonce": nonce, "verifier": verifier, "target": target}
        kept["until"] = str(int(self._now().timestamp()) + WAY_S)
        return Begun(str(address), self._sessions.signed(json.dumps(kept).encode().hex()))

    def finish(self, query: Mapping[str, str], cookie: str, origin: str) -> tuple[str, str]:
        """The cookie of the new session, and the page to go to. SignInRefused says why not."""
        try:
            return self._finish(query, cookie, origin)
        except SignInRefused as error:
            self._audit.write("", "sign-in-refused", origin=origin, detail=str(error))
            raise

    def _finish(self, query: Mapping[str, str], cookie: str, origin: str) -> tuple[str, str]:
        kept = self._kept(cookie)
        if not hmac.compare_digest(kept["state"].encode(), query.get("state", "").encode()):
            raise SignInRefused("the answer belongs to another sign-in (state)")
        if query.get("iss", self._provider.settings.issuer) != self._provider.settings.issuer:
            raise SignInRefused("the answer comes from another provider (iss)")
        if "error" in query or not query.get("code"):
            raise SignInRefused("the provider did not sign you in")
        token = self._provider.exchange(query["code"], kept["verifier"], self._redirect)
        claims = self._provider.claims(token, kept["nonce"])
        subject = f"{claims['sub']}@{self._provider.settings.issuer}"
        name = str(claims.get("name") or claims.get("preferred_username") or claims["sub"])
        roles = self.roles_of(claims)
        if not roles:
            raise SignInRefused(f"{name} has no role here: none of the groups stands in the settings")
        if not self._people.welcome(subject, name, roles):
            raise SignInRefused(f"{name} is blocked")
        return self._sessions.open(subject, name, roles, origin, "provider"), kept["target"]

    def roles_of(self, claims: Mapping[str, Any]) -> frozenset[Role]:
        """The roles of the claim's groups; nobody has one by default."""
        found: Any = claims
        for part in self._provider.settings.role_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        named = [found] if isinstance(found, str) else found
        groups = {str(one) for one in named} if isinstance(named, list) else set()
        return frozenset(Role(one.role) for one in self._provider.settings.roles if one.group in groups)

    def leave(self) -> str | None:
        """Where the provider ends its own session, if it can."""
        settings = self._provider.settings
        end = self._provider.metadata().get("end_session_endpoint")
        if not isinstance(end, str):
            return None
        back = settings.public_url.rstrip("/") + "/"
        return _ending(end, settings.client_id, back)

    def _kept(self, cookie: str) -> dict[str, str]:
        content = self._sessions.verified(cookie)
        if content is None:
            raise SignInRefused("the sign-in did not begin in this browser, or the platform was restarted")
        kept: dict[str, str] = json.loads(bytes.fromhex(content))
        if int(kept["until"]) < self._now().timestamp():
            raise SignInRefused("the sign-in took longer than ten minutes; begin again")
        return kept


def _ending(end: str, client: str, back: str) -> str:
    """OpenID Connect RP-Initiated Logout 1.0, section 2."""
    glue = "&" if "?" in end else "?"
    return f"{end}{glue}{urlencode({'client_id': client, 'post_logout_redirect_uri': back})}"
