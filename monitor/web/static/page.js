// What the pages do beyond links and forms; all of it also works without. Markup that comes from
// the server was written by the same templates as the page itself.
"use strict";

// Now: alerts as they come. A connection is held only while somebody looks.
const list = document.querySelector("[data-live]");
if (list) {
  const SHOWN = 50;
  const says = document.getElementById("live");
  let address = list.dataset.live;
  let source = null;
  let again = 0;
  const seen = (event) => {
    address = `/events?last=${encodeURIComponent(event.lastEventId)}`;
    says.textContent = "Live: new alerts appear by themselves.";
  };
  const articles = (markup) => {
    const template = document.createElement("template");
    template.innerHTML = markup;
    return template.content;
  };
  const close = () => {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  };
  const open = () => {
    close();
    source = new EventSource(address);
    source.addEventListener("open", () => { says.textContent = "Live: new alerts appear by themselves."; });
    source.addEventListener("alert", (event) => {
      seen(event);
      const fresh = articles(event.data).querySelector("article");
      if (!fresh) return;
      const old = document.getElementById(fresh.id);
      if (old) {
        if (!old.contains(document.activeElement)) old.replaceWith(fresh);
        return;
      }
      list.querySelector(".empty")?.remove();
      fresh.classList.add("fresh");
      list.prepend(fresh);
      while (list.querySelectorAll("article").length > SHOWN) list.lastElementChild.remove();
    });
    source.addEventListener("all", (event) => {
      seen(event);
      if (!list.contains(document.activeElement)) list.replaceChildren(articles(event.data));
    });
    source.addEventListener("error", () => {
      says.textContent = "Not live: the watch does not answer; trying again.";
      if (source && source.readyState === EventSource.CLOSED) again = setTimeout(open, 15000);
    });
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  open();
}

// How long ago a time is, kept true while the page is open.
const glance = (then) => {
  const seconds = (Date.now() - then) / 1000;
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]].find((each) => size >= each[1]);
  const amount = `${Math.floor(size / length)} ${unit}`;
  return seconds >= 0 ? `${amount} ago` : `in ${amount}`;
};
setInterval(() => {
  for (const time of document.querySelectorAll("time")) time.textContent = glance(Date.parse(time.dateTime));
}, 10000);

// The rule lab: what is wrong while one types, at its place; what may stand there; a trial's progress.
const rule = document.querySelector("[data-check]");
if (rule) {
  const behind = document.getElementById("behind");
  const verdict = document.getElementById("verdict");
  const offers = document.getElementById("offers");
  const post = async (address, more) => {
    const body = new URLSearchParams(new FormData(rule.form));
    for (const [name, value] of Object.entries(more)) body.set(name, value);
    return fetch(address, { method: "POST", body });
  };
  const offset = (line, column) => {
    const lines = rule.value.split("\n");
    const before = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    return before + Math.min(column - 1, (lines[line - 1] ?? "").length);
  };

  // Behind the text lies the same text, invisible but for the marks under what is wrong.
  const paint = () => {
    const places = [...verdict.querySelectorAll("[data-line]")]
      .map((each) => [offset(+each.dataset.line, +each.dataset.column), each.className])
      .sort((a, b) => a[0] - b[0]);
    const text = rule.value;
    behind.replaceChildren();
    let at = 0;
    for (const [start, level] of places) {
      if (start < at) continue;
      const word = /^\S*/.exec(text.slice(start))[0] || " ";
      const mark = document.createElement("mark");
      mark.className = level;
      mark.textContent = word;
      behind.append(text.slice(at, start), mark);
      at = start + word.length;
    }
    behind.append(text.slice(at) + "\n");
    behind.scrollTop = rule.scrollTop;
  };
  rule.addEventListener("scroll", () => { behind.scrollTop = rule.scrollTop; });
  verdict.addEventListener("click", (event) => {
    const at = event.target.closest("button")?.closest("[data-line]");
    if (!at) return;
    const start = offset(+at.dataset.line, +at.dataset.column);
    rule.focus();
    rule.setSelectionRange(start, start + /^\S*/.exec(rule.value.slice(start))[0].length);
  });

  let timer = 0;
  let asked = 0;
  const check = async () => {
    const mine = ++asked;
    try {
      const answer = await post(rule.dataset.check, {});
      const words = await answer.text();
      if (!answer.ok || mine !== asked) return;
      verdict.innerHTML = words;
      paint();
    } catch { /* the watch is down or restarting: the next key finds out */ }
  };

  let chosen = -1;
  const hide = () => {
    offers.hidden = true;
    chosen = -1;
    rule.removeAttribute("aria-activedescendant");
  };
  const choose = (number) => {
    const all = [...offers.children];
    chosen = (number + all.length) % all.length;
    all.forEach((each, at) => each.setAttribute("aria-selected", String(at === chosen)));
    all[chosen].scrollIntoView({ block: "nearest" });
    rule.setAttribute("aria-activedescendant", all[chosen].id);
  };
  const take = (offer) => {
    const end = rule.selectionEnd;
    rule.setRangeText(offer.dataset.text, end - +offer.dataset.replaces, end, "end");
    hide();
    rule.dispatchEvent(new Event("input"));
    rule.focus();
  };
  const place = () => {
    const spot = document.createElement("span");
    const rest = document.createTextNode(rule.value.slice(rule.selectionEnd) + "\n");
    behind.replaceChildren(rule.value.slice(0, rule.selectionEnd), spot, rest);
    const left = Math.min(spot.offsetLeft, rule.clientWidth - 180);
    const top = spot.offsetTop + spot.offsetHeight - rule.scrollTop;
    paint();
    offers.style.left = `${Math.max(0, left)}px`;
    offers.style.top = `${top + 4}px`;
  };
  let wanted = 0;
  const complete = async () => {
    const mine = ++wanted;
    try {
      const answer = await post(rule.dataset.complete, { at: rule.selectionEnd });
      if (!answer.ok) return;
      const found = await answer.json();
      if (mine !== wanted || document.activeElement !== rule) return;
      hide();
      offers.replaceChildren(...found.map((each, number) => {
        const item = document.createElement("li");
        item.id = `offer${number}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        item.dataset.text = each.text;
        item.dataset.replaces = each.replaces;
        const name = document.createElement("b");
        name.textContent = each.text;
        item.append(name, ` ${each.says}`);
        return item;
      }));
      if (!found.length) return;
      place();
      offers.hidden = false;
    } catch { /* as above */ }
  };
  offers.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const offer = event.target.closest("li");
    if (offer) take(offer);
  });
  rule.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === " ") complete();
    if (offers.hidden) return;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Escape") hide();
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(offers.children[chosen]);
    else return;
    event.preventDefault();
  });
  rule.addEventListener("blur", hide);
  rule.addEventListener("input", () => {
    paint();
    clearTimeout(timer);
    timer = setTimeout(() => {
      check();
      if (/[\w:@#]$/.test(rule.value.slice(0, rule.selectionEnd))) complete();
      else hide();
    }, 200);
  });
  paint();

  const copy = document.getElementById("copy");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(rule.value);
    document.getElementById("copied").textContent = "Copied.";
  });

  const results = document.querySelector("[data-trial]");
  if (results) {
    const source = new EventSource(results.dataset.trial);
    const show = (event) => {
      if (!results.contains(document.activeElement)) results.innerHTML = event.data;
    };
    source.addEventListener("more", show);
    source.addEventListener("done", (event) => {
      source.close();
      results.innerHTML = event.data;
      delete results.dataset.trial;
    });
  }
}
