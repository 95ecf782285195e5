// The page: what is in hand, what the keys and buttons do, and keeping in step with the ledger.

import { byId, clock, el, layerName, redraw } from "/page/dom.js";
import * as film from "/page/film.js";
import * as server from "/page/server.js";
import * as sides from "/page/sides.js";
import * as timeline from "/page/timeline.js";
import * as words from "/page/words.js";
import { help, listen } from "/page/keys.js";
import { askName, firstName, onName, who } from "/page/who.js";

const EVERY = 1500;
let project = null, video = null, selected = null, entry = null, held = null, mark = null, label = "", whole = null, opening = 0;

onName(() => {
  mark = null;
  timeline.setMark(null);
  if (video && selected && !video.counts.some((event) => event.id === selected)) selected = null;
  draw();
});

// ---- changes ----

// Ask for a change; `make` is called when its turn comes, so that it speaks of what is shown then.
async function change(make, { quiet = false } = {}) {
  if (!who()) {
    server.tell("Say who you are first: your name is kept with everything you change.");
    askName();
    return null;
  }
  try {
    const told = await server.change(() => ({ who: who(), ...make() }));
    if (!quiet) server.tell(told.warning);
    if (video && told.video.name === video.name) take(told.video);
    refreshProject();
    return told;
  } catch (error) {
    if (error.message) server.tell(error.message);
    if (!(error instanceof server.Refused)) throw error;
    await refreshVideo();
    return null;
  }
}

// My lane: my own layer, else a machine's that counts, which becomes mine with the first change.
function mine() {
  const own = video.layers.find((layer) => layer.person && layer.name === who());
  if (own) return { layer: own, adopt: null };
  const counting = video.layers.find((layer) => layer.counts);
  if (counting && !counting.person) return { layer: counting, adopt: counting.name };
  return { layer: null, adopt: null };
}
const own = () => (video ? video.layers.find((layer) => layer.person && layer.name === who()) || null : null);
const eventInHand = () => mine().layer?.events.find((event) => event.id === selected) || null;
const anyEvent = (id) => eventInHand() || video.counts.find((event) => event.id === id) || video.layers.flatMap((layer) => layer.events).find((event) => event.id === id) || null;

const alter = (id, values) => change(() => {
  const { layer, adopt } = mine(), now = layer?.events.find((event) => event.id === id);
  return { do: "alter", video: video.name, event: id, adopt, seen: now ? now.version : "", ...values };
});

async function add(from, to) {
  const chosen = label;
  const told = await change(() => ({ do: "add", video: video.name, start: film.edge(from), end: film.edge(to), label: chosen, adopt: mine().adopt }));
  if (!told) return;
  selected = told.event;
  draw();
}

const act = {
  async openEntry(next) {
    entry = next.id;
    held = next.kind === "text" ? next.address : null;
    await openVideo(next.video, next);
  },
  openVideo: (name) => { entry = held = null; return openVideo(name); },
  confirm: () => decided(() => ({ do: "confirm", video: video.name, seen: video.counts_version })),
  nothing: () => change(() => ({ do: "begin", video: video.name })),
  leaveOut: (reason) => {
    if (!video.decision.left_out && !reason.trim()) return server.tell("Say why the video is left out.");
    return decided(() => ({ do: "leave-out", video: video.name, reason }));
  },
  settle: (layer) => change(() => ({ do: "settle", video: video.name, layer, seen: video.counts_version })),
  adopt: (layer) => change(() => ({ do: "adopt", video: video.name, layer })),
  copy: (event) => change(() => ({ do: "add", video: video.name, start: event.start, end: event.end, label: event.label, adopt: mine().adopt })),
};

// A decision of the queue: when it is saved, the next entry comes into hand.
async function decided(make) {
  const list = sides.listed() === "queue" ? sides.rows(project) : [], at = list.findIndex((row) => row.id === entry);
  const typing = document.activeElement.matches("textarea"), turn = opening;
  const told = await change(make);
  if (!told || at < 0) return Boolean(told);
  await refreshProject();
  // Whoever was quicker, with an undo or another video, is not carried off to the next entry.
  if (turn !== opening) return true;
  const left = new Set(sides.rows(project).map((row) => row.id));
  if (!left.has(entry)) {
    const fresh = sides.rows(project);
    const next = list.slice(at + 1).find((row) => left.has(row.id)) || fresh[Math.min(at, fresh.length - 1)];
    if (next) await act.openEntry(next); else { entry = held = null; draw(); }
    // Whoever writes goes on writing.
    document.activeElement.blur();
    if (typing && held) words.cardOf(held)?.edit();
  }
  return true;
}

// ---- keeping in step ----

