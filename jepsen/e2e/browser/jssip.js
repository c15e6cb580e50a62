// A phone made of JsSIP: registers with a digest, and says so.
import JsSIP from 'jssip';
import { asked, say } from './say.js';

const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(asked.server)],
  uri: `sip:${asked.dn}@${asked.realm}`,
  password: asked.password,
  register_expires: 60,
});
ua.on('registered', () => say('registered'));
ua.on('registrationFailed', (e) => say('failed', e.cause));
ua.on('unregistered', () => say('unregistered'));
ua.start();
