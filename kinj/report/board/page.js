"use strict";
// Sorts the table by a click on a column's head, and hides rows that do not hold what is typed.
const table = document.querySelector("table");
const body = table.tBodies[0];
for (const button of table.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const descending = head.getAttribute("aria-sort") !== "descending";
    for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const value = (row) => row.cells[head.cellIndex].dataset.sort ?? row.cells[head.cellIndex].textContent.trim();
    const rows = [...body.rows].map((row) => [value(row), row]);
    rows.sort(([one], [other]) => {
      if (one === "" || other === "") return (one === "") - (other === ""); // holes last in either direction
      const by = isNaN(one) || isNaN(other) ? one.localeCompare(other) : one - other;
      return descending ? -by : by;
    });
    body.append(...rows.map(([, row]) => row));
  });
}
const filter = document.querySelector("#filter");
const count = document.querySelector("#count");
filter.addEventListener("input", () => {
  const word = filter.value.toLowerCase();
  let left = 0;
  for (const row of body.rows) {
    row.hidden = !row.cells[0].textContent.toLowerCase().includes(word);
    left += !row.hidden;
  }
  count.textContent = `${left} of ${body.rows.length} rows`;
});
