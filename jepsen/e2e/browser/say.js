// What the page was told in its address, and how it tells the test what happens.
export const asked = Object.fromEntries(new URLSearchParams(location.search));

export function say(what, detail = '') {
  return fetch('/event', { method: 'POST', body: JSON.stringify({ what, detail: String(detail) }) });
}
window.addEventListener('error', (e) => say('error', e.message));
window.addEventListener('unhandledrejection', (e) => say('error', e.reason));
