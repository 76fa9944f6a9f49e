"""Every rule of melody on pieces judged by hand: one that obeys it, one that breaks it, and what it says of each site."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from music21.analysis.discrete import KrumhanslKessler

from musicgym import Score
from musicgym.rewards import Rules, parse
from musicgym.rewards.theory import melody_rules, theory

ALL = Rules.of(*melody_rules().values(), name="melody")  # each with weight 1, compiled once for every test here

Sites = dict[int, float]  # step, in sixteenths -> what the rule says there; elsewhere it says 0


class Row(NamedTuple):
    """A rule, a piece that obeys it and one that breaks it, in ABC; quarters in C major and 4/4 where `fields` says no other."""

    rule: str
    obeys: str
    obeyed: Sites
    breaks: str
    broken: Sites
    fields: str = ""


class Case(NamedTuple):
    """One more piece for a rule, or the same with another parameter."""

    rule: str
    music: str
    sites: Sites
    fields: str = ""
    parameters: dict[str, float] = {}


def ratings(mode: str) -> np.ndarray:
    """float64 (12,): how Krumhansl & Kessler's listeners rated each degree, as music21 has it, in standard deviations."""
    ratings = np.array(KrumhanslKessler().getWeights(mode))
    return (ratings - ratings.mean()) / ratings.std()


def like_profile(mode: str, **steps: int) -> float:
    """Correlation of the profile with a piece in which the degrees d0, d1, .. d11 sound for so many steps."""
    heard = [steps.get(f"d{degree}", 0) for degree in range(12)]
    return float(np.corrcoef(heard, ratings(mode))[0, 1])


EIGHTHS, SIXTEENTHS = "L:1/8", "L:1/16"
MAJOR = ratings("major")
FOUR_BARS = "CDEF|GABc|cBAG|"

ROWS = (
    # Key and mode
    Row("in_key", "C D E F", {}, "C ^C D ^D", {4: -1, 12: -1}),
    Row("chromatic_resolved", "C ^C D E", {}, "C ^C F E", {8: -1}),
    Row("leading_tone", "A B c B|G4", {}, "A B F B|c' B c B|B4", {8: -1, 16: -1}),
    Row(
        "key_profile",
        "C4|E2G2",
        {31: like_profile("major", d0=16, d4=8, d7=8)},
        "^C4|^D2^F2",
        {31: like_profile("major", d1=16, d3=8, d6=8)},
    ),
    Row("unstable_beat", "C E ^F/G/ C", {8: MAJOR[6]}, "C ^F ^C E", {4: MAJOR[6], 8: MAJOR[1]}),
    Row("opening", "z G D F", {}, "z D G C", {4: -1}),
    Row("closing", "D B, C z", {}, "D C B, z", {15: -1}),
    Row("cadence", "E F D C", {15: 1}, "E F A C", {}),
    # The line
    Row("leap_size", "C D C B,", {}, "C c B C", {4: -10 / 12, 12: -9 / 12}),
    Row("dissonant_leap", "C A, A c", {}, "F B C c'", {4: -1, 8: -1, 12: -1}),
    Row("leap_recovered", "C F E C", {}, "C F G E", {8: -1}),
    Row("consecutive_leaps", "C E G c", {}, "C F B E", {8: -1, 12: -1}),
    Row("stepwise", "C D E F", {15: 1}, "C E D E", {}),
    Row("outlined_tritone", "E G A B|A4", {}, "F G A B|A4", {16: -1}),
    Row("repeated_notes", "C C C D", {}, "C C C C|C4", {12: -1, 16: -1}),
    Row("one_way", "C D E F|G A G A", {}, "C D E F|G A B c", {24: -1, 28: -1}),
    Row("worn_figure", "C D C D|E F E F", {}, "C D C D|C D C E", {16: -1, 20: -1, 24: -1}),
    Row("pitch_variety", "C D E F|G F E C", {}, "C D C c|d D C D", {31: -3}),
    Row("compass", "C c f C", {}, "C c f g|B, a B, a", {12: -2, 16: -1, 20: -2}),
    Row("narrow", "C E G A", {}, "C E G E", {15: -2}),
    Row("tessitura", "C D E A", {}, "C D E B", {12: -1}),
    Row("climax", "C E c G", {15: 1}, "c E c G", {}),
    Row("arch", "C4|F2G2|A2F2|E4", {63: 1}, "A4|E2C2|C2E2|A4", {}),
    # Rhythm
    Row("syncopation", "C D E F", {}, "C D2 E2 F2 G", {6: -1, 10: -2, 14: -1}, EIGHTHS),
    Row("downbeat", "C4|D4|z D3", {32: -1}, "z D3|E4-|E4|z4", {0: -1, 32: -1, 48: -1}),
    Row("odd_length", "C6 D2 E4 F2 G", {}, "C5 D2 E9", {5: -1, 15: -1}, SIXTEENTHS),
    Row("long_note", "C4|D4", {}, "C4-|C3D|E4-|E z3", {28: -3, 52: -1}),
    Row("silence", "z4|C z D E", {}, "C z2 D|E z3", {12: -1, 31: -2}),
    Row("rest_inside", "z C D E|F G z A", {}, "C z D E|z F G A|B z B z", {8: -1, 20: -1, 40: -1}),
    Row("empty_bar", "C4|z3D", {}, "C4-|C4|z4", {31: -1, 47: -1}),
    Row("crowded_bar", "CDEFGFEDCDEF G4", {15: -1}, "CDEFGFEDCDEFGFED", {15: -4}, SIXTEENTHS),
    Row("length_variety", "C D E F|G2 A2", {}, "C D E F|z2 G A|B4", {31: -1}),
    Row("phrase_end", f"{FOUR_BARS}CDE2", {63: 1}, "C/D/E/F/ C/D/E/F/|" * 4, {}),
    Row("breathless", f"{FOUR_BARS}CD>EF|CDEF|", {}, f"{FOUR_BARS}CDEF|CDEF|", {63: -1, 79: -1}),
    # Form
    Row("motif_repeated", "C E G E|C E G E", {31: 1}, "C E G E|C E G F", {}),
    Row("motif_transposed", "C D E C|D E F D", {31: 1}, "C D E C|D E F B", {}),
    Row("motif_inverted", "C D E C|c B A c", {31: 1}, "C D E C|c B A B", {}),
    Row("motif_varied", "C D E C|C D F D", {31: 1}, "C D E C|C E F D", {}),
    Row("worn_out", "C E G E|C E G E|C F B F", {}, "C E G E|C E G E|C E G E", {47: -1}),
    Row("worn_sequence", "C E D E|D F E F|C G F G", {}, "C E D E|D F E F|E G F G", {47: -1}),
    Row("echo", "C E D F|C E D F", {31: 1}, "C E D F|c A F c", {}),
)

