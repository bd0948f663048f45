"""Which data the city has, what for, and why some are not open: the policy as everybody may read it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from udp.api import representations, schemas
from udp.api.desk import Asking, AtDesk, answer
from udp.datasets.model import Dataset
from udp.policy import PUBLIC

_SECONDS = 60


def router() -> APIRouter:
    """The one route, for everybody: what is closed is told of in general words only."""
    api = APIRouter(prefix=representations.V1, tags=["v1"])
    api.add_api_route(
        "/policy",
        policy,
        methods=["GET"],
        summary="Datasets with owner, purpose, access, reason, resolution and retention",
        responses={200: {"model": schemas.PolicyAnswer}},
        response_class=Response,
    )
    return api


async def policy(request: Request, at: AtDesk, who: Asking) -> Response:
    """The policy in force. Counts are those of open data, whoever asks."""
    views = await at.views.get()
    rules = views.gate.policy
    counts = Counter(key for keys in views.of(PUBLIC).datasets.values() for key in keys)
    body = {
        "sha256": rules.digest,
        "journal_kept_days": _days(rules.journal_kept()),
        "datasets": [_told(one, counts[one.key], rules.journal_kept()) for one in rules.datasets],
    }
    return answer(request, who, representations.dumps(body), media_type="application/json", seconds=_SECONDS)


def _told(one: Dataset, count: int, journal: timedelta | None) -> dict[str, Any]:
    step = one.outside.time_step
    return {
        "key": one.key,
        "title": one.title,
        "description": one.description,
        "owner": one.owner,
        "purpose": one.purpose,
        "legal_basis": one.legal_basis,
        "access": one.access.value,
        "exemption": one.exemption,
        "licence": one.licence,
        "visible_to": sorted(one.visible_to),
        "funding": asdict(one.funding) if one.funding else None,
        "outside": {
            "time_step_s": step.total_seconds() if step else None,
            "current": "now" if one.outside.current_at_once else "step",
            "place_m": one.outside.place_m,
            "minimum_users": one.outside.minimum_users,
        },
        "retention": {
            # All lie in one journal, which goes by the shortest time of any.
            "raw_days": _days(journal),
            "values_days": _days(one.retention.values),
            "aggregates_days": _days(one.retention.aggregates),
        },
        "open_datastreams": count,
    }


def _days(time: timedelta | None) -> float | None:
    return time / timedelta(days=1) if time else None
