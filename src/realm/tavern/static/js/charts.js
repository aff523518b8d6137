// The two charts and the damage that rises from the battle. They take JSON from the stream and draw with uPlot.
import uPlot from "../vendor/uPlot.esm.js";

const ink = (name) => {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color;
};
const faded = (color, alpha) => `color-mix(in srgb, ${color} ${alpha * 100}%, transparent)`;
const count = (n) => (n == null ? "–" : Math.round(n).toLocaleString("en").replaceAll(",", "\u202f"));
export const figure = (x) => (x == null ? "–" : x >= 1000 ? count(x) : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x >= 1 ? x.toFixed(2) : x.toPrecision(3));
// Steps are whole numbers: 1, 2, 5, 10, ... apart on the axis.
const STEPS = { values: (_u, steps) => steps.map(count), incrs: [...Array(10).keys()].flatMap((e) => [1, 2, 5].map((n) => n * 10 ** e)) };
const FONT = "11px Geist, system-ui, sans-serif";

class Chart extends HTMLElement {
  connectedCallback() {
    this.redraw = () => this.draw();
    this.resized = new ResizeObserver(() => this.plot?.setSize({ width: this.clientWidth, height: this.clientHeight }));
    this.resized.observe(this);
    document.addEventListener("realm:theme", this.redraw);
    document.fonts.ready.then(() => this.plot && this.draw());
    this.listen();
    this.say("");
  }

  disconnectedCallback() {
    document.removeEventListener("realm:theme", this.redraw);
    this.resized.disconnect();
    this.plot?.destroy();
  }

  say(words) {
    this.plot?.destroy();
    this.plot = null;
    const note = document.createElement("div");
    note.className = "chart-empty";
    note.textContent = words;
    this.replaceChildren(note);
  }

  axes(labels = {}) {
    const axis = { stroke: ink("muted"), font: FONT, grid: { stroke: faded(ink("line-2"), 0.4), width: 1 }, ticks: { show: false } };
    return [{ ...axis, size: 30, space: 90, ...labels.x }, { ...axis, size: 46, ...labels.y }];
  }

  make(options, data) {
    this.replaceChildren();
    this.plot?.destroy();
    const cursor = { points: { size: 7 }, y: false };
    this.plot = new uPlot({ width: this.clientWidth, height: this.clientHeight, cursor, ...options, plugins: [tip(this)] }, data, this);
  }
}

function tip(chart) {
  const box = document.createElement("div");
  box.className = "tip";
  box.hidden = true;
  return {
    hooks: {
      ready: [(u) => u.over.append(box)],
      setCursor: [(u) => {
        const { idx, left } = u.cursor;
        box.hidden = idx == null || left < 0;
        if (box.hidden) return;
        box.textContent = chart.words(u, idx);
        const turn = left > u.over.clientWidth - 170;
        box.style.left = turn ? "auto" : `${left + 14}px`;
        box.style.right = turn ? `${u.over.clientWidth - left + 14}px` : "auto";
      }],
    },
  };
}

const MOST = 2400;

class LossChart extends Chart {
  rows = [];
  log = true;

  listen() {
    document.addEventListener("realm:series", ({ detail }) => this.take(detail.rows, true));
    document.addEventListener("realm:metrics", ({ detail }) => this.take(detail.rows, false));
    const scale = document.querySelector("[data-scale]");
    scale?.addEventListener("click", () => {
      this.log = !this.log;
      scale.setAttribute("aria-pressed", String(this.log));
      this.draw();
    });
  }

  // Rows are [step, loss, lowest, highest, validation or null]; a step at or before the last one replaces the rest
  // (training went back to a checkpoint).
  take(rows, whole) {
    if (whole) this.rows = [];
    if (rows.length && this.rows.length && rows[0][0] <= this.rows.at(-1)[0]) {
      this.rows = this.rows.filter((row) => row[0] < rows[0][0]);
    }
    this.rows.push(...rows);
    if (this.rows.length > MOST) this.rows = thin(this.rows);
    if (!this.rows.length) return this.say("The line begins with the first step.");
    if (this.plot && !whole) this.plot.setData(this.columns());
    else this.draw();
  }

  columns() {
    return [0, 1, 2, 3, 4].map((i) => this.rows.map((row) => row[i]));
  }

  draw() {
    if (!this.rows.length) return;
    const ember = ink("ember");
    const teal = ink("teal");
    const fill = uPlot.rangeNum;
    const y = this.log
      ? { distr: 3, range: (_u, low, high) => (low > 0 ? [Math.max(low * 0.85, 1e-6), high * 1.15] : [1e-3, 1]) }
      : { range: (_u, _low, high) => fill(0, high, 0.1, true) };
    this.make({
      scales: { x: { time: false }, y },
      axes: this.axes({ x: STEPS, y: { values: (_u, v) => v.map((s) => (s == null ? "" : String(+s.toPrecision(3)))), ...(this.log ? { splits: decades, filter: (_u, splits) => splits } : {}) } }),
      series: [
        {},
        { stroke: ember, width: 1.8, points: { show: false } },
        { stroke: "transparent", width: 0, points: { show: false } },
        { stroke: "transparent", width: 0, points: { show: false } },
        { stroke: teal, width: 1.6, spanGaps: true, points: { show: this.rows.length < 4000, filter: (u, i) => lastPoint(u, i), size: 7, fill: teal } },
      ],
      bands: [{ series: [3, 2], fill: faded(ember, 0.22) }],
    }, this.columns());
  }

