"""How staff sign in: the provider, and which of its groups are which roles here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

from edge.wire.settings import Secret
from udp.roles import Role

_LOCAL = ("localhost", "127.0.0.1", "::1")
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True, slots=True)
class RoleOfGroup:
    """Whoever has `group` in the claim has `role` here."""

    group: str
    role: str

    def __post_init__(self) -> None:
        known = [one.value for one in Role if one is not Role.PUBLIC]
        if self.role not in known:
            raise ValueError(f"role {self.role!r} is not known; known are {', '.join(known)}")


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An OpenID Connect provider (Keycloak, Entra ID, ...). `public_url`: the platform as browsers see it;
    the provider must allow `<public_url>/anmelden/zurueck` as redirect. `role_claim`: the claim of the ID
    token with the groups, dots lead into objects (`realm_access.roles`)."""

    issuer: str
    client_id: str
    public_url: str
    client_secret: Secret | None = None
    role_claim: str = "groups"
    roles: tuple[RoleOfGroup, ...] = ()
    scope: str = "openid profile email"
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    timeout: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        for name in ("issuer", "public_url"):
            parts = urlsplit(getattr(self, name))
            secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
            if not secure or not parts.hostname or parts.query or parts.fragment:
                raise ValueError(f"{name} {getattr(self, name)!r} must begin with https://")
        for one in self.algorithms:
            if one not in _ALGORITHMS:
                raise ValueError(f"algorithm {one!r} is not possible; choose from {', '.join(_ALGORITHMS)}")
        if not self.roles:
            raise ValueError('roles is missing; write e.g. roles = [{ group = "it", role = "admin" }]')


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """`session_key` signs cookies: with one, sessions survive a restart. No `provider`: no sign-in."""

    session_key: Secret | None = None
    session: timedelta = timedelta(hours=10)
    provider: ProviderSettings | None = field(default=None)

    def __post_init__(self) -> None:
        if not timedelta(minutes=5) <= self.session <= timedelta(days=7):
            raise ValueError("session must be between 300 and 604800 seconds")
        if self.session_key is not None and len(self.session_key.reveal()) < 32:
            raise ValueError("session_key is shorter than 32 characters; try: openssl rand -base64 32")
