// The report's charts of a pipeline's table. Asks the host for them while somebody looks, as often as the host says, and keeps
// nothing but the last answer. What came from records is put into the page as text, never as markup.
'use strict';

const Report = (() => {
  const LATER = 10000;   // milliseconds until the host is asked again after it did not answer
  const HEIGHT = 130;
  const MINUTE = 60000, DAY = 86400000;
  // Seconds between two labels: a minute at least, as nothing is counted by less.
  const STEPS = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, ...[1, 2, 5, 10, 30, 60, 120, 365, 730, 1825, 3650].map(days => days * 86400)];

  const find = (selector, root) => root.querySelector(selector);
  const count = n => Math.round(n).toLocaleString('en');
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

  // An instant as short as its chart allows, in UTC, as the report has it.
  function instant(ms, span) {
    const text = new Date(ms).toISOString();
    return span > 400 * DAY ? text.slice(0, 7) : span > 2 * DAY ? text.slice(5, 10) : text.slice(11, 16);
  }

  // Rows by time, as columns.
  class Columns {
    constructor(figure) {
      this.figure = figure;
      this.plot = find('.plot', figure);
      this.series = null;
    }
    show(title, series) {
      this.figure.hidden = !series;
      this.series = series;
      if (!series) return;
      find('figcaption', this.figure).textContent = `${title}, per ${series.per}`;
      const key = series.step_ms;
      if (!this.uplot || this.key !== key) this.draw();
      else this.uplot.setData(this.data());
      this.key = key;
    }
    data() {
      return [this.series.points.map(([begin]) => begin / 1000), this.series.points.map(([, rows]) => rows)];
    }
    draw() {
      this.uplot?.destroy();
      this.uplot = null;
      if (!this.series) return;
      const half = this.series.step_ms / 2000;
      const axis = { stroke: colour('faint'), font: '11px system-ui, sans-serif', ticks: { show: false }, grid: { stroke: colour('grid'), width: 1 } };
      const labels = (uplot, times) => {
        const span = (uplot.scales.x.max - uplot.scales.x.min) * 1000;
        return times.map(time => instant(time * 1000, span));
      };
      this.uplot = new uPlot({
        width: Math.max(120, this.plot.clientWidth), height: HEIGHT, padding: [10, 8, 0, 0],
        legend: { show: false }, cursor: { show: false },
        scales: {
          x: { time: true, range: (_, low, high) => [(low ?? 0) - half, Math.max((high ?? 0) + half, (low ?? 0) - half + MINUTE / 1000)] },
          y: { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.1)] },
        },
        axes: [{ ...axis, size: 24, space: 60, grid: { show: false }, incrs: STEPS, values: labels },
          { ...axis, size: 44, space: 30, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5], values: (_, values) => values.map(count) }],
        series: [{}, { fill: colour('consumed'), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.8, 24], align: 0 }) }],
      }, this.data(), this.plot);
    }
    fit() {
      const width = this.plot.clientWidth;
      if (this.uplot && width > 0 && width !== this.uplot.width) this.uplot.setSize({ width, height: HEIGHT });
    }
    end() {
      this.uplot?.destroy();
      this.uplot = null;
    }
  }

  // Texts and how many rows have them, as bars.
  function rank(place, counts, rows) {
    place.hidden = !counts;
    if (!counts) return;
    const list = find('ul', place);
    const all = counts.others > 0 ? [...counts.top, ['all others', counts.others]] : counts.top;
    const most = Math.max(1, ...counts.top.map(([, n]) => n));
    list.replaceChildren(...all.map(([name, n]) => {
      const row = document.createElement('li');
      const [what, number, bar] = ['span', 'b', 'i'].map(tag => row.appendChild(document.createElement(tag)));
      what.textContent = what.title = name === '' ? '(empty)' : name;
      number.textContent = count(n) + ' · ' + (100 * n / Math.max(1, rows)).toFixed(1) + ' %';
      bar.style.width = Math.min(100, 100 * n / most) + '%';
      return row;
    }));
  }

  class Card {
    constructor(root, address) {
      this.root = root;
      this.address = address;
      this.due = 0;
      this.isAsking = false;
      this.isOver = false;
      this.columns = Object.fromEntries(['arrived', 'registered'].map(name => [name, new Columns(find(`[data-of=${name}]`, root))]));
    }

    // Called once a second while somebody looks.
    look() {
      for (const columns of Object.values(this.columns)) columns.fit();
      if (!this.isAsking && Date.now() >= this.due) this.ask();
    }

    async ask() {
      this.isAsking = true;
      this.due = Date.now() + LATER;
      try {
        const answer = await fetch(this.address);
        if (answer.ok) {
          const report = await answer.json();
          this.due = Date.now() + report.again_ms;
          if (!this.isOver) this.take(report);
        }
      } catch {
        // The host is away, which the page says already.
      }
      this.isAsking = false;
    }

    take(report) {
      this.root.hidden = false;
      const said = report.failed ? 'is not to be read now: ' + report.failed
        : `${count(report.rows)} rows` + (report.more ? ' looked at, and more in it' : '');
      find('.of span', this.root).textContent = said;
      find('.figures', this.root).hidden = !!report.failed;
      if (report.failed) return;
      this.columns.arrived.show('Users by arrival', report.arrived);
      this.columns.registered.show('Users by registered date', report.registered);
      rank(find('[data-of=genders]', this.root), report.genders, report.rows);
      rank(find('[data-of=domains]', this.root), report.domains, report.rows);
    }

    draw() {
      for (const columns of Object.values(this.columns)) columns.draw();
    }
    end() {
      this.isOver = true;
      for (const columns of Object.values(this.columns)) columns.end();
    }
  }

  return { Card };
})();
