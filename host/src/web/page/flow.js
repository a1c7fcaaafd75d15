// The way of the data as a graph: source → stages → sink, with what leaves for the dead letters below. Built anew only when
// its parts change; what moves is texts and classes. Texts are set as texts, whatever they hold.
'use strict';

const Flow = (() => {
  const NS = 'http://www.w3.org/2000/svg';
  const NARROW = 620;

  function add(parent, tag, attributes, text) {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
  }

  // `http://host/path` as a kind and the rest.
  function address(url) {
    const colon = url.indexOf(':');
    return colon < 0 ? [url, ''] : [url.slice(0, colon), url.slice(colon + 1).replace(/^\/\//, '')];
  }

  // Cuts a text until it is no wider than its box.
  function fit(text, width) {
    const full = text.textContent;
    if (text.getComputedTextLength() <= width) return;
    let low = 0, high = full.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      text.textContent = full.slice(0, middle) + '…';
      if (text.getComputedTextLength() <= width) low = middle; else high = middle - 1;
    }
    text.textContent = full.slice(0, low) + '…';
    add(text, 'title', {}, full);
  }

  function node(svg, kind, box, lines) {
    const group = add(svg, 'g', { class: kind });
    add(group, 'rect', { class: 'box', x: box.x, y: box.y, width: box.w, height: box.h, rx: 9 });
    const classes = ['head', 'sub', 'sha'];
    const height = lines.length * 17;
    lines.forEach((line, i) => {
      const y = box.y + (box.h - height) / 2 + 13 + i * 17;
      fit(add(group, 'text', { class: classes[i], x: box.x + 12, y }, line), box.w - 22);
    });
    return group;
  }

  function edge(svg, d, dead, label) {
    add(svg, 'path', { class: 'edge', d });
    const current = add(svg, 'path', { class: 'current still' + (dead ? ' dead' : ''), d });
    return { current, label: add(svg, 'text', { class: 'rate' + (dead ? ' dead' : ''), ...label }, '') };
  }

  class Graph {
    constructor(svg) {
      this.svg = svg;
      this.key = '';
    }

    // Rates are per second; `into[i]` into the i-th stage, the last into the sink; `dead[i]` out of the i-th stage, the last
    // out of the sink.
    update(pipeline, rates, format) {
      const width = Math.round(this.svg.clientWidth);
      const stages = pipeline.stages.map(stage => [stage.name, stage.plugin, stage.version, stage.sha256].join(' '));
      const key = JSON.stringify([width, pipeline.source, pipeline.sink, pipeline.dead_letters_to, stages]);
      if (width > 0 && key !== this.key) {
        this.key = key;
        this.build(pipeline, width);
      }
      if (!this.edges) return;
      const set = (edge, rate, optional) => {
        edge.current.classList.toggle('still', !(rate > 0));
        edge.label.textContent = optional && !(rate > 0) ? '' : format(rate) + '/s';
      };
      this.edges.forEach((edge, i) => set(edge, rates.into[i] ?? 0));
      this.dead.forEach((edge, i) => set(edge, rates.dead[i] ?? 0, true));
      this.stages.forEach((group, i) => group.classList.toggle('broken',
        pipeline.state === 'paused' && (pipeline.why ?? '').includes('`' + pipeline.stages[i].name + '`')));
    }

    build(pipeline, width) {
      const svg = this.svg;
      svg.replaceChildren();
      const words = pipeline.stages.map(stage => {
        const plugin = stage.plugin && stage.plugin !== stage.name ? stage.plugin + ' ' + stage.version : stage.version;
        return [stage.name, plugin ? (/^\d/.test(plugin) ? 'version ' + plugin : plugin) : 'plugin', stage.sha256 ? stage.sha256.slice(0, 8) : '–'];
      });
      const nodes = [address(pipeline.source), ...words, address(pipeline.sink)];
      const kinds = ['source', ...words.map(() => 'stage'), 'sink'];
      const letters = ['dead letters', address(pipeline.dead_letters_to).join(':')];
      add(svg, 'title', {}, 'The way of the data: ' + nodes.map(lines => lines[0]).join(', then '));
      this.edges = [];
      this.dead = [];
      this.stages = [];
      const draw = width < NARROW || width / nodes.length < 150 ? this.down : this.across;
      draw.call(this, nodes, kinds, letters, width);
    }

    across(nodes, kinds, letters, width) {
      const h = 72, top = 6, gap = Math.min(120, Math.max(64, width / nodes.length * .34));
      const w = (width - gap * (nodes.length - 1)) / nodes.length;
      const boxes = nodes.map((_, i) => ({ x: i * (w + gap), y: top, w, h }));
      const low = { w: Math.min(300, width * .4), h: 50, y: top + h + 62 };
      low.x = (width - low.w) / 2;
      for (let i = 1; i < boxes.length; i++) {
        const from = boxes[i - 1], x = from.x + w, y = top + h / 2;
        const d = `M${x} ${y}H${boxes[i].x}`;
        this.edges.push(edge(this.svg, d, false, { x: (x + boxes[i].x) / 2, y: y - 9 }));
      }
      for (let i = 1; i < boxes.length; i++) {
        const x = boxes[i].x + w / 2, y = top + h;
        const end = Math.max(low.x + 20, Math.min(low.x + low.w - 20, low.x + low.w * i / boxes.length));
        const d = `M${x} ${y}C${x} ${y + 40} ${end} ${low.y - 40} ${end} ${low.y}`;
        this.dead.push(edge(this.svg, d, true, { x: (x * 3 + end) / 4, y: y + 26 }));
      }
      this.nodes(nodes, kinds, boxes);
      node(this.svg, 'letters', low, letters);
      this.size(width, low.y + low.h + 4);
    }

    down(nodes, kinds, letters, width) {
      const h = 68, gap = 38, w = Math.min(width - 74, 320);
      const boxes = nodes.map((_, i) => ({ x: 0, y: 2 + i * (h + gap), w, h }));
      const low = { x: 0, y: 2 + nodes.length * (h + gap) + 4, w, h: 50 };
      for (let i = 1; i < boxes.length; i++) {
        const y = boxes[i - 1].y + h, x = w / 2;
        this.edges.push(edge(this.svg, `M${x} ${y}V${boxes[i].y}`, false, { x: x + 44, y: y + gap / 2 + 4 }));
      }
      for (let i = 1; i < boxes.length; i++) {
        const y = boxes[i].y + h / 2, x = w + 22 + i * 4, end = low.y + low.h / 2;
        const d = `M${w} ${y}H${x - 8}Q${x} ${y} ${x} ${y + 8}V${end - 8}Q${x} ${end} ${x - 8} ${end}H${w}`;
        this.dead.push(edge(this.svg, d, true, { x: x + 20, y: y + 26 }));
      }
      this.nodes(nodes, kinds, boxes);
      node(this.svg, 'letters', low, letters);
      this.size(width, low.y + low.h + 4);
    }

    nodes(nodes, kinds, boxes) {
      nodes.forEach((lines, i) => {
        const group = node(this.svg, kinds[i], boxes[i], lines);
        if (kinds[i] === 'stage') this.stages.push(group);
      });
    }

    size(width, height) {
      this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
      this.svg.setAttribute('height', height);
    }
  }

  return { Graph };
})();
