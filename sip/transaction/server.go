package transaction

import (
	"sync"
	"time"
)

// Server is a server transaction. Its methods may be called by several
// goroutines.
type Server struct {
	layer  *Layer
	key    string
	invite bool
	to     Sender

	mu    sync.Mutex
	owner any // nil after a final response
	state serverState
	last  []byte        // the last response; nil once nobody may need it again
	every time.Duration // until the next repetition of it
	again *time.Timer   // G
	end   *time.Timer   // H, I, J, L
}

type serverState uint8

const (
	proceeding serverState = iota // no final response yet
	accepted                      // INVITE, 2xx: the proxy passes repetitions
	completed                     // a final response that is repeated here
	confirmed                     // INVITE, failure, and its ACK came
	ended
)

// Open begins a server transaction; false returns the one that is there.
func (l *Layer) Open(key string, invite bool, to Sender, owner any) (*Server, bool) {
	return l.servers.add(key, &Server{layer: l, key: key, invite: invite, to: to, owner: owner})
}

// Owner is what Open was given, for a CANCEL to be told; nil after a final response.
func (s *Server) Owner() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner
}

// Repeat answers a request that came again with what was answered last.
func (s *Server) Repeat() {
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	if last != nil {
		_ = s.to.Send(last) // it comes again
	}
}

// Respond sends a response. ErrOver says that a final one was sent before that
// leaves no room for this one. Another error is the network's, and the
// transaction goes on as if the message had got lost.
func (s *Server) Respond(code int, b []byte) error {
	s.mu.Lock()
	ok := s.step(code, b)
	s.mu.Unlock()
	if !ok {
		return ErrOver
	}
	return s.to.Send(b)
}

// step is RFC 3261 figures 7 and 8, with RFC 6026 figure 1.
func (s *Server) step(code int, b []byte) bool {
	t := &s.layer.t
	if code >= 200 {
		s.owner = nil // what it holds may be large, and this lasts
	}
	switch {
	case s.state == accepted:
		return code/100 == 2
	case s.state != proceeding:
		return false
	case code < 200:
		s.last = b
	case s.invite && code < 300:
		s.state, s.last = accepted, nil
		s.endAfter(64 * t.T1)
	case s.invite:
		s.state, s.last = completed, b
		if s.every = t.T1; !s.to.Reliable() {
			s.again = time.AfterFunc(s.every, s.repeat)
		}
		s.endAfter(64 * t.T1)
	case s.to.Reliable():
		s.terminate()
	default:
		s.state, s.last = completed, b
		s.endAfter(64 * t.T1)
	}
	return true
}

// repeat is timer G.
func (s *Server) repeat() {
	s.mu.Lock()
	if s.state != completed {
		s.mu.Unlock()
		return
	}
	last := s.last
	s.every = min(2*s.every, s.layer.t.T2)
	s.again.Reset(s.every)
	s.mu.Unlock()
	_ = s.to.Send(last) // lost or not, it goes again
}

// Ack takes an ACK; false says that it is not one for a failure.
func (s *Server) Ack() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case completed:
		s.state, s.last = confirmed, nil
		stop(s.again)
		stop(s.end)
		if s.to.Reliable() {
			s.terminate()
		} else {
			s.endAfter(s.layer.t.T4)
		}
		return true
	case confirmed:
		return true
	}
	return false
}

// Accepted tells whether a 2xx was the answer, so that another may follow.
func (s *Server) Accepted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == accepted
}

func (s *Server) endAfter(d time.Duration) { s.end = time.AfterFunc(d, s.Terminate) }

// Terminate ends the transaction without a word.
func (s *Server) Terminate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.terminate()
}

func (s *Server) terminate() {
	if s.state == ended {
		return
	}
	s.state, s.last = ended, nil
	stop(s.again)
	stop(s.end)
	s.layer.servers.drop(s.key)
}
