// Talking to the server: what is asked, what is changed, and what to tell while it does not answer.

import { byId, when } from "/page/dom.js";

let lost = false, onBack = () => {};
export const whenBack = (listener) => { onBack = listener; };

export class Refused extends Error {
  constructor(message, conflict) {
    super(message);
    this.conflict = conflict;
  }
}

async function answer(response) {
  const value = await response.json();
  if (!response.ok) throw new Refused(value.error || `The server answers ${response.status}.`, Boolean(value.conflict));
  return value;
}

async function reach(path, options) {
  try {
    const response = await fetch(path, options);
    if (lost) {
      lost = false;
      tell("");
      onBack();
    }
    return response;
  } catch (error) {
    lost = true;
    tell("The server does not answer. What was saved is safe, and what you type is kept in this browser. It is tried again.", true);
    throw new Refused("", false);
  }
}

export const get = async (path, asked = {}) => answer(await reach(`${path}?${new URLSearchParams(asked)}`));
export const numbers = async (path, asked) => {
  const response = await reach(`${path}?${new URLSearchParams(asked)}`);
  return response.ok ? new Float64Array(await response.arrayBuffer()) : answer(response);
};

// Changes go one after the other, so that each is made of what the one before has left.
let line = Promise.resolve();
export function change(body) {
  const mine = line.then(async () => {
    saved("Saving…");
    try {
      const told = await answer(await reach("/api/change", {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body()),
      }));
      saved(`Saved at ${when(told.saved_at)}`);
      if (told.warning) tell(told.warning);
      return told;
    } catch (error) {
      saved("Not saved", true);
      throw error;
    }
  });
  line = mine.catch(() => {});
  return mine;
}

function saved(text, bad = false) {
  const place = byId("saved");
  place.textContent = text;
  place.classList.toggle("bad", bad);
}

// A sentence above everything else; "" takes it away. What is about the connection goes when it is back.
export function tell(text, connection = false) {
  const place = byId("alert");
  place.querySelector("p").textContent = text;
  place.hidden = !text;
  place.classList.toggle("lost", connection);
}
