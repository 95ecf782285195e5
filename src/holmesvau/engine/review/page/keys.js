// All keys, for the page's own help.

import { el } from "/page/dom.js";

const KEYS = [
  ["The film", [["Space", "play, pause"], [", .", "one frame back, on"], ["< >", "ten frames"], ["← →", "one second (Shift: ten)"], ["Home End", "first, last frame"], ["l", "play the event in hand"]]],
  ["Events", [["i", "an event begins with this frame"], ["o", "it ends with this frame"], ["[ ]", "the event in hand begins, ends here"], ["1 … 9", "its class"], ["c", "its class, from the list"], ["n p", "next, previous event"], ["Tab, then ← →", "an edge, frame by frame"], ["Delete", "remove it"], ["Esc", "put it down"]]],
  ["The queue", [["j k", "next, previous entry"], ["Enter", "accept it, confirm the events"], ["r", "send the text back, with a reason"], ["e", "write"], ["Ctrl+Enter", "save what is written"], ["Esc", "leave the box"]]],
  ["Everywhere", [["Ctrl+Z", "take back your last change"], ["Ctrl+Shift+Z", "do it again"], ["+ − 0", "zoom in, out, show all"], ["w", "who you are"], ["?", "these keys"]]],
];

export function help(place) {
  place.replaceChildren(...KEYS.map(([title, rows]) => el("section", {}, el("h3", {}, title),
    el("dl", {}, rows.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])))));
}
