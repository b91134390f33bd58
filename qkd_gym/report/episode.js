"use strict";

// What there is to show; every name goes into the page as text, never as markup.
const content = JSON.parse(document.getElementById("content").textContent);
const network = content.network;
const [ACTIVE, CALIBRATING, FAILED] = [1, 2, 3];
const NONE = 65535;
const links = network.links.length;
const byId = (id) => document.getElementById(id);

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function shape(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// --- Numbers and words

function unpacked(field) {
  const bytes = Uint8Array.from(atob(field.data), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return (step, link) => {
    const whole = view.getUint16(2 * (step * links + link), true);
    return whole === NONE ? null : whole * field.step;
  };
}

function quantity(value, unit) {
  const prefixes = ["", "k", "M", "G", "T"];
  let size = 0;
  while (value >= 999.5 && size < prefixes.length - 1) {
    value /= 1000;
    size += 1;
  }
  return `${Number(value.toPrecision(3))} ${prefixes[size]}${unit}`;
}

const inMinutes = (time_s) => `${Math.round(time_s / 60)} min`;
const percent = (share, digits = 1) => (share === null ? "–" : `${(100 * share).toFixed(digits)} %`);
const linkName = (link) => network.links[link].map((site) => network.sites[site]).join(" – ");

// --- Colours, which follow the reader's choice of a light or a dark page

const dark = matchMedia("(prefers-color-scheme: dark)");
let ramp = [];

function readColours() {
  const style = getComputedStyle(document.documentElement);
  ramp = [0, 1, 2, 3, 4].map((number) => {
    const digits = style.getPropertyValue(`--ramp-${number}`).trim().slice(1);
    return [0, 2, 4].map((at) => parseInt(digits.slice(at, at + 2), 16));
  });
}

function shade(goodness) {
  const at = Math.min(Math.max(goodness, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  const mixed = ramp[low].map((value, i) => Math.round(value + (at - low) * (ramp[low + 1][i] - value)));
  return `rgb(${mixed.join(",")})`;
}

// --- What lies beside a line from [x1, y1] to [x2, y2]: rails where a link has an alarm, ties where a
// window is planned

function aside({ x1, y1, x2, y2 }, reach) {
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  return [(-(y2 - y1) / length) * reach, ((x2 - x1) / length) * reach];
}

function rails(ends) {
  const { x1, y1, x2, y2 } = ends;
  const [dx, dy] = aside(ends, 4.8);
  const one = (side) => `M${x1 + side * dx} ${y1 + side * dy}L${x2 + side * dx} ${y2 + side * dy}`;
  return shape("path", { d: one(1) + one(-1), class: "alarm" });
}

function ties(ends) {
  const { x1, y1, x2, y2 } = ends;
  const [dx, dy] = aside(ends, 6);
  const count = Math.max(1, Math.round(Math.hypot(x2 - x1, y2 - y1) / 9.6));
  const shares = Array.from({ length: count }, (_, i) => (i + 0.5) / count);
  const one = (share) => {
    const [x, y] = [x1 + share * (x2 - x1), y1 + share * (y2 - y1)];
    return `M${x - dx} ${y - dy}L${x + dx} ${y + dy}`;
  };
  return shape("path", { d: shares.map(one).join(""), class: "window" });
}

// --- An episode: its figure, and how it is drawn at a step

class Episode {
  constructor(facts) {
    this.facts = facts;
    for (const name of ["state", "pool", "qber", "rate"]) this[name] = unpacked(facts[name]);
    // Only scenarios with faults have these.
    for (const name of ["alarm_s", "window_in_s", "window_left_s"]) {
      this[name] = facts[name] ? unpacked(facts[name]) : () => null;
    }
    this.figure = element("figure");
    const caption = element("figcaption");
    this.share = element("span", { class: "share" });
    caption.append(element("span", { class: "name" }, facts.name), this.share, element("span", { class: "word" }, "delivered"));
    const bar = element("div", { class: "bar" });
    this.delivered = element("i", { class: "delivered" });
    this.blocked = element("i", { class: "blocked" });
    bar.append(this.delivered, this.blocked);
    this.counts = element("p", { class: "counts" });
    this.request = element("p", { class: "request" });
    this.request.hidden = !facts.requests.length;
    this.about = element("p", { class: "facts" });
    this.figure.append(caption, bar, this.counts, this.request, this.map(), this.about);
  }

  map() {
    const [width, height] = network.size;
    const label = `Network of ${network.sites.length} sites, ${this.facts.name}`;
    const svg = shape("svg", { class: "map", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
    this.under = shape("g");
    this.lines = shape("g");
    this.over = shape("g");
    const hits = shape("g");
    for (let link = 0; link < links; link += 1) {
      const hit = shape("line", { ...this.ends(link), class: "hit" });
      hit.addEventListener("pointerenter", () => choose(link, false));
      hit.addEventListener("pointerleave", () => choose(pinned, false));
      hit.addEventListener("click", () => choose(link === pinned ? -1 : link, true));
      hits.append(hit);
    }
    const names = shape("g");
    for (const label of [network.scale.label, ...network.labels]) {
      if (label) names.append(shape("text", { x: label.at[0], y: label.at[1] }, label.words));
    }
    names.firstChild.setAttribute("class", "scale");
    const [[x1, y1], [x2, y2]] = network.scale.line;
    names.append(shape("line", { x1, y1, x2, y2, class: "scale" }));
    svg.append(this.under, this.lines, this.over, names, hits);
    return svg;
  }

  ends(link) {
    const [[x1, y1], [x2, y2]] = network.links[link].map((site) => network.places[site]);
    return { x1, y1, x2, y2 };
  }

  middle(link) {
    const { x1, y1, x2, y2 } = this.ends(link);
    return { cx: (x1 + x2) / 2, cy: (y1 + y2) / 2 };
  }

  goodness(step, link) {
    if (byId("colour").value === "pool") return this.pool(step, link);
    return 1 - (this.qber(step, link) ?? network.qber_limit[link]) / network.qber_limit[link];
  }

  draw(step, chosen) {
    const under = [], lines = [], over = [];
    const states = [0, 0, 0, 0];
    const used = network.sites.map(() => 0);
    const request = this.facts.requests[step];
    if (request) {
      for (const link of request.slice(4)) under.push(shape("line", { ...this.ends(link), class: "path" }));
      for (const site of request.slice(0, 2)) under.push(this.disc(site, network.radius + 5, "asked"));
    }
    if (chosen >= 0) under.push(shape("line", { ...this.ends(chosen), class: "chosen" }));
    for (let link = 0; link < links; link += 1) {
      const state = Math.round(this.state(step, link));
      states[state] += 1;
      if (state) for (const site of network.links[link]) used[site] += 1;
      if (this.alarm_s(step, link) !== null) under.push(rails(this.ends(link)));
      if (this.window_in_s(step, link) !== null) under.push(ties(this.ends(link)));
      const colour = shade(this.goodness(step, link));
      if (state) lines.push(...this.active(link, state, colour));
      else under.push(...this.inactive(link, this.pool(step, link) ? colour : ""));
    }
    used.forEach((count, site) => over.push(...this.site(site, count / network.modules)));
    this.under.replaceChildren(...under);
    this.lines.replaceChildren(...lines);
    this.over.replaceChildren(...over);
    this.write(step, states, request, chosen);
  }

  active(link, state, colour) {
    const ends = { ...this.ends(link), class: "link" };
    if (state === CALIBRATING) {
      return [shape("line", { ...ends, stroke: "var(--calibrating)", "stroke-width": 3.5, "stroke-dasharray": "8 5" })];
    }
    if (state === FAILED) {
      const { cx, cy } = this.middle(link);
      const cross = `M${cx - 6} ${cy - 6}l12 12M${cx - 6} ${cy + 6}l12 -12`;
      return [
        shape("line", { ...ends, stroke: "var(--failed)", "stroke-width": 3 }),
        shape("path", { d: cross, stroke: "var(--failed)", "stroke-width": 3, class: "link" }),
      ];
    }
    const drawn = [shape("line", { ...ends, stroke: colour, "stroke-width": 5 })];
    if (network.free_space[link]) drawn.push(shape("line", { ...ends, stroke: "var(--paper)", "stroke-width": 1.5 }));
    return drawn;
  }

  inactive(link, stored) {
    const drawn = [shape("line", { ...this.ends(link), class: "link", stroke: "var(--faint)", "stroke-width": 1.3 })];
    if (stored) drawn.push(shape("circle", { ...this.middle(link), r: 3.2, fill: stored, class: "link" }));
    return drawn;
  }

  disc(site, r, kind) {
    const [cx, cy] = network.places[site];
    return shape("circle", { cx, cy, r, class: kind });
  }

  site(site, share) {
    const [x, y] = network.places[site];
    const r = network.radius;
    const drawn = [this.disc(site, r, "site")];
    if (share >= 1) drawn.push(this.disc(site, r, "used"));
    else if (share > 0) {
      const angle = 2 * Math.PI * share;
      const end = `${x + r * Math.sin(angle)} ${y - r * Math.cos(angle)}`;
      const arc = `M${x} ${y}V${y - r}A${r} ${r} 0 ${share > 0.5 ? 1 : 0} 1 ${end}Z`;
      drawn.push(shape("path", { d: arc, class: "used" }));
    }
    return drawn;
  }

  write(step, states, request, chosen) {
    const [delivered, blocked] = [this.facts.delivered[step], this.facts.blocked[step]];
    this.share.textContent = percent(delivered);
    this.delivered.style.width = `${100 * (delivered ?? 0)}%`;
    this.blocked.style.width = `${100 * (blocked ?? 0)}%`;
    const order = [ACTIVE, CALIBRATING, FAILED, 0];
    const counts = order.map((state) => `${states[state]} ${network.states[state]}`).join(", ");
    this.counts.textContent = `${percent(blocked)} blocked; links: ${counts}${this.faultCounts(step)}`;
    if (request) {
      const names = request.slice(0, 2).map((site) => network.sites[site]).join(" – ");
      const hops = request.length - 4;
      const way = hops ? `over ${hops} hop${hops === 1 ? "" : "s"}` : "refused";
      this.request.textContent = `Last request: ${names}, ${quantity(request[2], "bit")} ${way}: ${request[3]}`;
    } else {
      this.request.textContent = "No request yet";
    }
    this.about.textContent = chosen < 0 ? "Point at a link for its pool, QBER and rate." : this.linkFacts(step, chosen);
  }

  faultCounts(step) {
    if (!this.facts.alarm_s) return "";
    const known = (field) => network.links.filter((_, link) => field(step, link) !== null).length;
    return `; ${known(this.alarm_s)} with an alarm, ${known(this.window_in_s)} with a planned window`;
  }

  faultFacts(step, link) {
    const [alarm, begins, ends] = [this.alarm_s, this.window_in_s, this.window_left_s].map((field) => field(step, link));
    const known = [];
    if (alarm !== null) known.push(`alarm for ${inMinutes(alarm)}`);
    if (begins) known.push(`planned window in ${inMinutes(begins)}`);
    else if (begins === 0) known.push(`planned window, ${inMinutes(ends)} left`);
    return known.length ? ` Faults: ${known.join(", ")}.` : "";
  }

  linkFacts(step, link) {
    const fill = this.pool(step, link);
    const rate = this.rate(step, link);
    const medium = network.free_space[link] ? "free space" : "fibre";
    return (
      `${linkName(link)}, ${network.length_km[link]} km of ${medium}, ${network.states[Math.round(this.state(step, link))]}. ` +
      `Pool ${quantity(fill * network.pool_bits, "bit")} (${percent(fill, 0)}), ` +
      `QBER ${percent(this.qber(step, link), 2)}, rate ${rate === null ? "–" : quantity(rate, "bit/s")} as last measured.${this.faultFacts(step, link)}`
    );
  }
}
