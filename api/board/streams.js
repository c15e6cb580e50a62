// What the node is asked. A token is kept until the page is closed.
const key = 'sipcluster-token'
export const who = { token: sessionStorage.getItem(key) || '', set(t) { this.token = t; sessionStorage.setItem(key, t) } }

// Refused is an answer that says no. who: to who asks, whom the node doesn't know or whose role
// may not; again: with the token that is shown still.
export class Refused extends Error {
  constructor(status, message, token) { super(message); this.status = status; this.token = token }
  get who() { return this.status === 401 || this.status === 403 }
  get again() { return this.who && this.token === who.token }
}

function headers(more) { return who.token ? { ...more, Authorization: 'Bearer ' + who.token } : more }

async function refusal(r, token) {
  let text = r.statusText
  try { text = (await r.json()).message || text } catch { /* no JSON: the status says it */ }
  return new Refused(r.status, text, token)
}

// get returns the answer of a path, in 5 s at most.
export async function get(path, query = {}) {
  const q = new URLSearchParams(Object.entries(query).flatMap(([k, v]) => [v].flat().map(one => [k, one])).filter(([, v]) => v !== '' && v != null)).toString()
  const token = who.token
  const r = await fetch(path + (q ? '?' + q : ''), { headers: headers({}), signal: AbortSignal.timeout(5000) })
  if (!r.ok) throw await refusal(r, token)
  return r.json()
}

// follow calls told with each message of a stream of server-sent events, state with true
// when it runs and false when it has ended, and begins anew, until the signal aborts.
// Where a message has an id, the next stream goes on behind it.
export async function follow(path, query, told, state, signal) {
  let last = ''
  const token = who.token
  for (let wait = 250; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
    try {
      const r = await fetch(path + '?' + new URLSearchParams(query), { headers: headers(last ? { 'Last-Event-ID': last } : {}), signal })
      if (!r.ok) throw await refusal(r, token)
      state(true)
      wait = 250
      last = await read(r.body, told, last)
    } catch (e) {
      if (signal.aborted) return
      state(false, e)
      if (e instanceof Refused && e.who) return
    }
    state(false)
    await new Promise(go => setTimeout(go, wait))
  }
}

async function read(body, told, last) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (let rest = ''; ;) {
    const { value, done } = await reader.read()
    if (done) return last
    rest += value
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      let data = ''
      for (const line of rest.slice(0, end).split('\n')) {
        if (line.startsWith('id: ')) last = line.slice(4)
        if (line.startsWith('data: ')) data += line.slice(6)
      }
      if (data) told(JSON.parse(data))
    }
  }
}
