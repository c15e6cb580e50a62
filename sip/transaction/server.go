package transaction

import "time"

// Server is a server transaction.
type Server struct {
	layer  *Layer
	key    Key
	invite bool
	acked  bool // the ACK of the 2xx passed
	state  serverState
	to     Sender
	user   any // nil after a final response

	last  []byte        // the last response; nil once nobody may need it again
	every time.Duration // until the next repetition of it
	again Alarm         // first for the 100, then G
	end   Alarm         // H, I, J, L
}

// trying100 is how long an INVITE waits for what comes back before a 100 says that
// it has arrived (RFC 3261 §17.2.1): long before it is repeated, and seldom
// needed.
const trying100 = 200 * time.Millisecond

// Trier writes the 100 of the INVITE that it owns.
type Trier interface{ Trying() []byte }

type serverState uint8

const (
	proceeding serverState = iota // no final response yet
	accepted                      // INVITE, 2xx: the proxy passes repetitions
	completed                     // a final response that is repeated here
	confirmed                     // INVITE, failure, and its ACK came
	ended
)

// Open begins the server transaction of a key that Find did not find. user is
// what User returns (RFC 3261's transaction user), for a CANCEL to be told. That of an INVITE is asked for a
// 100 when there was no response within 200 ms.
func (l *Layer) Open(key Key, invite bool, to Sender, user any) *Server {
	s := &Server{layer: l, key: key, invite: invite, to: to, user: user}
	s.again = Alarm{Layer: l, Handler: s, What: alarmAgain}
	s.end = Alarm{Layer: l, Handler: s, What: alarmEnd}
	l.servers[key] = s
	if invite {
		s.again.Set(trying100)
	}
	return s
}

// User is what Open was given; nil after a final response.
func (s *Server) User() any { return s.user }

// Repeat answers a request that came again with what was answered last.
func (s *Server) Repeat() {
	if s.last != nil {
		_ = s.to.Send(s.last) // it comes again
	}
}

// Respond sends a response, which is copied. ErrOver says that a final one was
// sent before that leaves no room for this one. Another error is the network's,
// and the transaction goes on as if the message had got lost.
func (s *Server) Respond(code int, b []byte) error {
	if !s.step(code, b) {
		return ErrOver
	}
	return s.to.Send(b)
}

// keep has a response be the last one.
func (s *Server) keep(b []byte) {
	s.layer.texts.drop(s.last)
	s.last = s.layer.texts.keep(b)
}

// step is RFC 3261 figures 7 and 8, with RFC 6026 figure 1.
func (s *Server) step(code int, b []byte) bool {
	t := &s.layer.t
	if code >= 200 {
		s.user = nil // what it holds may be large, and this lasts
	}
	switch {
	case s.state == accepted:
		if s.acked {
			s.end.Set(t.T4) // it was lost, and another one comes
		}
		return code/100 == 2
	case s.state != proceeding:
		return false
	case code < 200:
		s.again.Stop()
		s.keep(b)
	case s.invite && code < 300:
		s.state, s.last = accepted, s.layer.texts.drop(s.last)
		s.again.Stop()
		s.end.Set(64 * t.T1)
	case s.invite:
		s.state = completed
		s.keep(b)
		s.again.Stop() // the 100 is not needed any more
		if s.every = t.T1; !s.to.Reliable() {
			s.again.Set(s.every)
		}
		s.end.Set(64 * t.T1)
	case !s.to.Resent():
		s.Terminate()
	default:
		s.state = completed
		s.keep(b)
		if s.end.Set(64 * t.T1); s.to.Reliable() {
			s.end.Set(t.T4)
		}
	}
	return true
}

// Fire implements AlarmHandler.
func (s *Server) Fire(what uint8) {
	switch {
	case what == alarmEnd:
		s.Terminate()
	case s.state == proceeding:
		if o, ok := s.user.(Trier); ok {
			_ = s.Respond(100, o.Trying()) // the INVITE comes again
		}
	case s.state == completed: // timer G
		s.every = min(2*s.every, s.layer.t.T2)
		s.again.Set(s.every)
		_ = s.to.Send(s.last) // lost or not, it goes again
	}
}

// Ack takes an ACK; false says that it is not one for a failure.
func (s *Server) Ack() bool {
	switch s.state {
	case completed:
		s.state, s.last = confirmed, s.layer.texts.drop(s.last)
		s.again.Stop()
		if s.to.Resent() {
			s.end.Set(s.layer.t.T4)
		} else {
			s.Terminate()
		}
		return true
	case confirmed:
		return true
	}
	return false
}

// Acked says that the ACK of a 2xx passed: nobody repeats the INVITE any more,
// and what is still on its way arrives within T4, so that the transaction need not
// stay for 64*T1: a copy of the INVITE that is later still is Absorbed.
func (s *Server) Acked() {
	if s.state == accepted {
		s.acked = true
		s.end.Set(s.layer.t.T4)
	}
}

// Accepted tells whether a 2xx was the answer, so that another may follow.
func (s *Server) Accepted() bool { return s.state == accepted }

// Terminate ends the transaction without a word.
func (s *Server) Terminate() {
	switch s.state {
	case ended:
		return
	case accepted:
		s.layer.absorbed.add(s.key)
	}
	s.state, s.last, s.user = ended, s.layer.texts.drop(s.last), nil
	s.again.Stop()
	s.end.Stop()
	delete(s.layer.servers, s.key)
}