async function refreshProject() {
  try {
    project = await server.get("/api/project");
  } catch (error) {
    if (error.message) server.tell(error.message);
    return;
  }
  byId("project").textContent = project.name;
  document.title = `${project.name} · review`;
  const waiting = project.videos.filter((one) => one.open).length;
  const people = waiting ? `${project.open} waiting in ${waiting} of ${project.videos.length} videos` : `${project.videos.length} videos, nothing waits for people`;
  byId("progress").textContent = [people, sides.atWork(project)].filter(Boolean).join(" · ");
  redraw(byId("annotators"), project.annotators.map((name) => el("option", { value: name })));
  drawSides();
}

async function refreshVideo() {
  if (!video) return;
  const name = video.name;
  try {
    const next = await server.get("/api/video", { name });
    if (video && video.name === name) take(next);
  } catch (error) {
    if (error.message) server.tell(error.message);
  }
}

function take(next) {
  video = next;
  draw();
}

async function poll() {
  try {
    const { version } = await server.get("/api/version");
    if (project && version !== project.version) await Promise.all([refreshProject(), refreshVideo()]);
    else if (video && version !== video.version) await refreshVideo();
    if (byId("agreement").open) await drawAgreement();
  } catch { /* It is told above, and tried again. */ }
  setTimeout(poll, EVERY);
}
server.whenBack(async () => {
  await refreshProject();
  if (!video) return first();
  await refreshVideo();
  if (!film.film.count && (await film.open(video))) draw({ whole: true });
});

async function drawAgreement() {
  try {
    whole = await server.get("/api/agreement");
  } catch { return; }
  if (video) sides.drawAgreement(video, whole);
}
byId("agreement").addEventListener("toggle", () => { if (byId("agreement").open) drawAgreement(); });

// ---- opening ----

async function openVideo(name, goal = null) {
  const turn = ++opening, same = video && video.name === name;
  try {
    const next = await server.get("/api/video", { name });
    if (turn !== opening) return;
    if (!same) { selected = mark = null; timeline.setMark(null); }
    video = next;
    if (!same && !label && video.labels?.length === 1) label = video.labels[0];
  } catch (error) {
    if (error.message) server.tell(error.message);
    return;
  }
  document.body.classList.add("ready");
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  if (!same) {
    draw({ whole: true });
    await film.open(video);
    if (turn !== opening) return;
    draw({ whole: true });
  }
  if (goal) goTo(goal); else if (!same && video.counts.length) choose(video.counts[0].id, false);
  draw();
}

// To what an entry of the queue is about.
function goTo(goal) {
  if (goal.level === "event") choose(goal.event, true);
  else if (goal.level === "clip") {
    const event = eventOf(goal.start, goal.end);
    if (event) selected = event.id;
    film.seek(goal.start + 1e-4);
    timeline.reveal(goal.start);
  } else if (goal.kind === "text") selected = null;
  else if (video.counts.length) choose((video.counts.find((event) => !event.label && !event.normal) || video.counts[0]).id, true);
  draw();
  const target = goal.kind === "text" ? words.cardOf(goal.address)?.root : byId("decide");
  target?.scrollIntoView({ block: "nearest" });
}

const eventOf = (start, end) => video.counts.find((event) => (start + end) / 2 >= event.start && (start + end) / 2 < event.end) || null;

function choose(id, seek) {
  selected = id;
  const event = anyEvent(id);
  if (event && seek) {
    film.show(film.nearestEdge(event.start));
    timeline.reveal(event.start);
  }
  draw();
}

// ---- drawing ----

function draw({ whole: fresh = false } = {}) {
  if (!video) return drawSides();
  byId("name").textContent = video.name;
  const { film: now } = film;
  byId("facts").textContent = [video.file, now.count ? `${now.count} frames` : "", now.duration ? clock(now.duration, 1) : "",
    video.labels === null ? "" : video.labels.length ? `listed as ${video.labels.join(", ")}` : "listed as normal",
    video.known ? "" : "not looked at by a run yet", video.problem].filter(Boolean).join(" · ");
  timeline.draw({ curve: video.curve, duration: video.duration, counts: video.counts, lanes: lanes(), selected, who: who() }, { whole: fresh });
  drawEvent();
  drawSides();
  moved();
}

function lanes() {
  const { layer, adopt } = mine();
  const found = [];
  const counting = (one) => Boolean(one && one.counts);
  if (layer) found.push({ name: layer.name, title: adopt ? layerName(layer.name, who()) : "you", editable: true, machine: !layer.person, counts: counting(layer), events: layer.events });
  else found.push({ name: who() || "you", title: "you", editable: true, machine: false, counts: false, events: [] });
  for (const other of video.layers) {
    if (other === layer || (other.name === "@sampled" && video.counts.every((event) => event.layer !== "@sampled"))) continue;
    found.push({ name: other.name, title: layerName(other.name, who()), editable: false, machine: !other.person, counts: counting(other), events: other.events });
  }
  return found;
}

