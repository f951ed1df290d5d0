"use strict";
// Folded parts belong on paper too.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  opened.forEach((part) => { part.open = true; });
});
addEventListener("afterprint", () => opened.forEach((part) => { part.open = false; }));

const PERIOD = 90;
for (const film of document.querySelectorAll(".film")) {
  const [slider, shown, button] = ["input", "output", "button"].map((name) => film.querySelector(name));
  const heads = JSON.parse(film.dataset.heads);
  const panels = [...film.querySelectorAll(".panel")].map((panel) => ({
    frames: JSON.parse(panel.dataset.frames),
    curve: panel.querySelector(".now"),
    image: panel.querySelector("image"),
    numbers: panel.querySelectorAll(".bar"),
  }));
  let running = 0;
  const show = () => {
    const frame = Number(slider.value);
    for (const { frames, curve, image, numbers } of panels) {
      if (curve) curve.setAttribute("d", frames[frame]);
      else {
        image.setAttribute("y", (-frame * Number(image.getAttribute("height"))) / heads.length);
        numbers.forEach((number, k) => { number.textContent = frames[frame][k]; });
      }
    }
    shown.textContent = heads[frame];
    slider.setAttribute("aria-valuetext", heads[frame]);
  };
  const stop = () => {
    clearInterval(running);
    running = 0;
    button.textContent = "▶";
  };
  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (running) { stop(); return; }
    if (slider.value === slider.max) slider.value = 0;
    button.textContent = "❚❚";
    running = setInterval(() => {
      slider.stepUp();
      show();
      if (slider.value === slider.max) stop();
    }, PERIOD);
  });
  show();
}
