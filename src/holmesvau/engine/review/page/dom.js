// Small things that every part of the page uses.

export const byId = (id) => document.getElementById(id);
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// An element with attributes and children; functions become listeners, false and null are left out.
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key === "value" || key === "disabled" || key === "selected") element[key] = value;
    else if (key === "key") element.dataset.key = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(name, attributes, parent) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (parent) parent.append(element);
  return element;
}

// Put new children in; what had the focus has it again.
export function redraw(container, ...children) {
  const active = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const top = container.scrollTop;
  container.replaceChildren(...children.flat().filter(Boolean));
  container.scrollTop = top;
  if (active !== undefined) container.querySelector(`[data-key="${CSS.escape(active)}"]`)?.focus({ preventScroll: true });
}

export function clock(seconds, decimals = 0) {
  const scale = 10 ** decimals;
  const units = Math.floor(Math.round(seconds * 1000) / 1000 * scale + 1e-6);
  const whole = Math.floor(units / scale), two = (n) => String(n).padStart(2, "0");
  const tail = decimals ? "." + String(units % scale).padStart(decimals, "0") : "";
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
  return (h ? `${h}:${two(m)}` : String(m)) + `:${two(s)}${tail}`;
}

export const span = (start, end, decimals = 1) => `${clock(start, decimals)}–${clock(end, decimals)}`;

// When something was done, by this browser's clock: only the time for today.
export function when(unix) {
  const at = new Date(unix * 1000), time = at.toTimeString().slice(0, 8);
  return at.toDateString() === new Date().toDateString() ? time : `${at.toISOString().slice(0, 10)} ${time.slice(0, 5)}`;
}

export const LAYERS = { "@import": "imported", "@proposals": "proposed", "@sampled": "sampled" };
export const layerName = (name, who) => LAYERS[name] || (name === who ? `${name} (you)` : name);
export const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