function drawSides() {
  if (!project) return;
  const state = { entry, name: video?.name, who: who(), mine: own() && own().name };
  sides.drawLists(project, state, act);
  if (!video) return;
  sides.drawDecision(video, state, act);
  sides.drawLayers(video, state, act);
  sides.drawHistory(video);
  if (byId("agreement").open) sides.drawAgreement(video, whole);
  const event = selected && video.counts.find((one) => one.id === selected);
  const texts = video.texts.filter((text) => {
    if (text.address === held) return true;
    if (!event) return text.level === "video";
    if (text.level === "event") return text.event === event.id;
    return text.level === "clip" && (text.start + text.end) / 2 >= event.start && (text.start + text.end) / 2 < event.end;
  });
  const empty = video.texts.length ? (!selected ? "The text of the whole video comes when those of its events stand." : event ? "Nothing is to be said of this event yet." : "Texts are kept for the events that count, and this one does not.") : video.boundaries ? "Words come when the events are confirmed." : "";
  words.draw(texts, { project: project.id, who: who(), working: project.work?.state === "working", held, empty, title: titleOf });
}

function titleOf(text) {
  if (text.level === "video") return "The whole video";
  if (text.level === "clip") return "Clip";
  const at = video.counts.findIndex((event) => event.id === text.event), event = video.counts[at];
  return event ? `Event ${at + 1} · ${event.label || (event.normal ? "normal stretch" : "no class yet")}` : "Event";
}

function drawEvent() {
  const event = eventInHand() || (selected && anyEvent(selected));
  sides.drawEvent(event, { editable: Boolean(eventInHand()), classes: project.classes, label, mark, who: who() },
    { ...act, setClass, playEvent, endHere, remove });
}

function moved() {
  const { film: now } = film;
  byId("now").textContent = now.count ? `${clock(now.seconds, 3)} · frame ${now.frame} of ${now.count}` : "";
  byId("play").textContent = now.playing ? "Pause" : "Play";
  timeline.moveHead();
}
film.onMove(moved);

// ---- what hands do ----

function setClass(name) {
  label = name;
  if (eventInHand()) alter(selected, { label: name });
  else drawEvent();
}
function markIn() {
  mark = film.film.frame;
  timeline.setMark(mark);
  selected = null;
  draw();
}
function markOut() {
  if (mark === null) return server.tell("Mark first where the event begins: i. To move the end of the event in hand: ].");
  const from = mark, to = film.film.frame + 1;
  if (to <= from) return server.tell(`The event begins with frame ${from}: go on to where it ends.`);
  mark = null;
  timeline.setMark(null);
  return add(from, to);
}
function endHere(side) {
  const event = eventInHand();
  if (!event) return;
  const { from, to } = timeline.edges(event), here = film.film.frame;
  if (side === "start" && here >= to) server.tell("The event would begin after its end.");
  else if (side === "end" && here < from) server.tell("The event would end before its start.");
  else if (side === "start") alter(event.id, { start: film.edge(here), end: film.edge(to) });
  else alter(event.id, { start: film.edge(from), end: film.edge(here + 1) });
}
function remove() {
  const event = eventInHand();
  if (!event) return;
  const id = selected;
  selected = null;
  change(() => {
    const { layer, adopt } = mine(), now = layer?.events.find((one) => one.id === id);
    return { do: "remove", video: video.name, event: id, adopt, seen: now ? now.version : "" };
  });
}
function playEvent() {
  const event = selected && anyEvent(selected);
  if (!event) return film.toggle();
  return film.play(film.nearestEdge(event.start), film.nearestEdge(event.end) - 1);
}
function nextEvent(by) {
  const events = (mine().layer?.events.length ? mine().layer.events : video.counts).slice().sort((a, b) => a.start - b.start);
  if (!events.length) return;
  const at = events.findIndex((event) => event.id === selected);
  const place = at >= 0 ? at + by : by > 0 ? events.findIndex((event) => event.start > film.film.seconds + 1e-3) : events.findLastIndex((event) => event.start < film.film.seconds - 1e-3);
  if (events[place]) choose(events[place].id, true);
}
function nextRow(by) {
  const list = sides.rows(project), queue = sides.listed() === "queue";
  const at = list.findIndex((row) => (queue ? row.id === entry : row.name === video?.name));
  const next = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : at + by];
  if (next) return queue ? act.openEntry(next) : act.openVideo(next.name);
  return null;
}
async function undo(what) {
  opening++;
  const told = await change(() => ({ do: what }), { quiet: true });
  if (!told) return;
  if (!video || told.video.name !== video.name) await act.openVideo(told.video.name);
  server.tell(`${told.video.name}: ${told.told}.`);
}
function accept() {
  const card = held && words.cardOf(held);
  if (card) card.accept();
  else if (video.decision.left_out) server.tell("This video is left out: take it in again first.");
  else if (video.boundaries || !video.decision.confirmed_by) act.confirm();
  else server.tell(`${video.decision.confirmed_by} has confirmed these events already.`);
}
function reject() {
  const card = held && words.cardOf(held);
  if (card) card.askReason();
  else server.tell("Events are not sent back: change them, or leave the video out. To send back a text, take it from the queue.");
}

