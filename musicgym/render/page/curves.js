// Learning curves: thin for each seed, thick for their mean, dashed for what other sources are worth.
const short = new Intl.NumberFormat("en", {maximumSignificantDigits: 3});
const whole = new Intl.NumberFormat("en");

class Curves {
  constructor(box) {
    this.box = box;
    this.choice = document.getElementById("term");
    this.readout = document.getElementById("readout");
    this.sparks = new Map();
    const terms = [...new Set(page.curves.flatMap((curve) => Object.keys(curve.values)))];
    for (const term of terms) this.choice.append(make("option", {value: term}, term));
    // A term that never paid anything has no picture of its own.
    const paying = terms.filter((term) => page.curves.some((curve) => curve.values[term]?.some((value) => value)));
    if (paying.length > 1) for (const term of paying) this.addSpark(term);
    this.choice.addEventListener("change", () => this.draw());
    box.addEventListener("keydown", (event) => {
      const last = this.steps.length - 1, tenth = Math.max(1, Math.round(last / 10));
      const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -tenth, PageUp: tenth, Home: -last, End: last};
      if (!(event.key in moves) || last < 0) return;
      event.preventDefault();
      this.go(Math.max(0, Math.min(last, this.at + moves[event.key])));
    });
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // {steps, seeds: [values], mean} of a term, all at the steps of the longest curve.
  lines(term) {
    const own = page.curves.filter((curve) => curve.values[term]);
    const steps = own.reduce((a, b) => (b.steps.length > a.length ? b.steps : a), []);
    const seeds = own.map((curve) => steps.map((step) => {
      const index = curve.steps.findIndex((s) => s >= step);
      return index < 0 ? null : curve.values[term][index];
    }));
    const mean = steps.map((_, i) => {
      const known = seeds.map((values) => values[i]).filter((value) => value !== null);
      return known.length ? known.reduce((a, b) => a + b, 0) / known.length : null;
    });
    return {labels: own.map((curve) => curve.label), steps, seeds, mean};
  }

  path(steps, values, x, y) {
    let text = "", pen = "M";
    values.forEach((value, i) => {
      if (value === null) return void (pen = "M");
      text += `${pen}${x(steps[i]).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    return text;
  }

  addSpark(term) {
    const {steps, mean} = this.lines(term);
    const known = mean.filter((value) => value !== null);
    const low = Math.min(...known), high = Math.max(...known), first = steps[0], span = steps.at(-1) - first || 1;
    const button = make("button", {type: "button", className: "spark"}, make("b", {title: term}, term), make("span", {}, short.format(known.at(-1) ?? 0).replace("-", "−")));
    const svg = draw("svg", {viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true"}, button);
    draw("path", {d: this.path(steps, mean, (s) => (100 * (s - first)) / span, (v) => (high > low ? 23 - (22 * (v - low)) / (high - low) : 12))}, svg);
    button.addEventListener("click", () => ((this.choice.value = term), this.draw()));
    document.getElementById("sparks").append(button);
    this.sparks.set(term, button);
  }

  draw() {
    const term = this.choice.value;
    for (const [name, button] of this.sparks) button.setAttribute("aria-pressed", name === term);
    const {labels, steps, seeds, mean} = this.lines(term);
    const references = Object.entries(page.references).map(([source, rows]) => [source, rows[term === "return" ? "total" : term]]).filter(([, value]) => value != null);
    const width = this.box.clientWidth, height = this.box.clientHeight, left = 52, right = 8, top = 16, bottom = 34;
    const svg = draw("svg", {role: "img", "aria-label": `Learning curve of ${term}`, viewBox: `0 0 ${width} ${height}`});
    this.box.replaceChildren(svg);
    this.steps = [];
    const all = [...seeds.flat().filter((value) => value !== null), ...references.map(([, value]) => value)];
    if (!all.length) return;
    const ticks = nice(Math.min(...all), Math.max(...all), 5), marks = nice(0, steps.at(-1), Math.max(2, Math.floor(width / 160)));
    const low = Math.min(ticks[0], ...all), high = Math.max(ticks.at(-1), ...all);
    const x = (step) => left + ((width - left - right) * step) / (steps.at(-1) || 1);
    const y = (value) => height - bottom - ((height - top - bottom) * (value - low)) / (high - low || 1);
    for (const tick of ticks) {
      draw("path", {class: tick === 0 ? "zero" : "grid", d: `M${left} ${y(tick)}H${width - right}`}, svg);
      draw("text", {x: left - 8, y: y(tick) + 4, "text-anchor": "end"}, svg).textContent = short.format(tick).replace("-", "−");
    }
    for (const step of marks.filter((step) => step <= steps.at(-1))) {
      draw("text", {x: x(step), y: height - bottom + 18, "text-anchor": step === 0 ? "start" : x(step) > width - 40 ? "end" : "middle"}, svg).textContent = whole.format(step);
    }
    draw("text", {x: width - right, y: height - 2, "text-anchor": "end"}, svg).textContent = "choices made";
    references.forEach(([source, value], i) => {
      draw("path", {class: `reference r${i}`, d: `M${left} ${y(value)}H${width - right}`}, svg);
      draw("text", {x: width - right, y: y(value) - 5, "text-anchor": "end"}, svg).textContent = `${source} ${short.format(value).replace("-", "−")}`;
    });
    if (seeds.length > 1) {
      seeds.forEach((values, i) => {
        const line = draw("path", {class: "seed", d: this.path(steps, values, x, y)}, svg);
        draw("title", {}, line).textContent = labels[i];
      });
    }
    draw("path", {class: "mean", d: this.path(steps, mean, x, y)}, svg);
    const hair = draw("path", {class: "hair", visibility: "hidden"}, svg);
    const tell = (i) => {
      const values = seeds.map((line) => line[i]).filter((value) => value !== null);
      const range = values.length > 1 ? ` (${values.length} seeds: ${short.format(Math.min(...values))} to ${short.format(Math.max(...values))})` : "";
      this.readout.textContent = `${term} after ${whole.format(steps[i])} choices: ${mean[i] === null ? "none" : short.format(mean[i])}${range}`.replaceAll("-", "−");
    };
    this.steps = steps;
    this.go = (i) => {
      this.at = i;
      hair.setAttribute("d", `M${x(steps[i])} ${top}V${height - bottom}`);
      hair.setAttribute("visibility", "visible");
      tell(i);
    };
    svg.addEventListener("pointermove", (event) => {
      const step = ((event.clientX - svg.getBoundingClientRect().left - left) / (width - left - right)) * steps.at(-1);
      const i = steps.reduce((best, s, j) => (Math.abs(s - step) < Math.abs(steps[best] - step) ? j : best), 0);
      this.go(i);
    });
    this.at = steps.length - 1;
    tell(this.at);
  }
}

// Round numbers from at most `low` to at least `high`.
function nice(low, high, count) {
  const rough = (high - low || Math.abs(high) || 1) / count, power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.floor(low / unit);
  return Array.from({length: Math.ceil(high / unit) - first + 1}, (_, i) => +((first + i) * unit).toPrecision(12));
}
