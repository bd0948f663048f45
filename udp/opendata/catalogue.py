"""The catalogue as DCAT-AP.de 2.0: what GovData and Open.NRW harvest, with figures of now.

Fields and authorities: DCAT-AP.de Spezifikation 2.0 and its Konventionenhandbuch (K01 contact, K08/K09 place,
K32 licence, K35 attribution, K38 time, K39 access of services); quality by the W3C's DQV.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rdflib import RDF, XSD, Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF

from udp.opendata.coverage import Coverage
from udp.opendata.offer import licence_uri
from udp.opendata.packing import Note
from udp.opendata.settings import OpenDataSettings

DCATDE = Namespace("http://dcat-ap.de/def/dcatde/")
DCATAP = Namespace("http://data.europa.eu/r5r/")
DQV = Namespace("http://www.w3.org/ns/dqv#")
LOCN = Namespace("http://www.w3.org/ns/locn#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
GEO = Namespace("http://www.opengis.net/ont/geosparql#")
_EU = "http://publications.europa.eu/resource/authority/"
_KEYS = "http://dcat-ap.de/def/politicalGeocoding/"
_HVD = URIRef("http://data.europa.eu/eli/reg_impl/2023/138/oj")
_GERMAN = URIRef(_EU + "language/DEU")
_AVAILABLE = URIRef(_EU + "planned-availability/AVAILABLE")
_THEMES = {
    "wetter": "ENVI",
    "luft": "ENVI",
    "regen-und-baeche": "ENVI",
    "baeume-und-boden": "ENVI",
    "teiche": "ENVI",
    "parken-und-laden": "TRAN",
    "papier-und-abfall": "ENVI",
    "energie": "ENER",
    "schulen": "EDUC",
    "netz": "TECH",
}
# By theme, where the regulation has a category: meteorology, earth observation and environment.
_HVD_CATEGORIES = {"wetter": "c_164e0bf5"}
_HVD_OTHERWISE = "c_dd313021"
_FORMATS = {"parquet": ("PARQUET", "application/vnd.apache.parquet"), "csv.gz": ("CSV", "text/csv")}


def build(covers: Sequence[Coverage], settings: OpenDataSettings, base: str, *, issued: datetime) -> Graph:
    """All open datasets; `base`: the platform's public address without a slash at the end."""
    graph = Graph(bind_namespaces="core")
    for prefix, space in (
        ("dcat", DCAT), ("dct", DCTERMS), ("foaf", FOAF), ("dcatde", DCATDE), ("dcatap", DCATAP),
        ("dqv", DQV), ("locn", LOCN), ("vcard", VCARD), ("spdx", SPDX), ("geo", GEO),
    ):  # fmt: skip
        graph.bind(prefix, space)
    _Writer(graph, settings, base).catalogue(covers, issued)
    return graph


