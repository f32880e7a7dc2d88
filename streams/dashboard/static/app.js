// Makes pages live: one stream of what happens; parts of a page ask for themselves again when something changed.
"use strict";

const REFRESH_MS = 700;   // at most so often, while things happen
const TOAST_MS = 5000;
const body = document.body;

// ── theme ───────────────────────────────────────────────────────────────────────────────────────────────────────
const root = document.documentElement;
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const isDark = (root.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  try { localStorage.setItem("leadheat-theme", root.dataset.theme); } catch { /* not kept, then */ }
  drawChart();
});

// ── live ────────────────────────────────────────────────────────────────────────────────────────────────────────
const pulse = document.getElementById("pulse");
let isStale = false;
let refreshedAt = 0;
let timer = 0;

function isBusy() {
  // What somebody has opened or is writing in is not taken away.
  const active = document.activeElement;
  const isWriting = active && active.closest("[hx-get]") && active.matches("input, select, textarea");
  return document.hidden || isWriting || document.querySelector("[hx-get] details[open]") !== null;
}

function refresh() {
  timer = 0;
  if (isBusy()) { isStale = true; return; }
  isStale = false;
  refreshedAt = Date.now();
  htmx.trigger(body, "leadheat");
}

function refreshSoon() {
  if (timer === 0) timer = setTimeout(refresh, Math.max(0, refreshedAt + REFRESH_MS - Date.now()));
}

// What somebody opened while a part of the page was asked for anew stays, too.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.requestConfig.verb !== "get" || !isBusy()) return;
  event.detail.shouldSwap = false;
  isStale = true;
});

function show(state, text) {
  if (pulse === null || pulse.dataset.state === state) return;
  pulse.dataset.state = state;
  pulse.textContent = text;
}

if (body.dataset.live) {
  const source = new EventSource(body.dataset.live);
  source.addEventListener("open", () => show("live", "live"));
  source.addEventListener("error", () => show("lost", "reconnecting"));
  for (const kind of ["changed", "reset", "alert", "cooled", "band", "signal", "account", "follow-up"]) {
    source.addEventListener(kind, refreshSoon);
  }
  addEventListener("pagehide", () => source.close());
  document.addEventListener("visibilitychange", () => { if (!document.hidden && isStale) refreshSoon(); });
  document.addEventListener("toggle", () => { if (isStale) refreshSoon(); }, true);
  document.addEventListener("focusout", () => { if (isStale) refreshSoon(); });
}

// ── small things ────────────────────────────────────────────────────────────────────────────────────────────────
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  const find = document.getElementById("find");
  if (event.key === "/" && find !== null && !event.target.matches("input, select, textarea")) {
    event.preventDefault();
    find.focus();
  }
  if (event.key === "Escape") document.querySelectorAll("details.menu[open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.requestConfig.verb === "post" && event.detail.successful) {
    document.querySelectorAll("details.menu[open]").forEach((menu) => { menu.open = false; });
  }
});

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.requestConfig.verb !== "post") return;
  const toast = document.createElement("p");
  toast.className = "toast toast-bad";
  toast.textContent = `That did not work (${event.detail.xhr.status}). Try again.`;
  document.getElementById("toasts").prepend(toast);
});

new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) {
    if (node.nodeType === Node.ELEMENT_NODE) setTimeout(() => node.remove(), TOAST_MS);
  }
}).observe(document.getElementById("toasts"), { childList: true });

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function tellTimes() {
  const now = Date.now();
  for (const element of document.querySelectorAll("time[data-ms]")) {
    const seconds = (now - Number(element.dataset.ms)) / 1000;
    const unit = UNITS.find(([length]) => Math.abs(seconds) >= length);
    const text = unit ? `${Math.floor(Math.abs(seconds) / unit[0]).toLocaleString("en")} ${unit[1]}` : "";
    const shown = !unit ? "now" : seconds >= 0 ? `${text} ago` : `in ${text}`;
    if (element.textContent !== shown) element.textContent = shown;
    if (!element.title) element.title = new Date(Number(element.dataset.ms)).toLocaleString();
  }
}
setInterval(tellTimes, 1000);

// ── the chart of a score ────────────────────────────────────────────────────────────────────────────────────────
let chart = null;

function drawChart() {
  const place = document.getElementById("chart");
  if (chart !== null) { chart.destroy(); chart = null; }
  if (place === null || typeof uPlot === "undefined") return;
  const { past, ahead, bands, now_ms: nowMs } = JSON.parse(place.dataset.chart);
  const style = getComputedStyle(root);
  const color = (name) => style.getPropertyValue(name).trim();
  const times = [...new Set([...past, ...ahead].map(([time]) => time))].sort((a, b) => a - b);
  const before = new Map(past);
  const after = new Map(ahead);
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { stroke: color("--line") } };
  const highest = Math.max(10, ...past.map(([, y]) => y), ...ahead.map(([, y]) => y));
  const shown = bands.filter((band) => band.enter <= 1.6 * highest);
  const top = Math.max(highest, ...shown.map((band) => band.enter)) * 1.08;
  chart = new uPlot({
    width: place.clientWidth, height: 230, cursor: { points: { size: 7 } },
    scales: { y: { range: [0, top] } },
    axes: [axis, { ...axis, size: 44 }],
    series: [
      { value: (_, time) => (time === null ? "" : new Date(time * 1000).toLocaleString()) , label: "When" },
      { label: "Was", stroke: color("--hot"), width: 2, spanGaps: true, points: { show: true, size: 6, fill: color("--hot") } },
      { label: "Fades to", stroke: color("--hot"), width: 2, dash: [5, 5], spanGaps: true, points: { show: false }, fill: color("--glow") },
      ...shown.map((band) => ({ label: band.name, stroke: color("--muted"), width: 1, dash: [2, 4], points: { show: false } })),
    ],
    hooks: { draw: [(plot) => {
      const x = plot.valToPos(nowMs / 1000, "x", true);
      plot.ctx.save();
      plot.ctx.strokeStyle = color("--muted");
      plot.ctx.beginPath();
      plot.ctx.moveTo(x, plot.bbox.top);
      plot.ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
      plot.ctx.stroke();
      plot.ctx.restore();
    }] },
  }, [
    times.map((time) => time / 1000),
    times.map((time) => before.get(time) ?? null),
    times.map((time) => after.get(time) ?? null),
    ...shown.map((band) => times.map(() => band.enter)),
  ], place);
}

addEventListener("resize", drawChart);
document.addEventListener("htmx:afterSwap", () => { tellTimes(); drawChart(); });
drawChart();
