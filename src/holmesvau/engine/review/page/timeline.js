// Curve and events over one axis of time. Events of one's own are dragged here, by whole frames.

import { byId, clamp, clock, el, layerName, redraw, span, svg } from "/page/dom.js";
import { edge, film, nearestEdge } from "/page/film.js";

const chart = byId("chart"), lanes = byId("lanes"), head = byId("head"), strip = byId("strip"), readout = byId("readout");
const RIGHT = 10, TOP = 10, BOTTOM = 22, SHORTEST = 0.4;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const view = { from: 0, to: 1 };
let shown = null, act = {}, drag = null, mark = null, nudged = null;

// `act` has seek, select, alter(event, from edge, to edge), add(from edge, to edge).
export const connect = (actions) => { act = actions; };
const duration = () => Math.max(film.duration || shown?.duration || 0, 0.04);
const left = () => parseFloat(getComputedStyle(chart).getPropertyValue("--left")) || 84;
const inner = () => Math.max(60, chart.clientWidth - left() - RIGHT);
const xOf = (t) => left() + ((t - view.from) / (view.to - view.from)) * inner();
const timeAt = (clientX) => {
  const x = clientX - chart.getBoundingClientRect().left - left();
  return clamp(view.from + (x / inner()) * (view.to - view.from), 0, duration());
};

// `state`: curve, duration, lanes [{name, own, editable, counts, events}], selected, who.
export function draw(state, { whole = false } = {}) {
  shown = state;
  if (whole) nudged = drag = null;
  if (whole || view.to > duration() + 1e-6) Object.assign(view, { from: 0, to: duration() });
  drawAll();
}

export function setMark(index) {
  mark = index;
  drawAll();
}

function drawAll() {
  if (!shown) return;
  drawCurve();
  drawLanes();
  drawStrip();
  moveHead();
  const whole = view.to - view.from >= duration() - 1e-6;
  byId("zoom-all").disabled = byId("zoom-out").disabled = whole;
  byId("zoom-in").disabled = view.to - view.from <= SHORTEST + 1e-6;
}

// ---- the curve ----

function drawCurve() {
  const width = Math.max(chart.clientWidth, 120), height = chart.clientHeight, base = height - BOTTOM, high = base - TOP;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const clip = svg("clipPath", { id: "plot" }, picture);
  svg("rect", { x: left(), y: 0, width: inner(), height }, clip);
  for (const s of shown.curve ? [0, 0.5, 1] : [0]) {
    const y = base - s * high;
    svg("line", { class: "grid", x1: left(), x2: width - RIGHT, y1: y, y2: y }, picture);
    if (shown.curve) svg("text", { x: left() - 6, y: y + 4, "text-anchor": "end" }, picture).textContent = s === 0.5 ? ".5" : s;
  }
  const step = STEPS.find((candidate) => (view.to - view.from) / candidate <= Math.max(2, inner() / 76)) || 86400;
  for (let k = Math.ceil(view.from / step - 1e-6); k * step <= view.to + 1e-6; k++) {
    const x = xOf(k * step), anchor = x > width - RIGHT - 20 ? "end" : "middle";
    svg("line", { class: "grid", x1: x, x2: x, y1: base, y2: base + 5 }, picture);
    svg("text", { x, y: height - 5, "text-anchor": anchor }, picture).textContent = clock(k * step, step < 1 ? 1 : 0);
  }
  const plot = svg("g", { "clip-path": "url(#plot)" }, picture);
  for (const event of shown.counts) {
    svg("rect", { class: "band", x: xOf(event.start), y: TOP, width: Math.max(1, xOf(event.end) - xOf(event.start)), height: high }, plot);
  }
  if (shown.curve) {
    for (const { line, area } of outline(view.from, view.to, xOf, base, high)) {
      svg("path", { class: "area", d: area }, plot);
      svg("path", { class: "line", d: line }, plot);
    }
  } else {
    svg("text", { x: left() + 8, y: base - 10 }, picture).textContent = "No curve: this video was not scored.";
  }
  chart.replaceChildren(picture);
}

