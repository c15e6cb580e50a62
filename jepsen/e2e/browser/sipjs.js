// A phone made of SIP.js: registers with a digest, and says so.
import { Registerer, RegistererState, UserAgent } from 'sip.js';
import { asked, say } from './say.js';

const ua = new UserAgent({
  uri: UserAgent.makeURI(`sip:${asked.dn}@${asked.realm}`),
  transportOptions: { server: asked.server, keepAliveInterval: 1 },
  authorizationUsername: asked.dn,
  authorizationPassword: asked.password,
});
const registerer = new Registerer(ua, { expires: 60 });
registerer.stateChange.addListener((state) => {
  if (state === RegistererState.Registered) say('registered');
  if (state === RegistererState.Unregistered) say('unregistered');
});
await ua.start();
await registerer.register({
  requestDelegate: { onReject: (r) => say('failed', `${r.message.statusCode} ${r.message.reasonPhrase}`) },
});
