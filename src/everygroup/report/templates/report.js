// The page reads without this. It adds two things: columns that sort, and a switch between light and dark.
(() => {
  "use strict";
  const root = document.documentElement;
  const number = (text) => {
    const found = text.replace(/\u2212/g, "-").replace(/,/g, "").match(/^\s*(<)?\s*([+-]?\d+(\.\d+)?)/);
    return found ? Number(found[2]) - (found[1] ? 1e-9 : 0) : NaN;
  };
  const empty = (text) => text === "" || text === "undefined" || text === "\u2013";
  const compare = (a, b, numeric) => {
    if (numeric) {
      const [x, y] = [number(a), number(b)];
      if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    }
    return a.localeCompare(b, undefined, { numeric: true, sensitivity: "base" });
  };
  const sort = (table, head, column) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = (row) => row.children[column].textContent.trim();
    const numeric = head.classList.contains("r");
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((one, two) => {
      const [a, b] = [text(one), text(two)];
      if (empty(a) || empty(b)) return Number(empty(a)) - Number(empty(b)); // undefined stays last, both ways
      return compare(a, b, numeric) * (down ? -1 : 1);
    });
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("table:not(.signed)")) {
    if (table.tBodies[0].rows.length < 2) continue;
    Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, column));
      head.append(button);
    });
  }
  const toggle = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => toggle.setAttribute("aria-pressed", String(dark()));
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
})();
