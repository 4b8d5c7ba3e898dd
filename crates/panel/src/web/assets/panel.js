// What pages do beyond plain HTML: the reader's own times, copying, live parts. Every page works
// without it.
"use strict";

(() => {
  document.documentElement.classList.add("scripted");
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
  const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

  const brush = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.textContent = short.format(at);
      time.title = exact.format(at);
    }
    if (navigator.clipboard) {
      for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
    }
  };
  brush(document);

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    navigator.clipboard.writeText(button.dataset.copy).then(() => {
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    }).catch(() => { button.textContent = "Not copied"; });
  });

  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("select[data-submit]")) field.form.requestSubmit();
    const press = field.dataset && field.dataset.press;
    if (press) document.getElementById(press).click();
  });

  // A file dropped on the field for a public key is read into it.
  for (const area of document.querySelectorAll("textarea[data-drop]")) {
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      area.classList.add("dropping");
    });
    area.addEventListener("dragleave", () => area.classList.remove("dropping"));
    area.addEventListener("drop", (event) => {
      area.classList.remove("dropping");
      const file = event.dataTransfer.files[0];
      if (!file) return;
      event.preventDefault();
      if (file.size > 32768) return;
      file.text().then((text) => { area.value = text; });
    });
  }

  // Live parts: when a server changed, the page is asked for again and its live parts replaced.
  const live = document.querySelectorAll("[data-live]");
  if (live.length === 0 || !window.EventSource) return;
  let waiting = null;
  let running = false;
  const refresh = async () => {
    waiting = null;
    if (running) { soon(); return; }
    running = true;
    try {
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      if (response.redirected || !response.ok) { location.reload(); return; }
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const other = fresh.getElementById(part.id);
        // Nothing is pulled from under a reader's fingers, nor what was typed and left for a moment.
        const typed = [...part.querySelectorAll("textarea")].some((area) => area.value !== area.defaultValue);
        if (typed || part.querySelector("details[open]")) continue;
        if (!other || part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) continue;
        brush(other);
        if (other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
      }
      over();
    } catch { /* The next event tries again. */ } finally { running = false; }
  };
  // "… is being rebuilt." is no longer so when nothing goes on; it stays long enough to be read.
  const shown = Date.now();
  const over = () => {
    const said = document.querySelector("[data-server]") && document.getElementById("flash");
    if (!said || document.querySelector("[data-busy]")) return;
    const left = shown + 4000 - Date.now();
    if (left > 0) setTimeout(over, left); else said.remove();
  };
  const soon = () => { if (waiting === null) waiting = setTimeout(refresh, 250); };
  const events = new EventSource("/events");
  // What happened while nobody listened: before the first connection, or between two.
  let opened = false;
  events.addEventListener("begin", (event) => {
    if (opened || event.data !== document.getElementById("main").dataset.edition) soon();
    opened = true;
  });
  events.addEventListener("server", (event) => {
    const mine = document.querySelector("[data-server]");
    if (!mine || event.data === "many" || event.data === mine.dataset.server) soon();
  });
})();
