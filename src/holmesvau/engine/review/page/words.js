// Texts: boxes for what is said of clips, events and the video. What is typed and not yet saved is kept in this
// browser, and offered again after a crash.

import { byId, el, span, when } from "/page/dom.js";

const PARTS = { clip: ["caption"], event: ["judgement", "description", "analysis"], video: ["judgement", "description", "analysis"] };
const NAMES = { caption: "Caption", judgement: "Judgement", description: "Description", analysis: "Analysis" };
const ROWS = { caption: 2, judgement: 2, description: 4, analysis: 3 };
const cards = new Map();
let act = {}, project = "", who = "", working = false;

// `act` has write(address, parts, seen), accept(review, seen), sendBack(address, reason, seen), seek(text), hold(text),
// tell(sentence).
export const connect = (actions) => { act = actions; };

// ---- drafts ----

const keyOf = (address) => `holmesvau draft ${project} ${address}`;
function draftOf(address) {
  try {
    return JSON.parse(localStorage.getItem(keyOf(address)));
  } catch {
    return null;
  }
}
function keep(address, draft) {
  try {
    if (draft) localStorage.setItem(keyOf(address), JSON.stringify(draft)); else localStorage.removeItem(keyOf(address));
  } catch { /* A full or forbidden store: the boxes still hold the words. */ }
}

// ---- cards ----

// Show these texts, in this order; a card whose words are being changed keeps them. `held` is the one in hand.
export function draw(texts, state) {
  ({ project, who, working } = state);
  const place = byId("words"), wanted = new Set(texts.map((text) => text.address));
  for (const [address, card] of cards) {
    if (wanted.has(address)) continue;
    card.root.remove();
    cards.delete(address);
  }
  let before = null;
  for (const text of texts) {
    let card = cards.get(text.address);
    if (!card) {
      card = make(text);
      cards.set(text.address, card);
    }
    card.update(text, state);
    const next = before ? before.nextSibling : place.firstChild;
    if (next !== card.root) {
      place.insertBefore(card.root, next);
      card.fit();
    }
    before = card.root;
  }
  for (const extra of [...place.children]) if (!extra.dataset.address) extra.remove();
  if (!texts.length && state.empty) place.append(el("p", { class: "quiet card" }, state.empty));
}

export const cardOf = (address) => cards.get(address);
export const unsaved = () => [...cards.values()].filter((card) => card.dirty()).length;

