package wire

import (
	"net/netip"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/answer"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// handler serves what arrives. Who reads has an arrival of his own, which it
// uses again for the next message.
type handler interface {
	// Serve serves a message that came whole.
	Serve(in *Arrival)
	// Unframed answers a request of a stream whose length nobody knows; why is
	// message.ErrTooLarge or message.ErrFraming. data is its head.
	Unframed(in *Arrival, why error)
}

// Arrival is one message on its way in, and what is to be done about it.
type Arrival struct {
	// Data is what came, for the handler to change, from source by transport.
	Data      []byte
	Source    netip.AddrPort
	Transport location.Transport
	// Hand is which of those serves it that serve datagrams at a time, from 0 on.
	Hand int
	// Late: a call that begins by it has to give way, because more comes by connections than
	// is served.
	Late bool
	// Peer is the node that it came from; "" for others. It has no source then.
	Peer dn.Node

	// Msg and answer are room for the handler.
	Msg    message.Message
	Answer answer.Answer

	// Tidy is what goes on to sipgo; empty when nothing does.
	Tidy []byte
	// Reply is what goes back at once, over UDP to replyTo; empty when nothing
	// does. durable: the location store has to be flushed before it is sent.
	Reply   []byte
	ReplyTo netip.AddrPort
	Durable bool
	// HangUp: the connection that it came over is closed.
	HangUp bool
}

// Begin makes ready for a message; reply is room for the answer.
func (in *Arrival) Begin(data []byte, source netip.AddrPort, t location.Transport, reply []byte) {
	in.Data, in.Source, in.Transport = data, source, t
	in.Tidy, in.Reply, in.Durable, in.HangUp = in.Tidy[:0], reply[:0], false, false
}
