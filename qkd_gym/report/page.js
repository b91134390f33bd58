"use strict";

// --- The page

const last = content.times_min.length - 1;
const slider = byId("step");
let [pinned, pointed, timer] = [-1, -1, 0];

for (const id of ["title", "about", "results"]) byId(id).textContent = content[id];
slider.max = last;
const episodes = content.episodes.map((facts) => new Episode(facts));
byId("episodes").append(...episodes.map((episode) => episode.figure));
for (let link = 0; link < links; link += 1) byId("link").append(element("option", { value: link }, linkName(link)));
legend();
table(content.table);

const shares = chart(
  content.episodes.map((facts) => ({ name: facts.name, x: content.times_min, y: facts.delivered })),
  {}, "Delivered share over time", (x) => `${x} min`,
);
const cursor = shape("line", { y1: shares.top, y2: shares.bottom, class: "cursor" });
shares.svg.append(cursor);
byId("shares").append(shares.svg);
if (content.curve) {
  const { steps, values, label, quantity: words, references } = content.curve;
  const plotted = chart([{ name: label, x: steps, y: values }], references, words, (x) => quantity(x, "").trim());
  byId("curve").append(element("p", {}, `${words}, against environment steps`), plotted.svg);
} else {
  byId("learning").hidden = true;
}

function show(step) {
  step = Math.min(Math.max(Math.round(step) || 0, 0), last);
  slider.value = step;
  const minutes = `${Math.round(content.times_min[step])} of ${Math.round(content.times_min[last])} min`;
  byId("time").textContent = minutes;
  slider.setAttribute("aria-valuetext", minutes);
  for (const episode of episodes) episode.draw(step, pointed);
  const x = shares.toX(content.times_min[step]);
  cursor.setAttribute("x1", x);
  cursor.setAttribute("x2", x);
}

function choose(link, stays) {
  pointed = link;
  if (stays) {
    pinned = link;
    byId("link").value = link;
  }
  show(Number(slider.value));
}

function play(on) {
  clearInterval(timer);
  timer = 0;
  byId("play").textContent = on ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", String(on));
  if (!on) return;
  if (Number(slider.value) === last) show(0);
  timer = setInterval(() => {
    if (Number(slider.value) === last) play(false);
    else show(Number(slider.value) + 1);
  }, 100);
}

function recolour() {
  readColours();
  const names = { pool: ["empty pool", "full pool"], qber: ["QBER at its limit", "no errors"] };
  [byId("low").textContent, byId("high").textContent] = names[byId("colour").value];
  show(Number(slider.value));
}

// The address says what is shown, so that a moment can be pointed at: #step=50&link=3&colour=qber

function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const link = Number(asked.get("link") ?? -1);
  pinned = Number.isInteger(link) && link >= 0 && link < links ? link : -1;
  pointed = pinned;
  byId("link").value = pinned;
  byId("colour").value = asked.get("colour") === "qber" ? "qber" : "pool";
  slider.value = Number(asked.get("step")) || 0;
  recolour();
}

function toAddress() {
  const link = pinned < 0 ? "" : `&link=${pinned}`;
  history.replaceState(null, "", `#step=${slider.value}${link}&colour=${byId("colour").value}`);
}

slider.addEventListener("input", () => {
  play(false);
  show(Number(slider.value));
});
byId("play").addEventListener("click", () => play(!timer));
byId("colour").addEventListener("change", recolour);
byId("link").addEventListener("change", (event) => choose(Number(event.target.value), true));
for (const id of ["step", "colour", "link"]) byId(id).addEventListener("change", toAddress);
addEventListener("hashchange", fromAddress);
dark.addEventListener("change", recolour);
fromAddress();
