// A small additive synthesiser: the timbres of musicgym.files.audio, as oscillators of Web Audio.
const waves = new WeakMap(); // context -> timbre's index and number of partials -> PeriodicWave
const TAIL = 0.4; // seconds in which the last notes die away
const RATE = 44100;

function waveOf(context, index, most) {
  if (!waves.has(context)) waves.set(context, new Map());
  const known = waves.get(context);
  const partials = page.timbres[index].partials.slice(0, Math.max(1, most));
  const name = `${index}/${partials.length}`;
  if (!known.has(name)) {
    const sines = Float32Array.of(0, ...partials);
    known.set(name, context.createPeriodicWave(new Float32Array(sines.length), sines));
  }
  return known.get(name);
}

// Let a note sound from `when`, seconds of the context's clock, for `length` seconds.
function sound(context, out, program, event, when, length) {
  const index = (program >> 3) % page.timbres.length;
  const {attack, decay, release} = page.timbres[index];
  const frequency = 440 * 2 ** ((event.pitch - 69) / 12);
  const force = Math.max(event.velocity, 1) / 127;
  const peak = 0.32 * force ** 1.5;
  const oscillator = context.createOscillator();
  oscillator.setPeriodicWave(waveOf(context, index, Math.floor((0.45 * context.sampleRate) / frequency)));
  oscillator.frequency.value = frequency;
  const filter = context.createBiquadFilter(); // loud notes are brighter
  filter.frequency.setValueAtTime(Math.min(frequency * (3 + 12 * force), 0.45 * context.sampleRate), when);
  const envelope = context.createGain();
  const end = when + Math.max(length, attack);
  envelope.gain.setValueAtTime(0, when);
  envelope.gain.linearRampToValueAtTime(peak, when + attack);
  if (decay) { // struck or plucked: it dies away, its high partials first; low notes sound longer
    const fall = decay * 2 ** ((60 - event.pitch) / 24);
    envelope.gain.setTargetAtTime(0, when + attack, fall);
    filter.frequency.setTargetAtTime(frequency * 2.2, when + attack, fall / 3);
  }
  envelope.gain.setTargetAtTime(0, end, release / 3);
  oscillator.connect(filter).connect(envelope).connect(out);
  oscillator.start(when);
  oscillator.stop(end + 2 * release);
  oscillator.onended = () => envelope.disconnect();
}

// Where the notes of a piece go: the voices together, held below what would clip.
function output(context) {
  const out = context.createGain();
  const limiter = context.createDynamicsCompressor();
  out.connect(limiter).connect(context.destination);
  return out;
}

// A way out for each voice, as loud as `share` says: 1 or 0.
function voiceOutputs(context, out, piece, share) {
  return piece.events.map((_, voice) => {
    const own = context.createGain();
    own.gain.value = share(voice);
    own.connect(out);
    return own;
  });
}

// The whole piece as samples.
async function render(piece, share) {
  const context = new OfflineAudioContext(1, Math.ceil((piece.length + TAIL) * RATE), RATE);
  const outs = voiceOutputs(context, output(context), piece, share);
  for (const event of piece.inOrder) {
    if (event.pitch < 0) continue;
    const when = piece.seconds(event.start);
    sound(context, outs[event.voice], piece.programs[event.voice], event, when, piece.seconds(event.start + event.duration) - when);
  }
  return (await context.startRendering()).getChannelData(0);
}

function level(samples) {
  let squares = 0, peak = 0;
  for (const sample of samples) {
    squares += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return {rms: Math.sqrt(squares / samples.length), peak, seconds: samples.length / RATE};
}

function wavFile(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"), view.setUint32(4, 36 + 2 * samples.length, true), text(8, "WAVEfmt "), view.setUint32(16, 16, true);
  view.setUint16(20, 1, true), view.setUint16(22, 1, true), view.setUint32(24, RATE, true), view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true), view.setUint16(34, 16, true), text(36, "data"), view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true));
  return new Blob([view], {type: "audio/wav"});
}