timeline.connect({
  seek: film.seek, show: film.show,
  select: (event, lane, seek) => { held = null; choose(event.id, seek); },
  alter: (event, from, to) => alter(event.id, { start: film.edge(from), end: film.edge(to) }),
  add,
});
words.connect({
  write: (address, parts, seen) => decided(() => ({ do: "write", address, parts, seen })),
  accept: (review, seen) => decided(() => ({ do: "accept", review, seen })),
  sendBack: (address, reason, seen) => decided(() => ({ do: "send-back", address, reason, seen })),
  seek: (text) => film.play(film.nearestEdge(text.start), film.nearestEdge(text.end) - 1),
  tell: server.tell,
  hold: (text) => {
    if (held === text.address) return;
    held = text.address;
    entry = text.review ? text.review.id : null;
    drawSides();
  },
});

const KEYS = {
  " ": () => film.toggle(), ",": () => film.step(-1), ".": () => film.step(1), "<": () => film.step(-10), ">": () => film.step(10),
  ArrowLeft: (press) => film.seek(film.film.seconds - (press.shiftKey ? 10 : 1)), ArrowRight: (press) => film.seek(film.film.seconds + (press.shiftKey ? 10 : 1)),
  Home: () => film.show(0), End: () => film.show(film.film.count - 1),
  i: markIn, o: markOut, "[": () => endHere("start"), "]": () => endHere("end"), Delete: remove, Backspace: remove, l: playEvent,
  n: () => nextEvent(1), p: () => nextEvent(-1), j: () => nextRow(1), k: () => nextRow(-1),
  c: () => byId("class")?.focus(), e: () => (words.cardOf(held) || words.cardOf(byId("words").querySelector("[data-address]")?.dataset.address))?.edit(),
  Enter: accept, r: reject, "+": () => timeline.zoom(0.5), "=": () => timeline.zoom(0.5), "-": () => timeline.zoom(2), 0: timeline.zoomAll,
  w: askName, "?": () => byId("keys").showModal(),
  Escape: () => { if (mark !== null) { mark = null; timeline.setMark(null); } else selected = null; server.tell(""); draw(); },
};

listen({
  undo,
  find: (key) => {
    if (!video && !["j", "k", "?", "w"].includes(key)) return null;
    const name = /^[1-9]$/.test(key) ? project.classes[Number(key) - 1] : null;
    return name ? () => setClass(name) : KEYS[key.length === 1 && !KEYS[key] ? key.toLowerCase() : key];
  },
  before: timeline.settle,
});

const clicks = {
  play: () => film.toggle(), back: () => film.step(-1), forward: () => film.step(1), "mark-in": markIn, "mark-out": markOut,
  undo: () => undo("undo"), redo: () => undo("redo"), help: () => byId("keys").showModal(), "alert-close": () => server.tell(""),
  "tab-queue": () => { sides.show("queue"); drawSides(); }, "tab-videos": () => { sides.show("videos"); drawSides(); },
};
for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);
byId("speed").addEventListener("change", (event) => { film.speed(Number(event.target.value)); event.target.blur(); });
byId("filter").addEventListener("input", drawSides);
byId("screen").addEventListener("click", () => film.toggle());

// What is open at first: what the address names, else what waits first.
async function first() {
  if (!project) return;
  const asked = decodeURIComponent(location.hash.slice(1));
  if (project.videos.some((one) => one.name === asked)) await act.openVideo(asked);
  else if (project.queue.length) await act.openEntry(project.queue[0]);
  else if (project.videos.length) {
    sides.show("videos");
    await act.openVideo(project.videos[0].name);
  }
}

async function start() {
  help(byId("keys-table"));
  await refreshProject();
  firstName(project ? project.who : "");
  await first();
  setTimeout(poll, EVERY);
}
start();
