"""Draws the public pages: one method per kind of page, from finished views to HTML on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import jinja2

from dashboards.page_directory import PageDirectory
from dashboards.public.catalogue import Theme, themes
from dashboards.public.datasets import DatasetView
from dashboards.public.figures import DAY, WEEK, Figure, axis, figure
from dashboards.public.freshness import Freshness
from dashboards.public.history import Window
from dashboards.public.marks import EXPLANATIONS
from dashboards.public.outlook import ModelCard
from dashboards.public.outlook_cards import card_groups
from dashboards.public.outlook_view import OutlookView, outlook_view
from dashboards.public.quantities import quantity
from dashboards.public.series import Series
from dashboards.public.settings import SiteSettings
from dashboards.public.snapshot import Place, Share, Snapshot, Stream
from dashboards.public.summary import rows, sentence
from dashboards.public.views import GroupView, ValueView, place_views, shown, value_view
from dashboards.public.weather import Ahead
from dashboards.public.weather_view import in_short, weather_view
from dashboards.templating import assets
from dashboards.wording import LocalTime, counted, duration, with_unit

_RESTING = ("impressum", "datenschutz", "barrierefreiheit", "offene-daten", "mitmachen", "quellcode")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a page is drawn. `outage` is since when the API is silent; `limit` is the age in seconds at
    which the page says of itself that it is old, 0 for never."""

    now: datetime
    outage: datetime | None = None
    limit: int = 0


