"use strict";

// --- Charts

function ticks(low, high, most = 5) {
  const power = 10 ** Math.floor(Math.log10((high - low) / most || 1));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => (high - low) / each <= most);
  const found = [];
  for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step) found.push(tick);
  return found;
}

function chart(curves, references, name, xWords) {
  const [width, height, left, right, top, bottom] = [900, 240, 56, 250, 12, 34];
  const all = curves.flatMap((curve) => curve.y).concat(Object.values(references)).filter((y) => y !== null);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const room = 0.06 * (high - low) || 0.01;
  const last = Math.max(...curves.flatMap((curve) => curve.x)) || 1;
  const toX = (x) => left + (x / last) * (width - left - right);
  const toY = (y) => height - bottom - ((y - low + room) / (high - low + 2 * room)) * (height - top - bottom);
  const svg = shape("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": name });
  for (const y of ticks(low - room, high + room)) {
    svg.append(shape("line", { x1: left, x2: width - right, y1: toY(y), y2: toY(y), class: "axis" }));
    svg.append(shape("text", { x: left - 8, y: toY(y) + 4, "text-anchor": "end" }, percent(y, high - low < 0.05 ? 1 : 0)));
  }
  for (const x of ticks(0, last)) {
    svg.append(shape("text", { x: toX(x), y: height - 14, "text-anchor": "middle" }, xWords(x)));
  }
  const ends = [];
  for (const [words, y] of Object.entries(references)) {
    svg.append(shape("line", { x1: left, x2: width - right, y1: toY(y), y2: toY(y), class: "reference" }));
    ends.push({ words, y: toY(y), kind: "" });
  }
  curves.forEach((curve, number) => {
    const points = curve.x.map((x, i) => [x, curve.y[i]]).filter(([, y]) => y !== null);
    const drawn = points.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`).join(" ");
    svg.append(shape("polyline", { points: drawn, class: `line-${number}` }));
    if (points.length) ends.push({ words: curve.name, y: toY(points.at(-1)[1]), kind: `line-${number}` });
  });
  // The names of lines that end near each other move apart.
  ends.sort((a, b) => a.y - b.y);
  ends.forEach((end, i) => { end.y = Math.max(end.y, i ? ends[i - 1].y + 15 : top); });
  ends.reverse().forEach((end, i) => { end.y = Math.min(end.y, i ? ends[i - 1].y - 15 : height - bottom); });
  ends.forEach((end) => {
    const short = end.words.length > 30 ? `${end.words.slice(0, 29)}…` : end.words;
    svg.append(shape("text", { x: width - right + 8, y: end.y + 4, class: end.kind }, short));
  });
  return { svg, toX, top, bottom: height - bottom };
}

function table(facts) {
  const head = element("tr");
  for (const words of facts.header) head.append(element("th", { scope: "col" }, words));
  const body = element("tbody");
  for (const row of facts.rows) {
    const line = element("tr", row[0] === content.episodes[0].name ? { class: "agent" } : {});
    for (const words of row) line.append(element("td", {}, words));
    body.append(line);
  }
  const thead = element("thead");
  thead.append(head);
  byId("table").append(thead, body);
}

function legend() {
  const sign = (words, ...shapes) => {
    const svg = shape("svg", { viewBox: "0 0 34 14", "aria-hidden": "true" });
    svg.append(...shapes);
    const both = element("span");
    both.append(svg, element("span", {}, words));
    byId("legend").append(both);
  };
  const line = (stroke, width, more = {}) => shape("line", { x1: 0, x2: 34, y1: 7, y2: 7, stroke, "stroke-width": width, ...more });
  const scale = element("span");
  scale.append(element("span", { id: "low" }), element("span", { class: "ramp" }), element("span", { id: "high" }));
  byId("legend").append(scale);
  sign("calibrating", line("var(--calibrating)", 3.5, { "stroke-dasharray": "8 5" }));
  sign("no key", line("var(--failed)", 3), shape("path", { d: "M12 2l10 10M12 12l10 -10", stroke: "var(--failed)", "stroke-width": 2.5 }));
  sign("inactive, with stored key", line("var(--faint)", 1.3), shape("circle", { cx: 17, cy: 7, r: 3.2, fill: "var(--ramp-3)" }));
  sign("modules in use", shape("circle", { cx: 17, cy: 7, r: 5.5, class: "site" }), shape("path", { d: "M17 7V1.5A5.5 5.5 0 0 1 17 12.5Z", class: "used" }));
  if (network.free_space.some(Boolean)) sign("free space", line("var(--ramp-3)", 5), line("var(--paper)", 1.5));
  if (content.episodes[0].alarm_s) {
    const ends = { x1: 0, x2: 34, y1: 7, y2: 7 };
    sign("alarm", line("var(--faint)", 1.3), rails(ends));
    sign("planned window", line("var(--faint)", 1.3), ties(ends));
  }
  if (content.episodes[0].requests.length) sign("path of the last request", line("var(--path)", 10));
}
