
(function () {
  "use strict";
  var config = { displayModeBar: false, responsive: true };
  var boxes = Array.prototype.slice.call(document.querySelectorAll("[data-chart]"));
  boxes.forEach(function (box) {
    var made = JSON.parse(document.getElementById(box.getAttribute("data-chart")).textContent);
    Plotly.newPlot(box, made.data, made.layout, config);
  });
  /* Paper is narrower than most windows: give charts a width that fits it, and open what is folded. */
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (each) { each.open = true; });
    boxes.forEach(function (box) {
      var wide = box.parentNode.className === "wide";
      Plotly.relayout(box, { width: wide ? 660 : 320, autosize: false });
    });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (each) { each.open = false; });
    boxes.forEach(function (box) { Plotly.relayout(box, { width: null, autosize: true }); });
  });
})();
