const words = new Intl.Collator(undefined, { numeric: true }); // made once, not for each comparison
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button")?.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      const numeric = head.classList.contains("number");
      const rows = Array.from(table.tBodies[0].rows, row => [row.cells[column].dataset.key, row]);
      rows.sort(([x], [y]) => {
        if (x === "" || y === "") return (x === "") - (y === "");
        const order = numeric ? x - y : words.compare(x, y);
        return up ? order : -order;
      });
      table.tBodies[0].append(...rows.map(([, row]) => row));
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}

// A shadow at the right edge of what can be scrolled on to the right: a cut table or figure looks whole without.
for (const part of document.querySelectorAll(".scroll")) {
  const tell = () => part.classList.toggle("more", part.scrollWidth - part.clientWidth - part.scrollLeft > 4);
  part.addEventListener("scroll", tell, { passive: true });
  new ResizeObserver(tell).observe(part);
}

for (const tools of document.querySelectorAll(".tools")) {
  tools.hidden = false;
  const said = tools.querySelector("output");
  const rows = document.getElementById(tools.dataset.table).tBodies[0].rows;
  tools.querySelector("input")?.addEventListener("input", event => {
    const words = event.target.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(word => text.includes(word));
      shown += !row.hidden;
    }
    said.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  });
  for (const button of tools.querySelectorAll("button")) {
    button.addEventListener("click", async () => {
      const text = tools.querySelector(`template[data-kind="${button.dataset.kind}"]`).content.textContent;
      said.textContent = (await copy(text)) ? `copied as ${button.textContent}` : "the browser does not let a page copy";
    });
  }
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // no clipboard for this page: the older way
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
