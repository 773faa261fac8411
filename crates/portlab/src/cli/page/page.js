"use strict";
for (const search of document.querySelectorAll("input[type=search]")) {
  const rows = [...document.querySelectorAll(search.dataset.rows)];
  const count = document.getElementById(search.dataset.count);
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  search.addEventListener("input", show);
  show();
}
