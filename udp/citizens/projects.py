"""Citizens' projects in the registry's database: applied for, decided, given keys, withdrawn.

Every write is one transaction. Personal links and webhook keys are shown once and kept as hashes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from edge.wire.identifiers import DevEUI
from udp.citizens import mounting, tables
from udp.citizens.application import Application, ApplicationRefused, NamedDevice
from udp.citizens.class_codes import FIELD, ClassCodes
from udp.citizens.offer import Offer
from udp.citizens.project import APPLICATION, Door, Erasure, Project, State, digest, is_slug
from udp.citizens.settings import CitizenSettings
from udp.devices.vault import Vault
from udp.errors import ConfigurationError, NotFound, PlatformError
from udp.registry.database import Database
from udp.registry.sql import grow, lock

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_LINK, _KEY = "link_", "ttn_"


class NotPossible(PlatformError):
    """The project does not stand where this could be done; the text says so in German."""


class TooManyWaiting(PlatformError):
    """Staff has more to decide than it can; nobody else can apply for the moment."""


class CitizenProjects:
    """All projects. `vault` is needed for keys of The Things Network only; without `codes` none is good."""

    def __init__(
        self,
        database: Database,
        settings: CitizenSettings,
        vault: Vault | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        codes: ClassCodes | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._vault = vault
        self._now = now
        self.codes = codes
        with database.writing() as connection:
            tables.make(connection)

    def apply(
        self, application: Application, class_code: str = "", known: Offer | None = None
    ) -> tuple[Project, str]:
        """A new project that waits to be approved, and its personal link's secret: shown now, never again.

        With a `class_code` that is good it is approved at once, by `known`; both happen, or neither.
        ApplicationRefused for devices that are registered already or a code that is not good; TooManyWaiting.
        """
        link = _LINK + secrets.token_urlsafe(32)
        slug = "b-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
        with self._database.writing() as connection:
            if class_code and known:
                lock(connection)
                self._redeem(connection, class_code, slug)
            else:
                self._refuse_too_many(connection)
            _refuse_taken(connection, application.devices)
            row = {name: value for name, value in asdict(application).items() if name != "devices"}
            row["fields"] = dict(application.fields)
            own = {"slug": slug, "state": State.APPLIED.value, "link": digest(link)}
            connection.execute(tables.project.insert(), [row | own | {"applied_at": self._stamp()}])
            devices = [
                {"dev_eui": bytes(one.dev_eui), "project": slug, "position": position, "label": one.label}
                for position, one in enumerate(application.devices, 1)
            ]
            connection.execute(tables.device.insert(), devices)
            if class_code and known:
                self._approve(connection, slug, known)
            return _project(connection, _row(connection, slug)), link

    def by_link(self, link: str) -> Project:
        """The project of a personal link; NotFound for any other text.

        Looked up by its hash: what the database compares tells nothing about the link itself.
        """
        table = tables.project
        with self._database.reading() as connection:
            row = connection.execute(select(table).where(table.c.link == digest(link))).one_or_none()
            if row is None:
                raise NotFound("Diesen persönlichen Link gibt es nicht, oder alles wurde schon gelöscht.")
            return _project(connection, row)

    def all(self, state: State | None = None) -> list[Project]:
        """Those who have waited longest first."""
        table = tables.project
        query = select(table).order_by(table.c.applied_at, table.c.slug)
        if state is not None:
            query = query.where(table.c.state == state.value)
        with self._database.reading() as connection:
            return [_project(connection, row) for row in connection.execute(query).all()]

    def approve(self, slug: str, known: Offer) -> Project:
        """From now on its values count. NotPossible unless it waits for a decision."""
        with self._database.writing() as connection:
            lock(connection)
            self._approve(connection, slug, known)
            return _project(connection, _row(connection, slug))

    def refuse(self, slug: str, reason: str) -> Project:
        """Tell why not; the applicant reads it behind the personal link."""
        text = " ".join(reason.split())
        if not text:
            raise NotPossible("Eine Ablehnung braucht einen Grund; der Anmelder liest ihn.")
        with self._database.writing() as connection:
            _waiting(connection, slug)
            self._decide(connection, slug, State.REFUSED, text)
            return _project(connection, _row(connection, slug))

    def new_webhook_key(self, slug: str) -> str:
        """A new key, shown now and never again; the one before stops working within seconds."""
        key = _KEY + secrets.token_urlsafe(32)
        self._set_approved(slug, {"webhook": digest(key)})
        return key

    def listen(self, slug: str, application: str, key: str) -> None:
        """Fetch the project's uplinks from The Things Network's MQTT server, as `application`.

        ApplicationRefused for what is neither; ConfigurationError where the city has set no key to seal.
        """
        problems: dict[str, str] = {}
        if not APPLICATION.fullmatch(application):
            problems["anwendung"] = "Bitte die Application ID aus der TTN-Konsole, z. B. mein-balkon."
        if not (key.startswith("NNSXS.") and 20 <= len(key) <= 200 and key.isascii() and key.isprintable()):
            problems["schluessel"] = "Ein API-Schlüssel von The Things Network beginnt mit NNSXS."
        if problems:
            raise ApplicationRefused(problems)
        if self._vault is None:
            raise ConfigurationError("citizens: keys cannot be sealed; set [devices] key")
        full = application if "@" in application else f"{application}@ttn"
        sealed = self._vault.seal_text(slug, key)
        self._set_approved(slug, {"ttn_application": full, "ttn_sealed": sealed})

    def stop_listening(self, slug: str) -> None:
        """Forget the key of The Things Network."""
        self._set_approved(slug, {"ttn_application": "", "ttn_sealed": None})

    def withdraw(self, slug: str) -> None:
        """Delete name, address, keys and devices now, and order the deletion of all that was measured.

        Nothing of it is visible anywhere from this moment on.
        """
        with self._database.writing() as connection:
            lock(connection)
            _row(connection, slug)
            self._delete(connection, slug)
            grow(connection, self._now())

    def doors(self) -> list[Door]:
        """What ingest asks every few seconds."""
        table = tables.project
        columns = (table.c.slug, table.c.state, table.c.webhook, table.c.ttn_application, table.c.ttn_sealed)
        with self._database.reading() as connection:
            return [
                Door(row.slug, row.state == State.APPROVED, row.webhook, row.ttn_application, row.ttn_sealed)
                for row in connection.execute(select(*columns))
            ]

    def erasures(self) -> list[Erasure]:
        """Deletions ordered and not done, oldest first."""
        table = tables.erasure
        query = select(table).where(table.c.done_at.is_(None)).order_by(table.c.id)
        with self._database.reading() as connection:
            return [
                Erasure(
                    row.id, row.project, tuple(row.datastreams), tuple(row.things),
                    tuple(DevEUI.parse(one) for one in row.dev_euis),
                    datetime.fromisoformat(row.ordered_at),
                )
                for row in connection.execute(query)
            ]  # fmt: skip

    def erased(self, erasure: Erasure) -> None:
        """Nothing points at its Datastreams any more: they go too. That something was deleted stays."""
        table = tables.erasure
        with self._database.writing() as connection:
            mounting.remove(connection, erasure.datastreams, erasure.things)
            done = {"done_at": self._stamp(), "dev_euis": [], "things": []}
            connection.execute(table.update().where(table.c.id == erasure.number).values(done))

    def tidy(self) -> int:
        """Delete applications nobody decided and refusals everybody has read; how many."""
        now, table = self._now(), tables.project
        limits = (
            (State.APPLIED, table.c.applied_at, now - self._settings.forget_undecided_after),
            (State.REFUSED, table.c.decided_at, now - self._settings.forget_refused_after),
        )
        with self._database.writing() as connection:
            old: list[str] = []
            for state, column, before in limits:
                own = (table.c.state == state.value) & (column < before.isoformat())
                old += connection.scalars(select(table.c.slug).where(own))
            for slug in old:
                self._delete(connection, slug)
            return len(old)

    def close(self) -> None:
        """Release the registry's connections."""
        self._database.close()

    def _redeem(self, connection: Connection, class_code: str, slug: str) -> None:
        if self.codes is None:
            raise ApplicationRefused({FIELD: "Klassencodes gelten hier nicht; das Feld bitte leer lassen."})
        self.codes.redeem(connection, class_code, slug)

    def _approve(self, connection: Connection, slug: str, known: Offer) -> None:
        row = _waiting(connection, slug)
        devices = _device_rows(connection, slug)
        held = mounting.taken(connection, [DevEUI(one.dev_eui) for one in devices])
        if held:
            raise NotPossible(f"Die DevEUI {held[0]} ist inzwischen im Geräteregister; das Projekt ablehnen.")
        mounting.mount(connection, row, devices, known)
        self._decide(connection, slug, State.APPROVED, "")
        grow(connection, self._now())

    def _delete(self, connection: Connection, slug: str) -> None:
        dev_euis = [DevEUI(one.dev_eui) for one in _device_rows(connection, slug)]
        streams, things = mounting.unmount(connection, slug)
        connection.execute(tables.device.delete().where(tables.device.c.project == slug))
        connection.execute(tables.project.delete().where(tables.project.c.slug == slug))
        order = {
            "project": slug, "datastreams": streams, "things": things,
            "dev_euis": [str(one) for one in dev_euis], "ordered_at": self._stamp(),
        }  # fmt: skip
        connection.execute(tables.erasure.insert(), [order])

    def _set_approved(self, slug: str, values: Mapping[str, Any]) -> None:
        with self._database.writing() as connection:
            if _row(connection, slug).state != State.APPROVED:
                raise NotPossible("Das geht erst, wenn die Stadt das Projekt freigegeben hat.")
            own = tables.project.c.slug == slug
            connection.execute(tables.project.update().where(own).values(**values))

    def _decide(self, connection: Connection, slug: str, state: State, note: str) -> None:
        own = tables.project.c.slug == slug
        values = {"state": state.value, "note": note, "decided_at": self._stamp()}
        connection.execute(tables.project.update().where(own).values(values))

    def _refuse_too_many(self, connection: Connection) -> None:
        table = tables.project
        waiting = connection.scalar(
            select(func.count()).select_from(table).where(table.c.state == State.APPLIED.value)
        )
        if (waiting or 0) >= self._settings.waiting_at_most:
            raise TooManyWaiting("Zurzeit liegen zu viele offene Anmeldungen vor. Bitte später noch einmal.")

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="microseconds")


