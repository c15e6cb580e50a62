import { get, follow, who, Refused } from './streams.js'
import { draw } from './map.js'

const $ = id => document.getElementById(id)
const short = s => String(s || '').replace(/^(DN_STATE|REASON|AGENT_STATE|CHANGE|DN_KIND|DN_CHANGE_KIND|CONDITION_KIND)_/, '').toLowerCase().replaceAll('_', '-')
const clock = t => t ? new Date(t).toLocaleTimeString([], { hour12: false }) : ''
const seconds = t => Math.max(0, Math.round((Date.now() - new Date(t)) / 1000))
const age = t => { const s = seconds(t); return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min` }
const spoken = s => short(s).replaceAll('-', ' ')
const whyOf = d => d.reason !== 'REASON_UNSPECIFIED' ? short(d.reason) : ['DN_KIND_ROUTING_POINT', 'DN_KIND_TRUNK', 'DN_KIND_FEATURE'].includes(d.kind) ? spoken(d.kind) : 'never registered'
const stateOf = s => s === 'DN_STATE_IN_SRV' ? ['●', 'in service', 'good'] : ['○', 'out of service', 'bad']

// tag makes an element of text and other elements; nothing that the node says is read as HTML.
function tag(name, attributes, ...children) {
  const e = document.createElement(name)
  for (const [k, v] of Object.entries(attributes || {})) if (v != null && v !== false) e.setAttribute(k, v)
  e.append(...children.filter(c => c != null))
  return e
}

function table(id, columns, rows) {
  const t = $(id)
  t.tHead.replaceChildren(tag('tr', {}, ...columns.map(c => tag('th', { class: c.n && 'n', scope: 'col' }, c.title))))
  t.tBodies[0].replaceChildren(...rows)
  breakable(t)
}

// breakable lets words that would not fit beside others go on in the next line.
function breakable(within) { for (const cell of within.querySelectorAll('td')) cell.classList.toggle('long', /\S{14}/.test(cell.textContent)) }

// ask runs something that asks the node, and shows what it is refused with.
async function ask(what) {
  try {
    const got = await what()
    lost('')
    return got
  } catch (e) {
    if (e instanceof Refused && e.who) return void (e.again && login(e.message))
    lost(e instanceof Refused ? e.message : 'This page does not reach its node: what it shows is as it was.')
  }
}

function lost(text) { faults.page = text; showFaults() }
const faults = { page: '', node: [] }
function showFaults() { $('problems').textContent = [faults.page, ...faults.node].filter(Boolean).join('\n') }

function login(why) {
  if ($('login').open) return
  $('refused').textContent = who.token ? why : ''
  $('login').showModal()
}
$('login').addEventListener('close', () => { who.set($('token').value.trim()); $('token').value = ''; begin() })

// ---- the cluster ----
async function survey() {
  const s = await ask(() => get('/v1/survey'))
  if (!s) return
  const own = s.views[0].status
  linksSeen(own)
  $('map').replaceChildren(draw(s.views))
  $('asked').textContent = `${own.node} at ${own.site}, ${own.version}`
  const silent = s.views.filter(v => !v.status).map(v => v.node)
  $('seen').textContent = silent.length ? `as ${own.node} sees it; it can't ask ${silent.join(', ')}` : `as each node sees it, asked by ${own.node}`
  faults.node = [...own.warnings, ...(own.raft.quorum ? [] : ['No quorum from here: calls and registrations go on, the configuration can be read but not changed.'])]
  showFaults()
  const d = own.dns
  $('counts').replaceChildren(...[['DNs in service', d.in_service, 'good'], ['out of service', d.out_of_service, d.out_of_service > 0 ? 'bad' : ''], ['owned here', d.owned], ['with a standby', d.with_standby],
    ['nodes heard', `${own.peers.filter(p => p.reachable).length + 1} of ${own.peers.length + 1}`], ['leader', own.raft.leader || 'none']]
    .map(([what, n, mark]) => tag('li', {}, tag('b', { class: mark || null }, Number.isNaN(+n) ? n : (+n).toLocaleString()), what)))
  options('owner', 'any node', s.views.map(v => v.node))
}

function options(id, none, names) {
  const was = $(id).value
  if ($(id).dataset.names === names.join()) return
  $(id).dataset.names = names.join()
  $(id).replaceChildren(tag('option', { value: '' }, none), ...[...names].sort().map(n => tag('option', { value: n }, n)))
  $(id).value = names.includes(was) ? was : ''
}

