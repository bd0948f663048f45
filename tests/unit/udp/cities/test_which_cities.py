"""Which cities may be served together, said before anything is started."""

# ruff: noqa: E501 - tables of settings are read line by line
from __future__ import annotations

import pytest

from edge.wire.settings import SettingsError, load
from udp.__main__ import main
from udp.cities.reading import read_cities
from udp.config import RESERVED, ServerSettings, Settings
from udp.errors import ConfigurationError

_SETTINGS = """{first}
pages_dir = "{at}/pages"
operator_key = {{ environment = "KEY_{key}" }}
[registry]
url = "sqlite:///{at}/registry.sqlite"
[ledger]
url = "sqlite:///{at}/ledger.sqlite"
[store.embedded]
folder = "{at}/store"
[opendata]
folder = "{at}/opendata"
[citizens]
city = "{name}"
[server]
{prefix}
"""


class Files:
    def __init__(self, folder):
        self.folder = folder
        self.environment = {"KEY_castrop": "a" * 40, "KEY_herne": "b" * 40}
        self.write("castrop", first=f'cities = ["{folder}/herne.toml"]')
        self.write("herne", prefix='prefix = "herne"')

    def write(self, name, *, first="", prefix="", at=None, more="", key=None):
        text = _SETTINGS.format(
            first=first, prefix=prefix, at=at or f"{self.folder}/{name}", name=name.title(), key=key or name
        )
        (self.folder / f"{name}.toml").write_text(text + more, encoding="utf-8")

    def read(self):
        path = self.folder / "castrop.toml"
        return read_cities(path, load(Settings, path, self.environment), self.environment)


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_each_has_its_root_and_its_name(files):
    assert [(one.root, one.name) for one in files.read()] == [
        ("", "Castrop (/)"),
        ("/herne", "Herne (/herne)"),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prefix": ""}, "needs a path of its own"),
        ({"prefix": 'prefix = "Herne"'}, "lower-case"),
        ({"prefix": 'prefix = "her/ne"'}, "lower-case"),
        ({"prefix": 'prefix = "-herne"'}, "lower-case"),
        ({"prefix": 'prefix = "v1"'}, "of the platform itself"),
        ({"prefix": 'prefix = "betrieb"'}, "of the platform itself"),
        ({"prefix": 'prefix = "herne"', "key": "castrop"}, "have the same operator_key"),
        ({"prefix": 'prefix = "herne"', "first": 'cities = ["x.toml"]'}, "only the main city's file"),
        ({"prefix": 'prefix = "herne"', "first": "wrong = 1"}, "unknown key 'wrong'"),
        ({"prefix": 'prefix = "herne"', "more": "[sensorthings_mqtt]\nport = 1884\n"}, ""),
        ({"prefix": 'prefix = "herne"\n[access.provider]\nissuer = "https://sso.example"\nclient_id = "x"\n'
                    'public_url = "https://daten.example"\nroles = [{ group = "a", role = "admin" }]'}, "must end in /herne"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_together_is_refused_with_the_remedy(files, change, says):
    files.write("herne", **change)
    if not says:
        assert len(files.read()) == 2
        return
    with pytest.raises((ConfigurationError, SettingsError), match=says) as refused:
        files.read()
    assert "herne.toml" in str(refused.value)
    assert "aaaa" not in str(refused.value), "no secret is told"


@pytest.mark.parametrize("what", ["registry", "ledger", "store", "opendata", "pages"])
def test_nothing_may_be_shared_by_whatever_path(files, what):
    files.write("herne", prefix='prefix = "herne"')
    text = (files.folder / "herne.toml").read_text()
    (files.folder / "herne").mkdir()
    text = text.replace(f"{files.folder}/herne/{what}", f"{files.folder}/herne/../castrop/{what}")
    (files.folder / "herne.toml").write_text(text)
    with pytest.raises(ConfigurationError, match="share nothing"):
        files.read()


def test_the_main_city_is_at_the_root(files):
    files.write("castrop", first=f'cities = ["{files.folder}/herne.toml"]', prefix='prefix = "castrop"')
    with pytest.raises(ConfigurationError, match="main city's, at /"):
        files.read()


def test_two_further_cities_have_two_prefixes(files):
    files.write("castrop", first=f'cities = ["{files.folder}/herne.toml", "{files.folder}/wanne.toml"]')
    files.environment["KEY_wanne"] = "c" * 40
    files.write("wanne", prefix='prefix = "herne"')
    with pytest.raises(ConfigurationError, match=r"same \[server\] prefix"):
        files.read()
    files.write("wanne", prefix='prefix = "wanne-eickel"')
    assert [one.root for one in files.read()] == ["", "/herne", "/wanne-eickel"]


def test_check_config_names_every_city(files, monkeypatch, capsys):
    for name, value in files.environment.items():
        monkeypatch.setenv(name, value)
    assert main(["check-config", "--config", str(files.folder / "castrop.toml")]) == 0
    said = capsys.readouterr().out
    assert "Castrop" in said and "Herne (/herne)" in said
    files.write("herne", prefix='prefix = "app"')
    assert main(["check-config", "--config", str(files.folder / "castrop.toml")]) == 2
    assert "herne.toml" in capsys.readouterr().err


def test_no_word_of_ours_can_be_a_city():
    for word in RESERVED:
        with pytest.raises(ValueError, match="prefix"):
            ServerSettings(prefix=word)
