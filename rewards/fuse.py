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
    ours = "from functools import partial\n\nfrom numba import njit\n\nfrom musicgym.compiled import hidden\n"
    return f"from __future__ import annotations\n\n{ours}{imports}"


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


_HEADS = {
    "judge": "params, sums",
    "judge_seen": "low, high, last, sign, params, sums",
    "judge_carried": "carry, params, sums",
    "follow": "carry, params",
}


def _judges(rules: tuple[Rule, ...]) -> str:
    """The source of `judge`, `judge_seen`, `judge_carried` and `follow` for these rules.

    Rules of one kind of site are a function of their own, apart from those of the kind that have a carry: compiled so they take
    as little as a third of the time that they take inside their callers. It costs nothing where pieces grow at their ends, 15 %
    elsewhere. `judge_carried` shares those without a carry with `judge`.
    """
    parts: list[str] = []
    calls: dict[str, list[str]] = {form: [] for form in _HEADS}
    for at, where in _WHERE.items():
        for carries in (False, True):
            lines = _lines(rules, at, carries)
            for form, some in lines.items():
                parts.append(f"@hidden\ndef _{form}_{at}_{carries:d}(piece, voice, step, {_HEADS[form]}):\n{some}\n\n")
            for form, entry in calls.items():
                called = "judge" if form == "judge_carried" and not carries else form
                if called in lines:
                    call = f"_{called}_{at}_{carries:d}(piece, voice, step, {_HEADS[called]})\n"
                    entry.append(f"    if {where}:\n        {call}" if where else f"    {call}")
    heads = {form: f"@inlined\ndef {form}(piece, voice, step, {head}):\n" for form, head in _HEADS.items()}
    return "".join([*parts, *(f"{head}{''.join(calls[form]) or '    pass'}\n\n\n" for form, head in heads.items())])


def _lines(rules: tuple[Rule, ...], kind: str, carries: bool) -> dict[str, str]:
    """By form, the lines that call the rules of one kind of site, with or without a carry; nothing where there are none."""
    plain, seen, carried, followed, sums = [], [], [], [], []
    at = scalars = 0
    for i, rule in enumerate(rules):
        params = "".join(f", params[{at + k}]" for k in range(len(rule.parameters)))
        if rule.at == kind and bool(rule.carry) == carries:
            call = f"rule_{i}(piece, voice, step{params})"
            led = f"carried_{i}(piece, voice, step, carry[voice, {scalars}:{scalars + rule.carry}]{params})"
            voices = ("low <= voice <= high", "voice >= low", "True")[rule.sees]
            seen.append(f"    if step <= last + {rule.span} and {voices}:\n        sums[{i}] += sign * {call}\n")
            plain.append(f"    value_{i} = {call}\n")
            carried.append(f"    value_{i} = {led}\n")
            followed.append(f"    {led}\n")
            sums.append(f"    sums[{i}] += value_{i}\n")
        at += len(rule.parameters)
        scalars += rule.carry
    if not sums:
        return {}
    # Values first, sums last: between two writes to arrays the compiler reads a slot only once.
    found = {"judge": "".join(plain + sums), "judge_seen": "".join(seen)}
    return {**found, "judge_carried": "".join(carried + sums), "follow": "".join(followed)} if carries else found
