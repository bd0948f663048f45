"""`udp policy diff` tells what the public would read otherwise, also where no series changes."""

import pytest

from udp.__main__ import main
from udp.datasets.reading import SHIPPED, read_policy
from udp.errors import ConfigurationError


@pytest.fixture
def diff(tmp_path, capsys):
    def told(*changes):
        text = SHIPPED.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        (tmp_path / "neu.toml").write_text(text, encoding="utf-8")
        (tmp_path / "udp.toml").write_text(f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n')
        code = main(["policy", "diff", str(tmp_path / "neu.toml"), "--config", str(tmp_path / "udp.toml")])
        return code, capsys.readouterr().out

    return told


def test_the_same_file_changes_nothing(diff):
    assert diff() == (0, "Keine Änderung\n")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [('title = "Zähler für Strom, Wasser und Wärme"', 'title = "Zähler"',
      "Datensatz 'zaehler': Titel: 'Zähler für Strom, Wasser und Wärme' -> 'Zähler'"),
     ('purpose = "Energie sparen, Lecks finden, Abrechnung prüfen"', 'purpose = "Werbung"', "-> 'Werbung'"),
     ('description = "Verbrauch städtischer Gebäude."', 'description = "Anderes."', "Beschreibung: "),
     ('key = "zaehler"', 'key = "zaehler"\nfunding = { text = "Vom Land", link = "https://land.example" }',
      "Förderung: keine -> 'Vom Land'; Förderung, Verweis: keiner -> 'https://land.example'"),
     ('select = [{ kind = "meter" }]', 'select = [{ kind = "meter", citizen = false }]',
      "Auswahl: kind = meter -> kind = meter und citizen = false"),
     ('owner = "Stadt Castrop-Rauxel, Gebäudemanagement"', 'owner = "Land"', "Eigentümer: "),
     ('[audit]\nkeep = "2y"', '[audit]\nkeep = "1y"', "Zugriffsprotokoll: 730 Tage -> 365 Tage"),
     ('[weather_forecasts]\nkeep = "90d"', '[weather_forecasts]\nkeep = "unlimited"',
      "Wettervorhersagen: 90 Tage -> unbefristet"),
     ("\npublic = true\n", "\n", "Wettervorhersagen: werden geschlossen"),
     ('[audit]\nkeep = "2y"\n', "", "Zugriffsprotokoll: 730 Tage -> unbefristet")],
)  # fmt: skip
def test_words_of_a_dataset_are_told_once(diff, old, new, told):
    code, out = diff((old, new))
    assert code == 1
    assert told in out
    assert out.endswith("1 Änderungen\n")


def test_a_mistake_in_the_time_of_the_log_is_refused(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        SHIPPED.read_text(encoding="utf-8").replace('[audit]\nkeep = "2y"', '[audit]\nkeep = "ewig"')
    )
    with pytest.raises(ConfigurationError, match=r"audit.*ewig"):
        read_policy(path)