  words(u, i) {
    const [step, loss, low, high] = u.data.map((column) => column[i]);
    let val = null;
    for (let j = i; j >= 0 && val == null; j--) val = u.data[4][j];
    const band = high > low ? `  (${figure(low)} – ${figure(high)})` : "";
    return `step ${count(step)}\nloss ${figure(loss)}${band}${val == null ? "" : `\nvalidation ${figure(val)}`}`;
  }
}

// Lines at 1, 2 and 5 of each decade, or at all nine where few of those are in view. uPlot's own ticks begin at the
// scale's lowest value, whatever it is, and never end when rounding takes a step of theirs to 0.
function decades(_u, _axis, low, high) {
  const few = marks([1, 2, 5], low, high);
  return few.length > 2 ? few : marks([1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9], low, high);
}

function marks(digits, low, high) {
  const found = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.log10(high); exponent++) {
    for (const digit of digits) {
      const value = Number(`${digit}e${exponent}`);
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}
const lastPoint = (u, seriesIndex) => {
  const column = u.data[seriesIndex];
  for (let i = column.length - 1; i >= 0; i--) if (column[i] != null) return [i];
  return [];
};

// Join neighbours, keeping the band's true lowest and highest.
function thin(rows) {
  const half = [];
  for (let i = 0; i + 1 < rows.length; i += 2) {
    const [a, b] = [rows[i], rows[i + 1]];
    half.push([b[0], (a[1] + b[1]) / 2, Math.min(a[2], b[2]), Math.max(a[3], b[3]), b[4] ?? a[4]]);
  }
  if (rows.length % 2) half.push(rows.at(-1));
  return half;
}

customElements.define("loss-chart", LossChart);

const HUES = ["ember", "teal", "gold", "z-recovery", "good", "bad", "muted"];

class AccuracyChart extends Chart {
  levels = [];

  listen() {
    document.addEventListener("realm:history", ({ detail }) => {
      const skill = this.getAttribute("skill");
      this.threshold = detail.thresholds[skill];
      this.levels = detail.skills[skill] ?? [];
      if (this.levels.some((level) => level.rows.length)) this.draw();
      else this.say("The lines begin with the first examination.");
    });
  }

  draw() {
    if (!this.levels.length) return;
    const steps = [...new Set(this.levels.flatMap((level) => level.rows.map((row) => row[0])))].sort((a, b) => a - b);
    const at = new Map(steps.map((step, i) => [step, i]));
    const data = [steps];
    const series = [{}];
    const bands = [];
    this.levels.forEach((level, nth) => {
      const color = ink(HUES[nth % HUES.length]);
      const strong = level.state === "frontier";
      for (const column of [1, 2, 3]) {
        const values = Array(steps.length).fill(null);
        for (const row of level.rows) values[at.get(row[0])] = row[column];
        data.push(values);
        series.push(column === 1
          ? { stroke: color, width: strong ? 2.4 : 1.5, spanGaps: true, points: { show: true, size: strong ? 6 : 4, fill: color } }
          : { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } });
      }
      bands.push({ series: [data.length - 1, data.length - 2], fill: faded(color, strong ? 0.2 : 0.08) });
    });
    data.push(steps.map(() => this.threshold));
    series.push({ stroke: ink("gold"), width: 1, dash: [5, 5], points: { show: false } });
    const pad = Math.max(1, (steps.at(-1) - steps[0]) * 0.03);
    this.make({
      scales: { x: { time: false, range: (_u, low, high) => [low - pad, high + pad] }, y: { range: [0, 1] } },
      axes: this.axes({ x: STEPS, y: { values: (_u, v) => v.map((s) => `${Math.round(s * 100)} %`) } }),
      series, bands,
    }, data);
    this.legend();
  }

  legend() {
    const list = document.createElement("p");
    list.className = "chart-legend";
    this.levels.forEach((level, nth) => {
      const item = document.createElement("span");
      item.className = `key hue-${HUES[nth % HUES.length]}`;
      item.textContent = `level ${level.level}`;
      list.append(item);
    });
    const old = this.parentElement.querySelector(".chart-legend");
    if (old) old.replaceWith(list);
    else this.before(list);
  }

  words(u, i) {
    const lines = [`step ${count(u.data[0][i])}`];
    this.levels.forEach((level, nth) => {
      const [value, low, high] = [1, 2, 3].map((column) => u.data[nth * 3 + column][i]);
      if (value != null) lines.push(`level ${level.level}: ${Math.round(value * 100)} %  (${Math.round(low * 100)} – ${Math.round(high * 100)})`);
    });
    return lines.join("\n");
  }
}
customElements.define("accuracy-chart", AccuracyChart);

class DamageFloat extends HTMLElement {
  connectedCallback() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    document.addEventListener("realm:metrics", ({ detail }) => {
      const last = detail.rows.at(-1);
      if (!last || document.hidden) return;
      const blow = document.createElement("b");
      blow.textContent = figure(1 / Math.max(last[1], 1e-6));
      blow.addEventListener("animationend", () => blow.remove());
      this.replaceChildren(blow);
    });
  }
}
customElements.define("damage-float", DamageFloat);