MORE = (
    # Minor has its raised sixth and seventh, Dorian its leading tone; other modes only their scales, from their own tonics.
    Case("in_key", "A, B, C D|E F ^F G|^G A ^D ^C", {40: -1, 44: -1}, "K:Am"),
    Case("in_key", "D F B c|^c ^F D2", {20: -1}, "K:Ddor"),
    Case("in_key", "G B F G|^F G2 =F", {16: -1}, "K:Gmix"),
    Case("in_key", "C D E F|[K:G] F =F G2", {20: -1}),
    Case("chromatic_resolved", "C ^C ^C z|D ^D z F", {}),
    Case("chromatic_resolved", "C ^C z G", {12: -1}),
    Case("leading_tone", "A ^G A =G|=G F ^G F", {}, "K:Am"),
    Case("leading_tone", "A ^G ^G B", {12: -1}, "K:Am"),  # the same again decides nothing; up past the tonic is wrong
    Case("key_profile", "A,4|C2E2", {31: like_profile("minor", d0=16, d3=8, d7=8)}, "K:Am"),
    Case("key_profile", "C4|E2z2", {15: like_profile("major", d0=16), 31: like_profile("major", d4=8)}, parameters={"bars": 1}),
    Case("key_profile", "z|C3|E3|G", {27: like_profile("major", d0=12, d4=12)}, "M:3/4"),  # counted from the first bar line
    Case("unstable_beat", "C/^F/ C E/F/ C", {}),
    Case("unstable_beat", "C3 E ^F2", {}, "M:6/8 L:1/8"),
    Case("unstable_beat", "C3 ^F3", {6: MAJOR[6]}, "M:6/8 L:1/8"),
    Case("opening", "C D E F", {}),
    Case("opening", "^C D E F", {0: -1}, "K:Am"),
    Case("opening", "C E G c", {}, "K:Am"),
    Case("closing", "C D E z", {15: -0.5}),
    Case("cadence", "E F G C", {15: 1}),
    Case("cadence", "E F2 D/ C/", {}),  # off the beat
    Case("cadence", "E F C C", {}),
    Case("leap_size", "C c B C", {4: -5 / 12, 12: -4 / 12}, parameters={"free": 7}),
    Case("leap_recovered", "C F C F", {8: -1, 12: -1}),
    Case("leap_recovered", "C F G E", {}, parameters={"leap": 6}),
    Case("leap_recovered", "C E G E", {8: -1, 12: -1}, parameters={"leap": 3}),
    Case("consecutive_leaps", "C E A c|e g b g", {}),
    Case("stepwise", "C D E C", {15: 1 / (0.3 * 4)}),
    Case("stepwise", "C D E F", {15: 0.5}, parameters={"enough": 1}),
    Case("stepwise", "C D E F|G A B A", {15: 1, 31: 0.25 / 0.4}),  # three in four is too many
    Case("stepwise", "C D E F|G A B A", {15: 1, 31: 1}, parameters={"most": 0.8}),
    Case("outlined_tritone", "F B A2", {}),  # one leap: `dissonant_leap`
    Case("outlined_tritone", "C E A B|G4", {16: -1}),  # a seventh
    Case("outlined_tritone", "C G d e|d4", {16: -1}),  # more than an octave
    Case("repeated_notes", "C C z C|D C C C", {}),
    Case("repeated_notes", "C C C D", {4: -1, 8: -1}, parameters={"most": 1}),
    Case("one_way", "C D E F|G G A B", {}),
    Case("one_way", "c B A G", {12: -1}, parameters={"most": 2}),
    Case("worn_figure", "C D E C|D E C D", {24: -1, 28: -1}),
    Case("worn_figure", "C D E F|C D E F|C D E F", {32: -1, 36: -1, 40: -1, 44: -1}),
    Case("worn_figure", "C C C C|C C C C", {}),  # one note: `repeated_notes`
    Case("pitch_variety", "C D E F|z4", {31: -1}),
    Case("pitch_variety", "C D E F|G F E C", {15: -2, 31: -2}, parameters={"bars": 1, "least": 6}),
    Case("compass", "C c f C", {4: -5, 8: -5}, parameters={"most": 7}),
    Case("narrow", "C E G A", {15: -3}, parameters={"least": 12}),
    Case("tessitura", "C D E A", {12: -1}, parameters={"reach": 6}),
    Case("climax", "C c c G", {15: 1}),  # heard at one place
    Case("climax", "C c B c|G4", {}),
    Case("climax", "C E G c", {}),
    Case("arch", "C3D|E D C2", {31: 1}, parameters={"bars": 2}),
    Case("arch", "C E G E", {15: 1}, parameters={"bars": 1}),
    Case("syncopation", "C D E F-|F D E F", {20: -2}),  # a last beat is two levels below the bar line
    Case("syncopation", "C2 D4|F3 G3", {23: -1}, "M:3/4 L:1/8"),  # three beats have no middle; the last note counts at the end
    Case("syncopation", "C3 D3", {}, "M:6/8 L:1/8"),
    Case("syncopation", "C2 D2 E2", {8: -2}, "M:6/8 L:1/8"),  # over the middle, two levels above an eighth
    Case("syncopation", "z/C/z/D/ z/E/z", {}),  # a rest ends the note
    Case("odd_length", "C18|D9 E9", {}, "M:9/8 L:1/16"),  # a bar; three eighths and three sixteenths: beats have thirds
    Case("long_note", "C4-|C3D|E4-|E z3", {28: -5, 52: -3}, parameters={"bars": 0.5}),
    Case("silence", "C z2 D|E z3", {12: -2, 31: -3}, parameters={"beats": 0}),
    Case("rest_inside", "C D z E", {}, parameters={"bars": 1}),
    Case("crowded_bar", "C D E F", {15: -2}, parameters={"most": 0.5}),
    Case("length_variety", "C3 D2 E F4|G6 A4", {19: -1}, "M:5/8 L:1/16"),  # 3, 2, 1, 4, 6: five
    Case("length_variety", "C D E F|G2 A2", {31: -1}, parameters={"least": 3}),
    Case("length_variety", "C D E F|G2 A2", {31: -1}, parameters={"most": 1}),
    Case("phrase_end", "C/D/E/F/ C/D/E/z/|C/D/E/F/ C/D/E/F/", {15: 1}, parameters={"bars": 1}),
    Case("breathless", "C D E F|G A B2", {15: -1}, parameters={"bars": 1}),
    Case("motif_repeated", "C E G E|F4|C E G E|F4", {63: 1}),
    Case("motif_repeated", "C E G E|C E G E", {31: 1}, parameters={"bars": 1}),
    Case("motif_repeated", "C4|C4", {}),  # one note is no motif
    Case("motif_repeated", "C E G E|F2 D2|E4|D4|C E G E", {79: 1}, parameters={"bars": 1}),
    Case("motif_transposed", "C D E C|G A B G|C4", {47: 1}, parameters={"bars": 3}),
    Case("motif_transposed", "C E G E|C E G E", {}),
    Case("motif_inverted", "C D E C|D C D E", {}),
    Case("motif_inverted", "C D E C|c B A c|C4", {47: 1}, parameters={"bars": 3}),
    Case("motif_varied", "C E G E|C E G E", {}),
    Case("motif_varied", "C D E C|C D F D|C4", {47: 1}, parameters={"bars": 3}),
    Case("worn_out", "C E G E|C E G E|C E G F", {47: -0.15 / 0.4}),
    Case("worn_out", "C E G E|C E G E|C E G F", {47: -0.25 / 0.5}, parameters={"least": 0.5}),
    Case("worn_out", "C E|F A|C E|F A|C E", {39: -1}, "M:2/4"),  # two bars by turns
    Case("echo", "C D E F|C D A C", {31: 0.5}),
    Case("echo", "C D E F|C D A C", {31: 0.25}, parameters={"enough": 1}),
    Case("echo", "C E D F|z4|F A G _B", {47: 1}),  # on another degree, two bars later
)


