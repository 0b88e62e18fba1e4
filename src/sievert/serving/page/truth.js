// What a simulated platform alone can show: the views that would have been, and what was got wrong.

import { element } from "./access.js";

const WIDTH = 240;
const HEIGHT = 80;
const by = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString();

const WORDS = {
  review: "put before a person",
  demote: "demoted",
  remove: "removed",
  restore: "cleared by a person",
};

export function moment(micros) {
  return new Date(micros / 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

// Draws what came of it so far; `open` is called with a post whose trail somebody wants to see.
export function showTruth(truth, open) {
  by("truth").hidden = false;
  by("truth-time").textContent = `it is ${moment(truth.at)} there`;
  by("views-without").textContent = count(truth.views_without);
  by("views-with").textContent = count(truth.views);
  by("prevented").textContent =
    truth.prevented === null
      ? "nobody has seen a harmful post yet"
      : `prevented ${Math.floor(100 * truth.prevented)} %`;
  by("harmful").textContent =
    `${count(truth.harmful)} of ${count(truth.posts)} posts are harmful, and something was done about ${count(truth.found)} of these`;
  by("wrong").textContent =
    `harmless posts: ${["demote", "remove", "review", "restore"].map((done) => `${count(truth.wrong[done])} ${WORDS[done]}`).join(", ")}`;
  draw(truth);
  fill("missed-posts", truth.missed, open, (post) => post.policy ?? "harm");
  fill("acted-posts", truth.acted, open, () => "harmless");
}

function draw({ line, views, views_without }) {
  const [first, last] = [line[0][0], line.at(-1)[0]];
  const top = Math.max(1, views_without, views);
  const points = (place) =>
    line.map((point) => {
      const x = (WIDTH * (point[0] - first)) / Math.max(1, last - first);
      return `${x.toFixed(1)} ${(HEIGHT - 2 - ((HEIGHT - 4) * point[place]) / top).toFixed(1)}`;
    });
  const [fact, without] = [points(1), points(2)];
  by("line-with").setAttribute("d", `M${fact.join("L")}`);
  by("line-without").setAttribute("d", `M${without.join("L")}`);
  by("line-gap").setAttribute("d", `M${without.join("L")}L${fact.toReversed().join("L")}Z`);
  by("lines").setAttribute(
    "aria-label",
    `views of harmful posts so far, from ${moment(first)} to ${moment(last)}: ` +
      `${count(views_without)} without Sievert, ${count(views)} with Sievert`,
  );
  by("lines-from").textContent = moment(first);
  by("lines-to").textContent = moment(last);
}

// Rows stay where they are if nothing changed, so that nobody loses the button they are about to press.
function fill(id, posts, open, is) {
  const told = JSON.stringify(posts);
  const rows = by(id);
  if (rows.dataset.told === told) {
    return;
  }
  rows.dataset.told = told;
  const focused = document.activeElement?.closest(`#${id} tr`)?.dataset.post;
  rows.replaceChildren(
    ...posts.map((post) => {
      const opener = element("button", { type: "button", className: "id", textContent: post.id });
      opener.addEventListener("click", () => open(post));
      const row = element(
        "tr",
        {},
        element("td", {}, opener),
        element("td", { textContent: is(post) }),
        cell(post.views, "views"),
        cell(post.views_without, "views without Sievert"),
        element("td", { className: "why", textContent: post.done.map((done) => WORDS[done]).join(", then ") || "nothing" }),
      );
      row.dataset.post = post.id;
      if (post.id === focused) {
        queueMicrotask(() => opener.focus());
      }
      return row;
    }),
  );
  by(`${id}-none`).hidden = posts.length > 0;
}

function cell(number, unit) {
  const made = element("td", { className: "count", textContent: count(number) });
  made.dataset.unit = unit;
  return made;
}
