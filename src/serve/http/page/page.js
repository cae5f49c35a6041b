'use strict';
// Asks the service once a second and shows what it says; when it says nothing, shows that.

const PERIOD_MS = 1000;
/** An answer that takes longer is none. */
const PATIENCE_MS = 2500;
/** Without news for so long the page says so and shows no figures. */
const STALE_MS = 3500;
const MISSING = '–';

const byId = (id) => document.getElementById(id);
let lastNews = null;
let lastLook = -1;
let status = null;
let past = null;
let trouble = '';

// Numbers ------------------------------------------------------------------------------------------------------------------

/** Whole numbers in full, in groups of three. */
const whole = (value) => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');

/** Three digits and the prefix of a unit. */
function withPrefix(value, unit, prefixes) {
  const [scale, prefix] = prefixes.find(([from]) => Math.abs(value) >= from * 0.9995) || prefixes[prefixes.length - 1];
  const scaled = value / scale;
  const places = Math.abs(scaled) >= 99.95 || value === 0 ? 0 : Math.abs(scaled) >= 9.995 ? 1 : 2;
  return [scaled.toFixed(places), prefix + unit];
}
const rate = (hertz) => withPrefix(hertz, 'Hz', [[1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']]);
const time = (ns) => withPrefix(ns, 's', [[1e9, ''], [1e6, 'm'], [1e3, 'µ'], [1, 'n']]);
const percent = (fraction) => [fraction === 0 ? '0' : fraction < 0.0001 ? '<0.01' : (100 * fraction).toFixed(2), '%'];
const compact = (value) => withPrefix(value, '', [[1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']]).join('').replace(/\.?0+(?=[kMG]?$)/, (zeros) => (zeros.startsWith('.') ? '' : zeros));

function duration(seconds) {
  const whole = Math.floor(seconds);
  const [days, rest] = [Math.floor(whole / 86400), whole % 86400];
  const clock = [rest / 3600, (rest % 3600) / 60, rest % 60].map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');
  return days > 0 ? `${days} d ${clock}` : clock;
}

// Showing ------------------------------------------------------------------------------------------------------------------

function text(id, value) {
  byId(id).textContent = value;
}

function element(name, content, className) {
  const made = document.createElement(name);
  if (Array.isArray(content)) made.append(...content);
  else made.textContent = content;
  if (className) made.className = className;
  return made;
}

/** A number and its unit, the unit smaller. */
function measured([number, unit]) {
  return [number, element('small', unit)];
}

function figure(id, value) {
  byId(id).replaceChildren(...measured(value));
}

const inWords = (value) => value.join(' ');

function showTiles({ recent, events_dropped: dropped, ...counts }) {
  figure('in-rate', rate(recent.events_in_hz));
  text('in-total', whole(counts.events_in));
  figure('accepted-rate', rate(recent.events_accepted_hz));
  text('accepted-total', whole(counts.events_accepted));
  text('invalid-total', whole(counts.events_invalid));
  figure('dead-time', percent(recent.dead_time.total));
  byId('dead-tile').className = `tile ${recent.dead_time.total > 0.01 ? 'bad' : recent.dead_time.total > 0 ? 'warn' : ''}`;
  text('dropped-queue-full', whole(dropped.queue_full));
  text('dropped-refused', whole(dropped.refused));
  text('dropped-failed', whole(dropped.failed));
  const latency = recent.decision_ns;
  const shown = (ns) => (latency.count > 0 ? time(ns) : [MISSING, '']);
  figure('latency-p99', shown(latency.p99));
  text('latency-p50', inWords(shown(latency.p50)));
  text('latency-p999', inWords(shown(latency.p99_9)));
  text('latency-p9999', inWords(shown(latency.p99_99)));
  text('latency-max', inWords(shown(latency.max)));
  text('frames-lost', whole(counts.frames_lost));
  text('frames-in', whole(counts.frames_in));
  text('frames-malformed', whole(counts.frames_malformed));
  text('queued', whole(counts.queued_frames));
  text('connections', whole(counts.connections_open));
}

function showPaths({ paths, recent }) {
  const rows = paths.map((path, index) => {
    const { accepted_hz: accepted, passed_hz: passed } = recent.paths[index] || { accepted_hz: 0, passed_hz: 0 };
    const key = element('span', '', 'key');
    key.style.background = colour(index);
    const isAuto = path.prescale !== path.menu_prescale;
    const budget = path.rate_budget_hz === null ? [MISSING] : measured(rate(path.rate_budget_hz));
    const isOver = path.rate_budget_hz !== null && accepted > path.rate_budget_hz;
    const cells = [
      element('td', [key, path.name]),
      element('td', measured(rate(accepted))),
      element('td', measured(rate(passed))),
      element('td', isAuto ? `AUTO ${whole(path.prescale)}` : whole(path.prescale), isAuto ? 'auto' : ''),
      element('td', String(Number(path.threshold.toPrecision(5)))),
      element('td', whole(path.accepted)),
      element('td', budget),
    ];
    const row = element('tr', cells, isOver ? 'warn' : '');
    row.dataset.path = path.name;
    return row;
  });
  byId('paths').replaceChildren(...rows);
  document.querySelector('.paths').classList.toggle('many', paths.length > 6);
}

function showFooter({ models, engine, generation, version, resident_bytes: resident }) {
  const shown = models.map((model) => {
    const hash = element('code', model.sha256.slice(0, 16));
    hash.dataset.model = model.name;
    return element('span', [`${model.name} `, hash, '  ']);
  });
  byId('models').replaceChildren(...shown, generation > 0 ? `deployment ${generation}, ${engine}` : 'no events yet');
  const memory = resident === null ? '' : `, ${(resident / 2 ** 20).toFixed(0)} MiB`;
  text('process', `trigsieve ${version}${memory}`);
}

// Charts -------------------------------------------------------------------------------------------------------------------

const rates = ratesChart(byId('rates-chart'));
const latencies = latencyChart(byId('latency-chart'));
const inSpark = sparkline(byId('in-spark'), COLOURS[0]);
const deadSpark = sparkline(byId('dead-spark'), '#ff4d4d');
const scoreFigures = new Map();

function legend(id, names) {
  const entry = ([name, stroke]) => {
    const key = element('span', '', 'key');
    key.style.background = stroke;
    return element('i', [key, name]);
  };
  byId(id).replaceChildren(...names.map(entry));
}

function showHistory() {
  const seconds = past.uptime_seconds.map((at) => at - status.uptime_seconds);
  // The colours are explained by the table.
  const paths = past.paths.map((path, index) => line(path.name, colour(index), { dash: dash(index) }));
  rates.draw([{}, ...paths], [seconds, ...past.paths.map((path) => path.accepted_hz)]);
  const names = [['median', COLOURS[2]], ['99 %', COLOURS[0]], ['99.9 %', COLOURS[1]]];
  const us = past.latency_ns.map((series) => series.map((ns) => (ns > 0 ? ns / 1000 : null)));
  latencies.draw([{}, ...names.map(([name, stroke]) => line(name, stroke))], [seconds, ...us]);
  legend('latency-legend', names);
  inSpark(seconds, past.events_in_hz);
  deadSpark(seconds, past.dead_time);
}

/** The box of a model's scores: made once. */
function scoreFigure(model) {
  const caption = element('figcaption', '');
  const box = element('div', '', 'chart');
  const whole = element('figure', [caption, box]);
  whole.dataset.scores = model;
  byId('charts').append(whole);
  return { whole, caption, box, chart: scoreChart(box) };
}

function showScores({ scores, paths }) {
  for (const [model, { whole }] of scoreFigures) {
    if (!scores.some((report) => report.model === model)) { whole.remove(); scoreFigures.delete(model); }
  }
  for (const report of scores) {
    if (!scoreFigures.has(report.model)) scoreFigures.set(report.model, scoreFigure(report.model));
    const { whole, caption, box, chart } = scoreFigures.get(report.model);
    const { drift } = report;
    const words = drift
      ? `${drift.alarm ? 'DRIFT ALARM ' : 'drift '}${drift.distance.toFixed(3)} ± ${drift.error.toFixed(3)}, alarm at ${drift.alarm_at}`
      : report.reference ? 'no events' : 'no reference in the menu';
    whole.className = drift && drift.alarm ? 'warn' : '';
    const key = (stroke) => { const made = element('span', '', 'key'); made.style.background = stroke; return made; };
    const entries = [element('i', [key('#ffffff'), 'last minute'])];
    if (report.reference) entries.push(element('i', [key('#5d6f92'), 'calibration']));
    caption.replaceChildren('scores, ', element('b', report.model), element('span', words, `drift ${drift && drift.alarm ? 'warn' : ''}`), element('span', entries, 'legend'));
    const shown = scoreData(report);
    if (!shown) continue;
    const lines = paths.map((path, index) => ({ ...path, stroke: colour(index) })).filter((path) => path.model === report.model);
    const stepped = uPlot.paths.stepped({ align: 1 });
    const series = [{}, line('calibration', '#5d6f92', { fill: '#5d6f9255', paths: stepped }), line('last minute', '#ffffff', { paths: stepped })];
    chart.draw(series, shown.data, { isLog: shown.isLog, lines, key: [shown.isLog, lines.map((path) => [path.name, path.threshold])] });
  }
}

// Contact ------------------------------------------------------------------------------------------------------------------

const WORDS = { receiving: ['RECEIVING', ''], ended: ['SOURCES ENDED', 'warn'], draining: ['DRAINING', 'warn'], failed: ['FAILED', 'bad'] };

async function ask(path) {
  const answer = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}`);
  return answer.json();
}

async function refresh() {
  const [news, history] = await Promise.all([ask('api/status'), ask('api/history')]);
  [status, past] = [news, history];
  // A service whose watch stands still answers, but its rates are of the past.
  if (news.look !== lastLook) {
    lastLook = news.look;
    lastNews = performance.now();
  }
}

function show() {
  const [word, kind] = WORDS[status.state] || [status.state, 'bad'];
  text('state', word);
  byId('state').className = kind;
  text('host', status.host);
  text('uptime', duration(status.uptime_seconds));
  showTiles(status);
  showPaths(status);
  showFooter(status);
  showHistory();
  showScores(status);
  document.body.dataset.look = status.look;
  document.title = `${status.state === 'receiving' ? '' : `${word} `}${inWords(rate(status.recent.events_in_hz))} trigsieve`;
}

function warning() {
  const drifted = status.scores.filter((report) => report.drift && report.drift.alarm).map((report) => report.model);
  const limited = status.paths.filter((path) => path.prescale !== path.menu_prescale).map((path) => path.name);
  const words = [];
  if (status.state === 'failed') words.push('THE SERVICE HAS FAILED');
  if (drifted.length > 0) words.push(`SCORES HAVE DRIFTED: ${drifted.join(', ')}`);
  if (limited.length > 0) words.push(`PRESCALED FOR THEIR RATE: ${limited.join(', ')}`);
  return words.join(' – ');
}

/** Says what is true even when nothing comes: how old the data are. */
function tick() {
  text('clock', new Date().toISOString().slice(11, 19));
  const age = lastNews === null ? Infinity : performance.now() - lastNews;
  const isStale = age > STALE_MS;
  const body = document.body.classList;
  body.toggle('waiting', lastNews === null);
  body.toggle('stale', isStale && lastNews !== null);
  text('age', lastNews === null ? MISSING : `${Math.floor(age / 1000)} s old`);
  const banner = byId('banner');
  const words = isStale ? (lastNews === null ? trouble && `NO CONTACT WITH THE SERVICE: ${trouble}`
    : `NO CONTACT WITH THE SERVICE FOR ${duration(age / 1000)}`) : warning();
  banner.hidden = !words;
  banner.className = isStale || (status && status.state === 'failed') ? '' : 'warn';
  if (banner.textContent !== words) banner.textContent = words;
  if (isStale && lastNews !== null) forget();
}

/** Takes away every figure: none of them is true any more. */
function forget() {
  text('state', 'NO CONTACT');
  byId('state').className = 'bad';
  document.title = 'NO CONTACT trigsieve';
  delete document.body.dataset.look;
  for (const shown of document.querySelectorAll('.figure, .detail span, #uptime, #paths td:not(:first-child), .drift')) {
    shown.textContent = MISSING;
  }
}

async function poll() {
  const start = performance.now();
  try {
    await refresh();
    trouble = '';
    if (performance.now() - lastNews <= STALE_MS) show();
  } catch (error) {
    trouble = error.message;
  }
  tick();
  setTimeout(poll, Math.max(100, PERIOD_MS - (performance.now() - start)));
}

setInterval(tick, 500);
poll();