def read(music: str, fields: str = "") -> Score:
    """A piece in ABC with these fields of its header; quarters in C major and 4/4 where they say no other."""
    header = {"M": "4/4", "L": "1/4", "K": "C"} | dict(field.split(":") for field in fields.split())
    return Score.from_abc("X:1\n" + "".join(f"{letter}:{text}\n" for letter, text in header.items()) + music)


def said(reward: Rules, rule: str, score: Score) -> Sites:
    """What a rule says of each site of the piece's only voice, but for zeros."""
    totals, marks = reward.score([score], marks=True)
    row = marks[0, reward.terms.index(rule), 0]
    assert totals[rule][0] == pytest.approx(row.sum(), abs=1e-6)
    return {int(step): float(row[step]) for step in row.nonzero()[0]}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
def test_a_rule_by_hand(row):
    assert said(ALL, row.rule, read(row.obeys, row.fields)) == pytest.approx(row.obeyed, abs=1e-6)
    assert said(ALL, row.rule, read(row.breaks, row.fields)) == pytest.approx(row.broken, abs=1e-6)


@pytest.mark.parametrize("case", MORE, ids=lambda case: f"{case.rule}-{case.music}")
def test_more_cases_by_hand(case):
    reward = ALL.set(case.rule, **case.parameters)
    assert said(reward, case.rule, read(case.music, case.fields)) == pytest.approx(case.sites, abs=1e-6)


