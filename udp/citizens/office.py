"""What the public page, the interface and the command line all do: take, decide, and tell the applicant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from udp.citizens.application import Written, check
from udp.citizens.choices import current_offer
from udp.citizens.mail import send
from udp.citizens.offer import Offer
from udp.citizens.project import Project, State, origin_of
from udp.citizens.projects import CitizenProjects, NotPossible
from udp.citizens.settings import CitizenSettings
from udp.devices.settings import DeviceSettings
from udp.registry.port import Inventory
from udp.registry.profiles import Profile

_SUBJECT = "Ihr Sensor bei der Stadt"


@dataclass(frozen=True, slots=True)
class Office:
    """`inventory` is asked each time: districts and devices come and go."""

    projects: CitizenProjects
    profiles: Mapping[str, Profile]
    inventory: Callable[[], Inventory]
    settings: CitizenSettings
    area: DeviceSettings

    def offer(self) -> Offer:
        """What one may choose from now."""
        return current_offer(self.profiles, self.inventory())

    def apply(self, written: Written, address: str = "") -> tuple[Project, str]:
        """As CitizenProjects.apply; `address`: of the personal page without its secret."""
        if not self.settings.open:
            raise NotPossible("Zurzeit werden keine Anmeldungen angenommen.")
        most = self.settings.devices_at_most
        known = self.offer()
        application = check(written, known, self.area, most_devices=most)
        project, link = self.projects.apply(application, written.class_code.strip(), known)
        news = "ist freigegeben" if project.state is State.APPROVED else "ist angekommen und wird geprüft"
        self._tell(
            project,
            f"Ihre Anmeldung „{project.title}“ {news}.\n\n"
            f"Ihr persönlicher Link, bitte aufheben und niemandem geben:\n{address}{link}\n",
        )
        return project, link

    def approve(self, slug: str) -> Project:
        """As CitizenProjects.approve."""
        project = self.projects.approve(slug, self.offer())
        self._tell(
            project,
            f"Ihr Sensor „{project.title}“ ist freigegeben. Den Schlüssel für The Things Network bekommen "
            "Sie auf Ihrer persönlichen Seite; öffnen Sie dazu Ihren persönlichen Link.\n",
        )
        return project

    def refuse(self, slug: str, reason: str) -> Project:
        """As CitizenProjects.refuse."""
        project = self.projects.refuse(slug, reason)
        self._tell(
            project, f"Ihren Sensor „{project.title}“ konnten wir nicht freigeben. Grund: {project.note}\n"
        )
        return project

    def webhook_url(self, slug: str) -> str:
        """What people enter at The Things Network."""
        return f"{self.settings.webhook_url.rstrip('/')}{origin_of(slug)}"

    def _tell(self, project: Project, text: str) -> None:
        send(self.settings.mail, project.mail, _SUBJECT, text)
