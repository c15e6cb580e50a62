package sip

import (
	"sync"
	"sync/atomic"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/wire"
)

// doors say who is served while a server starts: at first all wait.
type doors struct {
	all atomic.Bool // they are open, for good

	mu    sync.Mutex // held while one is served before
	state visitors   // before all
	moved *sync.Cond
}

func newDoors() *doors {
	d := &doors{}
	d.moved = sync.NewCond(&d.mu)
	return d
}

// visitors are whom a server takes.
type visitors uint8

const (
	later    visitors = iota // all wait
	phones                   // boring REGISTERs are served
	everyone                 // for good
	nobody                   // for good: the server is closed
)

// let says who is served from now on. When it returns nobody is served as before.
func (d *doors) let(v visitors) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state < everyone {
		d.state = v
	}
	d.all.Store(d.state == everyone)
	d.moved.Broadcast()
}

// enter tells how what has come is served; who gets phones calls leave.
func (d *doors) enter() visitors {
	if d.all.Load() {
		return everyone
	}
	d.mu.Lock()
	for d.state == later {
		d.moved.Wait()
	}
	if d.state == phones {
		return phones
	}
	defer d.mu.Unlock()
	return d.state
}

func (d *doors) leave() { d.mu.Unlock() }

// early serves a datagram of a server that starts: a boring REGISTER as ever. What begins
// anything else is told to go elsewhere; what belongs to something that was begun before,
// and a REGISTER that is not boring, gets no answer: it comes again.
func (g *gate) early(in *wire.Arrival) {
	if g.fast[in.Hand].Serve(in) {
		return
	}
	in.Answer.Reset()
	m := &in.Msg
	if m.Parse(in.Data, false) != nil || !m.IsRequest() || m.Fault != nil || string(m.Method) == "REGISTER" || m.Tag(message.To) != nil {
		return
	}
	in.Answer.Overloaded()
	g.refuse(in, in.Source)
}