// Lowest and highest score of each half pixel: no peak is lost at any zoom.
function outline(from, to, x, base, high) {
  const { seconds, scores, gap } = shown.curve, y = (s) => (base - clamp(s, 0, 1) * high).toFixed(1);
  const runs = [];
  let run = null, column = -1, low = 0, top = 0, first = 0, last = 0, before = null;
  const flush = () => {
    if (run && column >= 0) for (const s of new Set([first, low, top, last])) run.push([column, y(s)]);
  };
  const start = Math.max(0, after(seconds, from) - 1), end = Math.min(seconds.length, after(seconds, to) + 1);
  for (let i = start; i < end; i++) {
    const here = Math.round(x(seconds[i]) * 2) / 2, s = scores[i];
    if (before === null || seconds[i] - before > gap) {
      flush();
      runs.push((run = []));
      column = -1;
    }
    if (here === column) {
      low = Math.min(low, s); top = Math.max(top, s); last = s;
    } else {
      flush();
      column = here; low = top = first = last = s;
    }
    before = seconds[i];
  }
  flush();
  return runs.filter((points) => points.length).map((points) => {
    const path = points.map(([px, py]) => `${px} ${py}`).join("L");
    return { line: `M${path}`, area: `M${points[0][0]} ${base}L${path}L${points[points.length - 1][0]} ${base}Z` };
  });
}

function after(seconds, t) {
  let low = 0, high = seconds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds[middle] <= t) low = middle + 1; else high = middle;
  }
  return low;
}

function scoreAt(t) {
  const place = shown.curve ? after(shown.curve.seconds, t + 5e-4) - 1 : -1;
  return place < 0 ? null : shown.curve.scores[place];
}

// ---- events ----

function drawLanes() {
  if (drag) return;
  redraw(lanes, shown.lanes.map((lane) => {
    const row = el("div", { class: `lane${lane.editable ? " own" : ""}${lane.counts ? " counts" : ""}`, role: "group",
      "aria-label": `Events: ${layerName(lane.name, shown.who)}` },
    el("span", { class: "lane-name", title: lane.counts ? "These events count" : null }, lane.title));
    const bed = el("div", { class: "bed" });
    if (lane.editable) bed.addEventListener("pointerdown", (event) => { if (event.target === bed && event.button === 0) begin(event, bed); });
    lane.events.forEach((event, number) => bed.append(...spanOf(event, number, lane)));
    if (mark !== null && lane.editable) {
      const flag = el("div", { class: "flag", title: "The start that is marked" });
      flag.style.left = `${xOf(edge(mark)) - left()}px`;
      bed.append(flag);
    }
    row.append(bed);
    return row;
  }));
}

function spanOf(event, number, lane) {
  const held = nudged && nudged.event.id === event.id && lane.editable ? nudged : null;
  const start = held ? edge(held.from) : event.start, end = held ? edge(held.to) : event.end;
  if (end < view.from || start > view.to) return [];
  const selected = event.id === shown.selected && lane === laneOf(event.id);
  const name = event.label || (event.normal ? "normal stretch" : "no class yet");
  const kind = `span${selected ? " selected" : ""}${event.normal ? " normal" : ""}${event.label || event.normal ? "" : " open"}${lane.machine ? " machine" : ""}`;
  const part = el("div", { class: kind, tabindex: "0", role: "button", key: `${lane.name}/${event.id}`, "aria-pressed": String(selected),
    "data-event": event.id, "aria-label": `Event ${number + 1}, ${name}, ${span(start, end, 2)}`, title: `${name} ${span(start, end, 2)}`,
    keydown: (press) => { if (press.key === "Enter" || press.key === " ") { press.preventDefault(); press.stopPropagation(); act.select(event, lane, true); } } },
  el("span", { class: "span-name" }, event.label || (event.normal ? "normal" : "?")));
  place(part, start, end);
  part.addEventListener("pointerdown", (press) => {
    if (press.button !== 0) return;
    press.stopPropagation();
    if (lane.editable) grab(press, part, event, lane, press.target.dataset.side || "both");
    else { act.select(event, lane, false); act.seek(timeAt(press.clientX)); }
  });
  if (lane.editable) part.append(handle(part, event, lane, "start"), handle(part, event, lane, "end"));
  return [part];
}

// The same event may lie in several lanes: one's own goes before the one that counts, and that before others.
function laneOf(id) {
  const holding = shown.lanes.filter((lane) => lane.events.some((event) => event.id === id));
  return holding.find((lane) => lane.editable) || holding.find((lane) => lane.counts) || holding[0];
}

