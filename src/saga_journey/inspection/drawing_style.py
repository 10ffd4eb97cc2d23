"""How a drawing looks, light and dark. Its rules hold for this drawing only, whatever page it is put into."""

from __future__ import annotations

from saga_journey.inspection.lettering import CONDITION, NAME, NOTE

_LIGHT = {
    "paper": "#ffffff",
    "frame": "#f6f8fa",
    "line": "#d0d7de",
    "rail": "#8c959f",
    "text": "#1f2328",
    "dim": "#656d76",
    "live": "#0969da",
    "live-paper": "#eef6ff",
    "undo": "#9a6700",
    "undo-paper": "#fff8e1",
}
_DARK = {
    "paper": "#0d1117",
    "frame": "#151b23",
    "line": "#3a424c",
    "rail": "#6e7681",
    "text": "#e6edf3",
    "dim": "#8d96a0",
    "live": "#58a6ff",
    "live-paper": "#0f2036",
    "undo": "#d8a02b",
    "undo-paper": "#29200c",
}
_SANS_FONT = 'ui-sans-serif,system-ui,-apple-system,"Segoe UI","Helvetica Neue",Arial,sans-serif'
_MONO_FONT = 'ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace'
_RULES = (
    ("text", f"font:13px {_SANS_FONT};fill:var(--text)"),
    (".title", "font-size:17px;font-weight:600"),
    (".name,.handler,.when", f"font-family:{_MONO_FONT}"),
    (".name", f"font-size:{NAME}px;font-weight:600;text-anchor:middle"),
    (".when", f"font-size:{CONDITION}px;text-anchor:middle"),
    (".handler", "font-size:12px;fill:var(--undo)"),
    (".note", f"font-size:{NOTE}px;fill:var(--dim)"),
    (".lane", "font-size:12px;fill:var(--dim)"),
    (".middle", "text-anchor:middle"),
    (".paper", "fill:var(--paper);stroke:var(--line);stroke-width:1.5"),
    (".frame", "fill:var(--frame)"),
    (".fork", "stroke:var(--rail);stroke-width:3;stroke-linecap:round"),
    (".rail", "fill:none;stroke:var(--rail);stroke-width:1.5"),
    (".rail.way", "stroke-linecap:round"),
    (".tip", "fill:var(--rail)"),
    (".rail.back", "stroke:var(--undo);opacity:.75"),
    (".tip.back", "fill:var(--undo)"),
    (".dot", "fill:var(--rail)"),
    (".ring", "fill:none;stroke:var(--rail);stroke-width:1.5"),
    (".pair", "fill:none;stroke:var(--undo);stroke-width:1.5;stroke-dasharray:1.5 5;stroke-linecap:round"),
    (".box", "fill:var(--live-paper);stroke:var(--live);stroke-width:1.5"),
    (".box.pivot", "stroke-width:3"),
    (".box.optional", "stroke-dasharray:5 4"),
    (".box.undo", "fill:var(--undo-paper);stroke:var(--undo)"),
    (".stays", "fill:var(--paper);stroke:var(--line);stroke-width:1.5"),
    (".pill", "fill:var(--paper);stroke:var(--line);stroke-width:1"),
    (".choice", "fill:var(--paper);stroke:var(--live);stroke-width:1.5"),
    (".bar", "stroke:var(--text);stroke-width:4;stroke-linecap:round"),
    (".icon", "fill:none;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round"),
    (".icon.note", "stroke:var(--dim)"),
    (".icon.handler", "stroke:var(--undo)"),
)


def style(key: str) -> str:
    """For this drawing only, whatever page it is put into."""
    light, dark = (";".join(f"--{name}:{color}" for name, color in colors.items()) for colors in (_LIGHT, _DARK))
    rules = [f".j{key}{{color-scheme:light dark;{light}}}"]
    rules.append(f"@media(prefers-color-scheme:dark){{.j{key}{{{dark}}}}}")
    for selectors, said in _RULES:
        rules.append(",".join(f".j{key} {selector}" for selector in selectors.split(",")) + f"{{{said}}}")
    return "\n" + "\n".join(rules) + "\n"
