"""JavaScript codecs: decodes per second of processor time, with the way to their process, and without it."""

import json
import statistics
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import _quickjs
import psutil

from edge.codecs.javascript import decoded, uplink_request
from edge.codecs.javascript_pool import Call, JavaScriptPool, Source

STYLES = Path(__file__).parents[1] / "unit/edge/codecs/javascript_styles.toml"
MESSAGES = 2_000
AT = datetime(2026, 5, 1, tzinfo=UTC)


def behind_the_port(pool: JavaScriptPool, source: Source, payload: bytes, f_port: int) -> float:
    """Processor seconds per decode, ours and the process's, from bytes to records."""
    pool.run([Call(source, "uplink", uplink_request(payload, f_port, AT))])
    worker = psutil.Process(pool.pids()[0])
    before = time.process_time() + sum(worker.cpu_times()[:2])
    for answer in pool.run([Call(source, "uplink", uplink_request(payload, f_port, AT))] * MESSAGES):
        decoded(answer)
    return (time.process_time() + sum(worker.cpu_times()[:2]) - before) / MESSAGES


def bare_engine(source: Source, payload: bytes, f_port: int) -> float:
    """Processor seconds per call of decodeUplink in this process: no limits, no fresh start, no records."""
    context = _quickjs.Context()
    context.eval(source.text)
    function = context.get("decodeUplink")
    request = uplink_request(payload, f_port, AT)
    before = time.process_time()
    for _ in range(MESSAGES):
        json.loads(function(context.parse_json(request)).json())
    return (time.process_time() - before) / MESSAGES


def main() -> None:
    """One line per codec, then the medians."""
    pool = JavaScriptPool()
    ours, ratios = [], []
    for style in tomllib.loads(STYLES.read_text("utf-8"))["style"]:
        call = style["call"][0]
        wanted = json.loads(call["output"])
        given = json.loads(call["input"])
        if call["kind"] != "uplink" or wanted.get("errors") or not isinstance(wanted["data"], dict):
            continue
        source, payload = Source(style["source"]), bytes(given["bytes"])
        ours.append(behind_the_port(pool, source, payload, given["fPort"]))
        try:
            ratios.append(ours[-1] / bare_engine(source, payload, given["fPort"]))
        except (_quickjs.JSException, TypeError):
            continue  # older styles, or what the bare engine cannot do: Buffer, console, recvTime
        print(
            f"{style['name']:34} {1 / ours[-1]:9,.0f} per CPU second, {ratios[-1]:5.1f} x the engine's time"
        )
    pool.close()
    median = 1 / statistics.median(ours)
    print(f"median of {len(ours)} codecs: {median:,.0f} decodes per CPU second of both processes together")
    print(f"median ratio to the bare engine: {statistics.median(ratios):.1f} x its time per decode")


if __name__ == "__main__":
    main()