// ---- groups ----
const groupColumns = [{ title: 'group', of: r => r.group || 'all' }, { title: 'site', of: r => r.site || '—' },
  ...[['ready', 'ready'], ['reserved', 'reserved'], ['ringing', 'ringing'], ['busy', 'busy'], ['wrap-up', 'wrap_up'], ['not ready', 'not_ready'], ['logged out', 'logged_out'], ['silent', 'unresponsive'], ['out of service', 'out_of_service'], ['waiting', 'waiting']]
    .map(([title, field]) => ({ title, n: true, of: r => r[field] })),
  { title: 'oldest', n: true, of: r => r.oldest_waiting ? age(r.oldest_waiting) : '' }]
const groups = new Map()
function groupsTold(m) {
  for (const g of m.groups) groups.set(g, [])
  for (const r of m.rows) groups.get(r.group)?.push(r)
  options('group', 'any group', [...groups.keys()].filter(Boolean))
  later('groups', showGroups)
}
function showGroups() {
  const rows = [...groups.keys()].sort().flatMap(g => groups.get(g)).slice(0, 500)
  const show = columns => table('group-rows', columns, rows.map(r => tag('tr', {}, ...columns.map(c => {
    const v = c.of(r)
    return tag('td', { class: (c.n ? 'n' : '') + (v === 0 ? ' zero' : '') }, String(v))
  }))))
  show(groupColumns)
  const room = $('group-rows').parentElement, fits = room.scrollWidth <= room.clientWidth
  if (!fits) show(groupColumns.filter(c => !c.n || ['ready', 'out of service'].includes(c.title) || rows.some(r => c.of(r))))
  $('left-out').textContent = fits ? '' : 'states that nobody is in are left out'
}

// later runs something once in a frame at most, and not while nobody looks.
const due = new Map()
function later(name, what) {
  if (due.has(name)) return
  due.set(name, requestAnimationFrame(() => { due.delete(name); what() }))
}

// ---- waiting calls ----
async function waiting() {
  const w = await ask(() => get('/v1/waiting', { page_size: 50 }))
  if (!w) return
  $('waiting-count').textContent = w.total ? `${w.total}, the oldest for ${age(w.calls[0].since)}` : 'none'
  const columns = [['since', c => age(c.since)], ['for', c => c.group || '—'], ['at', c => c.routing_point], ['from', c => c.ani], ['dialled', c => c.dnis], ['node', c => c.node]]
  table('waiting-rows', w.calls.length ? columns.map(([title]) => ({ title })) : [], w.calls.map(c => tag('tr', {}, ...columns.map(([, of]) => tag('td', {}, of(c))))))
}

// ---- DNs ----
const dnColumns = [{ title: 'DN' }, { title: 'state' }, { title: 'why' }, { title: 'node' }, { title: 'agent' }, { title: 'since', n: true }]
const page = { rows: [], token: '', busy: false }
async function listDNs(more) {
  if (page.busy) { page.again = true; return }
  page.busy = true
  const query = { 'filter.prefix': $('prefix').value, 'filter.state': $('state').value, 'filter.owner': $('owner').value, 'filter.group': $('group').value, page_size: more ? 100 : Math.max(100, page.rows.length), page_token: more ? page.token : '' }
  const l = await ask(() => get('/v1/dns', query))
  page.busy = false
  if (l) {
    page.rows = more ? page.rows.concat(l.dns) : l.dns
    page.token = l.next_page_token
    $('more').hidden = !page.token || page.rows.length >= 1000
    showDNs()
  }
  if (page.again) { page.again = false; listDNs() }
}
function showDNs() {
  const at = document.activeElement?.dataset?.dn
  table('dn-rows', dnColumns, page.rows.map(d => {
    const [sign, state, mark] = stateOf(d.state)
    return tag('tr', { tabindex: 0, 'data-dn': d.dn, 'data-state': state }, tag('td', {}, d.dn), tag('td', { class: d.since || mark === 'good' ? mark : 'odd' }, `${sign} ${state}`), tag('td', {}, whyOf(d)),
      tag('td', {}, d.owner ? `${d.owner} (${d.site})` : ''), tag('td', {}, agentOf(d)), tag('td', { class: 'n' }, d.since ? age(d.since) : ''))
  }))
  if (at) document.querySelector(`tr[data-dn="${CSS.escape(at)}"]`)?.focus()
}
function agentOf(d) {
  const a = d.agent ? `${d.agent.id} ${short(d.agent.state)}` : ''
  return [a, d.busy && 'busy', d.reserved && 'reserved', d.do_not_disturb && 'do not disturb', d.routable && !a && 'routable'].filter(Boolean).join(', ')
}

