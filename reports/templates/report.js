"use strict";
// Glue between the page's filters, Vega's views and DataTables; the libraries do the rest.

const content = (id) => JSON.parse(document.getElementById(id).textContent);
const figures = content("figure-specifications");
const sources = content("figure-sources");
const views = new Map();
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function theme() {
  const [ink, line] = [colour("--ink"), colour("--line")];
  return {
    background: "transparent",
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: { labelColor: ink, titleColor: ink, domainColor: ink, tickColor: ink, gridColor: line,
            titleFontWeight: "normal", labelLimit: 260, titleLimit: 500, labelSeparation: 8 },
    title: { color: ink, anchor: "start", fontWeight: "normal" },
    header: { labelColor: ink, titleColor: ink },
    legend: { labelColor: ink, titleColor: ink, orient: "bottom", columns: 4, symbolOpacity: 1 },
    rule: { color: ink },
  };
}

// Filters

const form = document.getElementById("filters");
const filters = form ? content("filter-list") : [];

// The values of a filter that are ticked; null where all are, which lets unknown ones through as well.
function chosen(filter) {
  const boxes = [...form.querySelectorAll(`[data-filter="${filters.indexOf(filter)}"] input`)];
  return boxes.every((box) => box.checked) ? null : filter.values.filter((_, i) => boxes[i].checked);
}

async function apply(view, specification) {
  const known = new Set((specification.params ?? []).map(({ name }) => name));
  for (const filter of filters.filter(({ parameter }) => known.has(parameter))) {
    view.signal(filter.parameter, chosen(filter));
  }
  await view.runAsync();
}

// Figures are drawn when they come near the window

async function draw(name) {
  const place = document.querySelector(`[data-figure="${name}"]`);
  const specification = { ...figures[name], config: theme() };
  specification.datasets = { ...specification.datasets, ...sources };
  specification.description = place.getAttribute("aria-label");
  if (typeof specification.width === "number") specification.width = "container";
  views.get(name)?.view.finalize();
  const { view } = await vegaEmbed(place, specification, {
    actions: false, renderer: "svg", logLevel: 1 /* errors: an empty selection is none */,
  });
  views.set(name, { view, specification });
  await apply(view, specification);
  place.dataset.drawn = "yes";
}

const near = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((entry) => entry.isIntersecting)) {
    near.unobserve(entry.target);
    draw(entry.target.dataset.figure);
  }
}, { rootMargin: "600px" });
document.querySelectorAll("[data-figure]").forEach((place) => near.observe(place));
const redraw = () => [...views.keys()].forEach(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => document.querySelectorAll("[data-figure]").forEach((p) => draw(p.dataset.figure)));

// Tables

const module = URL.createObjectURL(
  new Blob([document.getElementById("datatables").textContent], { type: "text/javascript" }));
import(module).then(({ default: DataTable }) => {
  const common = { order: [], autoWidth: false, language: { search: "Find", lengthMenu: "_MENU_ rows" } };
  for (const table of document.querySelectorAll("main table:not(#runs-table)")) {
    const rows = table.tBodies[0].rows.length;
    new DataTable(table, { ...common, paging: rows > 25, pageLength: 25, info: rows > 25, searching: rows > 8 });
  }
  const place = document.getElementById("runs-table");
  if (place) showRuns(DataTable, place, common);
  document.body.dataset.tables = "ready";
});

function showRuns(DataTable, place, common) {
  const { titles, rows } = content("run-rows");
  const text = DataTable.render.text();
  const log = (value, type) =>
    value && type === "display" ? `<a href="logs/${Number(value)}.log">log</a>` : value ?? "";
  let kept = filters.map(chosen);
  const runs = new DataTable(place, {
    ...common,
    data: rows,
    deferRender: true,
    pageLength: 25,
    columns: titles.map((title, i) => ({ title, render: i === titles.length - 1 ? log : text })),
    createdRow: (row, cells) => { row.id = `run-${cells[0]}`; },
  });
  runs.search.fixed("filters", (_text, cells) =>
    filters.every(({ run_column }, i) => kept[i]?.includes(cells[run_column]) ?? true));
  form?.addEventListener("change", () => {
    kept = filters.map(chosen);
    runs.draw();
  });
  const find = () => {
    const run = /^#run-(\d+)$/.exec(location.hash);
    if (!run) return;
    runs.column(0).search(`^${run[1]}$`, { regex: true }).draw();
    document.getElementById("runs").scrollIntoView();
  };
  addEventListener("hashchange", find);
  find();
}

form?.addEventListener("change", () => views.forEach(({ view, specification }) => apply(view, specification)));
form?.addEventListener("click", (event) => {
  const { set } = event.target.dataset;
  if (!set) return;
  event.target.closest("fieldset").querySelectorAll("input").forEach((box) => { box.checked = set === "all"; });
  form.dispatchEvent(new Event("change"));
});
