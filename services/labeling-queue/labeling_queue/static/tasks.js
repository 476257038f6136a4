// The tasks a person holds. The next images are here before they are needed, an answer counts at once, and requests go
// out one after another behind it; what could not be saved is brought back.

const AHEAD = 4; // tasks held at a time, the one on show included
const RENEW = 60_000; // ms between renewals of the leases
const POLL = 3_000; // ms between looks when there is nothing to show, or trouble
const REMEMBERED = 20; // answers that undo can show by name

export const NAMES = { unclear: "Unclear", none: "None of these", bad: "Bad image" };

const project = document.body.dataset.project;
const path = `/api/projects/${project}`;

export const state = {
  queue: [], // leased tasks, the first is on show; each has its `img`, and `ready` or `broken` once that is known
  past: [], // {task, name} of the latest answers
  labels: [],
  waiting: 0,
  done: 0, // today, by everybody
  loaded: false,
  trouble: "", // "", "offline" or "signed out"
};

// The page puts its own here: something changed; something to tell; another image jumped in front.
export const on = { change() {}, tell(message, good) {}, jump() {} };

const away = new Set(); // ids of tasks whose answer is on its way
let line = Promise.resolve(); // requests in order, so that "undo" means the answer before it
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

async function refill() {
  looked = Date.now();
  const count = Math.min(20, Math.max(AHEAD, state.queue.length) + away.size);
  const tasks = await call(`${path}/tasks/next?count=${count}`);
  const before = state.queue[0];
  const mine = new Set(tasks.map((task) => task.id));
  const held = new Set(state.queue.map((task) => task.id));
  state.queue = state.queue.filter((task) => mine.has(task.id));
  state.queue.push(...tasks.filter((task) => !held.has(task.id) && !away.has(task.id)).map(prepare));
  for (const task of state.queue.filter((held) => held.broken)) prepare(task); // it may have been the connection
  if (before && before !== state.queue[0]) {
    on.jump();
    on.tell("While you were away, somebody else took the image you were looking at.");
  }
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
    const [labels, { waiting, done }] = await Promise.all([
      call(`${path}/labels`),
      call(`${path}/progress?since=${encodeURIComponent(midnight.toISOString())}`),
      refill(),
    ]);
    addLabels(labels);
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
  const task = leave();
  state.past = [...state.past, { task, name }].slice(-REMEMBERED);
  send(task, "answer", { answer, label }, () => {
    state.done += 1;
    state.waiting -= 1;
    if (label) addLabels([label]);
  });
}

export function skip() {
  send(leave(), "skip", {}, () => {
    if (!state.queue.length) on.tell("Skipped: it comes again when nothing else waits.", true);
  });
}

function leave() {
  const task = state.queue.shift();
  away.add(task.id);
  on.change();
  return task;
}

function send(task, action, body, done) {
  inLine(async () => {
    try {
      await call(`/api/tasks/${task.id}/${action}`, body);
      done();
    } catch (error) {
      bringBack(task, error);
    } finally {
      away.delete(task.id);
    }
    if (state.queue.length < AHEAD - 1 && !state.trouble) await refill();
  });
}

function bringBack(task, error) {
  state.past = state.past.filter((given) => given.task !== task);
  if (error.status === 409) return on.tell(error.message);
  state.queue.unshift(task);
  on.jump();
  on.tell(`Not saved: ${error.message} The image is back in front of you.`);
}

export function undo() {
  inLine(async () => {
    const { annotation, task } = await call("/api/annotations/undo", { project });
    state.past = state.past.filter((given) => given.task.id !== annotation.task_id);
    state.done -= 1;
    if (task) {
      state.waiting += 1;
      state.queue = [prepare(task), ...state.queue.filter((held) => held.id !== task.id)];
      on.jump();
    }
    on.tell(`Took back “${annotation.label ?? NAMES[annotation.answer]}”.`, true);
  });
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
