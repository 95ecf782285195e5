// Lists, decisions, whose events count, history, agreement.

import { byId, clock, el, layerName, plural, redraw, span, when } from "/page/dom.js";
import { edges } from "/page/timeline.js";

const GATES = { confirm: "events", people: "to write", stale: "out of date" };
const MOST_ROWS = 400;
let tab = "queue";

export const listed = () => tab;
export function show(which) {
  tab = which;
  for (const name of ["queue", "videos"]) byId(`tab-${name}`).setAttribute("aria-selected", String(name === which));
  byId("list").setAttribute("aria-labelledby", `tab-${which}`);
}

const matches = (words, text) => words.every((word) => text.toLowerCase().includes(word));

// What the list holds now, in order: entries of the queue, or videos.
export function rows(project) {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  if (tab === "videos") return project.videos.filter((video) => matches(words, `${video.name} ${video.annotators.join(" ")} ${video.left_out ? "left out" : ""}`));
  return project.queue.filter((entry) => matches(words, `${entry.video} ${entry.gate} ${GATES[entry.gate] || ""} ${entry.level} ${entry.reason}`));
}

export function drawLists(project, state, act) {
  byId("tab-queue").replaceChildren("Waiting ", el("b", {}, String(project.open)));
  byId("tab-videos").replaceChildren("Videos ", el("b", {}, String(project.videos.length)));
  const found = rows(project), shown = found.slice(0, MOST_ROWS);
  const items = tab === "videos" ? shown.map((video) => videoRow(video, state, act)) : shown.map((entry) => entryRow(entry, state, act));
  const left = (tab === "queue" && !byId("filter").value ? project.open : found.length) - shown.length;
  const empty = tab === "queue" ? (project.open ? "Nothing waits that contains these words." : "Nothing waits for people.") : "No video contains these words.";
  redraw(byId("list"), shown.length ? el("ol", {}, items) : el("p", { class: "quiet" }, empty), left > 0 && el("p", { class: "quiet" }, `and ${left} more`));
  byId("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

function entryRow(entry, state, act) {
  const what = entry.kind === "boundaries" ? "Events" : { clip: "Caption", event: "Event", video: "Video" }[entry.level];
  const where = entry.start === null ? "" : span(entry.start, entry.end, 0);
  return el("li", {}, el("button", { type: "button", class: "row", key: `entry-${entry.id}`, "data-entry": String(entry.id), "aria-current": entry.id === state.entry ? "true" : null, click: () => act.openEntry(entry) },
    el("span", { class: "row-head" }, el("b", {}, what), el("span", {}, where)),
    el("span", { class: "row-head" }, el("span", { class: "row-video" }, entry.video), entry.kind === "text" && el("span", { class: `tag ${entry.gate}` }, GATES[entry.gate] || entry.gate)),
    el("span", { class: "row-reason" }, entry.reason)));
}

function videoRow(video, state, act) {
  const told = video.problem ? "cannot be used" : video.left_out ? "left out" : video.open ? plural(video.open, "entry").replace("entrys", "entries") : video.confirmed_by ? `confirmed by ${video.confirmed_by}` : video.known ? "nothing waits" : "not looked at yet";
  return el("li", {}, el("button", { type: "button", class: "row", key: `video-${video.name}`, "data-video": video.name, "aria-current": video.name === state.name ? "true" : null, click: () => act.openVideo(video.name) },
    el("span", { class: "row-head" }, el("b", {}, video.name), el("span", { class: "quiet" }, video.duration ? clock(video.duration) : "")),
    el("span", { class: "row-reason" }, [told, video.annotators.join(", ")].filter(Boolean).join(" · "))));
}

// ---- what is to be decided ----

export function drawDecision(video, state, act) {
  const place = byId("decide"), decision = video.decision, events = video.counts.filter((event) => !event.normal);
  if (decision.left_out) {
    redraw(place, el("h3", {}, "Left out"), el("p", {}, decision.left_out),
      el("div", { class: "buttons" }, el("button", { type: "button", key: "take-in", click: () => act.leaveOut("") }, "Take it in again")));
    return;
  }
  const open = events.filter((event) => !event.label).length;
  const whose = video.counting === null ? "" : ` ${video.counting === state.who ? "of yours" : `(${layerName(video.counting, state.who)})`}`;
  const told = video.counting === null ? "Nobody has marked events yet." : events.length ? `${plural(events.length, "event")}${whose} count${events.length === 1 ? "s" : ""}${open ? `; ${open === 1 ? "one has" : `${open} have`} no class yet` : ""}.` : `No events${whose}: the video counts as normal.`;
  const confirmed = decision.confirmed_by ? `Confirmed by ${decision.confirmed_by}, ${when(decision.confirmed_at)}.` : "";
  const waits = video.boundaries !== null;
  const form = el("div", { class: "why", hidden: true },
    el("input", { type: "text", "aria-label": "Why the video is left out", placeholder: "Why? Too dark, twice there, …", key: "why-out", keydown: (press) => {
      if (press.key === "Enter") { press.preventDefault(); act.leaveOut(press.target.value); }
      if (press.key === "Escape") form.hidden = true;
    } }), el("button", { type: "button", click: () => act.leaveOut(form.firstChild.value) }, "Leave out"));
  place.classList.toggle("asked", waits);
  place.classList.toggle("held", waits && state.entry === video.boundaries.id);
  redraw(place, el("h3", {}, "The video's events"),
    el("p", {}, told, confirmed && ` ${confirmed}`), waits && el("p", { class: "reason" }, video.boundaries.reason),
    el("div", { class: "buttons" },
      el("button", { type: "button", class: waits ? "main" : "", key: "confirm", id: "confirm", disabled: !waits && Boolean(confirmed), click: () => act.confirm() }, events.length ? "They are right " : "It is normal ", el("kbd", {}, "Enter")),
      el("button", { type: "button", key: "nothing", hidden: state.mine !== null, click: () => act.nothing(), title: "Begin with no events of your own" }, "Mark afresh"),
      el("button", { type: "button", key: "leave", click: () => { form.hidden = !form.hidden; if (!form.hidden) form.firstChild.focus(); } }, "Leave out…")), form);
}

export function drawLayers(video, state, act) {
  const place = byId("layers");
  const decided = video.decision.layer;
  redraw(place, el("h3", {}, "Whose events count"), el("ul", { class: "layers" }, video.layers.filter((layer) => layer.name !== "@sampled").map((layer) => {
    const count = layer.events.filter((event) => !event.normal).length;
    return el("li", {},
      el("span", { class: "layer-name" }, el("b", {}, layerName(layer.name, state.who)), ` ${count ? plural(count, "event") : "normal"}`, layer.counts && el("span", { class: "tag counts" }, decided ? "counts, decided" : "counts")),
      el("span", { class: "group" },
        !layer.counts && el("button", { type: "button", key: `settle-${layer.name}`, click: () => act.settle(layer.name), "aria-label": `Let the events of ${layerName(layer.name, state.who)} count` }, "Let count"),
        layer.name !== state.who && state.mine === null && el("button", { type: "button", key: `adopt-${layer.name}`, click: () => act.adopt(layer.name), "aria-label": `Begin with a copy of the events of ${layerName(layer.name, state.who)}` }, "Copy to mine")));
  })), decided && el("button", { type: "button", class: "link", key: "unsettle", click: () => act.settle(null) }, "Leave it open again"),
  !video.layers.length && el("p", { class: "quiet" }, "Nobody's yet. Mark an event: i where it begins, o where it ends."));
}

// The event in hand, beneath the timeline: its ends, its class.
export function drawEvent(event, { editable, classes, label, mark, who }, act) {
  const place = byId("event"), button = (key, words, click, title) => el("button", { type: "button", key, title, click }, words);
  const names = [...new Set([...classes, ...(event && event.label ? [event.label] : [])])], picked = event && editable ? event.label : label;
  const pick = el("select", { id: "class", key: "class", change: (chosen) => act.setClass(chosen.target.value) },
    el("option", { value: "", selected: picked === "" }, "no class yet"),
    names.map((name, number) => el("option", { value: name, selected: name === picked }, number < 9 ? `${number + 1}  ${name}` : name)));
  const key = (name) => el("kbd", {}, name);
  if (!event) {
    const hint = mark === null ? ["No event in hand. ", key("i"), " marks where one begins, ", key("o"), " where it ends; or drag on your lane."] : [`An event begins at frame ${mark}. `, key("o"), " where it ends, ", key("Esc"), " forgets it."];
    redraw(place, el("label", { class: "small" }, "Class of the next event ", pick), el("p", { class: "quiet hint" }, hint));
    return;
  }
  const { from, to } = edges(event);
  const facts = el("p", {}, el("b", {}, event.label || (event.normal ? "Normal stretch" : "No class yet")), ` ${span(event.start, event.end, 2)}`,
    el("span", { class: "quiet" }, ` · frames ${from}–${to - 1} · ${(event.end - event.start).toFixed(2)} s${event.score === null ? "" : ` · score ${event.score.toFixed(2)}`}`));
  const play = button("play-event", ["Play it ", key("l")], act.playEvent, "Play the event (l)");
  if (!editable) {
    redraw(place, facts, el("div", { class: "buttons" }, play, event.layer !== who && button("copy-event", "Mark the same", () => act.copy(event))));
    return;
  }
  redraw(place, facts, el("div", { class: "buttons" }, el("label", { class: "small" }, "Class ", pick), play,
    button("start-here", ["Start here ", key("[")], () => act.endHere("start"), "It begins with the frame in hand ([)"),
    button("end-here", ["End here ", key("]")], () => act.endHere("end"), "It ends with the frame in hand (])"),
    button("remove", "Remove", act.remove, "Remove the event (Delete)")));
}

// ---- history and agreement ----

export function drawHistory(video) {
  const list = video.history.map((edit) => el("li", { class: edit.undone ? "undone" : "" },
    el("span", { class: "quiet" }, when(edit.at)), " ", el("b", {}, edit.who), ` ${edit.text}`));
  byId("history").lastElementChild.replaceChildren(list.length ? el("ol", { class: "history" }, list) : el("p", { class: "quiet" }, "Nobody has changed anything yet."));
}

const share = (value) => (value === null ? "–" : value.toFixed(2));

export function drawAgreement(video, whole) {
  const table = (found, caption) => el("table", {}, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ["", "same events", "tIoU", "class", "kappa", "abnormal"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, found.pairs.map((pair) => el("tr", {}, el("th", { scope: "row" }, `${pair.one}, ${pair.other}`),
      [`${pair.matched} of ${pair.events.join(", ")}`, share(pair.mean_tiou), share(pair.same_class), share(pair.kappa), share(pair.kappa_abnormal)].map((value) => el("td", {}, value))))));
  const parts = [];
  if (video.agreement.pairs.length) parts.push(table(video.agreement, "This video"));
  if (whole && whole.pairs.length) parts.push(table(whole, "All videos that two have marked"));
  if (!parts.length) parts.push(el("p", { class: "quiet" }, "No video here was marked by two annotators yet. Each has a layer under their own name: give another name above, or let a colleague open this page."));
  else parts.push(el("p", { class: "quiet" }, `Same: events that overlap by ${video.agreement.tiou} or more. Kappa: Cohen's over frames, by class, and by abnormal or not.`));
  byId("agreement").lastElementChild.replaceChildren(...parts);
}

// What models have to do, and whether they do it now.
export function atWork({ work, to_do: left }) {
  if (work?.state === "hindered") return `work stands still: ${work.reason}`;
  if (!left) return work?.state === "working" ? "at work" : "";
  return work ? `at work, ${left} left` : `${left} left for holmesvau annotate`;
}
