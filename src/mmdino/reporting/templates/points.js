// Points of a figure that say what they are: under the pointer, and with Tab and the arrow keys.
for (const figure of document.querySelectorAll("figure:has(.point)")) {
  const points = [...figure.querySelectorAll(".point")];
  const NEAR = 12; // pixels from the pointer
  const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -1e6, End: 1e6 };
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true"); // a screen reader reads the point's own name
  figure.append(tip);
  for (const point of points) {
    const title = point.querySelector("title");
    point.setAttribute("aria-label", title.textContent);
    title.remove(); // else the browser's own tip would lie upon ours
  }
  points[0].setAttribute("tabindex", "0");

  const middle = point => {
    const box = point.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
  };
  function show(point) {
    tip.hidden = !point;
    if (!point) return;
    const [[x, y], box] = [middle(point), figure.getBoundingClientRect()];
    tip.textContent = point.getAttribute("aria-label");
    tip.style.left = `${Math.max(0, Math.min(x - box.x, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${y - box.y + NEAR}px`;
  }
  const focused = () => points.find(point => point === document.activeElement);

  figure.addEventListener("pointermove", event => {
    const away = point => Math.hypot(event.clientX - middle(point)[0], event.clientY - middle(point)[1]);
    const nearest = points.reduce((best, point) => (away(point) < away(best) ? point : best));
    show(away(nearest) < NEAR ? nearest : focused());
  });
  figure.addEventListener("pointerleave", () => show(focused()));
  figure.addEventListener("focusin", () => show(focused()));
  figure.addEventListener("focusout", () => show());
  figure.addEventListener("keydown", event => {
    const now = points.indexOf(focused());
    if (now < 0) return;
    if (event.key === "Escape") show();
    if (!(event.key in STEPS)) return;
    event.preventDefault();
    const next = points[Math.max(0, Math.min(points.length - 1, now + STEPS[event.key]))];
    points[now].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
}
