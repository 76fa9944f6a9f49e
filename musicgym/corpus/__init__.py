"""Real music to learn from and to test on: the collections that come with music21, Fux's exercises, and users' own files.

>>> from musicgym import corpus
>>> corpus.names()
['bach', 'ryan', 'oneill', 'aird', 'essen', 'fux']
"""

from musicgym.corpus.bundled import load, names
from musicgym.corpus.corpus import Corpus
from musicgym.corpus.families import SPLITS
from musicgym.corpus.folder import Failure
from musicgym.corpus.material import material
from musicgym.corpus.windows import Windows

__all__ = ["SPLITS", "Corpus", "Failure", "Windows", "load", "material", "names"]
