"""`udp-dashboards grafana`: the climate team's boards into Grafana, or into files for it."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from dashboards.grafana.boards import all_boards
from dashboards.grafana.files import write_files
from dashboards.grafana.provisioning import OLDEST, Outcome, Step, Wish, cautions, provision, require_usable
from dashboards.grafana.server import GrafanaServer, GrafanaTrouble
from dashboards.grafana.source import HEALTH_PATH, SOURCE
from dashboards.interface import Interface, InterfaceRefused, InterfaceUnavailable
from edge.wire.settings import Secret
from udp.errors import PlatformError

TOKEN, KEY = "GRAFANA_TOKEN", "UDP_GRAFANA_KEY"
_TIMEOUT = timedelta(seconds=20)
_OPERATORS_ONLY = "/api/v1/operations"
# One board asks some twenty questions at once, and all who look ask with this key.
_RIGHTS = "--role climate --path /api/v1 --path /app/v1 --per-minute 3000 --per-day 0"
_MAKE_KEY = f"udp keys create {_RIGHTS} --note Grafana"
_EPILOG = f"""\
Token: Dienstkonto mit der Rolle Admin in der Organisation des Klimateams (Grafana: Verwaltung, Dienstkonten).
Schlüssel: {_MAKE_KEY}
Beide stehen in Dateien oder in den Umgebungsvariablen {TOKEN} und {KEY}, nie in der Befehlszeile.
Ein zweiter Lauf ändert nichts, was schon stimmt. Gelöscht wird nichts.
"""


def add_verb(verbs: Any) -> None:
    """`grafana`, below the verbs of `udp-dashboards`."""
    text = "Tafeln des Klimateams in Grafana einrichten und erneuern"
    verb = verbs.add_parser(
        "grafana", help=text, description=text, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    way = verb.add_mutually_exclusive_group(required=True)
    way.add_argument("--url", help="Adresse von Grafana, z. B. http://127.0.0.1:3000")
    way.add_argument("--files", type=Path, metavar="VERZEICHNIS",
                     help="statt über die API: Dateien dorthin, z. B. /etc/grafana/provisioning")  # fmt: skip
    verb.add_argument("--platform", default="http://127.0.0.1:8080", metavar="URL",
                      help="Adresse der Daten-API, wie Grafana sie erreicht (%(default)s)")  # fmt: skip
    verb.add_argument("--token-file", type=Path, metavar="DATEI", help=f"Token von Grafana; sonst ${TOKEN}")
    verb.add_argument("--key-file", type=Path, metavar="DATEI", help=f"Schlüssel der Daten-API; sonst ${KEY}")


def run(options: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """0: all of it stands. 1: something is missing, and the last line says what. 2: nothing was tried."""
    try:
        if options.files is not None:
            return _into_files(options)
        token = _secret("Token von Grafana", options.token_file, TOKEN, environment)
        key = _secret("Schlüssel der Daten-API", options.key_file, KEY, environment)
    except GrafanaTrouble as trouble:
        print(trouble, file=sys.stderr)
        return 2
    try:
        return _into_server(GrafanaServer(options.url, token, _TIMEOUT), options.platform.rstrip("/"), key)
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1


def _into_server(server: GrafanaServer, platform: str, key: Secret, oldest: int = OLDEST) -> int:
    _require_modest(platform, key)
    _say(require_usable(server, oldest))
    for caution in cautions(server):
        _say(caution)
    _report(provision(server, Wish(platform, key, all_boards())))
    if (wrong := server.source_health(SOURCE)) is not None:
        raise GrafanaTrouble(f"Grafana selbst erreicht die Daten-API nicht unter {platform}: {wrong}")
    _say("Grafana erreicht die Daten-API mit diesem Schlüssel.")
    return 0


def _into_files(options: argparse.Namespace) -> int:
    if options.key_file is None:
        raise GrafanaTrouble(
            "--key-file fehlt: die Datei, aus der Grafana den Schlüssel liest; sie wird hier nicht kopiert"
        )
    try:
        key = Secret(options.key_file.read_text(encoding="utf-8").strip())
    except OSError:
        key = Secret("")  # on the machine where Grafana runs it will be there
    wish = Wish(options.platform.rstrip("/"), key, all_boards())
    _report(write_files(wish, options.files, options.key_file.absolute()))
    _say("Wer ansehen darf, steht in keiner Datei: in Grafana am Ordner einstellen. Grafana neu starten.")
    return 0


def _require_modest(platform: str, key: Secret) -> None:
    """GrafanaTrouble for a key that is none, or that shows more than the climate team may see."""
    with Interface(platform, _TIMEOUT, key) as interface:
        try:
            interface.get(HEALTH_PATH)
        except InterfaceRefused as error:
            raise GrafanaTrouble(f"Die Daten-API nimmt diesen Schlüssel nicht: {error}") from error
        try:
            interface.get(_OPERATORS_ONLY)
        except InterfaceRefused:
            return
        except InterfaceUnavailable as error:
            raise GrafanaTrouble(f"Die Daten-API antwortet nicht: {error}") from error
    raise GrafanaTrouble(
        "Dieser Schlüssel sieht alles, auch Personenbezogenes; für Grafana einen der Rolle climate nehmen: "
        + _MAKE_KEY
    )


def _secret(name: str, file: Path | None, variable: str, environment: Mapping[str, str]) -> Secret:
    if file is None:
        text = environment.get(variable, "").strip()
    else:
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise GrafanaTrouble(f"{file}: lässt sich nicht lesen ({name})") from error
    if not text:
        raise GrafanaTrouble(f"{name} fehlt: in {file or f'die Umgebungsvariable {variable}'} schreiben")
    return Secret(text)


def _report(steps: Iterable[Step]) -> None:
    count: Counter[Outcome] = Counter()
    for step in steps:
        count[step.outcome] += 1
        if step.outcome is not Outcome.KEPT or step.remark:
            _say(f"{step.outcome.value}: {step.what}{f' ({step.remark})' if step.remark else ''}")
    told = [f"{number} {outcome.value}" for outcome, number in count.items()]
    _say(
        ", ".join(told)
        if set(count) != {Outcome.KEPT}
        else f"Nichts geändert: alle {count[Outcome.KEPT]} Teile stimmen."
    )


def _say(text: str) -> None:
    print(text, flush=True)
