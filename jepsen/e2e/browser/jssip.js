// A phone made of JsSIP: registers with a digest, calls if it is asked to,
// answers what rings, and says so.
import JsSIP from 'jssip';
import { asked, listen, say } from './say.js';

const media = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };
const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(asked.server)],
  uri: `sip:${asked.dn}@${asked.realm}`,
  password: asked.password,
  register_expires: 60,
});
ua.on('registered', () => {
  say('registered');
  if (asked.call) ua.call(`sip:${asked.call}@${asked.realm}`, media);
});
ua.on('registrationFailed', (e) => say('failed', e.cause));
ua.on('unregistered', () => say('unregistered'));
ua.on('newRTCSession', ({ originator, session }) => {
  session.on('confirmed', () => {
    say('talks');
    listen(session.connection);
  });
  session.on('failed', (e) => say('failed', `call: ${e.cause}`));
  session.on('ended', () => say('ended'));
  window.hangUp = () => session.terminate();
  if (originator === 'remote') {
    say('rings', session.remote_identity.uri.user);
    session.answer(media);
  }
});
ua.start();
