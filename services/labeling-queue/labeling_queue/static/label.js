// What the labeling page shows, and what keys, clicks and taps do. The work behind it is in tasks.js.

import { read } from "./keys.js";
import { ask, show as showFolders } from "./folders.js";
import { NAMES, answer, busy, last, on, skip, start, state, undo } from "./tasks.js";

const KEYS = [..."123456789acdefhijklmopqrtvwxy"]; // of the labels, in order; the other letters mean something below
const ACTIONS = { u: "unclear", n: "none", b: "bad", s: "skip", z: "undo", backspace: "undo", g: "guess", "+": "new", "?": "help", "؟": "help" };
const TROUBLE = {
  offline: "No connection. Trying again …",
  "signed out": "You are signed out. Open a sign-in link in this browser and press its button; this page then goes on by itself.",
};

const $ = (id) => document.getElementById(id);
const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

let calm = 0; // answers count from then on: a key pressed too early must not answer a new image

// --- showing ---

on.change = function show() {
  const task = state.queue[0];
  const picture = task && !task.broken ? task.img : notice(task);
  if ($("stage").firstChild !== picture) {
    $("stage").replaceChildren(picture);
    $("stage").classList.remove("zoomed");
  }
  showLabels();
  showFolders();
  const waits = task ? !state.loaded || !(task.ready || task.broken) || performance.now() < calm : busy();
  $("stage").setAttribute("aria-busy", String(waits));
  for (const button of document.querySelectorAll(".panel [data-act]:not(#undo, [data-act=folder])")) {
    button.setAttribute("aria-disabled", String(!task)); // not `disabled`: that would take the focus away
  }
  $("about").textContent = task ? `${task.device} · ${ago(task.captured_at)}` : "";
  $("trouble").textContent = TROUBLE[state.trouble] ?? "";
  showNumbers();
  showGuess();
  showUndo();
};

function notice(task) {
  const box = make("div", { className: "notice" });
  const write = (tag, textContent) => box.append(make(tag, { textContent }));
  const others = state.waiting === 1 ? "The last image is" : `The last ${state.waiting} images are`;
  if (task) {
    write("h2", "This image cannot be shown");
    write("p", "Call it a bad image, or skip it.");
  } else if (busy()) {
    write("p", "Getting images …");
  } else {
    write("h2", state.waiting > 0 ? "Nothing left for you" : "All done");
    if (state.waiting > 0) write("p", `${others} with somebody else.`);
    write("p", "New images appear here by themselves.");
  }
  return box;
}

function showNumbers() {
  const [done, waiting] = [Math.max(0, state.done), Math.max(0, state.waiting)];
  $("bar").max = Math.max(1, done + waiting);
  $("bar").value = done;
  $("done").textContent = done;
  $("waiting").textContent = waiting;
  document.title = `${state.loaded && !waiting ? "All done" : `${waiting} to go`} · ${document.body.dataset.project}`;
}

function showLabels() {
  const shown = $("labels").querySelectorAll("[data-act=label]").length;
  if (shown === state.labels.length) return; // labels are only ever added
  for (const [index, label] of state.labels.entries()) {
    if (index < shown) continue;
    const button = make("button", { value: label });
    button.dataset.act = "label";
    const key = make("kbd", { textContent: (KEYS[index] ?? "").toUpperCase() });
    button.append(key, make("span", { textContent: label }));
    $("new").before(button);
    $("known").append(make("option", { value: label }));
  }
}

function showGuess() {
  const on = localStorage.getItem("strop.guess") === "shown";
  const guess = state.queue[0]?.predictions[0];
  $("guess").hidden = !guess;
  $("guess").setAttribute("aria-pressed", String(on));
  $("guess").textContent = on && guess ? `Model: ${guess.label}, ${Math.round(guess.confidence * 100)} %` : "Show the guess";
  for (const button of $("labels").children) button.classList.toggle("guess", on && button.value === guess?.label);
}

function showUndo() {
  const act = last();
  $("undo").lastChild.textContent = act ? `Undo: ${act.name}` : "Undo";
  $("undo").querySelector("img").src = act ? act.task.image : "/static/icon.svg";
  $("undo").classList.toggle("empty", !act);
}

function ago(time) {
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const minutes = Math.round((Date.now() - new Date(time)) / 60_000);
  if (minutes < 60) return words.format(-minutes, "minute");
  if (minutes < 60 * 24) return words.format(-Math.round(minutes / 60), "hour");
  return words.format(-Math.round(minutes / 60 / 24), "day");
}

on.tell = function toast(message, good = false) {
  const box = $("toast");
  box.textContent = message;
  box.className = good ? "good" : "";
  box.hidden = false;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => (box.hidden = true), good ? 2500 : 7000);
};

on.jump = (pause = 600) => {
  calm = performance.now() + pause;
  setTimeout(on.change, pause + 1);
};

// --- acting ---

function act(name, label = null) {
  if (name === "undo") undo();
  else if (name === "new") state.queue.length && askLabel();
  else if (name === "folder") ask(label);
  else if (name === "help") $("help").showModal();
  else if (name === "guess") toggleGuess();
  else give(name, label);
}

function give(kind, label) {
  const task = state.queue[0];
  const seen = task?.ready || (task?.broken && ["bad", "skip"].includes(kind));
  if (!seen || performance.now() < calm) return;
  on.jump(150);
  const name = label ?? NAMES[kind] ?? "Skipped";
  $("said").textContent = `${name}. Next image.`;
  if (kind === "skip") skip();
  else answer(kind, label, name);
}

function toggleGuess() {
  localStorage.setItem("strop.guess", localStorage.getItem("strop.guess") === "shown" ? "hidden" : "shown");
  showGuess();
}

function askLabel() {
  const task = state.queue[0];
  const dialog = $("new-label");
  $("new-name").value = dialog.returnValue = "";
  dialog.showModal();
  dialog.onclose = () => {
    const name = $("new-name").value.trim().replace(/\s+/g, " ").normalize("NFC"); // as the server spells it
    const known = state.labels.find((label) => label.toLowerCase() === name.toLowerCase());
    if (dialog.returnValue === "use" && name && task === state.queue[0]) give("label", known ?? name);
  };
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.target.closest("input, textarea, select") || document.querySelector("dialog[open]")) return;
  const key = read(event);
  const labelButtons = $("labels").querySelectorAll("[data-act=label]");
  const button = key in ACTIONS ? document.querySelector(`[data-act=${ACTIONS[key]}]`) : labelButtons[KEYS.indexOf(key)];
  if (!button) return;
  event.preventDefault();
  button.animate([{ borderColor: "var(--accent)", background: "var(--raised)" }, {}], 300);
  act(button.dataset.act, button.value || null);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (button) act(button.dataset.act, button.value || null);
});

// A click looks closer, at the place under the pointer.
$("stage").addEventListener("click", (event) => {
  $("stage").classList.toggle("zoomed");
  aim(event);
});
$("stage").addEventListener("pointermove", aim);
function aim(event) {
  const box = $("stage").getBoundingClientRect();
  const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  $("stage").style.setProperty("--at", at.map((part) => `${100 * part}%`).join(" "));
}

start();
on.change();
