"""Cards of models in words: a line of a list, a page. Loads no torch."""

from __future__ import annotations

from typing import Any


def row_of(card: dict[str, Any]) -> dict[str, Any]:
    """What `list` says of a model."""
    training, figures = card.get("training") or {}, card.get("figures") or {}
    return {
        "name": card["name"],
        "kind": card["kind"],
        "voices": card["task"].get("voices"),
        "corpus": (card.get("corpus") or {}).get("name"),
        "transpose": training.get("transpose"),
        "finished": training.get("finished"),
        "test": figures.get("test"),
    }


def line_of(row: dict[str, Any]) -> str:
    figures = "" if row["test"] is None else f"; held out: {_in_short(row['test'])}"
    state = ", not finished" if row["finished"] is False else ""
    voices = "1 voice" if row["voices"] == 1 else f"{row['voices']} voices"
    return f"{row['path']}  {row['kind']}, {voices}, {row['corpus']}, keys: {row['transpose']}{figures}{state}"


def _in_short(test: dict[str, Any]) -> str:
    piece, slot = (test.get(unit) or {} for unit in ("piece", "slot"))
    return f"AUC {_figure(piece.get('auc'))}" if piece else f"{_figure(slot.get('nats'))} nats a slot"


def _figure(value: float | None, form: str = ".3f") -> str:
    """A number in words; cards have null for what is none."""
    return "?" if value is None else format(value, form)


def told(card: dict[str, Any]) -> str:
    """A card for people: what it says of itself, sizes, and figures as a table."""
    lines = [card.get("text") or f"{card['name']}: {card['kind']}, not finished", "", f"sizes: {card['config']}"]
    for part, figures in (card.get("figures") or {}).items():
        pieces, families = (_figure(figures.get(count), ",") for count in ("pieces", "families"))
        lines += ["", f"{part}: {pieces} pieces of {families} families", "  per       nats  accuracy"]
        units = {unit: value for unit, value in figures.items() if isinstance(value, dict)}
        for unit, found in units.items():
            if "accuracy" in found:
                lines.append(f"  {unit:8} {_figure(found.get('nats'), '5.3f')}  {_figure(found['accuracy'], '8.1%')}")
        for unit, found in units.items():
            if "accuracy" not in found:
                said = (f"{name.replace('_', ' ')} {_figure(number, '.3g')}" for name, number in found.items())
                lines.append(f"  {unit}: " + ", ".join(said))
    versions = ", ".join(f"{name} {version}" for name, version in (card.get("versions") or {}).items())
    return "\n".join([*lines, "", versions])
