"""The one table that says which decoder a device profile means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edge.codecs import (
    adeunis,
    containers,
    decentlab,
    elsys,
    elvaco,
    emu,
    fixed,
    kamstrup,
    keller,
    klax,
    meter_bridges,
    milesight,
    parking,
    wilsen,
    yobiiq,
)
from edge.codecs.port import Codec, CodecError

CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "acrios-acr-cv-101l-m": meter_bridges.acrios_mbus,
        "adeunis-pulse": adeunis.hourly,
        "alpha-omega-klax": klax.klax,
        "bosch-tps110": parking.bosch_tps110,
        "decentlab-dl-atm41": decentlab.dl_atm41,
        "decentlab-dl-ctd10": decentlab.dl_ctd10,
        "decentlab-dl-mbx": decentlab.dl_mbx,
        "decentlab-dl-ntu": decentlab.dl_ntu,
        "decentlab-dl-optod": decentlab.dl_optod,
        "decentlab-dl-tbrg": decentlab.dl_tbrg,
        "dingtek-df702": containers.dingtek_df702,
        "dragino-lse01": fixed.dragino_lse01,
        "elsys-ers-co2": elsys.ers,
        "elsys-ers-sound": elsys.ers,
        "elvaco-cmi4110": elvaco.cmi,
        "elvaco-cmi4140": elvaco.cmi,
        "emu-prof-ii": emu.prof_ii,
        "imst-range-extender": meter_bridges.imst_status,
        "iot-factory-m-bus-gateway": meter_bridges.iot_factory_mbus,
        "kamstrup-flowiq2200": kamstrup.flow_iq,
        "keller-adt-arc": keller.adt_arc,
        "mclimate-co2-sensor": fixed.mclimate_co2,
        "milesight-am319": milesight.am319,
        "milesight-em300-di": milesight.em300_di,
        "milesight-em400-mud": milesight.em400_mud,
        "milesight-em400-tld": milesight.em400_tld,
        "milesight-em410-rdl": milesight.em410_rdl,
        "milesight-em500-smtc": milesight.em500_smtc,
        "milesight-ws302": milesight.ws302,
        "milesight-ws558": milesight.ws558,
        "milesight-wts506": milesight.wts506,
        "nwave-nps405": parking.nwave_nps405,
        "pepperl-fuchs-wilsen-sonic-level": wilsen.sonic_level,
        "teneo-filling-degree-sensor": containers.teneo_filling_degree,
        "yobiiq-em4301": yobiiq.em4301,
    }
)


class UnknownCodec(CodecError, KeyError):
    """No native decoder has this name."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the text in quotation marks


def codec_named(name: str, javascript: Callable[[str], Codec] | None = None) -> Codec:
    """The decoder a profile names: a native one, or by `javascript` the codec file `maker/device.js`.

    UnknownCodec says which names there are; CodecError, what is wrong with a codec file.
    """
    codec = CODECS.get(name)
    if codec is None and javascript is not None and name.endswith(".js"):
        return javascript(name)
    if codec is None:
        raise UnknownCodec(
            f"no codec {name!r}; put one of these into the profile: {', '.join(codec_names())}"
        )
    return codec


def codec_names() -> tuple[str, ...]:
    """All names `codec_named` answers, sorted."""
    return tuple(sorted(CODECS))
