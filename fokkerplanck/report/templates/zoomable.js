"use strict";
for (const box of document.querySelectorAll(".plot")) {
  const source = box.parentNode.querySelector("template");
  const figure = JSON.parse(source.content.textContent);
  source.remove();
  figure.config = {
    responsive: true,
    displaylogo: false,
    // By default a button would send the numbers to the library's makers.
    showSendToCloud: false,
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d"],
    toImageButtonOptions: { filename: box.dataset.name, scale: 2 },
  };
  Plotly.newPlot(box, figure);
}
