// What the page was told in its address, and how it tells the test what happens.
export const asked = Object.fromEntries(new URLSearchParams(location.search));

export function say(what, detail = '') {
  return fetch('/event', { method: 'POST', body: JSON.stringify({ what, detail: String(detail) }) });
}
window.addEventListener('error', (e) => say('error', e.message));
window.addEventListener('unhandledrejection', (e) => say('error', e.reason));

// listen says "hears" when media of the other side arrives.
export function listen(connection) {
  const timer = setInterval(async () => {
    for (const s of (await connection.getStats()).values()) {
      if (s.type === 'inbound-rtp' && s.packetsReceived > 10) {
        clearInterval(timer);
        say('hears', `${s.packetsReceived} packets`);
        return;
      }
    }
  }, 100);
}

// The test hangs up by answering this.
fetch('/over').then(() => window.hangUp());
