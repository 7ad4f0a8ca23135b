// Charts that are asked: Vega draws each when it is opened for the first time.
for (const fold of document.querySelectorAll("details.chart")) {
  fold.hidden = false;
  fold.addEventListener("toggle", () => {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    vegaEmbed(fold.querySelector("div"), JSON.parse(fold.querySelector("script").textContent), {
      ast: true, // its expressions are interpreted, since the page lets nothing be evaluated
      renderer: "svg",
      actions: false,
      tooltip: { theme: dark ? "dark" : "light" },
    });
  }, { once: true });
}
