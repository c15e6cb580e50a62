// The map: sites, their nodes, and each link as its two ends see it.
const ns = 'http://www.w3.org/2000/svg'

function el(name, attributes, text) {
  const e = document.createElementNS(ns, name)
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v)
  if (text != null) e.textContent = text
  return e
}

// verdict is how node a sees node b: 'heard', 'lost' or 'unknown', with what there is to say.
function verdict(views, a, b) {
  const v = views.find(v => v.node === a)
  const p = v && v.status && v.status.peers.find(p => p.node === b)
  if (!p) return { is: 'unknown', says: `${a} can't be asked how it sees ${b}` }
  return p.reachable
    ? { is: 'heard', rtt: p.rtt_ms, says: `${a} hears ${b}, ${p.rtt_ms.toFixed(1)} ms` }
    : { is: 'lost', says: `${a} has lost ${b}: ${p.reason}, since ${new Date(p.since).toLocaleTimeString()}` }
}

// links returns each pair of nodes with both verdicts.
export function links(views) {
  const all = []
  views.forEach((a, i) => views.slice(i + 1).forEach(b => all.push({ a: a.node, b: b.node, ab: verdict(views, a.node, b.node), ba: verdict(views, b.node, a.node) })))
  return all
}

// owned is how many DNs in service a node has, as the asked node (the first) sees it.
function owned(views, node) {
  const self = views[0]
  if (self.node === node) return self.status.dns.owned
  const p = self.status.peers.find(p => p.node === node)
  return p ? p.owned : '0'
}

function places(views) {
  const sites = [...new Set(views.map(v => v.site))].sort()
  const at = {}, boxes = []
  const width = 640, height = sites.length > 2 ? 330 : 200, cx = width / 2, cy = height / 2 + (sites.length === 3 ? 30 : 6)
  const big = sites.length === 1 ? 0 : 1
  sites.forEach((site, s) => {
    const turn = -Math.PI / 2 + (sites.length === 2 ? Math.PI / 2 : 0) + 2 * Math.PI * s / sites.length
    const sx = cx + big * 215 * Math.cos(turn), sy = cy + big * (height / 2 - 75) * Math.sin(turn)
    const nodes = views.filter(v => v.site === site).map(v => v.node).sort()
    const wide = Math.min(nodes.length, 3) * 92
    const rows = Math.ceil(nodes.length / 3)
    nodes.forEach((n, i) => { at[n] = { x: sx - wide / 2 + 46 + (i % 3) * 92, y: sy + (Math.floor(i / 3) - (rows - 1) / 2) * 62 } })
    boxes.push({ site, x: sx - wide / 2 - 8, y: sy - rows * 31 - 22, width: wide + 16, height: rows * 62 + 30 })
  })
  return { at, boxes, width, height }
}

function half(svg, from, to, v) {
  const mid = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
  const line = el('line', { x1: from.x, y1: from.y, x2: mid.x, y2: mid.y, class: 'half ' + (v.is === 'heard' ? '' : v.is) })
  line.append(el('title', {}, v.says))
  svg.append(line)
  if (v.is !== 'heard') {
    const sign = el('text', { x: from.x + (mid.x - from.x) * .66, y: from.y + (mid.y - from.y) * .66, class: 'sign ' + v.is }, v.is === 'lost' ? '✕' : '?')
    sign.append(el('title', {}, v.says))
    svg.append(sign)
  }
}

// draw returns the map of a survey.
export function draw(views) {
  const { at, boxes, width, height } = places(views)
  const svg = el('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img' })
  const all = links(views)
  svg.append(el('title', {}, all.map(l => `${l.ab.says}; ${l.ba.says}`).join('. ')))
  for (const b of boxes) {
    svg.append(el('rect', { x: b.x, y: b.y, width: b.width, height: b.height, rx: 10, class: 'site' }), el('text', { x: b.x + 8, y: b.y + 14, class: 'dim' }, b.site || 'no site'))
  }
  for (const l of all) {
    half(svg, at[l.a], at[l.b], l.ab)
    half(svg, at[l.b], at[l.a], l.ba)
    if (l.ab.is === 'heard' && l.ba.is === 'heard' && views.length <= 7) {
      svg.append(el('text', { x: (at[l.a].x + at[l.b].x) / 2, y: (at[l.a].y + at[l.b].y) / 2, class: 'sign rtt' }, `${Math.max(l.ab.rtt, l.ba.rtt).toFixed(1)} ms`))
    }
  }
  for (const v of views) {
    const { x, y } = at[v.node], lost = verdict(views, views[0].node, v.node).is === 'lost'
    const g = el('g', { 'data-node': v.node, 'data-heard': String(!lost) })
    g.append(el('rect', { x: x - 42, y: y - 20, width: 84, height: 40, rx: 8, class: 'node' + (lost ? ' lost' : '') + (v === views[0] ? ' self' : '') }),
      el('text', { x, y: y - 4, 'text-anchor': 'middle' }, (lost ? '✕ ' : '') + v.node),
      el('text', { x, y: y + 12, 'text-anchor': 'middle', class: 'dim' }, `${owned(views, v.node)} ${owned(views, v.node) === '1' ? 'DN' : 'DNs'}${v.status && v.status.raft.state === 'leader' ? ' ★' : ''}`),
      el('title', {}, v.status ? `${v.node}: ${v.status.version}, ${v.status.raft.state}${v.status.draining ? ', draining' : ''}` : `${v.node}: ${v.error}`))
    svg.append(g)
  }
  return svg
}
