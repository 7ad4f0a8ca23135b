// A patient's sequences slice by slice. Each sequence is one picture of all slices, of which a part is drawn.
for (const viewer of document.querySelectorAll(".viewer")) {
  const find = selector => viewer.querySelector(selector);
  const [patients, outlined, slider] = [find("select"), find("[type=checkbox]"), find("[type=range]")];
  const [planes, said, caption] = [find(".planes"), find("output"), find(".note")];
  const templates = viewer.querySelectorAll("template");
  const SHARP = 2; // pixels of the canvas a pixel of the picture
  const NOTCH = 50; // of the wheel's way a slice
  let shown, turned = 0;

  async function choose() {
    const template = templates[patients.selectedIndex];
    const pictures = [...document.importNode(template.content, true).querySelectorAll("img")];
    await Promise.all(pictures.map(picture => picture.decode()));
    if (template !== templates[patients.selectedIndex]) return; // another was chosen meanwhile
    shown = { ...template.dataset, places: template.dataset.places.split(" ") };
    for (const picture of pictures) shown[picture.dataset.sequence] = picture;
    for (const canvas of planes.querySelectorAll("canvas")) {
      canvas.width = SHARP * shown.width;
      canvas.height = SHARP * shown.height;
      canvas.style.aspectRatio = shown.aspect;
      const missing = !shown[canvas.dataset.sequence];
      canvas.nextElementSibling.textContent = canvas.ariaLabel + (missing ? ": missing" : "");
    }
    slider.max = shown.places.length - 1;
    caption.textContent = shown.caption;
    show(shown.first);
  }

  function show(slice) {
    slider.value = slice; // the slider keeps it within its range
    const at = Number(slider.value);
    const [x, y] = [(at % shown.columns) * shown.width, Math.floor(at / shown.columns) * shown.height];
    for (const canvas of planes.querySelectorAll("canvas")) {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, canvas.width, canvas.height);
      const picture = shown[canvas.dataset.sequence];
      for (const layer of picture ? [picture, outlined.checked && shown.outlines] : []) {
        if (layer) context.drawImage(layer, x, y, shown.width, shown.height, 0, 0, canvas.width, canvas.height);
      }
    }
    said.textContent = `${at + 1} of ${shown.places.length}, z = ${shown.places[at].replace("-", "−")} mm`;
    slider.setAttribute("aria-valuetext", said.textContent);
  }

  const move = by => show(Number(slider.value) + by);
  const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 };
  patients.addEventListener("change", choose);
  outlined.addEventListener("change", () => move(0));
  slider.addEventListener("input", () => move(0));
  planes.addEventListener("keydown", event => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    move(KEYS[event.key]);
  });
  planes.addEventListener("wheel", event => {
    if (document.activeElement !== planes) return; // else a page could not be scrolled past
    event.preventDefault();
    turned = Math.sign(turned) === Math.sign(event.deltaY) ? turned + event.deltaY : event.deltaY;
    if (Math.abs(turned) < NOTCH) return;
    move(-Math.sign(turned));
    turned = 0;
  }, { passive: false });
  viewer.hidden = false;
  choose();
}
