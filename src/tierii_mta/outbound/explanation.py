"""Why a domain's mail waits, and what applies to it: the lines of `queue explain`.

Owns how route, limits and waits are told; not the limits themselves.  Each line is a mapping of JSON values with its
`kind` and a `text` that stands alone; scripts read the other keys.
"""

from collections.abc import Iterator
from typing import Any

from tierii_mta.outbound.meters import Bucket, Gauge
from tierii_mta.outbound.path import Path
from tierii_mta.outbound.route import Route, RouteFailed
from tierii_mta.outbound.throttle import Throttle
from tierii_mta.quantities import format_duration

Line = dict[str, Any]


def route_line(route: Route | RouteFailed) -> Line:
    """Tell where a domain's mail goes, or why nowhere."""
    if isinstance(route, RouteFailed):
        reply = str(route.reply)
        return {"kind": "route", "reply": reply, "class": str(route.reply_class), "text": f"no route: {reply}"}
    hosts = [
        {"name": host.name, "preference": host.preference, "addresses": list(host.addresses)} for host in route.hosts
    ]
    names = ", ".join(f"{host.name} ({host.preference})" for host in route.hosts)
    text = f"site {route.site}, provider {route.provider}: {names}"
    return {"kind": "route", "site": route.site, "provider": route.provider, "hosts": hosts, "text": text}


def path_lines(throttle: Throttle, path: Path, now: float, *, waiting: int) -> Iterator[Line]:
    """Tell the knobs, the ceilings and the window of one path, each with its origin, then why mail waits on it."""
    yield from _knob_lines(path)
    yield from _ceiling_lines(path, now)
    yield _window_line(path, now)
    reasons = list(throttle.waits(path, now))
    for wait in reasons:
        seconds = None if wait.seconds is None else round(wait.seconds, 3)
        when = "" if seconds is None else f", for {seconds:g} s"
        text = f"{path.source}: waits: {wait.why}{when}"
        yield {"kind": "wait", "source": path.source, "why": wait.why, "seconds": seconds, "text": text}
    if not reasons:
        more = f"; {waiting} wait their turn" if waiting else ""
        yield {"kind": "open", "source": path.source, "waiting": waiting, "text": f"{path.source}: may send now{more}"}


def _knob_lines(path: Path) -> Iterator[Line]:
    knobs = path.knobs
    values = {
        "tls": str(knobs.tls),
        "messages_per_connection": knobs.messages_per_connection,
        "connection_lifetime": format_duration(knobs.connection_lifetime),
    }
    for name, value in values.items():
        origin = knobs.origins[name]
        text = f"{path.source}: {name} {value} ({origin})"
        yield {"kind": "knob", "source": path.source, "name": name, "value": value, "origin": origin, "text": text}


def _ceiling_lines(path: Path, now: float) -> Iterator[Line]:
    meters: tuple[Gauge | Bucket, ...] = (*path.gauges, *path.rates, *path.connection_rates)
    for meter in meters:
        ceiling = meter.ceiling
        if isinstance(meter, Gauge):
            state: Line = {"busy": meter.busy}
            said = f"{meter.busy} busy"
        else:
            state = {"wait_s": round(meter.wait(now), 3)}
            said = "room now" if not state["wait_s"] else f"next in {state['wait_s']:g} s"
        limit = f"{ceiling.resource} {ceiling.limit} per {ceiling.level} [{' '.join(ceiling.bucket[2:])}]"
        yield {
            "kind": "ceiling",
            "source": path.source,
            "name": str(ceiling.resource),
            "value": str(ceiling.limit),
            "level": str(ceiling.level),
            "counts": list(ceiling.bucket[2:]),
            "origin": ceiling.origin,
            **state,
            "text": f"{path.source}: {limit}, {said} ({ceiling.origin})",
        }


def _window_line(path: Path, now: float) -> Line:
    window = path.window
    shut = None if window.dead_until is None else max(0.0, round(window.dead_until - now, 3))
    said = f"{window.size} connections at a time, {window.busy} busy"
    if shut is not None:
        said = f"shut, probed in {shut:g} s" if shut else "shut, being probed"
    return {
        "kind": "window",
        "source": path.source,
        "site": path.site,
        "size": window.size,
        "busy": window.busy,
        "in_hand": window.in_hand,
        "shut_for_s": shut,
        "text": f"{path.source}: concurrency window to {path.site}: {said}",
    }
