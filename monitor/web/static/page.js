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

// The rule lab: says what is wrong with a rule while one types, and copies it.
const rule = document.querySelector("[data-check]");
if (rule) {
  const verdict = document.getElementById("verdict");
  let timer = 0;
  let asked = 0;
  rule.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++asked;
      try {
        const body = new URLSearchParams(new FormData(rule.form));
        const answer = await fetch(rule.dataset.check, { method: "POST", body });
        const words = await answer.text();
        if (answer.ok && mine === asked) verdict.innerHTML = words;
      } catch { /* as above */ }
    }, 300);
  });
  const copy = document.getElementById("copy");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(rule.value);
    document.getElementById("copied").textContent = "Copied.";
  });
}
