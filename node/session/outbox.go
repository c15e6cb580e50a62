package session

import (
	"time"

	"github.com/sipcluster/sipcluster/api/tlibpb"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/node/refusal"
)

// outbox is what is on its way to a session's client.
type outbox struct {
	stream Stream
	stats  *stats
	events []*tlibpb.Event
	// sending is wound up while a message is on its way to the client, and until
	// the session is open.
	sending *time.Timer
	isOpen  bool
}

// opened notes that the session is open; notRead is called when its client reads
// nothing from then on.
func (o *outbox) opened(notRead func()) {
	o.sending.Stop()
	o.sending = time.AfterFunc(sendTimeout, notRead)
	o.sending.Stop()
	o.isOpen = true
}

func (o *outbox) add(events ...*tlibpb.Event) { o.events = append(o.events, events...) }

// refuse answers a request by EventError.
func (o *outbox) refuse(ref uint64, n dn.Number, err *refusal.Error) {
	o.stats.refused.Add(1)
	o.add(answer(ref, n, &tlibpb.Event_Error{Error: &tlibpb.EventError{Code: err.Code, Text: err.Text}}))
}

// flush sends what gathered, in messages that any client takes: gRPC's limit
// is 4 MB unless somebody chose another. Only the last one says how far it is.
func (o *outbox) flush(at []byte) error {
	events := o.events
	o.events = nil
	o.stats.events.Add(uint64(len(events)))
	for ; len(events) > batchSize; events = events[batchSize:] {
		if err := o.deliver(&tlibpb.ServerMessage{Events: events[:batchSize]}); err != nil {
			return err
		}
	}
	return o.send(events, at)
}

// send sends events, and the cursor up to which the client has heard everything; nil
// while there is none.
func (o *outbox) send(events []*tlibpb.Event, at []byte) error {
	return o.deliver(&tlibpb.ServerMessage{Events: events, Cursor: at})
}

func (o *outbox) deliver(m *tlibpb.ServerMessage) error {
	if o.isOpen {
		o.sending.Reset(sendTimeout)
		defer o.sending.Stop()
	}
	return o.stream.Send(m)
}
