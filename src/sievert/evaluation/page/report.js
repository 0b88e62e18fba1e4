// Sorts the table of runs, hides runs that are not searched for, and shows or hides their curves.
"use strict";

const table = document.getElementById("runs");
const body = table.tBodies[0];
const filter = document.getElementById("filter");

// A number where there is one, else the text; null where a cell is empty.
function value(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value !== undefined) return Number(cell.dataset.value);
  const text = cell.textContent.trim();
  return text === "" || cell.classList.contains("number") ? null : text;
}

function sort(head) {
  const column = head.cellIndex;
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) {
    if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  }
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one, column), value(other, column)];
    // What has no value comes last, whichever way is sorted.
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "number" ? a - b : a.localeCompare(b);
    return up ? order : -order;
  });
  body.append(...rows);
}

function show() {
  const wanted = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const row of body.rows) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
    shown += !row.hidden;
    const drawn = !row.hidden && row.querySelector("input").checked;
    for (const one of document.querySelectorAll("[data-line]")) {
      // SVG has no `hidden` of its own in every browser.
      if (one.dataset.line === row.dataset.run) one.setAttribute("visibility", drawn ? "visible" : "hidden");
    }
    for (const cell of document.querySelectorAll("#differences [data-run]")) {
      if (cell.dataset.run === row.dataset.run) cell.hidden = row.hidden;
    }
  }
  document.getElementById("shown").textContent = `${shown} of ${body.rows.length}`;
}

for (const button of table.tHead.querySelectorAll("button")) {
  button.addEventListener("click", () => sort(button.parentElement));
}
body.addEventListener("change", show);
filter.addEventListener("input", show);
show();