class _Writer:
    """Puts one thing after the other into the graph; every node has a name, so the same says the same."""

    def __init__(self, graph: Graph, settings: OpenDataSettings, base: str) -> None:
        self.graph = graph
        self.settings = settings
        self.root = f"{base}/opendata"
        self.base = base
        self.publisher = URIRef(f"{self.root}/#herausgeber")
        self.contact = URIRef(f"{self.root}/#kontakt")

    def catalogue(self, covers: Sequence[Coverage], issued: datetime) -> None:
        """The catalogue with everything in it."""
        city = self.settings.city
        node = URIRef(f"{self.root}/catalog")
        self._say(node, RDF.type, DCAT.Catalog)
        self._german(node, DCTERMS.title, f"Offene Daten {city}")
        self._german(
            node, DCTERMS.description, f"Messdaten der Urbanen Datenplattform {city}, laufend ergänzt."
        )
        self._say(node, DCTERMS.publisher, self.publisher)
        self._say(node, DCTERMS.language, _GERMAN)
        self._say(node, DCTERMS.license, URIRef(licence_uri("dl-de/zero-2-0")))
        self._say(node, DCTERMS.modified, _moment(issued))
        self._say(node, FOAF.homepage, URIRef(f"{self.root}/"))
        self._agents()
        for one in covers:
            self._say(node, DCAT.dataset, self._dataset(one))
        for service in self._services(covers):
            self._say(node, DCAT.service, service)

    def _agents(self) -> None:
        self._say(self.publisher, RDF.type, FOAF.Organization)
        self._say(self.publisher, RDF.type, FOAF.Agent)
        self._say(self.publisher, FOAF.name, Literal(self.settings.publisher))
        self._say(self.publisher, FOAF.homepage, URIRef(self.settings.homepage))
        self._say(self.contact, RDF.type, VCARD.Organization)
        self._say(self.contact, VCARD.fn, Literal(self.settings.publisher))
        if self.settings.contact_email:
            self._say(self.contact, VCARD.hasEmail, URIRef(f"mailto:{self.settings.contact_email}"))
        self._say(self.contact, VCARD.hasURL, URIRef(f"{self.base}/impressum/"))

    def _dataset(self, one: Coverage) -> URIRef:
        told = one.offer.dataset
        node = URIRef(f"{self.root}/{told.key}")
        themes = {thing.theme for thing in one.offer.things.values()}
        self._say(node, RDF.type, DCAT.Dataset)
        self._german(node, DCTERMS.title, told.title)
        note = (
            " Enthält Werte einer virtuellen Stadt: Niemand hat sie gemessen." if one.offer.simulated else ""
        )
        self._german(node, DCTERMS.description, told.description + note)
        self._say(node, DCTERMS.identifier, Literal(str(node)))
        self._say(node, DCTERMS.publisher, self.publisher)
        self._say(node, DCTERMS.language, _GERMAN)
        self._say(node, DCAT.contactPoint, self.contact)
        self._say(node, DCAT.landingPage, URIRef(f"{node}/"))
        for theme in sorted({_THEMES.get(theme, "REGI") for theme in themes}):
            self._say(node, DCAT.theme, URIRef(_EU + "data-theme/" + theme))
        for name in sorted({stream.observed_property.name for stream in one.offer.streams.values()}):
            self._german(node, DCAT.keyword, name)
        self._say(node, DCTERMS.accrualPeriodicity, URIRef(_EU + "frequency/" + _rhythm(one)))
        self._place(node, one)
        self._time(node, one)
        self._quality(node, one)
        if told.key in self.settings.high_value:
            self._say(node, DCATAP.applicableLegislation, _HVD)
            for code in sorted({_HVD_CATEGORIES.get(theme, _HVD_OTHERWISE) for theme in themes}):
                self._say(node, DCATAP.hvdCategory, URIRef("http://data.europa.eu/bna/" + code))
        for dump in (*one.months, *one.days):
            for ending in dump.files:
                self._say(node, DCAT.distribution, self._distribution(node, one, dump, ending))
        self._say(node, DCAT.distribution, self._live(node, one))
        return node

    def _place(self, node: URIRef, one: Coverage) -> None:
        key = self.settings.regional_key
        for level, digits in (("regionalKey", key), ("municipalityKey", key[:5] + key[9:])):
            self._say(node, DCATDE.politicalGeocodingURI, URIRef(f"{_KEYS}{level}/{digits}"))
        self._say(node, DCATDE.politicalGeocodingLevelURI, URIRef(f"{_KEYS}Level/municipality"))
        west, south, east, north = one.box
        corners = f"{west} {south}, {east} {south}, {east} {north}, {west} {north}, {west} {south}"
        place = URIRef(f"{node}/#ort")
        self._say(node, DCTERMS.spatial, place)
        self._say(place, RDF.type, DCTERMS.Location)
        shape = Literal(
            f"<http://www.opengis.net/def/crs/OGC/1.3/CRS84> POLYGON(({corners}))", datatype=GEO.wktLiteral
        )
        self._say(place, DCAT.bbox, shape)

    def _time(self, node: URIRef, one: Coverage) -> None:
        if one.first is None or one.last is None:
            return
        span = URIRef(f"{node}/#zeitraum")
        self._say(node, DCTERMS.temporal, span)
        self._say(span, RDF.type, DCTERMS.PeriodOfTime)
        self._say(span, DCAT.startDate, _moment(one.first))
        self._say(span, DCAT.endDate, _moment(one.last))
        self._say(node, DCTERMS.modified, _moment(one.last))

    def _quality(self, node: URIRef, one: Coverage) -> None:
        shares = {"aktuelle-messreihen": one.timely / len(one.offer.streams), "gute-werte": one.good}
        for metric, share in shares.items():
            if share is None:
                continue
            measured = URIRef(f"{node}/#{metric}")
            self._say(node, DQV.hasQualityMeasurement, measured)
            self._say(measured, RDF.type, DQV.QualityMeasurement)
            self._say(measured, DQV.isMeasurementOf, URIRef(f"{self.root}/#{metric}"))
            self._say(measured, DQV.value, Literal(f"{share:.4f}", datatype=XSD.decimal))

    def _distribution(self, node: URIRef, one: Coverage, dump: Note, ending: str) -> URIRef:
        address = URIRef(f"{node}/{dump.name}.{ending}")
        file_type, media_type = _FORMATS[ending]
        self._terms(address, one)
        self._german(address, DCTERMS.title, f"{one.offer.dataset.title}, {dump.name} ({file_type})")
        self._say(address, DCAT.accessURL, address)
        self._say(address, DCAT.downloadURL, address)
        self._say(address, DCTERMS.format, URIRef(_EU + "file-type/" + file_type))
        self._say(address, DCAT.mediaType, _media(media_type))
        if ending == "csv.gz":
            self._say(address, DCAT.compressFormat, _media("application/gzip"))
        self._say(
            address, DCAT.byteSize, Literal(dump.files[ending]["octets"], datatype=XSD.nonNegativeInteger)
        )
        self._say(address, DCTERMS.modified, Literal(dump.made_at, datatype=XSD.dateTime))
        digest = URIRef(f"{address}#sha256")
        self._say(address, SPDX.checksum, digest)
        self._say(digest, RDF.type, SPDX.Checksum)
        self._say(digest, SPDX.algorithm, SPDX.checksumAlgorithm_sha256)
        self._say(digest, SPDX.checksumValue, Literal(dump.files[ending]["sha256"], datatype=XSD.hexBinary))
        return address

    def _live(self, node: URIRef, one: Coverage) -> URIRef:
        """The same data of this moment through the interface (K39: no downloadURL beside a service)."""
        address = URIRef(f"{node}/#schnittstelle")
        self._terms(address, one)
        self._german(address, DCTERMS.title, f"{one.offer.dataset.title}: Schnittstelle")
        self._say(address, DCAT.accessURL, URIRef(f"{self.base}/api/v1"))
        self._say(address, DCAT.accessService, URIRef(f"{self.root}/#v1"))
        self._say(address, DCTERMS.format, URIRef(_EU + "file-type/JSON"))
        return address

    def _terms(self, address: URIRef, one: Coverage) -> None:
        licence = one.offer.licence
        self._say(address, RDF.type, DCAT.Distribution)
        self._say(address, DCTERMS.license, URIRef(licence_uri(licence)))
        self._say(address, DCATAP.availability, _AVAILABLE)
        if "zero" not in licence:
            text = f"{one.offer.dataset.owner}: {one.offer.dataset.title}"
            self._german(address, DCATDE.licenseAttributionByText, text)

    def _services(self, covers: Sequence[Coverage]) -> list[URIRef]:
        found = []
        for name, title, endpoint, description in (
            ("v1", "Daten-API v1", "/api/v1", "/api/openapi.json"),
            ("sensorthings", "OGC SensorThings API 1.1", "/v1.1", "/v1.1"),
        ):
            node = URIRef(f"{self.root}/#{name}")
            self._say(node, RDF.type, DCAT.DataService)
            self._german(node, DCTERMS.title, title)
            self._say(node, DCAT.endpointURL, URIRef(self.base + endpoint))
            self._say(node, DCAT.endpointDescription, URIRef(self.base + description))
            self._say(node, DCTERMS.license, URIRef(licence_uri("dl-de/zero-2-0")))
            for one in covers:
                self._say(node, DCAT.servesDataset, URIRef(f"{self.root}/{one.offer.dataset.key}"))
            found.append(node)
        return found

    def _german(self, node: URIRef, predicate: URIRef, text: str) -> None:
        self._say(node, predicate, Literal(text, lang="de"))

    def _say(self, node: URIRef, predicate: URIRef, value: URIRef | Literal) -> None:
        self.graph.add((node, predicate, value))


def _media(kind: str) -> URIRef:
    return URIRef("https://www.iana.org/assignments/media-types/" + kind)


def _moment(time: datetime) -> Literal:
    return Literal(time.isoformat(timespec="seconds").replace("+00:00", "Z"), datatype=XSD.dateTime)


def _rhythm(one: Coverage) -> str:
    """Of the usual Datastream: continuous below an hour."""
    steps = sorted(
        max(stream.expected_interval_s, _step(one, number)) for number, stream in one.offer.streams.items()
    )
    usual = steps[len(steps) // 2]
    return "UPDATE_CONT" if usual < 3600 else "HOURLY" if usual < 86_400 else "DAILY"


def _step(one: Coverage, number: int) -> float:
    limit = one.offer.limits.get(number)
    return (limit.time_step if limit else timedelta(0)).total_seconds()