function place(part, start, end) {
  const x0 = Math.max(xOf(start), left() - 4), x1 = Math.min(xOf(end), left() + inner() + 4);
  part.style.left = `${x0 - left()}px`;
  part.style.width = `${Math.max(6, x1 - x0)}px`;
}

// The edges: dragged by a pointer, moved frame by frame with the arrow keys.
function handle(part, event, lane, side) {
  const k = nearestEdge(event[side]);
  return el("span", { class: `handle ${side}`, role: "slider", tabindex: event.id === shown.selected ? "0" : "-1", "data-side": side,
    key: `${lane.name}/${event.id}/${side}`, "aria-label": side === "start" ? "Start of the event" : "End of the event", "aria-valuemin": "0",
    "aria-valuemax": String(film.count), "aria-valuenow": String(k), "aria-valuetext": `${clock(event[side], 2)}, frame ${k}`,
    keydown: (press) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[press.key];
      if (by === undefined || press.ctrlKey || press.altKey || press.metaKey) return;
      press.preventDefault();
      press.stopPropagation();
      nudge(event, side, by * (press.shiftKey ? 10 : 1));
    } });
}

const edgesOf = (event) => ({ from: nearestEdge(event.start), to: nearestEdge(event.end) });

// Steps of the keyboard come together as one change, when the hand rests.
function nudge(event, side, by) {
  if (!nudged || nudged.event.id !== event.id) nudged = { event, ...edgesOf(event), timer: 0 };
  if (side === "start") nudged.from = clamp(nudged.from + by, 0, nudged.to - 1);
  else nudged.to = clamp(nudged.to + by, nudged.from + 1, film.count);
  act.show(side === "start" ? nudged.from : nudged.to - 1);
  clearTimeout(nudged.timer);
  nudged.timer = setTimeout(settle, 500);
  drawLanes();
}

export function settle() {
  if (!nudged) return;
  const { event, from, to, timer } = nudged;
  clearTimeout(timer);
  act.alter(event, from, to).finally(() => { nudged = null; drawAll(); });
}

function grab(press, part, event, lane, side) {
  press.preventDefault();
  act.select(event, lane, false);
  const at = timeAt(press.clientX), began = press.clientX, old = edgesOf(event), now = { ...old };
  const held = lanes.querySelector(`.own [data-event="${CSS.escape(event.id)}"]`) || part;
  drag = { moved: false };
  follow(press, (move) => {
    if (!drag.moved && Math.abs(move.clientX - began) < 3) return;
    drag.moved = true;
    const t = timeAt(move.clientX);
    if (side === "start") now.from = clamp(nearestEdge(t), 0, now.to - 1);
    else if (side === "end") now.to = clamp(nearestEdge(t), now.from + 1, film.count);
    else {
      const long = old.to - old.from;
      now.from = clamp(nearestEdge(event.start + t - at), 0, film.count - long);
      now.to = now.from + long;
    }
    place(held, edge(now.from), edge(now.to));
    readout.textContent = `${span(edge(now.from), edge(now.to), 2)} · frames ${now.from}–${now.to - 1}`;
    act.show(side === "end" ? now.to - 1 : now.from);
  }, () => {
    const { moved } = drag;
    drag = null;
    if (!moved) {
      act.seek(timeAt(began));
      drawLanes();
    } else if (now.from !== old.from || now.to !== old.to) {
      nudged = { event, ...now, timer: 0 };
      settle();
    } else drawLanes();
  });
}

// A new event, drawn on one's own lane.
function begin(press, bed) {
  press.preventDefault();
  const began = press.clientX, first = nearestEdge(timeAt(began));
  const fresh = el("div", { class: "span fresh" });
  let from = first, to = first;
  drag = { moved: false };
  follow(press, (move) => {
    if (!drag.moved && Math.abs(move.clientX - began) < 4) return;
    if (!drag.moved) bed.append(fresh);
    drag.moved = true;
    const k = nearestEdge(timeAt(move.clientX));
    [from, to] = k < first ? [k, first] : [first, k];
    place(fresh, edge(from), edge(to));
    readout.textContent = `${span(edge(from), edge(to), 2)} · new event`;
    act.show(k > first ? k - 1 : k);
  }, () => {
    const { moved } = drag;
    drag = null;
    fresh.remove();
    if (moved && to > from) act.add(from, to);
    else if (!moved) act.seek(timeAt(began));
    drawLanes();
  });
}

