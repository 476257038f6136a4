// What pages of the console do beyond plain HTML: follow states, sort and sieve, look closer, copy, try images.

const $ = (id) => document.getElementById(id);

// --- times are the reader's own ---

function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}
localTimes(document);

// --- parts marked data-live follow the server: quickly while something moves, else now and then ---

const QUICK = 1_000;
const SLOW = 5_000;
const address = document.body.dataset.address;
const shown = new Map(); // id -> HTML as the server last sent it

function replace(part, fresh) {
  const busy = part.contains(document.activeElement) && document.activeElement.matches("input, textarea");
  const first = !shown.has(part.id);
  if (busy || shown.get(part.id) === fresh.innerHTML) return; // unchanged parts keep their focus
  shown.set(part.id, fresh.innerHTML);
  if (first && part.innerHTML === fresh.innerHTML) return;
  part.innerHTML = fresh.innerHTML;
  part.toggleAttribute("data-moving", fresh.hasAttribute("data-moving"));
  localTimes(part);
}

async function refresh() {
  if (document.hidden) return;
  const response = await fetch(address).catch(() => null);
  if (!response?.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) replace(part, fresh);
  }
}

async function follow() {
  await new Promise((wake) => setTimeout(wake, document.querySelector("[data-moving], .state.moving") ? QUICK : SLOW));
  await refresh();
  follow();
}

if (address) {
  follow();
  document.addEventListener("visibilitychange", refresh);
}

// --- tables sort by the button in a column's head ---

function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

function sort(head) {
  const row = head.parentElement;
  const column = [...row.children].indexOf(head);
  const now = head.getAttribute("aria-sort");
  const first = head.dataset.order === "down" ? "descending" : "ascending";
  const order = now ? (now === "ascending" ? "descending" : "ascending") : first;
  for (const other of row.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const body = head.closest("table").tBodies[0];
  const sign = order === "ascending" ? 1 : -1;
  const value = (line) => line.children[column].dataset.value;
  body.append(...[...body.rows].sort((a, b) => sign * compare(value(a), value(b))));
}

// --- a sieve hides the lines whose label does not hold what is typed ---

function sieve(input) {
  const typed = input.value.trim().toLowerCase();
  for (const named of $(input.dataset.sieve).querySelectorAll("li[data-value], tbody th[data-value]")) {
    named.closest("li, tr").hidden = !named.dataset.value.toLowerCase().includes(typed);
  }
}

// --- a picture comes closer ---

function look(link) {
  const dialog = Object.assign(document.createElement("dialog"), { id: "closer" });
  dialog.ariaLabel = link.firstElementChild.alt;
  dialog.append(Object.assign(new Image(), { src: link.href, alt: link.firstElementChild.alt }));
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

// --- commands are copied ---

const canCopy = Boolean(navigator.clipboard);
for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !canCopy;

async function copy(button) {
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

document.addEventListener("click", (event) => {
  const sorts = event.target.closest("thead th[data-order] button");
  const copies = event.target.closest("[data-copy]");
  const picture = event.target.closest("a.picture");
  if (sorts) sort(sorts.parentElement);
  else if (copies) copy(copies);
  else if (picture && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
    event.preventDefault();
    look(picture);
  }
});
document.addEventListener("input", (event) => event.target.dataset?.sieve && sieve(event.target));

// --- long lists of labels are folded on a phone ---

if (matchMedia("(max-width: 48rem)").matches) {
  for (const fold of document.querySelectorAll(".fold")) fold.open = false;
}

// --- images are dropped, pasted or chosen; answers come one after another, the latest on top ---

const drop = $("drop");
let line = Promise.resolve();

const LARGEST = 25 * 2 ** 20; // bytes, as in try_model.py

async function tryImage(file) {
  if (file.size > LARGEST) return $("answers").prepend(failed("This file is too large: choose an image of at most 25 MB."));
  const form = new FormData();
  form.append("image", file, file.name);
  const response = await fetch(drop.action, { method: "POST", body: form }).catch(() => null);
  const page = new DOMParser().parseFromString(response ? await response.text() : "", "text/html");
  const result = page.querySelector("#answers .answer") ?? page.querySelector("main .message") ?? failed("No connection: the image was not sent. Try again.");
  $("answers").prepend(document.adoptNode(result));
}

function failed(textContent) {
  const box = Object.assign(document.createElement("article"), { className: "card answer" });
  box.append(Object.assign(document.createElement("p"), { className: "trouble", textContent }));
  return box;
}

function tryAll(files) {
  for (const file of files) {
    drop.classList.add("busy");
    line = line.then(() => tryImage(file)).finally(() => drop.classList.remove("busy"));
  }
}

if (drop) {
  const input = drop.querySelector("input");
  input.multiple = true;
  input.classList.add("hidden"); // its label is there to be clicked
  drop.querySelector("button").hidden = true; // choosing a file is enough
  drop.querySelector("span.button").hidden = false;
  input.addEventListener("change", () => {
    tryAll([...input.files]);
    input.value = "";
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") tryAll([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("paste", (event) => tryAll([...event.clipboardData.files]));
}