@dataclass(frozen=True, slots=True)
class DistrictLine:
    """A district in the list of the first page."""

    key: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A page that lists values; `groups` are anchor, heading and members, empty ones included.

    `summarised` are the values an overview is made of, if there is one.
    """

    folder: str
    heading: str
    note: str
    jump: str
    summarised: Sequence[Stream]
    groups: Sequence[tuple[str, str, Sequence[Stream]]]


class PublicPages:
    """Writes into `directory`; holds no data between calls."""

    def __init__(
        self, site: SiteSettings, directory: PageDirectory, templates: jinja2.Environment, time: LocalTime
    ) -> None:
        self._site = site
        self._directory = directory
        self._templates = templates
        self._time = time
        self._addresses: dict[str, str] = {}

    def draw_assets(self) -> None:
        """Style sheet, script and sign, under names that change with their content."""
        for name, (address, octets) in assets().items():
            self._directory.write(address.removeprefix("/"), octets)
            self._addresses[name] = address

    def draw_resting(self, moment: Moment, *, simulated: Share) -> None:
        """The pages that change only with the settings."""
        for name in _RESTING:
            self._write(f"{name}/index.html", f"{name}.html", moment, simulated=simulated)

    def draw_datasets(self, datasets: Sequence[DatasetView], moment: Moment, *, simulated: Share) -> None:
        """Which data there are, and why some are not open."""
        self._write(
            "daten/index.html",
            "daten.html",
            moment,
            simulated=simulated,
            opened=[one for one in datasets if one.is_open],
            closed=[one for one in datasets if not one.is_open],
        )

    def draw_waiting(self, moment: Moment) -> None:
        """The first page while nothing has ever been fetched; an older one is left as it is."""
        if not self._directory.exists("index.html"):
            self._write("index.html", "waiting.html", moment, simulated=False)

    def draw_home(self, snapshot: Snapshot, moment: Moment, ahead: Ahead | None = None) -> None:
        """The first page; `ahead` is what the weather service expects."""
        self._write(
            "index.html",
            "home.html",
            moment,
            simulated=snapshot.simulated,
            sentence=sentence(snapshot, moment.now, self._time),
            ahead=in_short(ahead, moment.now, self._time),
            attribution="" if ahead is None else ahead.attribution,
            themes=[
                (theme, rows(snapshot, streams, moment.now, self._time))
                for theme, streams in _by_theme(snapshot)
            ],
            districts=[
                self._line(snapshot, key, name, moment.now) for key, name in self._districts(snapshot)
            ],
        )

    def draw_lists(self, snapshot: Snapshot, moment: Moment) -> None:
        """A page per theme (grouped by district) and per district (grouped by theme)."""
        for listing in self._listings(snapshot):
            shown = [*listing.summarised, *(one for _, _, members in listing.groups for one in members)]
            groups = [
                GroupView(key or "ohne", name, place_views(snapshot, members, moment.now, self._time))
                for key, name, members in listing.groups
                if members
            ]
            self._write(
                f"{listing.folder}/index.html",
                "list.html",
                moment,
                simulated=snapshot.simulated_of(shown) if shown else snapshot.simulated,
                heading=listing.heading,
                note=listing.note,
                jump=listing.jump,
                rows=rows(snapshot, listing.summarised, moment.now, self._time),
                groups=groups,
                explanations=EXPLANATIONS,
            )

    def forget(self, snapshot: Snapshot) -> None:
        """Take away pages of what is not open, or not there, any more."""
        self._directory.prune("messwert", {str(number) for number in snapshot.streams})
        self._directory.prune("thema", {theme.key for theme, _ in _by_theme(snapshot)})
        self._directory.prune("ortsteil", {key for key, _ in self._districts(snapshot)})

    def draw_value(
        self, snapshot: Snapshot, stream: Stream, moment: Moment, history: Sequence[tuple[Series, Window]]
    ) -> None:
        """One Datastream: week and day as picture, sentence, table, CSV and SVG."""
        place = snapshot.place_of(stream)
        figures = [
            figure(stream, place, one, span, self._time)
            for one, span in zip(history, (WEEK, DAY), strict=True)
        ]
        folder = f"messwert/{stream.id}"
        ahead = self._ahead(snapshot, stream, place, history[-1][0])
        if ahead is not None and ahead.csv:
            self._directory.write(f"{folder}/prognose.svg", ahead.file)
            self._directory.write(f"{folder}/prognose.csv", ahead.csv)
        for one in figures:
            self._directory.write(f"{folder}/{one.name}.svg", one.file)
            self._directory.write(f"{folder}/{one.name}.csv", one.csv)
        self._write(
            f"{folder}/index.html",
            "value.html",
            moment,
            simulated=snapshot.simulated_of([stream]),
            ahead=ahead,
            **self._facts(snapshot, stream, place, figures, moment.now),
        )

    def draw_weather(self, ahead: Ahead | None, moment: Moment) -> None:
        """What the weather service expects of the next two days; None where that is not public."""
        simulated = Share.of([] if ahead is None else [ahead.simulated])
        view = weather_view(ahead, moment.now, self._time)
        for one in view.pictures:
            self._directory.write(f"vorhersage/{one.name}.svg", one.file)
        if view.csv:
            self._directory.write("vorhersage/vorhersage.csv", view.csv)
        self._write("vorhersage/index.html", "vorhersage.html", moment, simulated=simulated, view=view)

    def draw_models(self, cards: Sequence[ModelCard], snapshot: Snapshot, moment: Moment) -> None:
        """How good the forecasts are: every model card in words."""
        names = {place.key: place.name for place in snapshot.places.values()}
        groups = card_groups(cards, names, self._time)
        self._write(
            "prognosen/index.html", "prognosen.html", moment, simulated=snapshot.simulated, groups=groups
        )

    def _ahead(
        self, snapshot: Snapshot, stream: Stream, place: Place, measured: Series
    ) -> OutlookView | None:
        outlook = snapshot.outlooks.get(stream.id)
        if outlook is None:
            return None
        return outlook_view(stream, place, outlook, measured=measured, axis=axis(stream), time=self._time)

    def _facts(
        self, snapshot: Snapshot, stream: Stream, place: Place, figures: Sequence[Figure], now: datetime
    ) -> dict[str, Any]:
        known = {key for key, _ in self._districts(snapshot)}
        return {
            "stream": stream,
            "place": place,
            "theme": themes({place.theme})[0],
            "view": self._lasting(value_view(snapshot, stream, now, self._time), snapshot, stream),
            "charts": figures,
            "chart_axis": axis(stream),
            "classes": quantity(stream.observed_property).source,
            "interval": duration(stream.interval),
            "district_href": f"/ortsteil/{place.district}/" if place.district in known else "",
            "funding": snapshot.funding_of(stream),
            "explanations": EXPLANATIONS,
        }

    def _lasting(self, view: ValueView, snapshot: Snapshot, stream: Stream) -> ValueView:
        """Words that stay true until the page is drawn again, which may be hours away."""
        value = snapshot.values.get(stream.id)
        if value is None:
            return view
        age = "älter als üblich" if view.freshness is Freshness.AGEING else ""
        return replace(view, stand=self._time.full(value.phenomenon_time), age=age)

    def _listings(self, snapshot: Snapshot) -> Iterator[Listing]:
        cells: defaultdict[tuple[str, str], list[Stream]] = defaultdict(list)
        for stream in snapshot.streams.values():
            place = snapshot.place_of(stream)
            cells[place.theme, place.district].append(stream)
        districts = self._districts(snapshot)
        by_theme = _by_theme(snapshot)
        for theme, streams in by_theme:
            groups = [(key, name, cells[theme.key, key]) for key, name in [*districts, ("", "Ohne Ortsteil")]]
            yield Listing(f"thema/{theme.key}", theme.name, theme.note, "Ortsteile", streams, groups)
        for key, name in districts:
            groups = [(theme.key, theme.name, cells[theme.key, key]) for theme, _ in by_theme]
            yield Listing(f"ortsteil/{key}", name, "", "Themen", (), groups)

    def _districts(self, snapshot: Snapshot) -> list[tuple[str, str]]:
        """Those of the settings, then any others that places name, by name."""
        found = {place.district: place.district_name for place in snapshot.places.values() if place.district}
        found.update({district.key: district.name for district in self._site.known_districts})
        return sorted(found.items(), key=lambda item: _sortable(item[1]))

    def _line(self, snapshot: Snapshot, key: str, name: str, now: datetime) -> DistrictLine:
        streams = [one for one in snapshot.streams.values() if snapshot.place_of(one).district == key]
        if not streams:
            return DistrictLine(key, name, "noch kein öffentlicher Messpunkt")
        detail = counted(len({one.place for one in streams}), "Messpunkt", "Messpunkte")
        warm = [
            one
            for one in streams
            if one.observed_property == "air_temperature"
            and one.official
            and shown(snapshot.values.get(one.id), one, now)
        ]
        if warm:
            newest = max(warm, key=lambda one: snapshot.values[one.id].phenomenon_time)
            detail = f"{with_unit(snapshot.values[newest.id].result, 1, newest.unit)}, {detail}"
        return DistrictLine(key, name, detail)

    def _write(self, relative: str, template: str, moment: Moment, **content: Any) -> None:
        now = moment.now
        text = self._templates.get_template(template).render(
            site=self._site,
            assets=self._addresses,
            drawn=self._time.full(now),
            drawn_iso=now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            outage=self._time.full(moment.outage) if moment.outage else "",
            limit=moment.limit,
            **content,
        )
        self._directory.write(relative, text)


def _by_theme(snapshot: Snapshot) -> list[tuple[Theme, list[Stream]]]:
    by_theme: dict[str, list[Stream]] = {}
    for stream in snapshot.streams.values():
        by_theme.setdefault(snapshot.place_of(stream).theme, []).append(stream)
    return [(theme, by_theme[theme.key]) for theme in themes(set(by_theme))]


def _sortable(name: str) -> str:
    """Umlauts among their vowels (DIN 5007-1)."""
    return name.casefold().translate(str.maketrans("äöü", "aou"))