def test_every_rule_stands_in_the_table_once():
    assert sorted(row.rule for row in ROWS) == sorted(melody_rules())
    assert set(theory().terms) == set(melody_rules())


def test_a_piece_that_obeys_is_worth_more_than_one_that_breaks():
    """So a rule that said 0 everywhere, or its opposite, would be found out."""
    for row in ROWS:
        obeys, breaks = (ALL.score([read(music, row.fields)])[row.rule][0] for music in (row.obeys, row.breaks))
        assert obeys > breaks, row.rule


def test_silence_by_hand():
    """Four bars of one rest: all that a melody lacks, and no praise."""
    silence = Score.from_notes([[]], steps=64)
    expected = {
        "closing": {63: -1},
        "pitch_variety": {31: -5, 63: -5},
        "narrow": {63: -9},
        "downbeat": {0: -1, 16: -1, 32: -1, 48: -1},
        "empty_bar": {15: -1, 31: -1, 47: -1, 63: -1},
        "length_variety": {31: -1, 47: -1, 63: -1},
    }
    assert {rule: sites for rule in ALL.terms if (sites := said(ALL, rule, silence))} == expected


def test_every_parameter_changes_something():
    changed = set()
    for case in MORE:
        for name in case.parameters:
            score = read(case.music, case.fields)
            if said(ALL, case.rule, score) != said(ALL.set(case.rule, **case.parameters), case.rule, score):
                changed.add((case.rule, name))
    assert changed == {(rule.name, name) for rule in melody_rules().values() for name in rule.parameters}


@pytest.mark.parametrize(("rule", "name"), [(rule, name) for rule in melody_rules().values() for name in rule.parameters])
def test_a_parameter_out_of_its_range_is_refused_with_value_and_range(rule, name):
    low, high = rule.within[name]
    whole = isinstance(low, int) and isinstance(high, int)
    for value in (low - 1, high + 1, *((low + 0.5,) if whole else ())):
        kind = "a whole number, " if whole else ""
        message = rf"{rule.name}: {name}={value:g}: expected {kind}{low:g}\.\.{high:g}"
        with pytest.raises(ValueError, match=message):
            parse(f"{rule.name}({name}={value})")
        with pytest.raises(ValueError, match=message):
            theory().set(rule.name, **{name: value})
    for value in (low, high):
        theory().set(rule.name, **{name: value}).score([read("C E G c|B A G2")])
