// What the rules say: colours on notes, and a note's own page when one points at it.
const ALL = "all", NONE = "none";

class Marks {
  constructor(players) {
    this.players = players;
    this.tip = document.getElementById("tip");
    this.choice = document.getElementById("rule");
    this.chosen = null; // {player, event}: where the arrow keys are
    for (const player of players) this.listen(player);
    document.addEventListener("scroll", () => this.hide(), {passive: true});
    if (!this.choice) return;
    this.largest = page.rules.map((_, rule) => Math.max(0, ...players.flatMap(({piece}) => [...piece.all.map((e) => e.marks), piece.whole].map((m) => Math.abs(m.get(rule) ?? 0)))));
    this.fill();
    this.choice.addEventListener("change", () => this.colour());
    this.colour();
  }

  fill() {
    this.choice.append(make("option", {value: ALL}, "all rules together"), make("option", {value: NONE}, "none"));
    const speaking = make("optgroup", {label: "one rule"}), silent = make("optgroup", {label: "without a mark on these pieces"});
    page.rules.forEach(({name}, rule) => (this.largest[rule] ? speaking : silent).append(make("option", {value: rule}, name)));
    this.choice.append(...[speaking, silent].filter((group) => group.children.length));
  }

  // A rule's value at an event, or that of all together.
  value(event, rule) {
    if (rule === NONE) return 0;
    if (rule !== ALL) return event.marks.get(+rule) ?? 0;
    let sum = 0;
    for (const value of event.marks.values()) sum += value;
    return sum;
  }

  colour() {
    const rule = this.choice.value;
    const events = this.players.flatMap((player) => player.piece.all.map((event) => [player, event, this.value(event, rule)]));
    const largest = Math.max(...events.map(([, , value]) => Math.abs(value)), 1e-9);
    document.body.classList.toggle("marking", rule !== NONE);
    let good = 0, bad = 0;
    for (const [player, event, value] of events) {
      const heard = Math.abs(value) > 1e-6 * largest;
      good += heard && value > 0, bad += heard && value < 0;
      for (const element of player.elements.get(event) ?? []) {
        element.classList.toggle("marked", heard);
        element.classList.toggle("good-mark", heard && value > 0);
        element.classList.toggle("bad-mark", heard && value < 0);
        if (heard) element.style.setProperty("--strength", `${Math.round(60 + 40 * Math.sqrt(Math.abs(value) / largest))}%`);
        else element.style.removeProperty("--strength");
      }
    }
    for (const {card, piece} of this.players) {
      for (const [own, value] of piece.whole) {
        const meant = rule === ALL || +rule === own;
        card.querySelector(`.whole [data-rule="${own}"]`).classList.toggle("quiet", !meant);
        good += meant && value > 0, bad += meant && value < 0;
      }
    }
    const about = rule === ALL ? "The sum of all rules at each note and, below, each bar, the deeper the more." : page.rules[rule]?.about;
    const counts = rule === NONE ? "" : `Gives in ${good} places of these pieces, takes in ${bad}.`;
    document.getElementById("about").textContent = [about, counts].filter(Boolean).join(" ");
  }

  listen(player) {
    const music = player.card.querySelector(".music");
    const at = (event) => {
      if (event.target.dataset?.strip) return player.piece.strips[event.target.dataset.strip];
      if (event.target.dataset?.at && player.roll.contains(event.target)) {
        const [voice, step] = event.target.dataset.at.slice(1).split("s").map(Number);
        return player.piece.eventAt[voice][step];
      }
      return player.staves.contains(event.target) ? player.nearest(event.clientX, event.clientY) : null;
    };
    music.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "mouse") return;
      const found = at(event);
      found ? this.show(player, found, event.clientX, event.clientY) : this.hide();
    });
    music.addEventListener("pointerleave", () => this.hide());
    music.addEventListener("click", (event) => {
      const found = at(event);
      if (!found) return this.hide();
      // A finger points first and plays with the second touch.
      const again = this.chosen?.event === found;
      this.choose(player, found);
      if (event.pointerType === "touch" && !again) return this.show(player, found, event.clientX, event.clientY);
      player.play(found.start);
    });
    music.addEventListener("keydown", (event) => this.key(player, event));
    music.addEventListener("blur", () => this.hide());
  }

  key(player, event) {
    const {all} = player.piece;
    const index = this.chosen?.player === player ? all.indexOf(this.chosen.event) : -1;
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const next = all[Math.max(0, Math.min(all.length - 1, index + (event.key === "ArrowRight" ? 1 : -1)))];
      this.choose(player, next);
      const box = player.elements.get(next)?.[0].getBoundingClientRect();
      if (box) this.show(player, next, box.left, box.bottom);
      document.getElementById("said").textContent = this.tip.textContent;
    } else if (event.key === "Enter") player.play(index < 0 ? 0 : all[index].start);
    else if (event.key === " ") player.playing ? player.pause() : player.play();
    else if (event.key === "Escape") this.hide(), player.stop();
    else return;
    event.preventDefault();
  }

  choose(player, event) {
    const mark = (on) => this.chosen?.player.elements.get(this.chosen.event)?.forEach((element) => element.classList.toggle("chosen", on));
    mark(false);
    this.chosen = {player, event};
    mark(true);
  }

  show(player, event, x, y) {
    const found = [...event.marks].filter(([, value]) => value).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const rows = found.map(([rule, value]) => {
      const {name, about} = page.rules[rule];
      const tone = value > 0 ? "good-mark" : "bad-mark";
      return make("li", {}, make("span", {className: `value ${tone}`}, signed(value)), make("span", {}, name + player.piece.parties(event, rule), make("span", {className: "what"}, about)));
    });
    const silent = page.rules.length ? [make("p", {className: "what"}, "No rule says anything here.")] : [];
    this.tip.replaceChildren(make("p", {}, player.piece.describe(event)), ...(rows.length ? [make("ul", {}, ...rows)] : silent));
    this.tip.hidden = false;
    const {width, height} = this.tip.getBoundingClientRect();
    const below = y + 18 + height < innerHeight;
    this.tip.style.left = `${scrollX + Math.max(8, Math.min(x + 12, document.documentElement.clientWidth - width - 8))}px`;
    this.tip.style.top = `${scrollY + (below ? y + 18 : Math.max(8, y - height - 14))}px`;
  }

  hide() {
    this.tip.hidden = true;
  }
}
