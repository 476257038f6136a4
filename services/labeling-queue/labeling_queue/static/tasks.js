// The tasks a person holds. The next images are here before they are needed, an answer counts at once, and requests go
// out one after another behind it; what could not be saved is brought back.

const AHEAD = 4; // tasks held at a time, the one on show included
const RENEW = 60_000; // ms between renewals of the leases
const POLL = 3_000; // ms between looks when there is nothing to show, or trouble

export const NAMES = { unclear: "Unclear", none: "None of these", bad: "Bad image" };

const project = document.body.dataset.project;
const path = `/api/projects/${project}`;

export const state = {
  queue: [], // leased tasks, the first is on show; each has its `img`, and `ready` or `broken` once that is known
  past: [], // {task, name, undo} of what this page did, answers and skips, the latest at the end
  labels: [],
  folders: [], // {name, images, nearest}: folders of the bucket that may be new labels
  waiting: 0,
  done: 0, // today, by everybody
  loaded: false,
  trouble: "", // "", "offline" or "signed out"
};

// The page puts its own here: something changed; a message; another image is first now.
export const on = { change() {}, tell(message, good) {}, jump() {} };

const away = new Set(); // ids of tasks whose answer is on its way
let line = Promise.resolve(); // requests in order, so that an undo comes after what it takes back
let looked = 0; // when the server was last asked for tasks

export const busy = () => !state.loaded || away.size > 0;

async function call(url, body) {
  const signal = AbortSignal.timeout(20_000);
  const headers = { "Content-Type": "application/json" };
  const post = { method: "POST", headers, body: JSON.stringify(body), keepalive: true, signal };
  const response = await fetch(url, body === undefined ? { signal } : post).catch(() => {
    throw trouble("offline", "No connection.");
  });
  if (response.status === 401) throw trouble("signed out", "You are signed out.");
  state.trouble = "";
  const reply = response.status === 204 ? {} : await response.json().catch(() => ({}));
  if (response.ok) return reply;
  const detail = typeof reply.detail === "string" ? reply.detail : `The server answered ${response.status}.`;
  throw Object.assign(new Error(detail), { status: response.status });
}

function trouble(kind, message) {
  state.trouble = kind;
  return new Error(message);
}

function inLine(work) {
  line = line.then(work).catch((error) => on.tell(error.message)).then(on.change);
}

// --- asking ---

// Requests tasks, then shows the `failure` that led here, which explains more than that the image has changed.
async function refill(failure = "") {
  looked = Date.now();
  const count = Math.min(20, Math.max(AHEAD, state.queue.length) + away.size);
  const tasks = await call(`${path}/tasks/next?count=${count}`, {}).catch((error) => {
    throw failure ? new Error(failure) : error;
  });
  const before = state.queue[0];
  const mine = new Set(tasks.map((task) => task.id));
  const held = new Set(state.queue.map((task) => task.id));
  state.queue = state.queue.filter((task) => mine.has(task.id));
  state.queue.push(...tasks.filter((task) => !held.has(task.id) && !away.has(task.id)).map(prepare));
  for (const task of state.queue.filter((held) => held.broken)) prepare(task); // it may have been the connection
  if (before && before !== state.queue[0]) {
    on.jump();
    failure ||= "Another person has this image now. This is the next one.";
  }
  if (failure) on.tell(failure);
}

function prepare(task) {
  task.img = Object.assign(new Image(), { alt: "The image to label", draggable: false, src: task.image });
  task.ready = task.broken = false;
  const loaded = () => (task.ready = true);
  const failed = () => (task.broken = true);
  task.img.decode().then(loaded, failed).then(() => task === state.queue[0] && on.change());
  return task;
}

async function update() {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  try {
    const [labels, folders, { waiting, done }] = await Promise.all([
      call(`${path}/labels`),
      call(`${path}/labels/waiting`),
      call(`${path}/progress?since=${encodeURIComponent(midnight.toISOString())}`),
      refill(),
    ]);
    addLabels(labels);
    state.folders = folders;
    Object.assign(state, { waiting, done, loaded: true });
  } catch (error) {
    if (!state.trouble) throw error;
  }
}

