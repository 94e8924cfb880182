(function () {
  "use strict";
  var list = function (found) { return Array.prototype.slice.call(found); };
  var make = function (name, text) {
    var made = document.createElement(name);
    if (text !== undefined) { made.textContent = text; }
    return made;
  };
  list(document.querySelectorAll(".neighbourhood")).forEach(start);

  function start(root) {
    var pick = function (selector) { return root.querySelector(selector); };
    var rows = list(root.querySelectorAll("tr[data-row]"));
    if (!rows.length) { return; }
    var drawings = list(root.querySelectorAll("svg.around"));
    var heads = list(root.querySelectorAll(".peers thead th")).map(function (each) { return each.textContent; });
    var boxes = list(root.querySelectorAll("input.kind"));
    var slider = pick(".slider"), search = pick(".search"), between = pick(".between"), told = pick(".told");
    var links = root.getAttribute("data-links").split(" ").filter(Boolean).map(function (each) {
      var parts = each.split("-");
      return { a: Number(parts[0]), b: Number(parts[1]), dark: parts[2] === "d" };
    });
    var kept = null, shown = rows.map(function () { return true; });
    var nodes = drawings.map(function (drawing) {
      var found = [];
      list(drawing.querySelectorAll(".peer")).forEach(function (each) { found[Number(each.getAttribute("data-peer"))] = each; });
      return found;
    });

    root.classList.add("scripted");
    boxes.forEach(function (each) { each.hidden = false; each.addEventListener("change", filter); });
    pick(".controls").hidden = false;
    told.hidden = false;
    slider.addEventListener("input", filter);
    search.addEventListener("input", filter);
    between.addEventListener("change", mark);
    pick(".reset").addEventListener("click", function () {
      boxes.forEach(function (each) { each.checked = true; });
      slider.value = slider.min;
      search.value = "";
      between.checked = false;
      keep(null);
      filter();
    });
    nodes.forEach(function (found, place) {
      drawings[place].classList.add("live");
      found.forEach(function (node, number) { wire(node, number, found); });
      (byAngle(found)[0] || found[0]).setAttribute("tabindex", "0");
    });
    rows.forEach(function (row, number) {
      var named = row.querySelector(".named"), button = make("button", named.textContent);
      button.type = "button";
      button.className = "named pick";
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", function () { keep(kept === number ? null : number); });
      named.parentNode.replaceChild(button, named);
    });
    root.addEventListener("keydown", function (event) { if (event.key === "Escape") { keep(null); } });
    filter();
    tell(null);

    function byAngle(found) {
      /* Document order is rank order; the arrows go round the drawing instead. */
      var size = Number(found[0].ownerSVGElement.getAttribute("viewBox").split(" ")[2]) / 2;
      var turn = function (node) {
        var text = node.querySelector("text");
        var angle = Math.atan2(Number(text.getAttribute("y")) - size, Number(text.getAttribute("x")) - size) + Math.PI / 2;
        return angle < 0 ? angle + 2 * Math.PI : angle;
      };
      return found.slice().sort(function (one, other) { return turn(one) - turn(other); });
    }

    function wire(node, number, found) {
      node.setAttribute("tabindex", "-1");
      node.setAttribute("role", "button");
      node.setAttribute("aria-pressed", "false");
      node.setAttribute("aria-label", node.querySelector("title").textContent);
      node.addEventListener("mouseenter", function () { tell(number); });
      node.addEventListener("mouseleave", function () { tell(kept); });
      node.addEventListener("focus", function () { tell(number); });
      node.addEventListener("click", function () { keep(kept === number ? null : number); });
      node.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          keep(kept === number ? null : number);
          return;
        }
        var steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
        if (!(event.key in steps)) { return; }
        event.preventDefault();
        var round = byAngle(found).filter(function (each) { return each === node || !each.classList.contains("off"); });
        var next = round[(round.indexOf(node) + steps[event.key] + round.length) % round.length];
        node.setAttribute("tabindex", "-1");
        next.setAttribute("tabindex", "0");
        next.focus();
      });
    }

    function filter() {
      var kinds = boxes.filter(function (each) { return each.checked; }).map(function (each) { return each.value; });
      var least = Number(slider.value), any = least <= Number(slider.min), words = search.value.trim().toLowerCase();
      var drawn = 0;
      rows.forEach(function (row, number) {
        var value = row.getAttribute("data-value");
        shown[number] =
          row.getAttribute("data-kinds").split(" ").some(function (each) { return kinds.indexOf(each) >= 0; }) &&
          (any || (value !== "" && Number(value) >= least)) &&
          row.getAttribute("data-find").indexOf(words) >= 0;
        row.hidden = !shown[number];
        nodes.forEach(function (found) { if (found[number]) { found[number].classList.toggle("off", !shown[number]); } });
        drawn += shown[number] ? 1 : 0;
      });
      pick(".least").textContent = any ? "any" : least.toFixed(2);
      pick(".count").textContent = drawn + " of " + rows.length + " shown";
      if (kept !== null && !shown[kept]) { keep(null); } else { mark(); }
    }

    function keep(number) {
      kept = number;
      mark();
      tell(number);
    }

    function mark() {
      var near = links.filter(function (each) { return each.a === kept || each.b === kept; });
      var partners = near.map(function (each) { return each.a === kept ? each.b : each.a; });
      rows.forEach(function (row, number) {
        row.classList.toggle("on", number === kept);
        row.querySelector(".pick").setAttribute("aria-pressed", String(number === kept));
      });
      nodes.forEach(function (found, place) {
        drawings[place].classList.toggle("some", kept !== null && Boolean(found[kept]));
        found.forEach(function (node, number) {
          node.classList.toggle("on", number === kept);
          node.classList.toggle("near", partners.indexOf(number) >= 0);
          node.setAttribute("aria-pressed", String(number === kept));
        });
        chords(drawings[place], found, between.checked ? links : near, near);
      });
    }

    function chords(drawing, found, wanted, near) {
      var box = drawing.querySelector(".chords"), middle = Number(drawing.getAttribute("viewBox").split(" ")[2]) / 2;
      var at = function (node, axis) { return Number(node.getAttribute("data-" + axis)); };
      box.textContent = "";
      wanted.forEach(function (each) {
        var one = found[each.a], other = found[each.b];
        if (!one || !other || !shown[each.a] || !shown[each.b]) { return; }
        var bend = function (axis) { return (((at(one, axis) + at(other, axis)) / 2) * 0.7 + middle * 0.3).toFixed(1); };
        var path = document.createElementNS(drawing.namespaceURI, "path");
        path.setAttribute("d", "M" + at(one, "x") + " " + at(one, "y") + "Q" + bend("x") + " " + bend("y") + " " + at(other, "x") + " " + at(other, "y"));
        path.setAttribute("class", "chord" + (near.indexOf(each) < 0 ? " faint" : "") + (each.dark ? " dark" : ""));
        box.appendChild(path);
      });
    }

    function tell(number) {
      told.textContent = "";
      if (number === null) {
        told.appendChild(make("span", "Point at, tap or tab to a peer for its figures; click to keep it and to see its links with the other peers. Arrow keys go round, Escape lets go."));
        return;
      }
      var row = rows[number], figures = make("dl");
      told.appendChild(make("strong", list(row.cells[0].children).map(function (each) { return each.textContent; }).join(" · ")));
      list(row.cells).slice(1).forEach(function (cell, place) {
        var tags = list(cell.querySelectorAll(".tag")).map(function (each) { return each.textContent; });
        figures.appendChild(make("dt", heads[place + 1] === "#" ? "Rank" : heads[place + 1]));
        figures.appendChild(make("dd", tags.length ? tags.join(", ") : cell.textContent));
      });
      told.appendChild(figures);
      if (number !== kept) { return; }
      var button = make("button", "Show in the table");
      button.type = "button";
      button.addEventListener("click", function () { row.scrollIntoView({ block: "center" }); row.querySelector(".pick").focus(); });
      told.appendChild(button);
    }
  }
})();
