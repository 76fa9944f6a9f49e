// Playing a piece: sound a little ahead of the clock, and a cursor over the printed music and the piano roll.
const AHEAD = 0.35; // seconds of notes that are handed to the sound card at a time
const TICK = 80; // milliseconds between looks
let context = null; // of all players: made at the first click, as browsers demand
let current = null; // the player that sounds

class Player {
  constructor(card, piece) {
    Object.assign(this, {card, piece, step: 0, playing: false});
    this.staves = card.querySelector(".engraving");
    this.roll = card.querySelector(".roll");
    this.button = card.querySelector(".play");
    this.stopButton = card.querySelector(".stop");
    this.time = card.querySelector(".time");
    this.lines = [this.staves, this.roll].map((svg) => draw("line", {class: "cursor"}, svg));
    this.lines[1].setAttribute("y2", this.roll.viewBox.baseVal.height);
    this.elements = new Map(); // event -> what shows it
    this.printed = []; // {step, event, element} of the printed notes and rests
    for (const element of card.querySelectorAll("[data-at]")) {
      const [voice, step] = element.dataset.at.slice(1).split("s").map(Number);
      const event = piece.eventAt[voice][step];
      if (!this.elements.has(event)) this.elements.set(event, []);
      this.elements.get(event).push(element);
      if (this.staves.contains(element)) this.printed.push({step, event, element});
    }
    const strips = card.querySelector(".strips");
    piece.strips.forEach((strip, index) => {
      const element = make("div", {className: "strip"});
      element.dataset.strip = index;
      const share = (steps) => `${(100 * steps) / piece.steps}%`;
      Object.assign(element.style, {left: share(strip.start), width: share(strip.duration), top: `${0.5 * strip.lane}rem`});
      strips.append(element);
      this.elements.set(strip, [element]);
    });
    strips.style.height = `${0.5 * Math.max(0, ...piece.strips.map((strip) => strip.lane + 1))}rem`;
    this.off = new Set();
    this.alone = new Set();
    this.switches = [...card.querySelectorAll(".voices > span")].map((box) => [box.querySelector(".heard"), box.querySelector(".alone")]);
    this.switches.forEach(([heard, alone], voice) => {
      heard.addEventListener("click", () => this.turn(this.off, voice));
      alone.addEventListener("click", () => this.turn(this.alone, voice));
    });
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.stopButton.addEventListener("click", () => this.stop());
    card.querySelector(".wav").addEventListener("click", () => this.save());
    this.tell();
  }

  // How loud a voice is: 1, or 0 if it is switched off or others are to be heard alone.
  share(voice) {
    return (this.alone.size ? this.alone.has(voice) : !this.off.has(voice)) ? 1 : 0;
  }

  turn(set, voice) {
    set.has(voice) ? set.delete(voice) : set.add(voice);
    this.switches.forEach(([heard, alone], v) => {
      heard.setAttribute("aria-pressed", !this.off.has(v));
      alone.setAttribute("aria-pressed", this.alone.has(v));
    });
    this.outs?.forEach((out, v) => out.gain.setTargetAtTime(this.share(v), context.currentTime, 0.02));
  }

  async play(from = this.step) {
    current?.pause();
    current = this;
    context ??= new AudioContext();
    this.step = from >= this.piece.steps ? 0 : from;
    this.playing = true;
    this.show();
    await context.resume();
    if (current !== this || !this.playing) return;
    this.out = output(context);
    this.meter = context.createAnalyser();
    this.out.connect(this.meter);
    this.outs = voiceOutputs(context, this.out, this.piece, (voice) => this.share(voice));
    this.began = context.currentTime + 0.06 - this.piece.seconds(this.step);
    // A note that sounds already where one begins in its middle is left out, but for the one that was asked for.
    this.coming = this.piece.inOrder.filter((event) => event.pitch >= 0 && event.start >= this.step);
    this.timer = setInterval(() => this.schedule(), TICK);
    this.schedule();
    requestAnimationFrame(() => this.follow());
  }

  schedule() {
    const {piece} = this;
    while (this.coming.length && this.began + piece.seconds(this.coming[0].start) < context.currentTime + AHEAD) {
      const event = this.coming.shift();
      const when = this.began + piece.seconds(event.start);
      const length = this.began + piece.seconds(event.start + event.duration) - when;
      sound(context, this.outs[event.voice], piece.programs[event.voice], event, Math.max(when, context.currentTime), length);
    }
    if (context.currentTime - this.began > piece.length + TAIL) this.stop();
  }

