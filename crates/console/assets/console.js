// What the pages do beyond what they do without scripts: times count down, and what changes shows by itself.
"use strict";

const SECOND_MS = 1000;
/** A burst of changes is one look. */
const SETTLE_MS = 300;

/** The live part of the page as the server sent it. */
let shown = document.getElementById("live")?.innerHTML;

/** "4 min 5 s" until a moment, or "ended". */
function left(endsMs) {
  const s = Math.ceil((endsMs - Date.now()) / SECOND_MS);
  if (s <= 0) return "ended";
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([unit]) => s >= unit);
  return parts
    .slice(first, first + 2)
    .map(([unit, name], i) => {
      const n = Math.floor(i === 0 ? s / unit : (s % parts[first][0]) / unit);
      return `${n} ${name}`;
    })
    .join(" ");
}

function countDown() {
  for (const time of document.querySelectorAll("time[data-ends]")) {
    time.textContent = left(Date.parse(time.dateTime));
  }
}

/** Whether somebody is in the middle of something that a fresh page would take away. */
function busy(live) {
  const isOpen = live.querySelector("details[open] form");
  const typed = [...live.querySelectorAll("input, textarea, select")].some((field) =>
    field.type === "checkbox" ? field.checked !== field.defaultChecked
      : field.options ? [...field.options].some((option) => option.selected !== option.defaultSelected)
        : field.value !== field.defaultValue);
  return isOpen || typed || live.contains(document.activeElement);
}

/** How many looks there were, and the last that was answered: an answer that comes after a later look's is older. */
let looks = 0;
let answered = 0;

/** Takes the live part of the page as it is now; says so where that would disturb. */
async function refresh() {
  looks += 1;
  const look = looks;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  const live = document.getElementById("live");
  if (look < answered) return;
  answered = look;
  if (!live || !fresh || fresh.innerHTML === shown) return;
  if (busy(live)) {
    document.getElementById("changed").hidden = false;
    return;
  }
  shown = fresh.innerHTML;
  live.replaceWith(fresh);
  countDown();
}

function listen() {
  if (!document.getElementById("live")) return;
  let due;
  const events = new EventSource("/api/v1/events");
  events.addEventListener("change", () => {
    clearTimeout(due);
    due = setTimeout(() => refresh().catch(() => {}), SETTLE_MS);
  });
  // What happened before the stream, or while it was gone, is in no event.
  events.addEventListener("open", () => refresh().catch(() => {}));
  addEventListener("pagehide", () => events.close());
}

/** A second press of a button is no second decision. */
function once() {
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    for (const form of document.forms) delete form.dataset.sent;
  });
}

countDown();
setInterval(countDown, SECOND_MS);
listen();
once();