function follow(press, move, end) {
  const stop = (event) => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", stop);
    removeEventListener("pointercancel", stop);
    end(event);
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", stop);
  addEventListener("pointercancel", stop);
}

// ---- the place in the film ----

export function moveHead() {
  if (!shown) return;
  const t = film.seconds;
  if (film.playing && (t > view.to || t < view.from)) look(t, t + view.to - view.from);
  const x = xOf(t), inView = t >= view.from - 1e-6 && t <= view.to + 1e-6;
  head.style.left = `${x}px`;
  head.hidden = !inView;
  chart.setAttribute("aria-valuemax", duration().toFixed(2));
  chart.setAttribute("aria-valuenow", t.toFixed(2));
  chart.setAttribute("aria-valuetext", describe(t));
  if (!drag && !hovering) readout.textContent = describe(t);
}

function describe(t) {
  const score = scoreAt(t), inside = shown.counts.find((event) => t >= event.start && t < event.end);
  return [clock(t, 2), score === null ? "" : `score ${score.toFixed(2)}`, inside ? inside.label || "event" : ""].filter(Boolean).join(" · ");
}

export function reveal(t) {
  if (t >= view.from && t <= view.to) return;
  const half = (view.to - view.from) / 2;
  look(t - half, t + half);
}

function look(from, to) {
  const width = clamp(to - from, Math.min(SHORTEST, duration()), duration());
  view.from = clamp(from, 0, duration() - width);
  view.to = view.from + width;
  drawAll();
}

export function zoom(factor, around = film.seconds) {
  const pin = clamp(around, view.from, view.to);
  look(pin - (pin - view.from) * factor, pin + (view.to - pin) * factor);
}
export const zoomAll = () => look(0, duration());

function drawStrip() {
  strip.hidden = view.to - view.from >= duration() - 1e-6;
  if (strip.hidden) return;
  const width = strip.clientWidth, height = strip.clientHeight, x = (t) => left() + (t / duration()) * (width - left() - RIGHT);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}` });
  for (const event of shown.counts) svg("rect", { class: "edge", x: x(event.start), y: 0, width: Math.max(1.5, x(event.end) - x(event.start)), height: 3 }, picture);
  if (shown.curve) for (const { line } of outline(0, duration(), x, height - 2, height - 4)) svg("path", { class: "line", d: line }, picture);
  svg("rect", { class: "window", x: x(view.from), y: 0.5, width: Math.max(4, x(view.to) - x(view.from)), height: height - 1 }, picture);
  strip.replaceChildren(picture);
}

// ---- pointing ----

let hovering = false;
chart.addEventListener("pointerdown", (press) => {
  if (press.button !== 0 || !shown) return;
  act.seek(timeAt(press.clientX));
  follow(press, (move) => act.seek(timeAt(move.clientX)), () => {});
});
chart.addEventListener("pointermove", (move) => {
  if (!shown) return;
  hovering = true;
  readout.textContent = describe(timeAt(move.clientX));
});
chart.addEventListener("pointerleave", () => { hovering = false; moveHead(); });
chart.addEventListener("dblclick", zoomAll);
byId("zoom-in").addEventListener("click", () => zoom(0.5));
byId("zoom-out").addEventListener("click", () => zoom(2));
byId("zoom-all").addEventListener("click", zoomAll);
for (const part of [chart, lanes]) {
  part.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.ctrlKey || event.metaKey || (event.shiftKey && !sideways)) {
      event.preventDefault();
      zoom(Math.exp(clamp(event.deltaY || event.deltaX, -100, 100) * 0.004), timeAt(event.clientX));
    } else if (sideways) {
      event.preventDefault();
      const by = (event.deltaX / inner()) * (view.to - view.from);
      look(view.from + by, view.to + by);
    }
  }, { passive: false });
}
const pan = (event) => {
  const x = event.clientX - strip.getBoundingClientRect().left - left();
  const middle = (x / (strip.clientWidth - left() - RIGHT)) * duration(), half = (view.to - view.from) / 2;
  look(middle - half, middle + half);
};
strip.addEventListener("pointerdown", (press) => { pan(press); follow(press, pan, () => {}); });
new ResizeObserver(() => drawAll()).observe(chart);

export const edges = edgesOf;