// ---- events ----
const kept = 200
const line = (time, dn, ...what) => tag('li', { 'data-dn': dn || null, 'data-time': time }, tag('time', {}, clock(time)), ' ', dn ? tag('a', { href: '#/dn/' + encodeURIComponent(dn) }, dn) : '', dn ? ' ' : '', ...what)
function stateLine(time, d) {
  const [sign, state, mark] = stateOf(d.state)
  return line(time, d.dn, tag('span', { class: mark }, `${sign} ${state}, ${short(d.reason)}${d.owner ? ` at ${d.owner}` : ''}`))
}
const linkLine = (time, node, peer, heard, why) => line(time, '', tag('span', { class: heard ? 'good' : 'bad' }, heard ? `● ${node} hears ${peer}` : `○ ${node} lost ${peer}: ${why}`))
function tell(lines) {
  const list = $('event-rows')
  list.prepend(...lines.slice(-kept).reverse())
  while (list.children.length > kept) list.lastChild.remove()
}

// remembered puts what happened before this page was opened behind what it was told.
async function remembered(signal) {
  let h
  try { h = await get('/v1/events', { kinds: ['HISTORY_KIND_STATE', 'HISTORY_KIND_LINK'], limit: 50 }) } catch { return } // not for every role
  if (signal.aborted) return
  const list = $('event-rows'), first = list.lastChild && new Date(list.lastChild.dataset.time)
  list.append(...h.events.filter(e => !first || new Date(e.time) < first).reverse().map(e => e.link ? linkLine(e.time, e.node, e.link.peer, e.link.heard, e.link.why) : stateLine(e.time, { ...e.change.status, dn: e.dn })))
}

// linksSeen tells of links that the asked node has lost or found since it was asked last.
let links = new Map()
function linksSeen(own) {
  const now = new Map(own.peers.map(p => [p.node, p]))
  tell([...now.values()].filter(p => links.has(p.node) && links.get(p.node).reachable !== p.reachable).map(p => linkLine(p.since || new Date(), own.node, p.node, p.reachable, p.reason)))
  links = now
}

function eventsTold(m) {
  if (!m.events) return
  tell(m.events.events.map(e => {
    const what = { CHANGE_AGENT: agentOf(e) || 'agent', CHANGE_USE: [e.busy ? 'busy' : 'not busy', e.reserved && 'reserved', e.do_not_disturb && 'do not disturb'].filter(Boolean).join(', '), CHANGE_OWNER: `now at ${e.owner}` }[e.change]
    return what ? line(e.time, e.dn, tag('span', {}, what)) : stateLine(e.time, e)
  }))
  if (!changed) changed = setTimeout(() => { changed = 0; listDNs(); if (view.dn) explain() }, 400)
}
let changed = 0

