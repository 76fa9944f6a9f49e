"use strict";
// Pieces as the other scripts need them: events, time, and what the rules say of each event.
const page = JSON.parse(document.getElementById("data").textContent);

class Piece {
  constructor(data) {
    Object.assign(this, data);
    // Notes and the silences between them, a list a voice, and the event that each step belongs to.
    this.events = this.voices.map((notes, voice) => this.withSilences(notes, voice));
    this.eventAt = this.events.map((events) => {
      const at = new Array(this.steps);
      for (const event of events) at.fill(event, event.start, event.start + event.duration);
      return at;
    });
    this.inOrder = this.events.flat().sort((a, b) => a.start - b.start || a.voice - b.voice);
    for (const [rule, flat] of Object.entries(this.marks)) {
      for (let i = 0; i < flat.length; i += 3) {
        const event = this.eventAt[flat[i]][flat[i + 1]];
        event.marks.set(+rule, (event.marks.get(+rule) ?? 0) + flat[i + 2]);
      }
    }
    this.whole = new Map(); // rule -> what it says of the piece as such
    for (const [rule, , , , value] of this.spans.filter((span) => span[5])) this.whole.set(rule, (this.whole.get(rule) ?? 0) + value);
    this.strips = this.stripsOf(this.spans.filter((span) => !span[5]));
    // For the arrow keys: bars follow their notes.
    const place = (event) => (event.strip ? event.start + event.duration - 0.5 : event.start);
    this.all = [...this.inOrder, ...this.strips].sort((a, b) => place(a) - place(b));
  }

  // Bars of which rules speak, each once, in lanes in which none lies over another.
  stripsOf(spans) {
    const found = new Map();
    for (const [rule, , start, stop, value] of spans) {
      const key = `${start} ${stop}`;
      if (!found.has(key)) found.set(key, {strip: true, voice: 0, start, duration: stop - start, pitch: -1, velocity: 0, marks: new Map()});
      const {marks} = found.get(key);
      marks.set(rule, (marks.get(rule) ?? 0) + value);
    }
    const strips = [...found.values()].sort((a, b) => a.duration - b.duration || a.start - b.start), lanes = [];
    const over = (a, b) => a.start < b.start + b.duration && b.start < a.start + a.duration;
    for (const strip of strips) {
      strip.lane = lanes.findIndex((lane) => !lane.some((other) => over(strip, other)));
      if (strip.lane < 0) strip.lane = lanes.push([]) - 1;
      lanes[strip.lane].push(strip);
    }
    return strips;
  }

  withSilences(notes, voice) {
    const events = [];
    let end = 0;
    const silence = (start, stop) => events.push({voice, start, duration: stop - start, pitch: -1, velocity: 0, name: "rest", marks: new Map()});
    for (const [start, duration, pitch, velocity, name] of notes) {
      if (start > end) silence(end, start);
      events.push({voice, start, duration, pitch, velocity, name, marks: new Map()});
      end = start + duration;
    }
    if (end < this.steps) silence(end, this.steps);
    return events;
  }

  // Seconds from the beginning to a step, which may be a fraction, by the tempo changes.
  seconds(step) {
    let total = 0;
    this.tempos.forEach(([from, quarters], i) => {
      const stop = Math.min(step, this.tempos[i + 1]?.[0] ?? Infinity);
      if (stop > from) total += ((stop - from) / this.grid) * (60 / quarters);
    });
    return total;
  }

  stepAt(seconds) {
    let left = seconds;
    for (let i = 0; i < this.tempos.length; i++) {
      const [from, quarters] = this.tempos[i];
      const perStep = 60 / quarters / this.grid;
      const stop = this.tempos[i + 1]?.[0] ?? Infinity;
      if (left < (stop - from) * perStep) return from + left / perStep;
      left -= (stop - from) * perStep;
    }
    return this.steps;
  }

  get length() {
    return this.seconds(this.steps);
  }

  // "bar 3, beat 2.5"
  place(step) {
    const [start, first, number] = this.bars.findLast((bar) => bar[0] <= step);
    const beat = this.beats.findLast((change) => change[0] <= step)[1];
    return `bar ${number}, beat ${+(1 + (step - start + first) / beat).toFixed(2)}`;
  }

  // ": Soprano, Tenor" of a mark that hangs on other voices too
  parties(event, rule) {
    const found = new Set();
    for (let step = event.start; step < event.start + event.duration; step++) {
      for (const voice of this.links[`${rule} ${event.voice} ${step}`] ?? []) found.add(voice);
    }
    if (event.strip || !found.size) return "";
    return `: ${[...found, event.voice].sort((a, b) => a - b).map((voice) => this.names[voice]).join(", ")}`;
  }

  describe(event) {
    if (event.strip) {
      const [first, last] = [event.start, event.start + event.duration - 1].map((step) => this.bars.findLast((bar) => bar[0] <= step)[2]);
      return first === last ? `the whole bar ${first}` : `the whole bars ${first} to ${last}`;
    }
    const quarters = +(event.duration / this.grid).toFixed(2);
    const length = `${quarters} quarter${quarters === 1 ? "" : "s"}`;
    const voice = this.events.length > 1 ? `, ${this.names[event.voice]}` : "";
    const loudness = event.pitch < 0 ? "" : `, velocity ${event.velocity}`;
    return `${event.name}: ${this.place(event.start)}, ${length}${loudness}${voice}`;
  }
}

// "+1.25", "−3"
function signed(value) {
  const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(+value.toPrecision(3));
  return (value > 0 ? "+" : "") + text.replace("-", "−");
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

function draw(tag, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent?.append(element);
  return element;
}
