'use strict';
// The charts of the live page; uPlot draws them.

const COLOURS = ['#56b4e9', '#ffb000', '#2fd6a3', '#f06fb0', '#f0e442', '#ff7f50', '#a08cff', '#9fd356'];
const QUIET = '#a3b1c8';
const GRID = { stroke: '#27324a', width: 1 };

/** Size of the page's font, so that axes grow with the screen. */
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
const colour = (index) => COLOURS[index % COLOURS.length];
/** Tells paths apart whose colour is the same. */
const dash = (index) => (index < COLOURS.length ? undefined : [4 + 4 * Math.floor(index / COLOURS.length), 5]);
/** Thresholds with a name; of more the lines alone are drawn. */
const NAMED_LINES = 3;

function axis(extra) {
  return { stroke: QUIET, grid: GRID, ticks: { show: false }, font: `${Math.round(1.1 * rem())}px sans-serif`, ...extra };
}

/** Seconds before now, in words for an axis. */
function ago(seconds) {
  if (seconds === 0) return 'now';
  return seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`;
}

/** A chart that fills its box and is made anew when its series change. */
class Chart {
  constructor(box, options) {
    this.box = box;
    this.options = options;
    this.plot = null;
    this.shape = '';
    new ResizeObserver(() => {
      if (this.plot) this.plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }).observe(box);
  }

  draw(series, data, more = {}) {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    const shape = JSON.stringify([series.map((one) => [one.label, one.stroke]), more.key]);
    if (shape !== this.shape) {
      if (this.plot) this.plot.destroy();
      const options = this.options(more);
      this.plot = new uPlot(
        { width, height, legend: { show: false }, cursor: { show: false }, select: { show: false }, ...options, series },
        data, this.box);
      this.shape = shape;
    } else {
      this.plot.setData(data);
    }
  }
}

const point = { show: false };
const line = (label, stroke, extra) => ({ label, stroke, width: 2 * devicePixelRatio, points: point, ...extra });

/** Ten minutes up to now, whatever has been seen of them. */
function overTime() {
  const splits = (plot) => (plot.width < 30 * rem() ? [-600, -300, 0] : [-600, -480, -360, -240, -120, 0]);
  return {
    scales: { x: { time: false, range: [-600, 0] } },
    axes: axis({ splits, values: (_, at) => at.map((second) => ago(second)), size: 2 * rem() }),
  };
}

function ratesChart(box) {
  return new Chart(box, () => ({
    scales: { ...overTime().scales, y: { range: (_, low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [overTime().axes, axis({ values: (_, at) => at.map(compact), size: 4.5 * rem() })],
  }));
}

function latencyChart(box) {
  return new Chart(box, () => ({
    scales: { ...overTime().scales, y: { distr: 3, range: decades } },
    axes: [overTime().axes, logAxis(4.5)],
  }));
}

function sparkline(box, stroke) {
  const chart = new Chart(box, () => ({
    scales: { x: { time: false, range: [-600, 0] }, y: { range: (_, low, high) => [0, Math.max(high, 1e-9)] } },
    axes: [{ show: false }, { show: false }],
    padding: [2, 0, 2, 0],
  }));
  return (seconds, values) => chart.draw([{}, line('', stroke, { fill: `${stroke}33` })], [seconds, values]);
}

/** Scores against the reference: events per bin over its width in ln(score) (or in the score, where some are negative). */
function scoreChart(box) {
  return new Chart(box, ({ isLog, lines }) => ({
    scales: {
      x: { distr: isLog ? 3 : 1, time: false, range: (_, low, high) => [low, high] },
      y: { distr: 3, range: (_, low, high) => (high > 0 ? [Math.max(low, high * 1e-7) / 2, high * 2] : [0.1, 1]) },
    },
    axes: [isLog ? logAxis(2) : axis({ size: 2 * rem() }), logAxis(4.5)],
    hooks: { draw: [(plot) => thresholds(plot, lines)] },
  }));
}

/** The decades around a range, so that axes do not jump with every event. */
function decades(_, low, high) {
  if (!(high > 0)) return [0.1, 1];
  const first = Math.floor(Math.log10(Math.max(low, high * 1e-9)));
  return [10 ** first, 10 ** Math.max(Math.ceil(Math.log10(high)), first + 1)];
}

const SUPERSCRIPT = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** Powers of ten; with 2 and 5 between them where there are few, and every other one where there are many. */
function logSplits(_, __, low, high) {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const steps = last - first <= 2 ? [1, 2, 5] : [1];
  const stride = last - first > 7 ? 2 : 1;
  const powers = Array.from({ length: last - first + 1 }, (___, index) => first + index);
  const all = powers.filter((power) => power % stride === 0).flatMap((power) => steps.map((step) => step * 10 ** power));
  return all.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

function logLabel(value) {
  const power = Math.floor(Math.log10(value) + 1e-9);
  if (power >= -2 && power <= 4) return String(Number(value.toPrecision(1)));
  const digits = [...String(Math.abs(power))].map((digit) => SUPERSCRIPT[digit]).join('');
  const step = Math.round(value / 10 ** power);
  return `${step === 1 ? '' : `${step}·`}10${power < 0 ? '⁻' : ''}${digits}`;
}

const logAxis = (size) => axis({ splits: logSplits, filter: (_, at) => at, values: (_, at) => at.map(logLabel), size: size * rem() });

function thresholds(plot, lines) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.setLineDash([8, 6]);
  ctx.font = `${Math.round(1.05 * rem() * devicePixelRatio)}px sans-serif`;
  lines.forEach(({ name, threshold, stroke }, index) => {
    const x = plot.valToPos(threshold, 'x', true);
    if (!(x >= bbox.left && x <= bbox.left + bbox.width)) return;
    ctx.strokeStyle = stroke;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (lines.length > NAMED_LINES) return;
    const isRight = x + ctx.measureText(name).width + 10 < bbox.left + bbox.width;
    ctx.textAlign = isRight ? 'left' : 'right';
    const at = [name, x + (isRight ? 8 : -8), bbox.top + (index + 1) * 1.25 * rem() * devicePixelRatio];
    // In front of a curve it must be read as well.
    ctx.shadowColor = '#131925';
    ctx.shadowBlur = 6;
    ctx.fillStyle = stroke;
    for (let layer = 0; layer < 4; layer += 1) ctx.fillText(...at);
    ctx.shadowBlur = 0;
  });
  ctx.restore();
}

/** Left ends, live and reference densities of a model's scores, as uPlot takes them. */
function scoreData({ edges, recent, reference }) {
  const inner = edges.length;
  if (inner < 2) return null;
  const positive = edges.filter((edge) => edge > 0);
  const isLog = edges[0] > -1e-30 && positive.length > 1;
  // The bins at both ends are open: they are drawn as wide as their neighbours.
  const place = isLog ? (edge) => Math.log(edge > 0 ? edge : positive[0] / 2) : (edge) => edge;
  const ends = edges.map(place);
  const places = [2 * ends[0] - ends[1], ...ends, 2 * ends[inner - 1] - ends[inner - 2]];
  const density = (counts) => {
    const total = counts.reduce((sum, events) => sum + events, 0);
    return counts.map((events, bin) => {
      const width = places[bin + 1] - places[bin];
      return events > 0 && width > 0 ? events / total / width : null;
    });
  };
  const x = places.map((value) => (isLog ? Math.exp(value) : value));
  const steps = (counts) => { const values = density(counts); return [...values, values[values.length - 1]]; };
  return { isLog, data: [x, reference ? steps(reference) : x.map(() => null), steps(recent)] };
}
