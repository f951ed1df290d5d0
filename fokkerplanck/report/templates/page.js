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
  const times = JSON.parse(film.dataset.times);
  const curves = film.dataset.curves ? JSON.parse(film.dataset.curves) : null;
  const image = film.querySelector("img");
  const path = film.querySelector(".now");
  let running = 0;
  const show = () => {
    const frame = Number(slider.value);
    if (curves) path.setAttribute("d", curves[frame]);
    else image.style.transform = `translateY(${(-100 * frame) / times.length}%)`;
    shown.textContent = `t = ${times[frame]}`;
    slider.setAttribute("aria-valuetext", shown.textContent);
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
