// Who works here: a name in each tab, the last one kept in the browser.

import { byId } from "/page/dom.js";

const box = byId("who");
let listener = () => {};

export const who = () => box.value.trim();
export const onName = (callback) => { listener = callback; };
export const askName = () => box.focus();
const missing = () => box.classList.toggle("missing", !who());

// This tab's name, else the one the command was given, else this browser's last.
export function firstName(offered) {
  box.value = sessionStorage.getItem("holmesvau who") || offered || localStorage.getItem("holmesvau who") || "";
  missing();
}

box.addEventListener("input", missing);
box.addEventListener("change", () => {
  sessionStorage.setItem("holmesvau who", who());
  localStorage.setItem("holmesvau who", who());
  missing();
  listener();
});
box.addEventListener("keydown", (press) => { if (press.key === "Enter" || press.key === "Escape") box.blur(); });
