"""Ask the register every few seconds who may come in by a project's key."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from ingest.sources.projects import ProjectDoors
from ingest.sources.projects_mqtt import ProjectSessions
from udp.citizens.projects import CitizenProjects
from udp.citizens.settings import CitizenSettings
from udp.errors import PlatformError
from udp.registry.database import Database

log = logging.getLogger(__name__)


def watch_register(
    registry: str,
    doors: ProjectDoors,
    sessions: ProjectSessions,
    now: Callable[[], datetime],
    stop: threading.Event,
) -> None:
    """Until `stop`; a register that is away leaves everything as it was last."""
    said = ""
    projects: CitizenProjects | None = None
    while not stop.is_set():
        try:
            if projects is None:
                projects = CitizenProjects(Database(registry), CitizenSettings(), None, now)
            found = projects.doors()
            doors.replace(found)
            sessions.follow(found)
            said = ""
        except PlatformError as error:
            if str(error) != said:
                log.warning("%s; the projects' keys stay as they were", error)
            said = str(error)
        stop.wait(doors.settings.refresh.total_seconds())
    sessions.close()
    if projects is not None:
        projects.close()
