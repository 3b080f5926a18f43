document.querySelectorAll(".choice").forEach(function (choice) {
  var buttons = choice.querySelectorAll("button[data-show]"), figures = choice.querySelectorAll("figure");
  function show(which) {
    figures.forEach(function (figure, i) { figure.hidden = i !== which; });
    buttons.forEach(function (button, i) { button.setAttribute("aria-pressed", String(i === which)); });
  }
  buttons.forEach(function (button, i) { button.addEventListener("click", function () { show(i); }); });
  choice.querySelector(".switch").hidden = false;
  show(Number(choice.dataset.first));
});
function valueOf(row, column) {
  var words = row.cells[column].textContent, number = parseFloat(words.replace(/^[^\d-]+|,/g, ""));
  return /undetermined|infinite/.test(words) ? Infinity : isNaN(number) ? words : number;
}
document.querySelectorAll("table.sortable").forEach(function (table) {
  table.querySelectorAll("thead th").forEach(function (head, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.textContent = "";
    head.appendChild(button);
    button.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending", body = table.tBodies[0];
      table.querySelectorAll("thead th").forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      var rows = Array.from(body.rows).map(function (row) { return [valueOf(row, column), row]; });
      rows.sort(function (a, b) { return (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (up ? 1 : -1); });
      rows.forEach(function (pair) { body.appendChild(pair[1]); });
    });
  });
});
