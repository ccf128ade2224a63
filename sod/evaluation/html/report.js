"use strict";
function value(cell) {
  const text = cell.dataset.value ?? cell.textContent;
  const number = parseFloat(text);
  return Number.isNaN(number) ? text : number;
}
function sort(head) {
  const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
  const down = head.getAttribute("aria-sort") !== "descending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...body.rows].map((row, place) => [value(row.cells[column]), place, row]);
  rows.sort(([a, i], [b, j]) => {
    const missing = (a === "–") - (b === "–");
    if (missing) return missing;
    const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
    return (down ? -order : order) || i - j;
  });
  body.append(...rows.map((row) => row[2]));
}
for (const head of document.querySelectorAll("thead th")) {
  head.tabIndex = 0;
  head.addEventListener("click", () => sort(head));
  head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(head); });
}
for (const input of document.querySelectorAll("input.filter")) {
  const rows = document.getElementById(input.dataset.table).tBodies[0].rows;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/);
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
for (const box of document.querySelectorAll(".case")) {
  const [under, over] = box.querySelectorAll("img"), line = box.querySelector("i");
  const [left, right] = box.querySelectorAll("select"), range = box.querySelector("input");
  const pictures = JSON.parse(box.querySelector("script").textContent);
  const show = () => {
    under.src = pictures[left.value];
    over.src = pictures[right.value];
    over.style.clipPath = `inset(0 0 0 ${range.value}%)`;
    line.style.left = `calc(${range.value}% - 1px)`;
  };
  for (const control of [left, right, range]) control.addEventListener("input", show);
  show();
}
