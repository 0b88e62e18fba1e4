// Renews the figures of the overview while somebody looks at it; without a script the page stands as it was asked for.

const EVERY = 5000;
const figures = document.getElementById("figures");
const pause = document.getElementById("pause");
let renews = true;

async function renew() {
  if (!renews || document.hidden || figures.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { cache: "no-store" });
  // Whoever was signed out meanwhile is led to the sign-in.
  if (answer.redirected || answer.status === 401) { location.reload(); return; }
  if (!answer.ok) return;
  const told = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("figures");
  if (told && renews) figures.replaceChildren(...told.childNodes);
}

pause.hidden = false;
pause.addEventListener("click", () => {
  renews = !renews;
  pause.textContent = renews ? "Stop renewing" : "Renew again";
});
// A server that is away for a moment is asked again.
setInterval(() => renew().catch(() => {}), EVERY);
