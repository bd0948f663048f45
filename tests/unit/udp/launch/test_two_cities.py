"""Two cities on one machine share no file, no database, no secret and no port."""

from pathlib import Path

from udp.launch.configuration import Site
from udp.launch.credentials import Credentials
from udp.launch.environment import Environment


def site(folder: Path, first_port: int) -> Site:
    environment = Environment.read(
        {
            "UDP_DATA_DIR": str(folder),
            "UDP_HTTP_PORT": str(first_port),
            "UDP_INGEST_PORT": str(first_port + 1),
            "UDP_MQTT_PORT": str(first_port + 2),
            "UDP_SENSORTHINGS_PORT": str(first_port + 3),
            "UDP_RADIO_PORT": str(first_port + 100),
            "UDP_MODBUS_PORT": str(first_port + 200),
        }
    )
    made = Site(environment, Credentials(folder / "secrets"), with_broker=True, gateways=("gw-1",))
    made.write()
    return made


def test_the_settings_of_one_never_name_the_other(tmp_path):
    one, other = site(tmp_path / "castrop", 18_000), site(tmp_path / "herne", 19_000)
    files = sorted((tmp_path / "castrop" / "config").iterdir())
    assert {path.name for path in files} >= {"udp.toml", "ingest.toml", "dashboards.toml", "gw-1.toml"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert str(tmp_path / "herne") not in text
        assert "19000" not in text and "19001" not in text and "19002" not in text
        assert "19003" not in text
        twin = (tmp_path / "herne" / "config" / path.name).read_text(encoding="utf-8")
        assert str(tmp_path / "castrop") not in twin
    secrets = [
        {one.credentials.text(name), other.credentials.text(name)} for name in ("operator-key", "session-key")
    ]
    assert all(len(pair) == 2 for pair in secrets)


def test_each_has_a_policy_of_its_own_that_is_never_written_over(tmp_path):
    one, other = site(tmp_path / "castrop", 18_000), site(tmp_path / "herne", 19_000)
    one.policy().write_text("format = 1\n", encoding="utf-8")
    site(tmp_path / "castrop", 18_000)
    assert one.policy().read_text(encoding="utf-8") == "format = 1\n"
    assert "Wetter" in other.policy().read_text(encoding="utf-8")
