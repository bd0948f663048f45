"""Say of every trained model what it learned from and how good it is on data it has not seen.

A model worse than its baseline is not used, and its card says so (Mitchell et al. 2019, Model Cards, FAT*).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite

# How pages and the command line call what the code calls in English.
GERMAN: Mapping[str, str] = {
    "mae": "mittlerer Fehler", "crps": "Fehler der Verteilung (CRPS)", "brier": "Brier-Wert",
    "coverage80": "im 80-%-Bereich", "coverage90": "im 90-%-Bereich",
    "pooled inflow rate": "Zuflussmodell", "mean pace": "mittleres Tempo",
    "persistence": "bleibt, wie es ist",
    "runoff hybrid": "Niederschlag-Abfluss-Modell", "ARX without rain ahead": "lineares Modell",
    "night balance": "Sauerstoffbilanz", "last night": "wie letzte Nacht",
    "cross-fitted load": "Lastmodell", "last week": "wie letzte Woche",
    "expected load": "Lastprognose", "seasonal naive (168 hours)": "wie vor einer Woche",
    "seasonal naive (24 hours)": "wie gestern",
    **{f"mae_{hours}h": f"Fehler nach {hours} h" for hours in (24, 48, 72)},
    **{f"nse_{hours}h": f"NSE nach {hours} h" for hours in ("0.5", "1", "3", "6", "12")},
    **{f"pi_{hours}h": f"Gewinn gegen Beharrung nach {hours} h" for hours in ("0.5", "1", "3", "6", "12")},
}  # fmt: skip
SMALLER_IS_BETTER = frozenset({"mae", "crps", "brier", "pinball", "peak_error", "delay_hours"})


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Scores map model or baseline -> metric -> figure, all measured after ``split`` only."""

    name: str
    target: str
    version: str
    seed: int
    data_start: datetime
    data_end: datetime
    split: datetime
    scores: Mapping[str, Mapping[str, float]]
    deciding_metric: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.name not in self.scores:
            raise ValueError(f"model card of {self.name} has no scores of {self.name} itself")
        if not self.data_start <= self.split <= self.data_end:
            raise ValueError(f"model card of {self.name}: split {self.split} is outside its data span")

    @property
    def best_baseline(self) -> str | None:
        """The baseline that does best on the deciding metric, None when none has a figure."""
        figures = {
            name: score[self.deciding_metric]
            for name, score in self.scores.items()
            if name != self.name and isfinite(score.get(self.deciding_metric, float("nan")))
        }
        if not figures:
            return None
        choose = min if self.deciding_metric in SMALLER_IS_BETTER else max
        return choose(figures, key=lambda name: figures[name])

    @property
    def usable(self) -> bool:
        """At least as good as its best baseline; without any figure of its own it is not."""
        own = self.scores[self.name].get(self.deciding_metric, float("nan"))
        if not isfinite(own):
            return False
        if (rival := self.best_baseline) is None:
            return True
        other = self.scores[rival][self.deciding_metric]
        return own <= other if self.deciding_metric in SMALLER_IS_BETTER else own >= other

    @property
    def verdict(self) -> str:
        """One German sentence for the page that shows the card."""
        rival = self.best_baseline
        metric = german(self.deciding_metric)
        if rival is None:
            return "In Gebrauch." if self.usable else "Nicht in Gebrauch: es gibt kein Maß für seine Güte."
        figures = f"{metric} {self._figure(self.name)} gegen {self._figure(rival)} bei „{german(rival)}“"
        if self.usable:
            return f"In Gebrauch: {figures}."
        return f"Nicht in Gebrauch: {figures}; gezeigt wird der einfache Vergleich."

    def _figure(self, name: str) -> str:
        value = self.scores[name].get(self.deciding_metric, float("nan"))
        return f"{value:.3g}".replace(".", ",") if isfinite(value) else "ohne Zahl"

    def to_json(self) -> str:
        """Stable text for the store; times as ISO 8601."""
        return json.dumps(asdict(self), default=_iso, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Inverse of `to_json`. Raises ValueError for anything else."""
        raw = json.loads(text)
        times = {key: datetime.fromisoformat(raw[key]) for key in ("data_start", "data_end", "split")}
        return cls(**{**raw, **times, "notes": tuple(raw["notes"])})


def german(name: str) -> str:
    """The German word for a model, comparison or metric; unknown ones as they are."""
    return GERMAN.get(name, name)


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place on a model card")
