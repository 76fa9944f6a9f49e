"""Files of music: what each format holds of a `Score`.

"yes" comes back from our own files as it was; "standard" is also written so that other programs see it.

| of a `Score` | MIDI | MusicXML, music21 | ABC (read only) | WAV (written only) |
| --- | --- | --- | --- | --- |
| notes: pitch, onset, duration | standard | standard | yes | heard |
| velocity | standard, one a note; 0 becomes 1 | standard, one a note | default | heard |
| rests | one wherever silence begins; further rest onsets are lost | standard, each onset | yes | heard |
| blank slots | refused, or written as rests | yes | none | refused, or heard as rests |
| metre, position in the bar | standard; a pickup is a short first bar, other bars by a marker too | standard | yes | - |
| tempo and its changes | standard, to a microsecond a quarter; exact by a marker | standard | yes | heard |
| key signatures | standard for major and minor; other modes by a marker too | standard | yes | - |
| local tonic and mode | marker | yes | from the key | - |
| phrase ends | marker | standard (fermatas) | yes (fermatas) | - |
| spelling | lost | standard | yes | - |
| chord | lost | standard (chord symbols) | none | - |
| program, name of a voice | standard; 15 channels are shared by more voices | standard | names | program heard |
| title | standard (name of the first track) | standard | yes | - |
| source | marker | yes | see `abc.read` | - |
| length with silence at the end | marker | standard | yes | heard |

MIDI is read by mido, which keeps every event, and written by symusic, which is fast. Markers of ours begin with
"musicgym"; to other programs they are labels on the time line. What a reader had to move, cut, merge, drop or ignore
stands in `Score.changes`; `strict=True` refuses it instead.

Modules: `grid` quantises, `voices` makes monophonic voices, `midi_tracks` takes notes from mido's events, `timeline` and
`bars` turn tempo, metre and key into MIDI events and back, `midi`, `musicxml`, `music21_streams`, `abc` and `audio` are
the formats, `atomic` writes files whole or not at all.
"""
