// The live page: hears of the host once a second, keeps 15 minutes of it, and shows it. Whatever a record or a plugin says is
// put into the page as text, never as markup.
'use strict';

(() => {
  const KEPT = 900;            // points of a chart: 15 minutes
  const WINDOW = 5;            // seconds that a rate is taken over
  const LATENCY_WINDOW = 15;   // seconds that percentiles are taken over
  const SAMPLES = 6, MARKS = 30, REASONS = 10;

  const find = (selector, root = document) => root.querySelector(selector);
  const token = takeToken();
  const withToken = path => token ? path + '?token=' + encodeURIComponent(token) : path;
  const views = new Map();
  let last = null;             // the last status
  let host = [];               // [time, processor time] of late

  // The token stays with this tab, not in its address.
  function takeToken() {
    const address = new URL(location.href);
    const given = address.searchParams.get('token');
    if (given) {
      try { sessionStorage.setItem('token', given); } catch { return given; }
      address.searchParams.delete('token');
      history.replaceState(null, '', address);
    }
    try { return given ?? sessionStorage.getItem('token'); } catch { return given; }
  }

  // ---- numbers for people ----
  const whole = new Intl.NumberFormat('en');
  const count = n => whole.format(Math.round(n));
  function short(n) {
    if (!isFinite(n)) return '–';
    if (n >= 1e9) return (n / 1e9).toFixed(n < 1e10 ? 2 : 1) + ' G';
    if (n >= 1e6) return (n / 1e6).toFixed(n < 1e7 ? 2 : 1) + ' M';
    if (n >= 1e5) return (n / 1e3).toFixed(0) + ' k';
    return n >= 10 || Number.isInteger(n) ? count(n) : n.toFixed(1);
  }
  function bytes(n) {
    if (n == null) return ['–', ''];
    if (n < 1024 * 1024) return [(n / 1024).toFixed(0), 'KiB'];
    if (n < 1024 ** 3) return [(n / 1024 ** 2).toFixed(n < 10 * 1024 ** 2 ? 1 : 0), 'MiB'];
    return [(n / 1024 ** 3).toFixed(1), 'GiB'];
  }
  function seconds(s) {
    if (s == null) return ['–', ''];
    if (s < 0.001) return [(s * 1e6).toFixed(0), 'µs'];
    if (s < 1) return [(s * 1e3).toFixed(s < 0.01 ? 1 : 0), 'ms'];
    if (s < 100) return [s.toFixed(s < 10 ? 1 : 0), 's'];
    if (s < 7200) return [(s / 60).toFixed(0), 'min'];
    return s < 172800 ? [(s / 3600).toFixed(1), 'h'] : [(s / 86400).toFixed(1), 'days'];
  }
  const clock = ms => new Date(ms).toLocaleTimeString('en-GB');

  // ---- the page ----
  function text(element, value) {
    if (element.textContent !== value) element.textContent = value;
  }
  function measure(element, [value, unit]) {
    if (element.dataset.shown === value + unit) return;
    element.dataset.shown = value + unit;
    element.textContent = value;
    if (unit) element.append(make('small', '', unit));
  }
  function make(tag, name, value) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (value !== undefined) element.textContent = value;
    return element;
  }
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

  // ---- what is remembered of a pipeline ----
  class History {
    constructor() { this.clear(); }
    clear() {
      this.times = [];
      this.series = { consumed: [], written: [], dead: [], p50: [], p99: [], lag: [], under_way: [] };
      this.recent = [];        // the last statuses, for rates and percentiles
    }
    add(now, pipeline) {
      const before = this.recent.at(-1);
      if (before && (pipeline.consumed < before.pipeline.consumed || now <= before.now)) this.clear();
      this.recent.push({ now, pipeline });
      if (this.recent.length > LATENCY_WINDOW + 1) this.recent.shift();
      const latency = this.percentiles([0.5, 0.99]).map(s => s == null ? null : s * 1000);
      const rate = value => this.rate(value, 2);
      const point = {
        consumed: rate(p => p.consumed), written: rate(p => p.written), dead: rate(deadLettered),
        p50: latency[0], p99: latency[1], lag: pipeline.lag, under_way: pipeline.under_way,
      };
      this.times.push(now / 1000);
      for (const [name, values] of Object.entries(this.series)) values.push(point[name]);
      if (this.times.length > KEPT) {
        this.times.shift();
        for (const values of Object.values(this.series)) values.shift();
      }
    }
    // Per second over the last so many seconds; null before there is a second status.
    rate(value, over = WINDOW) {
      const to = this.recent.at(-1), from = this.recent.at(-1 - Math.min(over, this.recent.length - 1));
      if (!from || from === to) return null;
      return Math.max(0, value(to.pipeline) - value(from.pipeline)) / ((to.now - from.now) / 1000);
    }
    // From the histogram's growth; within a bucket by proportion.
    percentiles(shares) {
      const to = this.recent.at(-1).pipeline.latency, from = this.recent[0].pipeline.latency;
      const counts = to.counts.map((n, i) => n - (this.recent.length > 1 ? from.counts[i] ?? 0 : 0));
      const all = counts.reduce((a, b) => a + b, 0);
      return shares.map(share => {
        if (all <= 0) return null;
        let left = share * all;
        for (let i = 0; i < counts.length; i++) {
          if (counts[i] && left <= counts[i]) {
            const low = i ? to.bounds[i - 1] : 0, high = to.bounds[i] ?? to.bounds.at(-1);
            return low + (high - low) * left / counts[i];
          }
          left -= counts[i];
        }
        return to.bounds.at(-1);
      });
    }
  }

  const sum = causes => causes.reduce((all, cause) => all + cause.records, 0);
  const deadLettered = pipeline => sum(pipeline.dead_lettered);
  const ofStage = (causes, stage) => sum(causes.filter(cause => cause.stage === stage));

  // ---- charts ----
  const CHARTS = {
    rate: [['consumed', 'read', 'consumed'], ['written', 'written', 'written'], ['dead', 'dead-lettered', 'dead']],
    latency: [['p50', 'median', 'violet'], ['p99', '99th percentile', 'dead']],
    lag: [['lag', 'lag', 'consumed'], ['under_way', 'under way', 'written']],
  };

  class Chart {
    constructor(view, figure, name) {
      this.view = view;
      this.series = CHARTS[name];
      this.plot = find('.plot', figure);
      this.legend = this.series.map(([, label, tint]) => {
        const item = make('span'), swatch = make('i'), value = make('b', '', '–');
        swatch.style.background = `var(--${tint})`;
        item.append(swatch, label + ' ', value);
        find('.legend', figure).append(item);
        return value;
      });
      this.draw();
    }
    data() {
      const history = this.view.history;
      return [history.times, ...this.series.map(([name]) => history.series[name])];
    }
    draw() {
      this.uplot?.destroy();
      const axis = { stroke: colour('faint'), font: '11px system-ui, sans-serif', ticks: { show: false }, grid: { stroke: colour('grid'), width: 1 } };
      const series = this.series.map(([, , tint], i) => ({
        stroke: colour(tint), width: 1.6, points: { show: false }, spanGaps: true, fill: i === 0 ? colour(tint) + '14' : undefined,
      }));
      this.uplot = new uPlot({
        width: Math.max(120, this.plot.clientWidth), height: 150, padding: [10, 4, 0, 0],
        legend: { show: false }, cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: this.view.name } },
        scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.15)] } },
        axes: [{ ...axis, size: 24, space: 70, values: (_, times) => times.map(time => clock(time * 1000).slice(0, 8)) },
          { ...axis, size: 44, space: 34, values: (_, values) => values.map(short) }],
        series: [{}, ...series],
        hooks: { draw: [uplot => this.mark(uplot)], setCursor: [() => this.tell()] },
      }, this.data(), this.plot);
    }
    // A dashed line where other versions took over.
    mark(uplot) {
      const { ctx, bbox } = uplot, ratio = devicePixelRatio || 1;
      ctx.save();
      ctx.setLineDash([4 * ratio, 4 * ratio]);
      ctx.lineWidth = 1.5 * ratio;
      for (const mark of this.view.marks) {
        const x = uplot.valToPos(mark.time_ms / 1000, 'x', true);
        if (mark.event === 'started' || !(x >= bbox.left && x <= bbox.left + bbox.width)) continue;
        ctx.strokeStyle = colour(mark.event === 'swapped' ? 'good' : 'bad');
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    }
    tell() {
      const at = this.uplot?.cursor.idx ?? this.view.history.times.length - 1;
      this.series.forEach(([name], i) => {
        const value = this.view.history.series[name][at];
        text(this.legend[i], value == null ? '–' : short(value));
      });
    }
    update() {
      const width = this.plot.clientWidth;
      if (width > 0 && width !== this.uplot.width) this.uplot.setSize({ width, height: 150 });
      this.uplot.setData(this.data());
      this.tell();
    }
  }

  // ---- one pipeline ----
  class View {
    constructor(name) {
      this.name = name;
      this.history = new History();
      this.marks = [];
      this.samples = [];
      this.root = find('#pipeline').content.firstElementChild.cloneNode(true);
      this.root.dataset.pipeline = name;
      this.figures = {};
      for (const element of this.root.querySelectorAll('[data-figure]')) this.figures[element.dataset.figure] = element;
      text(find('h2', this.root), name);
      find('#pipelines').append(this.root);
      this.flow = new Flow.Graph(find('.flow', this.root));
      this.report = new Report.Card(find('.report', this.root), withToken('/report/' + encodeURIComponent(name)));
      this.charts = [...this.root.querySelectorAll('.charts figure')].map(figure => new Chart(this, figure, find('.plot', figure).dataset.chart));
    }

    take(now, pipeline) {
      this.pipeline = pipeline;
      this.history.add(now, pipeline);
      if (pipeline.marks.length) this.marks = [...this.marks, ...pipeline.marks].slice(-MARKS);
      if (pipeline.samples.length) this.samples = [...this.samples, ...pipeline.samples].slice(-SAMPLES);
      this.newMarks = this.newMarks || pipeline.marks.length > 0;
      this.newSamples = this.newSamples || pipeline.samples.length > 0;
    }

    show() {
      const p = this.pipeline, figures = this.figures, history = this.history;
      const pill = find('.pill', this.root), why = find('.why', this.root);
      pill.dataset.state = p.state;
      const betweenRuns = p.state === 'ended' && p.schedule?.next.length > 0;
      text(pill, betweenRuns ? 'waits for its time' : p.state === 'ended' ? 'ended in order' : p.state);
      why.hidden = !p.why || betweenRuns;
      text(why, p.why ?? '');
      this.runs(p.schedule);
      this.balance(p);
      const rate = history.rate(x => x.consumed), [p50, p99] = history.percentiles([0.5, 0.99]);
      measure(figures.rate, [rate == null ? '–' : short(rate), '']);
      measure(figures.lag, [p.lag == null ? '–' : short(p.lag), p.lag == null ? 'not known' : '']);
      measure(figures.p50, seconds(p50));
      measure(figures.p99, seconds(p99));
      measure(figures.under_way, [short(p.under_way), '']);
      measure(figures.plugins, bytes(p.stages.reduce((all, stage) => all + stage.memory, 0)));
      measure(figures.commit, p.commit_age_s == null ? ['–', ''] : p.commit_age_s < 2 ? ['now', ''] : [seconds(p.commit_age_s).join(' '), 'ago']);
      measure(figures.retries, [short(p.retries), '']);
      this.flow.update(p, {
        into: [...p.stages.map((_, i) => history.rate(x => x.stages[i]?.records ?? 0)), history.rate(x => x.written)],
        dead: [...p.stages.map(stage => stage.name), 'sink'].map(name => history.rate(x => ofStage(x.dead_lettered, name))),
      }, n => n == null ? '–' : short(n));
      for (const chart of this.charts) chart.update();
      this.reasons(p);
      if (p.has_report) this.report.look();
      this.report.root.hidden = !p.has_report;
      if (this.newSamples) this.showSamples();
      if (this.newMarks) this.showMarks();
      this.newSamples = this.newMarks = false;
    }

    runs(schedule) {
      const place = find('.runs', this.root);
      place.hidden = !schedule;
      if (!schedule) return;
      const next = schedule.next.length ? 'next runs ' + schedule.next.join(', ') : 'no further run';
      text(place, `${schedule.at}: ${next}; ${count(schedule.begun)} begun, ${count(schedule.failed)} failed, ${count(schedule.skipped)} times skipped`);
    }

    balance(p) {
      const figures = this.figures, dropped = sum(p.dropped), dead = deadLettered(p);
      figures.balance.classList.toggle('alarm', p.unaccounted !== 0);
      text(find('strong', figures.balance), p.unaccounted === 0 ? 'Nothing lost' : count(Math.abs(p.unaccounted)) + ' records unaccounted for');
      for (const [name, value] of [['consumed', p.consumed], ['split', p.split], ['written', p.written], ['dropped', dropped], ['dead', dead]]) {
        text(figures[name], count(value));
      }
      find('.split', figures.balance).hidden = p.split === 0;
      const came = Math.max(1, p.consumed + p.split);
      for (const [name, value] of [['written', p.written], ['dropped', dropped], ['dead', dead]]) {
        find('.bar .' + name, figures.balance).style.width = (100 * value / came) + '%';
      }
    }

    reasons(p) {
      const all = [...p.dead_lettered.map(cause => ({ ...cause, kind: 'dead' })), ...p.dropped.map(cause => ({ ...cause, kind: 'dropped' }))]
        .sort((a, b) => b.records - a.records);
      const list = find('.reasons ul', this.root), shown = all.slice(0, REASONS), most = shown[0]?.records ?? 1;
      find('.reasons .none', this.root).hidden = all.length > 0;
      while (list.children.length > shown.length) list.lastElementChild.remove();
      while (list.children.length < shown.length) {
        const row = make('li'), what = make('span');
        what.append(make('span'), make('em'));
        row.append(what, make('b'), make('i'));
        list.append(row);
      }
      shown.forEach((cause, i) => {
        const [what, number, bar] = list.children[i].children;
        list.children[i].className = cause.kind;
        text(what.children[0], cause.reason);
        text(what.children[1], (cause.kind === 'dead' ? ' by ' : ' dropped by ') + cause.stage);
        what.title = cause.reason + ' by ' + cause.stage;
        text(number, count(cause.records));
        bar.style.width = (100 * cause.records / most) + '%';
      });
      const more = all.length > shown.length ? `and ${count(all.length - shown.length)} more reasons; ` : '';
      text(find('.reasons .where', this.root), deadLettered(p) ? more + 'kept in ' + p.dead_letters_to : '');
    }

    showSamples() {
      find('.samples .none', this.root).hidden = this.samples.length > 0;
      const list = find('.samples ul', this.root);
      const open = new Set([...list.querySelectorAll('details[open]')].map(details => details.dataset.number));
      list.replaceChildren(...this.samples.slice().reverse().map(sample => {
        const row = make('li'), details = make('details'), summary = make('summary');
        details.dataset.number = sample.number;
        details.open = open.has(String(sample.number));
        const what = make('span', '', sample.reason + ' ');
        what.append(make('small', '', 'by ' + sample.stage));
        summary.append(what, make('time', '', clock(sample.time_ms)));
        const facts = [`partition ${sample.partition}, offset ${sample.offset}`, `${count(sample.bytes)} bytes`];
        if (sample.key) facts.push('key ' + sample.key);
        details.append(summary, make('p', '', facts.join(' · ')), make('pre', '', sample.value));
        row.append(details);
        return row;
      }));
    }

    showMarks() {
      find('.marks ol', this.root).replaceChildren(...this.marks.slice(-6).reverse().map(mark => {
        const row = make('li');
        row.dataset.event = mark.event;
        row.append(make('b', '', mark.event), make('time', '', clock(mark.time_ms)), make('p', '', mark.words));
        return row;
      }));
    }

    redraw() {
      for (const chart of this.charts) chart.draw();
      this.report.draw();
    }
    end() {
      for (const chart of this.charts) chart.uplot.destroy();
      this.report.end();
      this.root.remove();
    }
  }

  // ---- the host ----
  function take(status) {
    last = status;
    host = [...host, [status.time_ms, status.process.cpu_s]].slice(-WINDOW - 1);
    const names = new Set(status.pipelines.map(pipeline => pipeline.name));
    for (const [name, view] of views) {
      if (!names.has(name)) {
        view.end();
        views.delete(name);
      }
    }
    for (const pipeline of status.pipelines) {
      if (!views.has(pipeline.name)) views.set(pipeline.name, new View(pipeline.name));
      views.get(pipeline.name).take(status.time_ms, pipeline);
    }
    if (!document.hidden) show();
  }

  function show() {
    if (!last) return;
    find('#empty')?.remove();
    const worst = ['failed', 'paused', 'waiting', 'opening', 'running', 'ended'].find(state => last.pipelines.some(p => p.state === state));
    const lost = last.pipelines.some(p => p.unaccounted !== 0);
    const overall = find('#overall');
    overall.dataset.state = lost ? 'failed' : worst ?? 'ended';
    const of = last.pipelines.filter(p => p.state === worst).length;
    text(overall, lost ? 'records unaccounted for' : of === last.pipelines.length ? `all ${worst ?? 'ended'}` : `${of} of ${last.pipelines.length} ${worst}`);
    text(find('#uptime'), seconds(last.uptime_s).join(' '));
    text(find('#memory'), bytes(last.process.resident_bytes).join(' '));
    const [from, to] = [host[0], host.at(-1)];
    const share = to[0] > from[0] && to[1] != null ? (to[1] - from[1]) / ((to[0] - from[0]) / 1000) : null;
    text(find('#cpu'), share == null ? '–' : (100 * share).toFixed(share < 0.1 ? 1 : 0) + ' %');
    text(find('#version'), last.version);
    for (const view of views.values()) view.show();
  }

  function link(state, words) {
    find('#link').dataset.link = state;
    text(find('#link span'), words);
  }

  function listen() {
    const events = new EventSource(withToken('/events'));
    events.onmessage = event => {
      link('live', 'live');
      take(JSON.parse(event.data));
    };
    events.onerror = () => {
      link('lost', 'lost, trying again');
      // Where the host refuses (too many pages, another token) the browser gives up; we ask again now and then.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    };
    addEventListener('pagehide', () => events.close(), { once: true });
  }

  for (const anchor of document.querySelectorAll('a[data-own]')) anchor.href = withToken(anchor.getAttribute('href'));
  document.addEventListener('visibilitychange', () => { if (!document.hidden) show(); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const view of views.values()) view.redraw(); });
  addEventListener('resize', () => { if (last) show(); });
  // Tests hand statuses over faster than a second each.
  window.millstream = { take, views };
  listen();
})();
