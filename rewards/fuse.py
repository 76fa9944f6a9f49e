"""Fusing a set of rules into one compiled module that judges them all in one pass."""

from __future__ import annotations

import functools
import inspect
import sys
import types

from musicgym.compiled import load
from musicgym.rewards import paying
from musicgym.rewards.rules import Rule

_MARK = "# From here on: copied into every generated module.\n"
_ENTRIES = ("pay_appended", "pay_any", "carry_on", "judge_sites", "forbid_codes")


@functools.cache
def fuse(rules: tuple[Rule, ...]) -> types.ModuleType:
    """The compiled kernels of these rules, with the functions of `musicgym.rewards.paying`.

    Cached in the user's cache folder under a name that hashes the sources of the rules and of all that they
    reach; rules that another process could not import by name are compiled in place.
    """
    for rule in rules:
        _ = rule.digest  # taken before anything is compiled, so that it tells of what is
    importable = all(_importable(rule) for rule in rules)
    lines = [_imports()]
    given: dict[str, object] = {}
    for i, rule in enumerate(rules):
        if importable:
            lines.append(f"from {rule.__module__} import {rule.name} as _rule_{i}\n")
        else:
            given[f"_rule_{i}"] = rule
    for i, rule in enumerate(rules):
        lines.append(f"rule_{i} = _rule_{i}.compiled\n")
        if rule.carry:
            lines.append(f"carried_{i} = _rule_{i}.compiled_carried\n")
    lines.append(f"SPAN = {max((r.span for r in rules), default=0)}\nSEES = {max((r.sees for r in rules), default=0)}\n\n\n")
    lines.append(_judges(rules))
    body = inspect.getsource(paying).split(_MARK)[1]
    for name in _ENTRIES:
        body = body.replace(f"\ndef {name}(", f"\n@njit(nogil=True, cache=_CACHE_)\ndef {name}(")
    lines.append(body)
    functions = [f for r in rules for f in (r.function, r.carried_function) if f is not None]
    reached = [*functions, *(getattr(paying, name) for name in _ENTRIES)]
    return load("rules", "".join(lines), reached, None if importable else given)


def _imports() -> str:
    source = inspect.getsource(paying)
    imports = source[source.index("import numpy") : source.index("SPAN = ")]
    return (
        f"from __future__ import annotations\n\nfrom numba import njit\n\nfrom musicgym.compiled import small_kernel\n{imports}"
    )


def _importable(rule: Rule) -> bool:
    module = sys.modules.get(rule.__module__)
    named = module is not None and getattr(module, rule.name, None) is rule
    return named and rule.__module__ != "__main__" and getattr(module, "__file__", None) is not None


_WHERE = {  # when rules that judge only such sites are called
    "any": "",
    "note": "piece.onset[voice, step] and piece.pitch[voice, step] >= 0",
    "chord": "0 < voice == piece.pitch.shape[0] - 1",
    "bar": "piece.position[step] == piece.bar[step] - 1",
    "end": "step == piece.length - 1",
}


def _judges(rules: tuple[Rule, ...]) -> str:
    """The source of `judge`, `judge_seen` and `judge_carried` for these rules."""
    return "".join(
        _judge(rules, name, head, form)
        for name, head, form in (
            ("judge", "params, sums", "plain"),
            ("judge_seen", "low, high, last, sign, params, sums", "seen"),
            ("judge_carried", "carry, params, sums", "carried"),
        )
    )


def _judge(rules: tuple[Rule, ...], name: str, head: str, form: str) -> str:
    """One of them: a function for each kind of site, and one that calls those that belong to a site."""
    parts, calls = [], []
    for at, where in _WHERE.items():
        lines = _calls(rules, at, form)
        if not lines:
            continue
        # What happens once a bar or once a piece stands apart: inside, it would make the rest of the code slower. Rules of
        # whole chords are long: all inside one function they would take minutes to compile.
        how = "small_kernel" if at in ("chord", "bar", "end") else "inlined"
        parts.append(f"@{how}\ndef {name}_{at}(piece, voice, step, {head}):\n{''.join(lines)}\n\n")
        call = f"{name}_{at}(piece, voice, step, {head})\n"
        calls.append(f"    if {where}:\n        {call}" if where else f"    {call}")
    return f"{''.join(parts)}@inlined\ndef {name}(piece, voice, step, {head}):\n{''.join(calls) or '    pass'}\n\n\n"


def _calls(rules: tuple[Rule, ...], kind: str, form: str) -> list[str]:
    """The lines that call the rules of one kind of site."""
    # Values first, sums last, carried forms after the others: between two writes to arrays the compiler reads a slot only once.
    plain, seen, carried, sums = [], [], [], []
    at = scalars = 0
    for i, rule in enumerate(rules):
        params = "".join(f", params[{at + k}]" for k in range(len(rule.parameters)))
        at += len(rule.parameters)
        if rule.at == kind:
            call = f"rule_{i}(piece, voice, step{params})"
            plain.append(f"    value_{i} = {call}\n")
            sums.append(f"    sums[{i}] += value_{i}\n")
            voices = ("low <= voice <= high", "voice >= low", "True")[rule.sees]
            seen.append(f"    if step <= last + {rule.span} and {voices}:\n        sums[{i}] += sign * {call}\n")
            if rule.carry:
                part = f"carry[voice, {scalars}:{scalars + rule.carry}]"
                carried.append(f"    value_{i} = carried_{i}(piece, voice, step, {part}{params})\n")
            else:
                carried.insert(0, plain[-1])
        scalars += rule.carry
    return seen if form == "seen" else (plain if form == "plain" else carried) + sums
