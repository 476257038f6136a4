// Keeps the numbers of the front page fresh; "today" is the person's own day.
"use strict";

const main = document.querySelector("main");

async function refresh() {
  if (document.hidden || main.querySelector("details[open]")) return; // nothing closes what somebody reads
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const response = await fetch(`/?since=${encodeURIComponent(midnight.toISOString())}`).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main");
  for (const time of fresh.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  }
  // An unchanged page is left alone, so that the focus stays where it is.
  if (fresh.innerHTML !== refresh.shown) main.innerHTML = refresh.shown = fresh.innerHTML;
}

refresh();
setInterval(refresh, 5000);
document.addEventListener("visibilitychange", refresh);
