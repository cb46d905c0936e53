"use strict";
(() => {
const svgNS = "http://www.w3.org/2000/svg";
const $ = id => document.getElementById(id);

// The state of the page, which the fragment of its address holds.
const state = { lr: null, seed: null, off: new Set(), smooth: true, zoom: {} };
let data = null, plots = [];

function readState() {
  const has = location.hash.includes("=");
  const q = new URLSearchParams(has ? location.hash.slice(1) : "");
  state.lr = data.rates.includes(Number(q.get("rate"))) && q.has("rate") ? Number(q.get("rate")) : data.cell.lr;
  state.seed = q.has("seed") && data.seeds.includes(Number(q.get("seed"))) ? Number(q.get("seed")) : data.cell.seed;
  state.off = new Set(q.has("hide") ? q.get("hide").split("~") : []);
  state.smooth = q.get("smooth") !== "no";
  state.zoom = {};
  for (const [key, value] of q) {
    const box = value.split(",").map(Number);
    if (key.startsWith("zoom-") && box.length === 4 && box.every(Number.isFinite)) state.zoom[key.slice(5)] = box;
  }
}

function writeState() {
  const q = new URLSearchParams();
  if (state.lr !== data.cell.lr) q.set("rate", state.lr);
  if (state.seed !== data.cell.seed) q.set("seed", state.seed);
  if (state.off.size) q.set("hide", [...state.off].join("~"));
  if (!state.smooth) q.set("smooth", "no");
  for (const id in state.zoom) q.set("zoom-" + id, state.zoom[id].join(","));
  const text = q.toString();
  history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
}

function make(tag, attributes, ...children) {
  const e = tag.startsWith("svg:") ? document.createElementNS(svgNS, tag.slice(4)) : document.createElement(tag);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  e.append(...children);
  return e;
}

function format(v) {
  if (!Number.isFinite(v)) return "–";
  if (v !== 0 && (Math.abs(v) < 1e-4 || Math.abs(v) >= 1e6)) return Number(v.toPrecision(3)).toExponential().replace("e+", "e");
  return String(Number(v.toPrecision(4)));
}

const colour = style => `var(--series-${style.color})`;
const shownRuns = () => data.grid ? data.runs.filter(r => r.lr === state.lr && r.seed === state.seed) : data.runs;
const visible = name => !state.off.has(name);
const keyOf = run => data.variants[run.variant].name;

// Lines of the figures. Each is {name, key, style, x, y, raw, marks, spikes, cross, band}.

function linesInside(i) {
  const lines = [];
  for (const run of shownRuns()) {
    const c = run.curves[i];
    const pairs = (x, y) => (x || []).map((v, k) => [v, y[k]]).filter(p => p[1] !== null);
    const points = pairs(c.x, c.y), raw = pairs(c.rawX, c.rawY);
    if (!points.length && !raw.length) continue;
    const view = data.views[i];
    const line = {
      name: run.name + (run.fate ? ", " + run.fate : ""), key: keyOf(run), style: run.style, lost: run.lost,
      points: view.steps && !state.smooth ? raw : points, faint: view.steps && state.smooth ? raw : [],
      marks: pairs(c.markX, c.markY), spikes: pairs(c.spikeX, c.spikeY), crosses: [],
    };
    const end = (raw.length ? raw : points).at(-1);
    if (run.lost && view.x === "step") line.crosses.push(end);
    lines.push(line);
  }
  return lines;
}

function linesByRate() {
  const { lo, hi } = data.rate;
  return data.variants.map((v, i) => {
    const line = { name: v.name, key: v.name, style: v, points: [], faint: [], marks: [], spikes: [], crosses: [], band: [] };
    for (const lr of data.rates) {
      const runs = data.runs.filter(r => r.variant === i && r.lr === lr && r.counts);
      if (!runs.length || !(lr > 0)) continue;
      const finals = runs.map(r => r.final), inside = finals.filter(f => f !== null && f <= hi);
      inside.forEach(f => line.marks.push([lr, f]));
      if (inside.length < finals.length) line.crosses.push([lr, hi]);
      else if (line.crosses.length === 0) line.band.push([lr, Math.min(...inside), Math.max(...inside)]);
      const mean = finals.includes(null) ? hi : Math.min(hi, finals.reduce((a, b) => a + b, 0) / finals.length);
      line.points.push([lr, mean]);
    }
    while (line.points.length > 1 && line.points.at(-1)[1] === hi && line.points.at(-2)[1] === hi) line.points.pop();
    return line;
  }).filter(l => l.points.length);
}

// Axes. A scale is {lo, hi, log, ticks, at(v), back(fraction)}; at returns a fraction of the axis.

function scaleOf(lo, hi, log, at) {
  if (!log && lo === hi) { lo -= 0.5; hi += 0.5; }
  const [a, b] = log ? [Math.log(lo), Math.log(hi)] : [lo, hi];
  return {
    lo, hi, log,
    at: v => ((log ? Math.log(v) : v) - a) / (b - a),
    back: f => log ? Math.exp(a + f * (b - a)) : a + f * (b - a),
    ticks: at ? at.filter(v => v >= lo && v <= hi) : log ? logTicks(lo, hi) : linearTicks(lo, hi),
  };
}

function linearTicks(lo, hi) {
  const raw = (hi - lo) / 6, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(m => m * power >= raw);
  const ticks = [];
  for (let k = Math.ceil(lo / step); k * step <= hi && ticks.length < 20; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

function logTicks(lo, hi) {
  const decades = Math.log10(hi / lo);
  const every = Math.max(1, Math.ceil(decades / 8)), within = decades < 3 ? [1, 2, 5] : [1];
  const ticks = [];
  for (let k = Math.floor(Math.log10(lo)); k <= Math.log10(hi); k++)
    for (const m of k % every ? [] : within) {
      const v = Number((m * 10 ** k).toPrecision(6));
      if (v >= lo && v <= hi) ticks.push(v);
    }
  return ticks.length > 1 ? ticks : linearTicks(lo, hi);
}

function range(values) {
  let lo = Infinity, hi = -Infinity;
  for (const v of values) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
  return lo <= hi ? [lo, hi] : [NaN, NaN];
}

function yScale(view, lines) {
  const values = ls => ls.flatMap(l => [...l.points, ...l.faint]).map(p => p[1]);
  let [lo, hi] = range(values(lines));
  if (!(lo <= hi)) [lo, hi] = view.log ? [0.1, 10] : [0, 1];
  if (view.log) {
    if (hi < 4 * lo) { lo /= 2; hi *= 2; }
    return scaleOf(lo / 1.1, hi * 1.1, true);
  }
  const stayed = lines.filter(l => !l.lost);
  if (stayed.length) {
    const [a, b] = range(values(stayed));
    if (view.steps) hi = Math.min(hi, 1.2 * Math.max(...lines.map(l => (l.faint[0] || l.points[0])[1]), a));
    else [lo, hi] = [a, b];
  }
  const margin = (hi - lo) / 20 || 0.5;
  return scaleOf(lo - margin, hi + margin, false);
}

// A plot is a figure that the scripts draw: {id, figure, box, view, lines(), scales(lines), cursor}.

function draw(plot) {
  const lines = plot.lines(), zoom = state.zoom[plot.id];
  let [sx, sy] = plot.scales(lines);
  if (zoom) {
    sx = scaleOf(zoom[0], zoom[1], sx.log, plot.ticksAt);
    sy = scaleOf(zoom[2], zoom[3], sy.log);
  }
  const W = Math.max(240, plot.box.clientWidth), H = Math.round(Math.min(360, Math.max(230, W * 0.6)));
  const svg = make("svg:svg", { viewBox: `0 0 ${W} ${H}`, "aria-hidden": "true" });
  plot.box.replaceChildren(svg);
  const style = "font-size:13px;fill:var(--ink)";
  const text = (s, attributes) => {
    const t = make("svg:text", { style, ...attributes }, s);
    svg.append(t);
    return t;
  };
  // The margins fit the text as the reader's fonts write it.
  const yLabels = sy.ticks.map(v => text(format(v), { "text-anchor": "end" }));
  const widest = Math.max(0, ...yLabels.map(t => t.getComputedTextLength()));
  const left = Math.ceil(widest) + 30, right = W - 14, top = 10, bottom = H - 42;
  const px = v => left + sx.at(v) * (right - left), py = v => bottom - sy.at(v) * (bottom - top);
  sy.ticks.forEach((v, i) => {
    yLabels[i].setAttribute("x", left - 6);
    yLabels[i].setAttribute("y", py(v) + 4.5);
    svg.prepend(make("svg:path", { d: `M${left},${py(v)}H${right}`, style: "stroke:var(--grid)" }));
  });
  let free = -Infinity;
  for (const v of sx.ticks) {
    svg.prepend(make("svg:path", { d: `M${px(v)},${top}V${bottom}`, style: "stroke:var(--grid)" }));
    const t = text(format(v), { "text-anchor": "middle", y: bottom + 18 });
    const half = t.getComputedTextLength() / 2, x = Math.min(px(v), W - half - 1);
    if (x - half < free) t.remove();
    else { t.setAttribute("x", x); free = x + half + 8; }
  }
  const title = (label, attributes, room) => {
    const t = text(label, { "text-anchor": "middle", ...attributes }), length = t.getComputedTextLength();
    if (length > room) t.style.fontSize = 13 * room / length + "px";
  };
  title(plot.view.x, { x: (left + right) / 2, y: H - 6 }, right - left);
  title(plot.view.label, { x: 0, y: 0, transform: `translate(14,${(top + bottom) / 2}) rotate(-90)` }, bottom - top);
  svg.append(make("svg:path", { d: `M${left},${top}V${bottom}H${right}`, style: "fill:none;stroke:var(--ink)" }));

  const clip = "clip-" + plot.id;
  svg.append(make("svg:clipPath", { id: clip }, make("svg:rect", { x: left, y: top - 6, width: right - left + 6, height: bottom - top + 6 })));
  const area = make("svg:g", { "clip-path": `url(#${clip})` });
  svg.append(area);
  const fits = p => p[0] !== null && p[1] !== null && (!sx.log || p[0] > 0) && (!sy.log || p[1] > 0);
  const path = points => points.filter(fits).map((p, i) => `${i ? "L" : "M"}${px(p[0]).toFixed(1)},${Math.max(-9e3, Math.min(9e3, py(p[1]))).toFixed(1)}`).join("");
  if (plot.level && plot.level.at >= sy.lo && plot.level.at <= sy.hi)
    area.append(make("svg:path", { d: `M${left},${py(plot.level.at)}H${right}`, style: "stroke:var(--level);stroke-width:1.5" }));
  const shown = lines.filter(l => visible(l.key));
  for (const l of shown) {
    const c = colour(l.style);
    if (l.band && l.band.length > 1) {
      const outline = [...l.band.map(b => [b[0], b[1]]), ...l.band.toReversed().map(b => [b[0], b[2]])];
      area.append(make("svg:path", { d: path(outline) + "Z", style: `fill:${c};opacity:.2` }));
    }
    area.append(make("svg:path", { d: path(l.faint), style: `fill:none;stroke:${c};opacity:.28` }));
  }
  for (const l of shown) {
    const c = colour(l.style);
    area.append(make("svg:path", { d: path(l.points), style: `fill:none;stroke:${c};stroke-width:1.8`, "stroke-dasharray": l.style.dashes || "none" }));
    if (l.points.length === 1) area.append(dot(l.points[0], c, 3));
    for (const p of l.marks.filter(fits)) area.append(dot(p, c, 3));
    for (const p of l.spikes.filter(fits)) {
      const [x, y] = [px(p[0]), Math.max(top + 4, py(p[1]))];
      area.append(make("svg:path", { d: `M${x},${y - 2}l-3,-6h6z`, style: `fill:${c}` }));
    }
  }
  // Crosses at one place stand side by side.
  const crosses = shown.flatMap(l => l.crosses.filter(fits).map(p => ({ p, c: colour(l.style) })));
  for (const { p, c } of crosses) {
    const beside = crosses.filter(other => other.p[0] === p[0] && plot.ticksAt), i = beside.findIndex(other => other.p === p);
    const aside = beside.length > 1 ? (i - (beside.length - 1) / 2) * Math.min(9, 40 / beside.length) : 0;
    const [x, y] = [px(p[0]) + aside, Math.max(top, py(p[1]))];
    area.append(make("svg:path", { d: `M${x - 4},${y - 4}l8,8m0,-8l-8,8`, style: `stroke:${c};stroke-width:2` }));
  }
  function dot(p, c, r) { return make("svg:circle", { cx: px(p[0]), cy: py(p[1]), r, style: `fill:${c}` }); }

  const hover = make("svg:g", {});
  svg.append(hover);
  Object.assign(plot, { svg, hover, sx, sy, px, py, left, right, top, bottom, shown, W, H });
  legend(plot, lines);
}

function legend(plot, lines) {
  const list = plot.figure.querySelector(".legend");
  list.replaceChildren();
  for (const l of lines) {
    const c = colour(l.style);
    const swatch = make("svg:svg", { width: 34, height: 12, "aria-hidden": "true" },
      make("svg:path", { d: "M0,6H34", style: `stroke:${c};stroke-width:1.8`, "stroke-dasharray": l.style.dashes || "none" }),
      ...(l.marks.length ? [make("svg:circle", { cx: 17, cy: 6, r: 3, style: `fill:${c}` })] : []));
    list.append(make("li", {}, swatch, " ", nameButton(l.key, l.name)));
  }
  if (plot.level && plot.level.name) {
    const swatch = make("svg:svg", { width: 34, height: 12, "aria-hidden": "true" },
      make("svg:path", { d: "M0,6H34", style: "stroke:var(--level);stroke-width:1.5" }));
    list.append(make("li", {}, swatch, " " + plot.level.name));
  }
}

function nameButton(key, label) {
  const b = make("button", { type: "button", class: "name-button", "aria-pressed": visible(key), title: "hide or show everywhere" }, label);
  b.addEventListener("click", () => {
    if (visible(key)) state.off.add(key); else state.off.delete(key);
    changed();
  });
  return b;
}

// Values under the pointer or the keyboard's cursor.

function nearest(points, x) {
  let best = null;
  for (const p of points) if (best === null || Math.abs(p[0] - x) < Math.abs(best[0] - x)) best = p;
  return best;
}

function show(plot, x, say) {
  plot.hover.replaceChildren();
  const at = plot.shown.map(l => ({ l, p: nearest(l.points, x) })).filter(e => e.p);
  if (!at.length) return;
  const here = at.reduce((a, b) => Math.abs(b.p[0] - x) < Math.abs(a.p[0] - x) ? b : a).p[0];
  const rows = at.filter(e => e.p[0] === here || !plot.ticksAt && Math.abs(e.p[0] - here) <= (plot.sx.hi - plot.sx.lo) / 40);
  rows.sort((a, b) => b.p[1] - a.p[1]);
  const guide = plot.px(here);
  if (!(guide >= plot.left - 1 && guide <= plot.right + 1)) return;
  plot.hover.append(make("svg:path", { d: `M${guide},${plot.top}V${plot.bottom}`, style: "stroke:var(--level)" }));
  for (const { l, p } of rows) {
    const y = plot.py(p[1]);
    if (y >= plot.top && y <= plot.bottom) plot.hover.append(make("svg:circle", { cx: plot.px(p[0]), cy: y, r: 4, style: `fill:${colour(l.style)};stroke:var(--paper)` }));
  }
  const head = plot.view.x + " " + format(here);
  const value = e => plot.ticksAt && e.p[1] >= plot.sy.hi ? "above" : format(e.p[1]);
  tip(plot, guide / plot.W, [head], rows.map(e => [e.l.name, value(e), colour(e.l.style)]));
  plot.cursor = here;
  if (say) plot.live.textContent = head + ": " + rows.map(e => e.l.name + " " + value(e)).join("; ");
}

function tip(plot, fraction, heads, rows) {
  if (!plot.tip) plot.tip = make("div", { class: "tip", hidden: "" });
  if (!plot.tip.isConnected) plot.box.append(plot.tip);
  plot.tip.replaceChildren(make("strong", {}, ...heads), ...rows.map(([name, value, c]) =>
    make("div", {}, make("span", { style: c ? `border-left:4px solid ${c};padding-left:4px` : "" }, name), make("span", {}, value))));
  plot.tip.hidden = false;
  const width = plot.box.clientWidth, x = fraction * width;
  plot.tip.style.top = "4px";
  plot.tip.style.left = plot.tip.style.right = "auto";
  if (x > width / 2) plot.tip.style.right = width - x + 10 + "px"; else plot.tip.style.left = x + 10 + "px";
}

function hideTip(plot) {
  plot.hover?.replaceChildren();
  if (plot.tip) plot.tip.hidden = true;
}

function listen(plot) {
  const box = plot.box;
  let from = null, frame = null;
  const place = e => { const b = box.getBoundingClientRect(); return [(e.clientX - b.left) * plot.W / b.width, (e.clientY - b.top) * plot.W / b.width]; };
  const valueX = x => plot.sx.back((x - plot.left) / (plot.right - plot.left));
  const valueY = y => plot.sy.back((plot.bottom - y) / (plot.bottom - plot.top));
  const inside = (v, lo, hi) => Math.max(lo, Math.min(hi, v));
  const drag = (x, y) => {
    const [a, b] = [inside(from[0], plot.left, plot.right), inside(x, plot.left, plot.right)].sort((p, q) => p - q);
    let [c, d] = [inside(from[1], plot.top, plot.bottom), inside(y, plot.top, plot.bottom)].sort((p, q) => p - q);
    if (d - c < 12) [c, d] = [plot.top, plot.bottom];
    return [a, b, c, d];
  };
  box.addEventListener("pointerdown", e => { if (e.button === 0) from = place(e); });
  box.addEventListener("pointermove", e => {
    const [x, y] = place(e);
    if (from && Math.abs(x - from[0]) > 8) {
      const [a, b, c, d] = drag(x, y);
      hideTip(plot);
      frame = make("svg:rect", { x: a, y: c, width: b - a, height: d - c, style: "fill:var(--link);opacity:.15" });
      plot.hover.replaceChildren(frame);
      box.setPointerCapture(e.pointerId);
    } else if (!from || e.pointerType !== "mouse") show(plot, valueX(x));
  });
  box.addEventListener("pointerup", e => {
    if (from && frame) {
      const [x, y] = place(e), [a, b, c, d] = drag(x, y);
      if (b - a > 8) {
        state.zoom[plot.id] = [valueX(a), valueX(b), valueY(d), valueY(c)].map(v => Number(v.toPrecision(5)));
        changed();
      }
    } else if (from) show(plot, valueX(from[0]));
    from = frame = null;
  });
  box.addEventListener("pointercancel", () => { from = frame = null; hideTip(plot); });
  box.addEventListener("pointerleave", e => { if (!from && e.pointerType === "mouse") hideTip(plot); });
  box.addEventListener("dblclick", () => { delete state.zoom[plot.id]; changed(); });
  box.addEventListener("blur", () => hideTip(plot));
  box.addEventListener("keydown", e => {
    const xs = [...new Set(plot.shown.flatMap(l => l.points.map(p => p[0])))].filter(x => x >= plot.sx.lo && x <= plot.sx.hi).sort((a, b) => a - b);
    if (!xs.length) return;
    const i = xs.indexOf(plot.cursor);
    const to = { ArrowRight: Math.min(xs.length - 1, i + 1), ArrowLeft: i < 0 ? xs.length - 1 : Math.max(0, i - 1), Home: 0, End: xs.length - 1 }[e.key];
    if (e.key === "Escape") { hideTip(plot); delete state.zoom[plot.id]; changed(); }
    if (to === undefined) return;
    e.preventDefault();
    show(plot, xs[to], true);
  });
}

function csv(plot) {
  const cell = v => /[",\n]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : v;
  const rows = [["name", plot.view.x, plot.view.label, "what"]];
  for (const l of plot.shown)
    for (const [what, points] of [[plot.id === "rate" ? "mean" : "line", l.points], ["step", l.faint], [plot.id === "rate" ? "seed" : "mark", l.marks]])
      for (const p of points) rows.push([l.name, p[0], p[1], what]);
  const link = make("a", { href: URL.createObjectURL(new Blob([rows.map(r => r.map(cell).join(",")).join("\n") + "\n"], { type: "text/csv" })), download: plot.id + ".csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The maps of depth by step.

function drawMaps() {
  data.maps.forEach((view, i) => {
    const figure = $("map-" + view.id);
    if (!figure) return;
    const runs = shownRuns().filter(r => r.maps[i].x.length), shown = runs.filter(r => visible(keyOf(r)));
    const stayed = shown.filter(r => !r.lost);
    const [lo, hi] = range((stayed.length ? stayed : shown).flatMap(r => r.maps[i].values.flat()).filter(v => v > 0));
    const [first, , last] = figure.querySelector(".scale").children;
    first.textContent = format(lo);
    last.textContent = format(hi);
    figure.querySelector(".maps").replaceChildren(...runs.map(r => mapOf(view, r, i, lo, hi)));
  });
}

function mapOf(view, run, i, lo, hi) {
  const key = keyOf(run), { x, values } = run.maps[i], depth = Math.max(...values.map(v => v.length));
  const name = make("span", { class: "name" }, nameButton(key, run.name + (run.fate ? ", " + run.fate : "")));
  if (!visible(key)) return make("div", {}, name);
  const canvas = make("canvas", { width: x.length, height: depth }), c = canvas.getContext("2d");
  values.forEach((column, k) => column.forEach((v, layer) => {
    if (v === null) return;
    c.fillStyle = shade(v > 0 && hi > lo ? Math.log(v / lo) / Math.log(hi / lo) : 0);
    c.fillRect(k, depth - 1 - layer, 1, 1);
  }));
  const img = make("img", { src: canvas.toDataURL(), alt: "" });
  const box = make("div", { class: "plane", tabindex: 0, role: "group", "aria-label": `${view.title} of ${run.name}: ${depth} layers by step; arrow keys read values` }, img);
  const live = make("output", { class: "unseen", "aria-live": "polite" });
  const plane = { box, live };
  let at = null;
  const read = (k, layer, say) => {
    at = [k, layer];
    const text = `step ${x[k]}, ${view.label} ${layer}`, value = format(values[k][layer] ?? NaN);
    tip(plane, (k + 0.5) / x.length, [text], [["", value]]);
    if (say) live.textContent = text + ": " + value;
  };
  const inside = (v, n) => Math.max(0, Math.min(n - 1, Math.floor(v * n)));
  box.addEventListener("pointermove", e => {
    const b = img.getBoundingClientRect();
    read(inside((e.clientX - b.left) / b.width, x.length), depth - 1 - inside((e.clientY - b.top) / b.height, depth));
  });
  box.addEventListener("pointerleave", () => hideTip(plane));
  box.addEventListener("blur", () => hideTip(plane));
  box.addEventListener("keydown", e => {
    const move = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
    if (!move) return;
    e.preventDefault();
    const [k, layer] = at ? [at[0] + move[0], at[1] + move[1]] : [0, 0];
    read(Math.max(0, Math.min(x.length - 1, k)), Math.max(0, Math.min(depth - 1, layer)), true);
  });
  return make("div", {}, name, box, live,
    make("span", { class: "ends" }, make("span", {}, "step " + x[0]), make("span", {}, String(x.at(-1)))));
}

function shade(t) {
  const at = Math.max(0, Math.min(t, 1)) * (data.scale.length - 1), i = Math.min(Math.floor(at), data.scale.length - 2), part = at - i;
  const rgb = c => [1, 3, 5].map(k => parseInt(c.slice(k, k + 2), 16));
  const [a, b] = [rgb(data.scale[i]), rgb(data.scale[i + 1])];
  return `rgb(${a.map((v, k) => Math.round(v + part * (b[k] - v))).join()})`;
}

// Controls.

function controls() {
  const form = $("controls");
  if (!form) return;
  form.replaceChildren();
  const choose = (label, values, now, set) => {
    const select = make("select", {}, ...values.map(v => make("option", v === now ? { value: v, selected: "" } : { value: v }, String(v))));
    select.addEventListener("change", () => { set(Number(select.value)); state.zoom = {}; changed(); });
    form.append(make("label", {}, label + " ", select));
  };
  if (data.grid && data.rates.length > 1) choose("learning rate", data.rates, state.lr, v => { state.lr = v; });
  if (data.grid && data.seeds.length > 1) choose("seed", data.seeds, state.seed, v => { state.seed = v; });
  const box = make("input", state.smooth ? { type: "checkbox", checked: "" } : { type: "checkbox" });
  box.addEventListener("change", () => { state.smooth = box.checked; changed(); });
  form.append(make("label", {}, box, " smooth"));
  const reset = make("button", { type: "button" }, "reset");
  reset.addEventListener("click", () => {
    Object.assign(state, { lr: data.cell.lr, seed: data.cell.seed, off: new Set(), smooth: true, zoom: {} });
    controls();
    changed();
  });
  form.append(reset);
  form.hidden = false;
}

function tables() {
  for (const th of document.querySelectorAll("th[data-name]")) {
    const key = th.dataset.name;
    if (!th.querySelector("button")) th.replaceChildren(nameButton(key, key));
    th.querySelector("button").setAttribute("aria-pressed", visible(key));
  }
}

function redraw() {
  for (const plot of plots) draw(plot);
  drawMaps();
  tables();
  const note = $("note");
  if (note) {
    note.dataset.first ??= note.textContent;
    const first = state.lr === data.cell.lr && state.seed === data.cell.seed;
    note.textContent = first ? note.dataset.first : `Learning rate ${state.lr} and seed ${state.seed}.`;
  }
}

function changed() {
  writeState();
  redraw();
}

function start() {
  const text = $("data")?.textContent;
  if (!text) return;
  data = JSON.parse(text);
  readState();
  plots = [];
  const add = (id, view, lines, scales, more) => {
    const figure = $("figure-" + id);
    if (!figure) return;
    const box = figure.querySelector(".plot");
    const label = box.querySelector("svg").getAttribute("aria-label");
    Object.entries({ tabindex: 0, role: "group", "aria-label": label + "; arrow keys read values, Escape shows all" }).forEach(([k, v]) => box.setAttribute(k, v));
    const plot = { id, figure, box, view, lines, scales, live: make("output", { class: "unseen", "aria-live": "polite" }), ...more };
    const button = make("button", { type: "button" }, "CSV");
    button.setAttribute("aria-label", "CSV of " + view.title);
    button.addEventListener("click", () => csv(plot));
    figure.append(plot.live, make("div", { class: "tools" }, button, make("span", { class: "soft" }, "drag to zoom, double click for all")));
    listen(plot);
    plots.push(plot);
  };
  if (data.rate) {
    const rates = data.rates.filter(v => v > 0);
    add("rate", { title: data.rate.title, x: "learning rate", label: data.rate.label }, linesByRate,
      () => [scaleOf(rates[0] / 1.4, rates.at(-1) * 1.4, true, rates), scaleOf(data.rate.lo, data.rate.hi, false)],
      { ticksAt: rates, level: data.rate.level === null ? null : { at: data.rate.level, name: data.rate.levelName } });
  }
  data.views.forEach((view, i) => add(view.id, view, () => linesInside(i), lines => {
    const top = view.x === "step" ? Math.max(1, ...shownRuns().map(r => r.steps)) : Math.max(1, ...lines.flatMap(l => l.points.map(p => p[0])));
    return [scaleOf(0, top, false), yScale(view, lines)];
  }, { level: view.level ? { at: view.level, name: "clipped above" } : null }));
  controls();
  redraw();
}

start();
addEventListener("newpage", start); // of a server that has replaced <main>
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redraw(); } });
addEventListener("hashchange", () => { if (location.hash.includes("=")) { readState(); controls(); redraw(); } });
})();