// ---- a DN ----
const view = { dn: '' }
async function explain() {
  const number = view.dn
  const e = await ask(async () => {
    try { return await get(`/v1/dns/${encodeURIComponent(number)}:explain`) } catch (err) { if (err instanceof Refused && err.status === 404) return { sentence: err.message, conditions: [], views: [] }; throw err }
  })
  if (!e || number !== view.dn) return
  const bindings = e.views.flatMap(v => v.bindings.map(b => [v.node, b.contact, b.transport, b.source, clock(b.expires), b.user_agent, b.unresponsive ? '✕ silent' : '✓']))
  const changes = e.views.flatMap(v => v.changes.map(c => [c.time, v.node, spoken(c.kind), stateOf(c.status.state).slice(0, 2).join(' '), short(c.status.reason), c.status.owner])).sort((a, b) => a[0] < b[0] ? 1 : -1).slice(0, 50)
  $('dn').replaceChildren(tag('h2', { id: 'h-dn' }, `DN ${number}`), tag('p', { class: 'sentence' }, e.sentence), tag('div', { class: 'columns' },
    block('A call is sent there when', ['', 'condition', 'judged by'], e.conditions.map(c => [c.met ? '✓' : '✕', spoken(c.kind), c.value]), r => r[0] === '✓' ? 'good' : 'bad'),
    block('As each node sees it', ['node', 'state', 'why', 'owner', 'agent'], e.views.map(v => v.error ? [v.node, '◌ ' + v.error, '', '', ''] : v.status ? [v.node, stateOf(v.status.state).slice(0, 2).join(' '), whyOf(v.status), v.status.owner, agentOf(v.status)] : [v.node, 'not known there', '', '', ''])),
    block('Where its phones are', ['node', 'contact', 'by', 'from', 'until', 'user agent', ''], bindings, null, 'No phone is registered at a node that answers.'),
    block('Last changes', ['time', 'told by', 'of', 'state', 'why', 'owner'], changes.map(c => [clock(c[0]), ...c.slice(1)]), null, 'No change that the nodes remember.')), tag('p', {}, tag('a', { href: '#/' }, 'back (Esc)')))
  breakable($('dn'))
}
function block(title, columns, rows, mark, none) {
  if (!rows.length && none) return tag('div', {}, tag('h2', {}, title), tag('p', { class: 'none' }, none))
  return tag('div', {}, tag('h2', {}, title), tag('div', { class: 'scroll' }, tag('table', {}, tag('thead', {}, tag('tr', {}, ...columns.map(c => tag('th', { scope: 'col' }, c)))),
    tag('tbody', {}, ...rows.map(r => tag('tr', {}, ...r.map((c, i) => tag('td', { class: i === 0 && mark ? mark(r) : null }, c || ''))))))))
}
function route() {
  const m = location.hash.match(/^#\/dn\/(.+)$/)
  try { view.dn = m ? decodeURIComponent(m[1]) : '' } catch { view.dn = '' }
  document.body.dataset.view = view.dn ? 'dn' : 'cluster'
  $('dn').hidden = !view.dn
  $('dn').replaceChildren()
  document.title = view.dn ? `${view.dn} · sipcluster` : 'sipcluster'
  if (view.dn) explain()
}

// ---- keys and controls ----
// The system's choice is followed, also when it changes, until somebody makes another here.
const dark = matchMedia('(prefers-color-scheme: dark)')
function theme() { document.documentElement.dataset.theme = localStorage.getItem('sipcluster-theme') || (dark.matches ? 'dark' : 'light') }
theme()
dark.onchange = theme
$('theme').onclick = () => { localStorage.setItem('sipcluster-theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'); theme() }
$('help').onclick = () => $('keys').showModal()
$('find').onsubmit = e => { e.preventDefault(); const n = $('search').value.trim(); if (n) location.hash = '#/dn/' + encodeURIComponent(n) }
for (const id of ['prefix', 'state', 'owner', 'group']) $(id).oninput = () => { page.rows = []; listDNs() }
$('more').onclick = () => listDNs(true)
$('dn-rows').onclick = e => open(e.target.closest('tr'))
function open(row) { if (row?.dataset.dn) location.hash = '#/dn/' + encodeURIComponent(row.dataset.dn) }
function step(by) {
  const rows = [...$('dn-rows').tBodies[0].rows], i = rows.indexOf(document.activeElement)
  rows[i < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, i + by))]?.focus()
}
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return
  if (e.key === 'Escape') { e.target.blur?.(); location.hash = '#/'; return }
  if (e.target.matches('input, select')) return
  const does = { '/': () => $('search').focus(), '?': () => $('keys').showModal(), t: () => $('theme').click(), j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
    Enter: () => open(document.activeElement.closest?.('tr')), o: () => { $('state').value = $('state').value === 'DN_STATE_OOS' ? '' : 'DN_STATE_OOS'; page.rows = []; listDNs() } }[e.key]
  if (does && !(e.key.startsWith('Arrow') && e.target.closest('.scroll') == null)) { e.preventDefault(); does() }
})
addEventListener('hashchange', route)
addEventListener('resize', () => later('groups', showGroups))

// ---- all of it, while somebody looks ----
let running
function begin() {
  running?.abort()
  running = new AbortController()
  const signal = running.signal
  const live = (is, e) => {
    if (e instanceof Refused && e.again) login(e.message)
    $('live').textContent = is ? 'live' : 'not connected'
    $('live').className = 'pill ' + (is ? 'good' : 'bad')
    if (is) { listDNs(); survey() }
  }
  follow('/v1/watch', { agents: true, snapshot: false }, eventsTold, live, signal)
  follow('/v1/groups:watch', { }, groupsTold, () => {}, signal)
  const round = async () => {
    if (signal.aborted) return
    if (!document.hidden) await Promise.all([survey(), waiting()])
    setTimeout(round, 2000) // each survey asks every node
  }
  round()
  route()
  $('event-rows').replaceChildren()
  links = new Map()
  remembered(signal)
}
setInterval(() => { if (!document.hidden) { showGroups(); if (page.rows.length) showDNs() } }, 5000)
begin()
