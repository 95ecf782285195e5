// The film, by frames: the number of the frame in hand is what counts, and a standing picture is that very
// frame, as holmesvau decodes it. The browser's own player is for moving pictures, where it can play the file;
// where it cannot, frames are shown as fast as they come.

import { byId, clamp, clock } from "/page/dom.js";
import { get, numbers } from "/page/server.js";

const player = byId("player"), still = byId("still"), note = byId("screen-note");
let listener = () => {}, name = "", content = "", times = new Float64Array(0), duration = 0, offset = 0;
let frame = 0, playing = false, native = false, stopAt = Infinity, loading = false, wanted = -1, turn = 0;

export const onMove = (callback) => { listener = callback; };
export const film = {
  get frame() { return frame; },
  get count() { return times.length; },
  get seconds() { return times.length ? times[frame] : 0; },
  get duration() { return duration; },
  get playing() { return playing; },
  get native() { return native; },
};

// The frame that is shown at a time, and the edge between frames that is nearest to it (edge k is before frame k).
export function frameAt(seconds) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= seconds + 1e-6) low = middle + 1; else high = middle;
  }
  return Math.max(0, low - 1);
}
export const edge = (k) => (k < times.length ? times[Math.max(0, k)] : duration);
export function nearestEdge(seconds) {
  const k = frameAt(seconds);
  return seconds - edge(k) > edge(k + 1) - seconds ? k + 1 : k;
}

export async function open(video) {
  pause();
  const mine = ++turn;
  name = video.name;
  content = video.content;
  times = new Float64Array(0);
  duration = video.duration;
  native = false;
  frame = 0;
  wanted = -1;
  player.removeAttribute("src");
  still.hidden = true;
  delete still.dataset.frame;
  say("Reading the file…");
  try {
    const [facts, seconds] = await Promise.all([get("/api/film", { video: name }), numbers("/api/times", { video: name })]);
    if (mine !== turn) return false;
    times = seconds;
    duration = facts.duration;
    offset = facts.offset;
    byId("screen").style.aspectRatio = `${facts.width} / ${facts.height}`;
    say(facts.warnings.join(" "));
    if (facts.playable) player.src = `/video?${new URLSearchParams({ name, v: content })}`;
    show(0);
    return true;
  } catch (error) {
    if (mine === turn) say(error.message || "The server does not answer.");
    return false;
  }
}

function say(text) {
  note.textContent = text;
  note.hidden = !text;
}

player.addEventListener("loadedmetadata", () => {
  native = player.videoWidth > 0;
  // Some players count from the container's own first time, others from zero: where they begin tells which.
  if (!(Math.abs(player.currentTime - offset) < player.currentTime)) offset = 0;
  listener();
});
player.addEventListener("error", () => {
  native = false;
  listener();
});
player.addEventListener("ended", () => { if (playing) pause(); });

// ---- one frame ----

export function show(index) {
  if (!times.length) return;
  if (playing) pause();
  move(index);
}

function move(index) {
  frame = clamp(Math.round(index), 0, times.length - 1);
  load(frame);
  listener();
}

export const seek = (seconds) => show(frameAt(clamp(seconds, 0, duration)));
export const step = (count) => show(frame + count);

function load(index) {
  wanted = index;
  if (loading || index < 0 || index >= times.length) return;
  loading = true;
  const mine = turn, picture = new Image();
  const width = [480, 960, 1920].find((size) => size >= byId("screen").clientWidth * devicePixelRatio) || 1920;
  picture.src = `/frame?${new URLSearchParams({ video: name, index, width, v: content })}`;
  picture.decode().then(() => {
    if (mine === turn && (!playing || !native)) {
      still.src = picture.src;
      still.hidden = false;
      still.dataset.frame = index;
      still.alt = `Frame ${index}, at ${clock(times[index], 2)}`;
    }
  }, () => {
    if (mine === turn && index === wanted && !playing) {
      still.hidden = native;
      delete still.dataset.frame;
      if (native) player.currentTime = inside(index);
    }
  }).then(() => {
    loading = false;
    if (mine !== turn || wanted !== index) load(wanted);
  });
}

// ---- moving pictures ----

// A time within a frame, for a player: its middle, so that no rounding leads to a neighbour.
const inside = (index) => (edge(index) + edge(index + 1)) / 2 + offset;

export const toggle = () => { if (playing) pause(); else play(); };

export function play(from = frame, until = Infinity) {
  if (!times.length) return;
  if (from >= times.length - 1 && until === Infinity) from = 0;
  frame = clamp(from, 0, times.length - 1);
  stopAt = until;
  playing = true;
  if (native) playNative(); else playStills();
  listener();
}

export function pause() {
  if (!playing) return;
  playing = false;
  player.pause();
  move(frame);
}

export function speed(factor) {
  player.playbackRate = factor;
  if (playing && !native) play(frame, stopAt);
}

function playNative() {
  const mine = turn;
  player.currentTime = inside(frame);
  const follow = (_, shown) => {
    if (!playing || mine !== turn) return;
    still.hidden = true;
    const index = frameAt(Math.max(0, shown.mediaTime - offset) + 5e-4);
    if (index >= stopAt) {
      frame = Math.min(stopAt, times.length - 1);
      return pause();
    }
    frame = index;
    listener();
    player.requestVideoFrameCallback(follow);
  };
  player.requestVideoFrameCallback(follow);
  player.play().catch(() => { if (mine === turn && playing) { native = false; playStills(); } });
}

function playStills() {
  const mine = turn, began = performance.now(), from = times[frame], factor = player.playbackRate;
  const next = () => {
    if (!playing || mine !== turn || native || factor !== player.playbackRate) return;
    const due = frameAt(from + ((performance.now() - began) / 1000) * factor);
    if (due >= stopAt || due >= times.length - 1) {
      frame = Math.min(due, stopAt, times.length - 1);
      return pause();
    }
    if (due !== frame && !loading) {
      frame = due;
      load(frame);
      listener();
    }
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}