def _refuse_taken(connection: Connection, devices: Sequence[NamedDevice]) -> None:
    asked = [one.dev_eui for one in devices]
    table = tables.device
    applied = connection.scalars(select(table.c.dev_eui).where(table.c.dev_eui.in_(map(bytes, asked))))
    held = [*mounting.taken(connection, asked), *(DevEUI(one) for one in applied)]
    if held:
        raise ApplicationRefused({"dev_eui": f"Die DevEUI {held[0]} ist schon angemeldet."})


def _waiting(connection: Connection, slug: str) -> Row[Any]:
    row = _row(connection, slug)
    if row.state != State.APPLIED:
        raise NotPossible(f"Projekt {slug} wartet nicht auf eine Entscheidung (Stand: {row.state}).")
    return row


def _row(connection: Connection, slug: str) -> Row[Any]:
    row = connection.execute(select(tables.project).where(tables.project.c.slug == slug)).one_or_none()
    if row is None or not is_slug(slug):
        raise NotFound(f"Das Projekt {slug[:16]!r} gibt es nicht; udp citizens list zeigt alle.")
    return row


def _device_rows(connection: Connection, slug: str) -> Sequence[Row[Any]]:
    table = tables.device
    return connection.execute(select(table).where(table.c.project == slug).order_by(table.c.position)).all()


def _project(connection: Connection, row: Row[Any]) -> Project:
    shared = (
        "slug", "title", "name", "mail", "latitude", "longitude", "exact", "district", "district_name",
        "kind", "fields", "interval_s", "licence", "consent", "note", "ttn_application",
    )  # fmt: skip
    devices = _device_rows(connection, row.slug)
    return Project(
        **{name: getattr(row, name) for name in shared},
        state=State(row.state),
        devices=tuple(NamedDevice(DevEUI(one.dev_eui), one.label) for one in devices),
        applied_at=datetime.fromisoformat(row.applied_at),
        decided_at=datetime.fromisoformat(row.decided_at) if row.decided_at else None,
        has_webhook_key=row.webhook is not None,
    )
