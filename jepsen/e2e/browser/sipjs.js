// A phone made of SIP.js: registers with a digest, calls if it is asked to,
// answers what rings, and says so.
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from 'sip.js';
import { asked, listen, say } from './say.js';

const media = { sessionDescriptionHandlerOptions: { constraints: { audio: true, video: false } } };

function follow(session) {
  session.stateChange.addListener((state) => {
    if (state === SessionState.Established) {
      say('talks');
      listen(session.sessionDescriptionHandler.peerConnection);
    }
    if (state === SessionState.Terminated) say('ended');
  });
  window.hangUp = () => session.bye();
}

const ua = new UserAgent({
  uri: UserAgent.makeURI(`sip:${asked.dn}@${asked.realm}`),
  transportOptions: { server: asked.server, keepAliveInterval: 1 },
  authorizationUsername: asked.dn,
  authorizationPassword: asked.password,
  sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: { iceServers: [] } },
  delegate: {
    onInvite(invitation) {
      say('rings', invitation.remoteIdentity.uri.user);
      follow(invitation);
      invitation.accept(media);
    },
  },
});
const registerer = new Registerer(ua, { expires: 60 });
registerer.stateChange.addListener(async (state) => {
  if (state === RegistererState.Unregistered) say('unregistered');
  if (state !== RegistererState.Registered) return;
  say('registered');
  if (asked.call) {
    const inviter = new Inviter(ua, UserAgent.makeURI(`sip:${asked.call}@${asked.realm}`), media);
    follow(inviter);
    await inviter.invite({ requestDelegate: { onReject: (r) => say('failed', `call: ${r.message.statusCode}`) } });
  }
});
await ua.start();
await registerer.register({
  requestDelegate: { onReject: (r) => say('failed', `${r.message.statusCode} ${r.message.reasonPhrase}`) },
});
