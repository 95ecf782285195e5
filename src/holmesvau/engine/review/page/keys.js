// The keys: all of them for the page's own help, and who gets what is pressed.

import { byId, el } from "/page/dom.js";

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

const ONCE = ["i", "o", "Enter", " ", "Delete", "Backspace"];

// What is pressed outside of boxes goes to `find(key)`, which gives what it does; `before` is called first.
export function listen({ undo, find, before }) {
  document.addEventListener("keydown", (press) => {
    if (byId("keys").open || press.altKey) return;
    const typing = press.target.closest("textarea, input, select"), pressing = press.target.closest("button, summary, a");
    if (press.ctrlKey || press.metaKey) {
      const key = press.key.toLowerCase();
      if ((typing && !typing.matches("select")) || (key !== "z" && key !== "y")) return;
      press.preventDefault();
      undo(key === "y" || press.shiftKey ? "redo" : "undo");
      return;
    }
    if (typing) {
      if (press.key === "Escape") typing.blur();
      return;
    }
    if (pressing && (press.key === "Enter" || press.key === " ")) return;
    const action = find(press.key);
    if (!action) return;
    press.preventDefault();
    if (press.repeat && ONCE.includes(press.key)) return;
    before();
    action(press);
  });

  // A mouse's click leaves the keys to the page.
  document.addEventListener("mousedown", (press) => {
    const button = press.target.closest("button");
    if (!button) return;
    press.preventDefault();
    if (document.activeElement && !button.closest("dialog, .why")) document.activeElement.blur();
  });
}