  follow() {
    if (!this.playing) return;
    const step = this.piece.stepAt(Math.max(0, context.currentTime - this.began));
    this.step = Math.min(Math.max(step, this.step), this.piece.steps);
    this.show();
    requestAnimationFrame(() => this.follow());
  }

  silence() {
    clearInterval(this.timer);
    if (this.out) {
      const out = this.out;
      out.gain.setTargetAtTime(0, context.currentTime, 0.02);
      setTimeout(() => out.disconnect(), 200);
    }
    this.out = this.outs = null;
    this.playing = false;
  }

  pause() {
    this.silence();
    this.show();
  }

  stop() {
    this.silence();
    this.step = 0;
    if (current === this) current = null;
    this.show();
  }

  // Loudest sample of the last moments, 0 in silence.
  loudness() {
    if (!this.out) return 0;
    const samples = new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(samples);
    return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  }

  async save() {
    const address = URL.createObjectURL(wavFile(await render(this.piece, (voice) => this.share(voice))));
    make("a", {href: address, download: `${this.piece.label.replace(/[^\w.-]+/g, "-")}.wav`}).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  tell() {
    const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
    this.time.textContent = `${clock(Math.min(this.piece.seconds(this.step), this.piece.length))} / ${clock(this.piece.length)}`;
    if (this.told === this.playing) return; // this is called for every picture
    this.told = this.playing;
    this.button.textContent = this.playing ? "❙❙ Pause" : "▶ Play";
    this.button.setAttribute("aria-label", `${this.playing ? "Pause" : "Play"} ${this.piece.label}`);
  }

  show() {
    const under = this.playing || this.step > 0;
    this.card.classList.toggle("playing", this.playing);
    this.card.classList.toggle("shown", under);
    this.stopButton.disabled = !under;
    this.tell();
    const sounding = new Set(this.playing ? this.piece.eventAt.map((at) => at[Math.floor(this.step)]).filter((e) => e?.pitch >= 0) : []);
    for (const event of this.sounding ?? []) if (!sounding.has(event)) this.style(event, false);
    for (const event of sounding) if (!this.sounding?.has(event)) this.style(event, true);
    this.sounding = sounding;
    this.card.dataset.step = this.step.toFixed(3);
    if (!under) return;
    this.lines[1].setAttribute("x1", this.step);
    this.lines[1].setAttribute("x2", this.step);
    this.places ??= this.measure();
    const {x, system} = this.whereIs(this.step);
    const line = {x1: x, x2: x, y1: system.top, y2: system.bottom};
    for (const [name, value] of Object.entries(line)) this.lines[0].setAttribute(name, value.toFixed(1));
  }

  style(event, on) {
    for (const element of this.elements.get(event) ?? []) element.classList.toggle("sounding", on);
  }

  // Where the printed notes stand, in the drawing's own units: step, x, system, in order.
  measure() {
    const box = (element) => {
      const {x, y, width, height} = element.getBBox();
      const {a, d, e, f} = this.staves.getScreenCTM().inverse().multiply(element.getScreenCTM());
      return {left: a * x + e, right: a * (x + width) + e, top: d * y + f, bottom: d * (y + height) + f};
    };
    const systems = new Map([...this.staves.querySelectorAll(".system")].map((system) => [system, box(system)]));
    const places = this.printed.map(({step, event, element}) => {
      const {left, right, top, bottom} = box(element.querySelector(".notehead") ?? element);
      return {step, event, element, x: (left + right) / 2, y: (top + bottom) / 2, system: systems.get(element.closest(".system"))};
    });
    return places.sort((a, b) => a.step - b.step || a.x - b.x);
  }

  whereIs(step) {
    const index = Math.max(0, this.places.findLastIndex((place) => place.step <= step));
    const here = this.places[index];
    const next = this.places.slice(index).find((place) => place.step > here.step);
    const until = next?.step ?? this.piece.steps;
    const x = next && next.system === here.system ? next.x : here.system.right;
    return {x: here.x + (x - here.x) * Math.min(1, Math.max(0, (step - here.step) / (until - here.step))), system: here.system};
  }

  // The printed note or rest nearest to a point of the window, if one is near.
  nearest(clientX, clientY) {
    this.places ??= this.measure();
    const {x, y} = new DOMPoint(clientX, clientY).matrixTransform(this.staves.getScreenCTM().inverse());
    const far = (place) => Math.hypot(place.x - x, (place.y - y) / 3);
    const best = this.places.reduce((a, b) => (far(b) < far(a) ? b : a));
    return far(best) < 450 ? best.event : null;
  }
}
