"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const count = data.times.length;
  const times = data.times.map((t) => t / 1000);
  const scores = data.scores.map((s) => s / 10000);
  const duration = Math.max(data.duration, count ? times[count - 1] : 0, 0.001);
  const byId = (id) => document.getElementById(id);
  const chart = byId("chart"), strip = byId("strip"), lane = byId("lane"), readout = byId("readout");
  const player = byId("player"), still = byId("still"), attach = byId("attach"), attachNote = byId("attach-note");
  const cards = [...document.querySelectorAll("article.event")];
  const chapters = [...document.querySelectorAll(".chapter")];
  const frames = [...document.querySelectorAll(".frame")].map((element) => ({
    element,
    seconds: Number(element.dataset.seek),
    inside: element.classList.contains("inside"),
    image: element.querySelector("img"),
  }));
  const left = 26, right = 8, top = 18, bottom = 30;
  const shortest = Math.min(duration, Math.max(1, 8 * data.stride));
  const view = { from: 0, to: duration };
  let cursor = 0, moved = false, playable = false, offset = 0, objectUrl = null;

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  function clock(seconds, decimals = 0) {
    const scale = 10 ** decimals;
    const units = Math.floor(Math.round(seconds * 1000) / 1000 * scale + 1e-6);
    const whole = Math.floor(units / scale), two = (n) => String(n).padStart(2, "0");
    const tail = decimals ? "." + String(units % scale).padStart(decimals, "0") : "";
    const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = whole % 60;
    return (h ? `${h}:${two(m)}` : String(m)) + `:${two(s)}${tail}`;
  }

  // The first place in `times` that lies after `seconds`.
  function placeAfter(seconds) {
    let low = 0, high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= seconds) low = middle + 1; else high = middle;
    }
    return low;
  }

  const eventAt = (t) => data.events.findIndex(([start, end]) => t >= start && t < end);

  // ---- drawing ----

  function make(name, attributes, parent) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    if (parent) parent.append(element);
    return element;
  }

  function geometry(element, edges) {
    const width = Math.max(element.clientWidth, 80), height = Math.max(element.clientHeight, 20);
    const inner = width - edges.left - edges.right;
    return { width, height, inner, base: height - edges.bottom, span: height - edges.bottom - edges.top, ...edges };
  }

  // Lowest and highest score of each pixel column: no peak is lost at any zoom.
  function outline(box, from, to) {
    const x = (t) => box.left + ((t - from) / (to - from)) * box.inner;
    const y = (s) => box.base - clamp(s, 0, 1) * box.span;
    const runs = [];
    let run = null, column = -1, low = 0, high = 0, first = 0, last = 0, before = null;
    const flush = () => {
      if (!run || column < 0) return;
      for (const s of new Set([first, low, high, last])) run.push([column, y(s)]);
    };
    const start = Math.max(0, placeAfter(from) - 1), end = Math.min(count, placeAfter(to) + 1);
    for (let i = start; i < end; i++) {
      const here = Math.round(x(times[i]) * 2) / 2, s = scores[i];
      if (before === null || times[i] - before > data.gap) {
        flush();
        runs.push((run = []));
        column = -1;
      }
      if (here === column) {
        low = Math.min(low, s); high = Math.max(high, s); last = s;
      } else {
        flush();
        column = here; low = high = first = last = s;
      }
      before = times[i];
    }
    flush();
    return runs.map((points) => {
      const path = points.map(([px, py]) => `${px} ${py.toFixed(1)}`).join("L");
      return { line: `M${path}`, area: `M${points[0][0]} ${box.base}L${path}L${points[points.length - 1][0]} ${box.base}Z` };
    });
  }

  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

  function drawAxes(svg, box) {
    for (const s of [0, 0.5, 1]) {
      const y = box.base - s * box.span;
      make("line", { class: "grid", x1: box.left, x2: box.width - box.right, y1: y, y2: y }, svg);
      make("text", { x: box.left - 6, y: y + 4, "text-anchor": "end" }, svg).textContent = s === 0.5 ? ".5" : s;
    }
    const most = Math.max(2, box.inner / 76);
    const step = STEPS.find((candidate) => (view.to - view.from) / candidate <= most) || 86400;
    for (let k = Math.ceil(view.from / step - 1e-6); k * step <= view.to + 1e-6; k++) {
      const t = k * step, x = xOf(t, box);
      const anchor = x < box.left + 14 ? "start" : x > box.width - box.right - 20 ? "end" : "middle";
      make("line", { class: "grid", x1: x, x2: x, y1: box.base, y2: box.base + 14 }, svg);
      make("text", { x, y: box.height - 4, "text-anchor": anchor }, svg).textContent = clock(t, step < 1 ? 1 : 0);
    }
  }

  const xOf = (t, box) => box.left + ((t - view.from) / (view.to - view.from)) * box.inner;

  function drawBands(svg, box) {
    let free = -Infinity;
    data.events.forEach(([start, end], number) => {
      if (end < view.from || start > view.to) return;
      const x0 = clamp(xOf(start, box), box.left, box.width - box.right);
      const x1 = clamp(xOf(end, box), box.left, box.width - box.right);
      const width = Math.max(2, x1 - x0);
      make("rect", { class: "band", x: x0, y: top, width, height: box.span }, svg);
      make("rect", { class: "edge", x: x0, y: top - 2, width, height: 2 }, svg);
      const middle = x0 + width / 2, half = 4 * String(number + 1).length + 2;
      if (middle - half < free) return;
      free = middle + half;
      make("text", { class: "name", x: middle, y: top - 6, "text-anchor": "middle" }, svg).textContent = number + 1;
    });
  }

  let live = null;

  function draw() {
    const box = geometry(chart, { left, right, top, bottom });
    const svg = make("svg", { viewBox: `0 0 ${box.width} ${box.height}`, "aria-hidden": "true" });
    const clip = make("clipPath", { id: "plot" }, svg);
    make("rect", { x: box.left, y: 0, width: box.inner, height: box.height }, clip);
    drawAxes(svg, box);
    drawBands(svg, box);
    const plot = make("g", { "clip-path": "url(#plot)" }, svg);
    for (const { line, area } of outline(box, view.from, view.to)) {
      make("path", { class: "area", d: area }, plot);
      make("path", { class: "line", d: line }, plot);
    }
    for (const frame of frames) {
      if (frame.seconds < view.from || frame.seconds > view.to) continue;
      const x = xOf(frame.seconds, box), y = box.base;
      make("path", { class: frame.inside ? "mark inside" : "mark", d: `M${x} ${y + 2}l4 8h-8z` }, svg);
    }
    live = {
      box,
      pick: make("rect", { class: "pick", y: top, height: box.span, visibility: "hidden" }, plot),
      hover: make("line", { class: "hover", y1: top, y2: box.base, visibility: "hidden" }, plot),
      dot: make("circle", { class: "dot", r: 4, visibility: "hidden" }, plot),
      head: make("line", { class: "head", y1: top - 2, y2: box.base }, svg),
      knob: make("path", { class: "knob" }, svg),
    };
    chart.replaceChildren(svg);
    drawLane();
    drawStrip();
    moveHead();
    const whole = view.to - view.from >= duration - 1e-6;
    byId("zoom-all").disabled = byId("zoom-out").disabled = whole;
    byId("zoom-in").disabled = view.to - view.from <= shortest + 1e-6;
  }

  // The chapters under the part of the curve that is shown, numbered where there is room for the number.
  function drawLane() {
    lane.hidden = !data.chapters.length;
    if (lane.hidden) return;
    const box = geometry(lane, { left, right, top: 0, bottom: 0 });
    const svg = make("svg", { viewBox: `0 0 ${box.width} ${box.height}` });
    data.chapters.forEach(([start, end, title], number) => {
      if (end < view.from || start > view.to) return;
      const kind = title === "calm" ? "" : " eventful";
      const x0 = clamp(xOf(start, box), box.left, box.width - box.right);
      const x1 = clamp(xOf(end, box), box.left, box.width - box.right);
      const part = make("rect", { class: `chapter-box${kind}`, x: x0, y: 1, width: Math.max(1.5, x1 - x0), height: box.height - 2, rx: 3, "data-seek": start }, svg);
      make("title", {}, part).textContent = `${clock(start)}–${clock(end)} ${title}`;
      if (x1 - x0 < 8 * String(number + 1).length + 8) return;
      make("text", { class: kind.trim(), x: (x0 + x1) / 2, y: box.height / 2 + 4, "text-anchor": "middle" }, svg).textContent = number + 1;
    });
    lane.replaceChildren(svg);
  }

  function drawStrip() {
    strip.hidden = view.to - view.from >= duration - 1e-6;
    if (strip.hidden) return;
    const box = geometry(strip, { left, right, top: 2, bottom: 2 });
    const svg = make("svg", { viewBox: `0 0 ${box.width} ${box.height}` });
    const x = (t) => box.left + (t / duration) * box.inner;
    for (const [start, end] of data.events) {
      make("rect", { class: "edge", x: x(start), y: 0, width: Math.max(1.5, x(end) - x(start)), height: 3 }, svg);
    }
    for (const { line } of outline(box, 0, duration)) make("path", { class: "line", d: line }, svg);
    const width = Math.max(4, x(view.to) - x(view.from));
    make("rect", { class: "window", x: x(view.from), y: 0.5, width, height: box.height - 1 }, svg);
    strip.replaceChildren(svg);
  }

  // ---- where we are ----

  function moveHead() {
    if (!live) return;
    const x = xOf(cursor, live.box);
    const shown = cursor >= view.from && cursor <= view.to ? "visible" : "hidden";
    live.head.setAttribute("visibility", shown);
    live.knob.setAttribute("visibility", shown);
    live.head.setAttribute("x1", x);
    live.head.setAttribute("x2", x);
    live.knob.setAttribute("d", `M${x - 4.5} ${live.box.base}h9v3l-4.5 5l-4.5 -5z`);
    chart.setAttribute("aria-valuemax", duration.toFixed(1));
    chart.setAttribute("aria-valuenow", cursor.toFixed(1));
    chart.setAttribute("aria-valuetext", describe(cursor));
    if (!hovering) readout.textContent = describe(cursor);
    const inside = eventAt(cursor);
    cards.forEach((card, number) => mark(card, number === inside));
    for (const chapter of chapters) mark(chapter, cursor >= Number(chapter.dataset.start) && cursor < Number(chapter.dataset.end));
    const near = nearestFrame(cursor);
    frames.forEach((frame) => mark(frame.element, frame === near));
    if (!playable && near && near.image) {
      still.querySelector("img").src = near.image.src;
      const far = Math.abs(near.seconds - cursor) > Math.max(1, 2 * data.stride);
      still.querySelector("figcaption").textContent = `${far ? "Nearest chosen frame, at" : "Chosen frame at"} ${clock(near.seconds, 1)}`;
      still.hidden = false;
    }
  }

  function mark(element, current) {
    if (current) element.setAttribute("aria-current", "true"); else element.removeAttribute("aria-current");
  }

  function nearestFrame(t) {
    let best = null;
    for (const frame of frames) if (!best || Math.abs(frame.seconds - t) < Math.abs(best.seconds - t)) best = frame;
    return best;
  }

  function describe(t) {
    const place = placeAfter(t + 0.0005) - 1, inside = eventAt(t);
    const score = place >= 0 ? ` · score ${scores[place].toFixed(2)}` : "";
    return clock(t, 1) + score + (inside >= 0 ? ` · event ${inside + 1}` : "");
  }

  function seek(t, play = false) {
    moved = true;
    cursor = clamp(t, 0, duration);
    if (cursor < view.from || cursor > view.to) {
      const half = (view.to - view.from) / 2;
      show(cursor - half, cursor + half);
    }
    if (playable) {
      player.currentTime = cursor + offset;
      if (play) player.play().catch(() => {});
    }
    moveHead();
    const box = byId("stage").getBoundingClientRect();
    if (box.bottom < 80 || box.top > innerHeight - 80) byId("stage").scrollIntoView({ block: "start" });
  }

  function show(from, to) {
    const width = clamp(to - from, shortest, duration);
    view.from = clamp(from, 0, duration - width);
    view.to = view.from + width;
    draw();
  }

  function zoom(factor, around = cursor) {
    const pin = clamp(around, view.from, view.to);
    show(pin - (pin - view.from) * factor, pin + (view.to - pin) * factor);
  }

  // ---- pointing ----

  let hovering = false, press = null;
  const timeAt = (event) => {
    const { box } = live, x = event.clientX - chart.getBoundingClientRect().left;
    return clamp(view.from + ((x - box.left) / box.inner) * (view.to - view.from), 0, duration);
  };

  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    press = { x: event.clientX, from: timeAt(event), dragged: false };
    chart.setPointerCapture(event.pointerId);
  });
  chart.addEventListener("pointermove", (event) => {
    const t = timeAt(event), x = xOf(t, live.box);
    if (press && event.pointerType === "mouse" && Math.abs(event.clientX - press.x) > 5) press.dragged = true;
    if (press && press.dragged) {
      const x0 = xOf(press.from, live.box);
      live.pick.setAttribute("x", Math.min(x0, x));
      live.pick.setAttribute("width", Math.abs(x - x0));
      live.pick.setAttribute("visibility", "visible");
    }
    hovering = true;
    readout.textContent = press && press.dragged ? `${clock(Math.min(press.from, t), 1)}–${clock(Math.max(press.from, t), 1)}` : describe(t);
    const place = placeAfter(t + 0.0005) - 1;
    for (const key of ["x1", "x2"]) live.hover.setAttribute(key, x);
    live.hover.setAttribute("visibility", "visible");
    if (place >= 0) {
      live.dot.setAttribute("cx", x);
      live.dot.setAttribute("cy", live.box.base - clamp(scores[place], 0, 1) * live.box.span);
      live.dot.setAttribute("visibility", "visible");
    }
  });
  chart.addEventListener("pointerup", (event) => {
    if (!press) return;
    const { from, dragged } = press, t = timeAt(event);
    press = null;
    if (dragged) show(Math.min(from, t), Math.max(from, t)); else seek(t);
  });
  chart.addEventListener("pointercancel", () => { press = null; draw(); });
  chart.addEventListener("pointerleave", () => {
    hovering = false;
    for (const part of [live.hover, live.dot]) part.setAttribute("visibility", "hidden");
    moveHead();
  });
  chart.addEventListener("dblclick", () => show(0, duration));
  chart.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (event.ctrlKey || event.metaKey || event.shiftKey && !sideways) {
      event.preventDefault();
      zoom(Math.exp(clamp(event.deltaY, -100, 100) * 0.004), timeAt(event));
    } else if (sideways) {
      event.preventDefault();
      const step = (event.deltaX / live.box.inner) * (view.to - view.from);
      show(view.from + step, view.to + step);
    }
  }, { passive: false });

  strip.addEventListener("pointerdown", (event) => { strip.setPointerCapture(event.pointerId); pan(event); });
  strip.addEventListener("pointermove", (event) => { if (event.buttons & 1) pan(event); });
  function pan(event) {
    const x = event.clientX - strip.getBoundingClientRect().left - left;
    const middle = (x / (strip.clientWidth - left - right)) * duration, half = (view.to - view.from) / 2;
    show(middle - half, middle + half);
  }

  // ---- keys and buttons ----

  function nextEvent(direction) {
    const starts = data.events.map(([start]) => start).sort((a, b) => a - b);
    const target = direction > 0 ? starts.find((t) => t > cursor + 0.05) : starts.reverse().find((t) => t < cursor - 0.05);
    if (target !== undefined) seek(target);
  }

  chart.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = Math.max(data.stride || 0.1, (view.to - view.from) / 200) * (event.shiftKey ? 10 : 1);
    const actions = {
      ArrowLeft: () => seek(cursor - step), ArrowRight: () => seek(cursor + step),
      ArrowDown: () => seek(cursor - step), ArrowUp: () => seek(cursor + step),
      PageDown: () => seek(cursor - 10 * step), PageUp: () => seek(cursor + 10 * step),
      Home: () => seek(0), End: () => seek(duration),
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => show(0, duration),
      n: () => nextEvent(1), N: () => nextEvent(1), p: () => nextEvent(-1), P: () => nextEvent(-1),
      " ": () => { if (playable) player.paused ? player.play().catch(() => {}) : player.pause(); },
    };
    if (!actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  });

  byId("zoom-in").addEventListener("click", () => zoom(0.5));
  byId("zoom-out").addEventListener("click", () => zoom(2));
  byId("zoom-all").addEventListener("click", () => show(0, duration));
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-seek]");
    if (target) seek(Number(target.dataset.seek), "play" in target.dataset);
  });
  for (const card of cards) {
    const image = card.querySelector("img[data-frame]"), frame = image && frames[Number(image.dataset.frame)];
    if (!frame || !frame.image) continue;
    image.src = frame.image.src;
    image.hidden = false;
    image.dataset.seek = frame.seconds;
  }

  // ---- the player ----

  function ask(sentence) {
    playable = false;
    player.hidden = true;
    attachNote.textContent = sentence;
    attach.hidden = false;
    if (!moved) cursor = clamp(data.first, 0, duration);
    for (const button of document.querySelectorAll("[data-play]")) button.textContent = button.textContent.replace("Play from", "Go to");
    moveHead();
  }

  player.addEventListener("loadedmetadata", () => {
    if (!player.videoWidth) return unplayable();
    playable = true;
    player.hidden = false;
    still.hidden = attach.hidden = true;
    // Some players count from the container's own first time, others from zero: where they begin tells which.
    offset = Math.abs(player.currentTime - data.offset) < player.currentTime ? data.offset : 0;
    for (const button of document.querySelectorAll("[data-play]")) button.textContent = button.textContent.replace("Go to", "Play from");
    if (moved) player.currentTime = cursor + offset; else cursor = 0;
    moveHead();
  });
  player.addEventListener("error", unplayable);
  function unplayable() {
    const codec = data.codec ? ` (${data.codec})` : "";
    ask(objectUrl
      ? `This browser cannot play that file${codec}. The chosen frames are shown instead.`
      : `The video is not where this report expects it, or this browser cannot play it${codec}. The chosen frames are shown instead.`);
  }
  byId("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (!file) return;
    if (objectUrl) URL.revokeObjectURL(objectUrl);
    objectUrl = URL.createObjectURL(file);
    player.src = objectUrl;
  });
  const follow = () => {
    cursor = clamp(player.currentTime - offset, 0, duration);
    if (!press && (cursor > view.to || cursor < view.from)) show(cursor, cursor + view.to - view.from); else moveHead();
  };
  function tick() {
    if (player.paused || player.ended) return;
    follow();
    requestAnimationFrame(tick);
  }
  player.addEventListener("play", tick);
  for (const name of ["seeked", "pause", "timeupdate"]) player.addEventListener(name, () => { if (playable) follow(); });

  new ResizeObserver(draw).observe(chart);
  addEventListener("beforeprint", () => show(0, duration));
  draw();
  if (!player.getAttribute("src")) ask("The video is not beside this report.");
  else if (player.error) unplayable();
})();
