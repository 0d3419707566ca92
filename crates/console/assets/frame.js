// What saves steps on every page. Each page works without it.
"use strict";

// `/` leads to the box, from anywhere but a field.
document.addEventListener("keydown", (event) => {
  const inField = event.target.closest("input, select, textarea, [contenteditable]");
  if (event.key === "/" && !inField && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const box = document.querySelector("[data-key='/']");
    if (box) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  }
});

// A workspace is opened as it is chosen.
for (const select of document.querySelectorAll(".workspace select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

/** The part of another page of ours that has this id, or null where the server can't be reached. */
async function part(address, id, signal) {
  const answer = await fetch(address, { signal, headers: { accept: "text/html" } });
  if (answer.redirected) {
    location.assign(address);
    return null;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.getElementById(id);
}

// Results as one types: the page itself is asked, and its list put in place of this one's.
for (const form of document.querySelectorAll("form[data-results]")) {
  const box = form.querySelector("input[type=search]");
  let asking = new AbortController();
  let waiting = 0;
  const ask = async () => {
    asking.abort();
    asking = new AbortController();
    const address = form.action + "?" + new URLSearchParams(new FormData(form));
    try {
      const found = await part(address, form.dataset.results, asking.signal);
      if (found) {
        document.getElementById(form.dataset.results).replaceChildren(...found.childNodes);
        history.replaceState(null, "", address);
      }
    } catch (error) {
      // Another question came first, or the server can't be reached: the button still asks.
      if (error.name !== "AbortError") console.warn("no results as you type:", error.message);
    }
  };
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(ask, 150);
  });
}

// The arrows move through what was found.
document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const links = [...document.querySelectorAll(".found a")];
  const box = document.querySelector("form[data-results] input[type=search]");
  const here = links.indexOf(document.activeElement);
  if (!links.length || (here < 0 && document.activeElement !== box)) return;
  event.preventDefault();
  const next = here + (event.key === "ArrowDown" ? 1 : -1);
  (next < 0 ? box : links[Math.min(next, links.length - 1)]).focus();
});
