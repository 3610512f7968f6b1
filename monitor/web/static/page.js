// Alerts as they come: the server's own markup replaces the list when it has changed.
"use strict";
const live = document.querySelector("[data-live]");
if (live) {
  let last = null;
  setInterval(async () => {
    if (document.hidden || live.contains(document.activeElement)) return;
    try {
      const answer = await fetch(live.dataset.live, {
        headers: last ? { "if-none-match": last } : {},
      });
      if (answer.status !== 200) return;
      last = answer.headers.get("etag");
      live.innerHTML = await answer.text();
    } catch { /* the watch is down or restarting: the next look finds out */ }
  }, 5000);
}
