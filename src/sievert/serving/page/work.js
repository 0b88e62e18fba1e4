// Keys and clocks of the desk. Everything here can be done without a script, too: keys press what stands on
// the page, clocks count what is written there.

const OFF = "sievert-keys-off";

function keysAreOff() {
  return localStorage.getItem(OFF) === "yes";
}

function pressed(key) {
  const all = [...document.querySelectorAll("[data-key]")];
  return all.find((one) => one.dataset.key.toLowerCase() === key.toLowerCase() && !one.disabled);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
  if (event.target.matches("textarea, select, input:not([type=checkbox])")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  // Enter presses whatever has the focus; only where nothing has, it is a key of its own.
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if (keysAreOff()) return;
  const found = pressed(event.key);
  if (found === undefined) return;
  event.preventDefault();
  found.focus();
  found.click();
});

// A form is sent once, however often somebody presses.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", (event) => {
  // Whoever comes back by the browser's own button sees how things are now.
  if (event.persisted) location.reload();
});

function inWords(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

// Seconds are counted from when the page came: clocks of people's computers are often wrong.
const began = performance.now();
const clocks = [...document.querySelectorAll("[data-left]")].map((element) => ({
  element,
  left: Number(element.dataset.left),
}));

function tick() {
  const gone = Math.floor((performance.now() - began) / 1000);
  for (const { element, left } of clocks) {
    const seconds = left - gone;
    const isClaim = element.id === "left";
    element.textContent = seconds > 0 ? `${isClaim ? "" : "in "}${inWords(seconds)}` : element.dataset.over;
    const announce = document.getElementById("announce");
    if (isClaim && announce && seconds === 60) announce.textContent = "One minute is left.";
    if (isClaim && announce && seconds === 0) announce.textContent = "Your time ran out: somebody else may get the case.";
    if (!isClaim && seconds <= 0) {
      const button = element.closest("form")?.querySelector("button");
      if (button) button.disabled = true;
    }
  }
}
if (clocks.length > 0) {
  tick();
  setInterval(tick, 1000);
}

// Pictures: shown plainly and blurred again without loading the page anew, so that no tick and no note is lost.
const reveal = document.getElementById("reveal");
reveal?.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const plainly = reveal.getAttribute("aria-pressed") !== "true";
  reveal.setAttribute("aria-pressed", String(plainly));
  reveal.firstChild.textContent = plainly ? "Blur again " : "Show plainly (it may be harmful; it is noted) ";
  for (const picture of document.querySelectorAll("img[data-sha256]")) {
    picture.src = `/api/v1/media/${picture.dataset.sha256}${plainly ? "?view=plain" : ""}`;
    picture.alt = picture.alt.replace(", blurred and grey", "") + (plainly ? "" : ", blurred and grey");
  }
});

const choice = document.getElementById("keys-choice");
if (choice) {
  choice.hidden = false;
  const box = document.getElementById("keys-off");
  box.checked = keysAreOff();
  box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "yes" : "no"));
}