// Labels keep their places, and so their keys: known ones stay, on later visits too, and new ones come last.
function addLabels(found) {
  const store = `strop.labels.${project}`;
  const placed = JSON.parse(localStorage.getItem(store) ?? "[]").filter((label) => found.includes(label));
  state.labels = [...new Set([...state.labels, ...placed, ...found])];
  localStorage.setItem(store, JSON.stringify(state.labels));
}

// --- answering ---

export function answer(answer, label, name) {
  send(leave(name, takeBackAnswer), "answer", { answer, label }, () => {
    state.done += 1;
    state.waiting -= 1;
    if (label) addLabels([label]);
  });
}

export function skip() {
  send(leave("Skip", takeBackSkip), "skip", {}, () => {
    if (!state.queue.length) on.tell("Skipped: it comes again when nothing else waits.", true);
  });
}

function leave(name, undo) {
  const task = state.queue.shift();
  state.past.push({ task, name, undo });
  away.add(task.id);
  on.change();
  return task;
}

function send(task, action, body, done) {
  inLine(async () => {
    let failure = "";
    try {
      await call(`/api/tasks/${task.id}/${action}`, body);
      task.img = null; // of what this page did in hours only the names are kept
      done();
    } catch (error) {
      failure = bringBack(task, error);
    } finally {
      away.delete(task.id);
    }
    if (state.queue.length < AHEAD - 1 && !state.trouble) await refill(failure);
    else if (failure) on.tell(failure);
  });
}

// Returns the message for the labeler.
function bringBack(task, error) {
  forget((act) => act.task === task);
  if (error.status === 409) return error.message;
  state.queue.unshift(task);
  on.jump();
  return `Not saved: ${error.message} The image is back in front of you.`;
}

// --- taking back: always what this page did last, then the answers before it ---

export const last = () => state.past.findLast((act) => !act.leaving);

export function undo() {
  const act = last();
  if (!act) return inLine(() => takeBackAnswer());
  act.leaving = true; // the next undo means the one before
  on.change();
  inLine(() => takeBack(act));
}

async function takeBack(act) {
  if (!state.past.includes(act)) return; // it was not saved, so its image is in front already
  try {
    await act.undo(act.task);
  } catch (error) {
    act.leaving = false;
    if (![404, 409].includes(error.status)) throw error;
    forget((other) => other === act); // somebody else has the image, or it was taken back elsewhere
    await refill(error.message);
  }
}

async function takeBackAnswer(given) {
  const { annotation, task } = await call("/api/annotations/undo", { project, task: given?.id });
  forget((act) => act.task.id === annotation.task_id && act.undo === takeBackAnswer);
  state.done -= 1;
  if (task) {
    state.waiting += 1;
    show(task);
  }
  on.tell(`Took back “${annotation.label ?? NAMES[annotation.answer]}”.`, true);
}

async function takeBackSkip(skipped) {
  show(await call(`/api/tasks/${skipped.id}/unskip`, {}));
  forget((act) => act.task === skipped && act.undo === takeBackSkip);
  on.tell("Took back the skip.", true);
}

function forget(what) {
  state.past = state.past.filter((act) => !what(act));
}

function show(task) {
  state.queue = [prepare(task), ...state.queue.filter((held) => held.id !== task.id)];
  on.jump();
}

// --- time ---

function look() {
  const pause = state.queue.length && !state.trouble ? RENEW : POLL;
  if (!document.hidden && Date.now() - looked > pause) {
    looked = Date.now();
    inLine(update);
  }
}

export function start() {
  look();
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", look);
}

// Decides what the folder of an unknown label stands for.
export function decide(name, label) {
  inLine(async () => {
    const { images } = await call(`${path}/labels`, { name, label });
    state.folders = state.folders.filter((folder) => folder.name !== name);
    addLabels([label]);
    on.tell(`${images} ${images === 1 ? "image gets" : "images get"} the label ${label}`, true);
  });
}