function make(first) {
  let text = first, seen = first.version, theirs = "", saving = false;
  const boxes = {};
  const fields = PARTS[first.level].map((part) => {
    const box = el("textarea", { rows: String(ROWS[part]), spellcheck: "true", "data-part": part, input: typed });
    boxes[part] = box;
    return el("label", { class: "field" }, el("span", {}, NAMES[part]), box);
  });
  const head = el("h3", {}), badge = el("p", { class: "badge" }), reason = el("p", { class: "reason" }), notice = el("div", { class: "notice" });
  const save = el("button", { type: "button", class: "main", title: "Save (Ctrl+Enter)", click: write }, "Save");
  const stand = el("button", { type: "button", title: "Let it stand as it is (Enter)", click: () => accept() }, "Accept ", el("kbd", {}, "Enter"));
  const back = el("button", { type: "button", title: "Have a model write it again (r)", click: () => askReason() }, "Send back… ", el("kbd", {}, "r"));
  const why = el("input", { type: "text", "aria-label": "What is wrong with the text", placeholder: "What is wrong with it? The model is told.", keydown: (press) => {
    if (press.key === "Enter") { press.preventDefault(); sendBack(); }
    if (press.key === "Escape") { press.stopPropagation(); form.hidden = true; back.focus(); }
  } });
  const form = el("div", { class: "why", hidden: true }, why, el("button", { type: "button", click: sendBack }, "Send back"));
  const play = el("button", { type: "button", class: "link", title: "Play it", click: () => act.seek(text, true) }, "");
  const root = el("section", { class: `card text of-${first.level}`, "data-address": first.address, focusin: () => act.hold(text) },
    el("div", { class: "head-line" }, head, play), badge, reason, ...fields, notice,
    el("div", { class: "buttons" }, save, stand, back), form);
  root.addEventListener("keydown", (press) => {
    if (press.key === "Enter" && (press.ctrlKey || press.metaKey)) { press.preventDefault(); write(); }
    if (press.key === "Escape") document.activeElement.blur();
  });

  const words = () => Object.fromEntries(Object.entries(boxes).map(([part, box]) => [part, box.value]));
  const plain = (value) => (value || "").split(/\s+/).filter(Boolean).join(" ");
  const differs = (parts) => Object.keys(boxes).some((part) => plain(boxes[part].value) !== plain(parts[part]));
  const dirty = () => differs(text.parts);
  const fill = (parts) => { for (const [part, box] of Object.entries(boxes)) { if (box.value !== (parts[part] || "")) box.value = parts[part] || ""; fit(box); } };

  function typed(event) {
    fit(event.target);
    keep(text.address, dirty() ? { parts: words(), seen, who, at: Date.now() / 1000 } : null);
    marks();
  }

  function marks() {
    const changed = dirty(), empty = !plain(Object.values(boxes)[0].value);
    save.disabled = !changed || empty;
    root.classList.toggle("dirty", changed);
    stand.hidden = !text.review || changed || !text.review.written;
    back.hidden = changed || (!text.review && text.state === "waiting");
    if (!changed && !theirs) notice.replaceChildren();
  }

  function told(sentence, ...buttons) {
    notice.replaceChildren(el("p", {}, sentence), ...buttons);
  }

  function offer(draft) {
    fill(draft.parts);
    const other = draft.seen !== text.version;
    const drop = el("button", { type: "button", click: () => { theirs = ""; fill(text.parts); keep(text.address, null); seen = text.version; marks(); } }, other ? "Take what stands there" : "Discard them");
    theirs = other ? "since" : "";
    told(`Your unsaved words of ${when(draft.at)} are back. They are not saved yet.${other ? ` The text has been changed since; now it says: “${said()}”` : ""}`, drop);
  }

  const said = () => Object.values(text.parts).filter(Boolean).join(" ") || "(nothing)";

  function update(next, state) {
    const changed = next.version !== text.version, mine = dirty();
    const touched = Object.keys(boxes).filter((part) => plain(boxes[part].value) !== plain(text.parts[part]));
    const clashing = touched.filter((part) => plain(next.parts[part]) !== plain(text.parts[part]));
    const draft = root.dataset.ready ? null : draftOf(next.address);
    text = next;
    if (!root.dataset.ready || (changed && !mine)) {
      fill(text.parts);
      seen = text.version;
      theirs = "";
      notice.replaceChildren();
    } else if (changed && !dirty()) {
      seen = text.version;
      theirs = "";
      keep(text.address, null);
    } else if (changed && saving) {
      // One's own words, while more are typed.
      seen = text.version;
    } else if (changed) {
      // Seen now, and told: saving puts these words in the place of theirs, knowingly. Where nothing was typed,
      // theirs are shown.
      for (const [part, box] of Object.entries(boxes)) if (!touched.includes(part)) { box.value = text.parts[part] || ""; fit(box); }
      seen = text.version;
      theirs = text.who || text.model || "somebody";
      const words = clashing.map((part) => `${NAMES[part]}: “${text.parts[part] || "nothing"}”`).join(" ");
      told(`${theirs} has changed this text since you began. ${words || "What you have not touched is shown as it is now."}`,
        el("button", { type: "button", click: () => { theirs = ""; fill(text.parts); keep(text.address, null); marks(); } }, "Take theirs"));
    }
    root.dataset.ready = "yes";
    if (draft && differs(draft.parts)) offer(draft);
    else if (draft) keep(next.address, null);
    head.textContent = state.title(text);
    play.textContent = text.level === "clip" ? span(text.start, text.end) : "";
    play.hidden = text.level !== "clip";
    badge.textContent = source(text);
    badge.className = `badge ${text.state}`;
    reason.textContent = text.review ? text.review.reason : "";
    reason.hidden = !text.review;
    root.classList.toggle("held", state.held === text.address);
    root.classList.toggle("asked", Boolean(text.review));
    marks();
  }

  function write() {
    if (save.disabled) return;
    saving = true;
    act.write(text.address, words(), seen).then((done) => {
      saving = false;
      if (!done) return;
      theirs = "";
      keep(text.address, dirty() ? { parts: words(), seen, who, at: Date.now() / 1000 } : null);
      marks();
    });
  }
  function accept() {
    if (text.review && text.review.written && !dirty()) act.accept(text.review.id, text.version);
    else act.tell(dirty() ? "There are unsaved words: save them, Ctrl+Enter in the box." : text.review ? "Nobody has written this yet: press e, and write it." : "This text stands already.");
  }
  function askReason() {
    if (back.hidden) return;
    form.hidden = false;
    why.focus();
  }
  function sendBack() {
    act.sendBack(text.address, why.value, text.version).then((done) => {
      if (!done) return;
      why.value = "";
      form.hidden = true;
    });
  }
  return { root, update, dirty, accept, askReason, edit: () => Object.values(boxes)[0].focus(), fit: () => Object.values(boxes).forEach(fit), get text() { return text; } };
}

function fit(box) {
  box.style.height = "auto";
  if (box.scrollHeight) box.style.height = `${box.scrollHeight + 2}px`;
}

function source(text) {
  const at = text.at ? `, ${when(text.at)}` : "";
  if (text.state === "waiting" && working) return "Is to be written, and work goes on";
  if (text.state === "waiting") return text.model ? "Waits to be written again" : "Waits for the next run to write it";
  if (text.state === "stale") return `Out of date: by ${text.who}${at}`;
  if (text.who) return `By ${text.who}${at}`;
  if (text.model) return `By ${text.model}${at}`;
  return text.review ? "Nobody has written it yet" : "";
}

addEventListener("resize", () => { for (const card of cards.values()) card.root.querySelectorAll("textarea").forEach(fit); });
