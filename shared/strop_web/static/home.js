// Refreshes the numbers of the home page; "today" starts at midnight of the browser's time zone.
"use strict";

const main = document.querySelector("main");

async function refresh() {
  if (document.hidden || main.querySelector("details[open]")) return; // an open text stays open
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const response = await fetch(`/?since=${encodeURIComponent(midnight.toISOString())}`).catch(() => null);
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main");
  for (const time of fresh.querySelectorAll("time")) {
    time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  }
  // An unchanged page is not replaced, so that the focus stays.
  if (fresh.innerHTML !== refresh.shown) main.innerHTML = refresh.shown = fresh.innerHTML;
}

refresh();
setInterval(refresh, 5000);
document.addEventListener("visibilitychange", refresh);
