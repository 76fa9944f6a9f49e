"""The tasks that come registered; each module holds the functions that make those of its subject."""

from __future__ import annotations

from musicgym.registration import register
from musicgym.tasks.chorale import accompaniment, chorale
from musicgym.tasks.chord_symbols import chord_symbols
from musicgym.tasks.counterpoint import counterpoint
from musicgym.tasks.infill import infill
from musicgym.tasks.melody import expressive_melody, melody

register("musicgym/Melody-v0", melody, reward="theory")
register("musicgym/ExpressiveMelody-v0", expressive_melody, reward="theory + 0.2*performance")
register("musicgym/Chorale-v0", chorale, reward="part_writing")
register("musicgym/Accompaniment-v0", accompaniment, reward="part_writing")
register("musicgym/Infill-v0", infill, reward="part_writing")
register("musicgym/ChordSymbols-v0", chord_symbols, reward="chord_symbols")
register("musicgym/Counterpoint-v0", counterpoint, reward="counterpoint")
