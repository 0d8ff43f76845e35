"use strict";
// Tables sort by their headers; rows and questions are filtered by text and pattern.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(one => one.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => {
      const cell = row.cells[at];
      return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent.trim().toLowerCase();
    };
    const compare = (a, b) => {
      const x = key(a), y = key(b);
      // What is not there comes last, whichever way is sorted.
      if (x === "" || y === "") return x === y ? 0 : x === "" ? 1 : -1;
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return down ? -order : order;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }));
}
for (const field of document.querySelectorAll("input[data-filter]")) {
  const rows = [...document.getElementById(field.dataset.filter).tBodies[0].rows];
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(words);
  });
}
for (const list of document.querySelectorAll("#list")) {
  const field = document.querySelector("[data-search=list]"), choice = document.querySelector("[data-pattern=list]");
  const told = document.querySelector("[data-count=list]"), items = [...list.children];
  const show = () => {
    const words = field.value.toLowerCase();
    let count = 0;
    for (const item of items) {
      const fits = (!choice.value || item.dataset.patterns.split(" ").includes(choice.value))
        && (!words || item.textContent.toLowerCase().includes(words));
      item.hidden = !fits;
      count += fits;
    }
    told.textContent = count + " shown";
  };
  field.addEventListener("input", show);
  choice.addEventListener("change", show);
  const asked = /^#pattern-(\d+)$/.exec(location.hash);
  if (asked) { choice.value = asked[1]; show(); }
}
