"use strict";
(() => {
const status = document.createElement("pre");
status.setAttribute("role", "status");
status.setAttribute("aria-live", "off"); // it changes twice a second
status.style.cssText = "margin:0 0 .6rem;font-size:.8rem;overflow-x:auto;min-height:1.2em";
document.body.prepend(status);

// replace shows a new page in place of the old one, and keeps what the reader has opened.
async function replace() {
  if (!document.querySelector("style")) { location.reload(); return; } // the first page had nothing to show
  const response = await fetch("/", { cache: "no-store" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = document.querySelector("main"), next = page.querySelector("main");
  if (!next) return;
  const opened = new Set([...main.querySelectorAll("section > details[open]")].map(d => d.parentElement.id));
  const focused = document.activeElement?.id;
  document.title = page.title;
  main.replaceWith(document.adoptNode(next));
  for (const id of opened) document.getElementById(id)?.querySelector("details")?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  dispatchEvent(new Event("newpage"));
}

let working = Promise.resolve();
const events = new EventSource("/events?version=" + document.currentScript.dataset.version);
events.addEventListener("page", () => { working = working.then(replace).catch(() => {}); });
events.addEventListener("step", e => { status.textContent = JSON.parse(e.data).join("\n"); });
events.addEventListener("end", () => {
  events.close();
  working.then(() => { status.textContent = "The training has ended; this page stays as it is."; });
});
events.addEventListener("error", () => {
  if (events.readyState === EventSource.CLOSED) status.textContent = "The program has ended; this page stays as it is.";
});
})();
