package location

import (
	"net/netip"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
)

// Transport is how a phone talks to us.
type Transport uint8

// The transports of RFC 3261 and RFC 7118.
const (
	UDP Transport = iota
	TCP
	TLS
	WS
	WSS
	transports
)

var transportNames = [transports]string{"UDP", "TCP", "TLS", "WS", "WSS"}

// String is the name as it stands in a Via.
func (t Transport) String() string {
	if t < transports {
		return transportNames[t]
	}
	return "unknown"
}

// Connected tells whether a binding of the transport ends with its connection.
func (t Transport) Connected() bool { return t != UDP }

// Stream tells whether nothing but Content-Length parts its messages. Those of
// a WebSocket are parted by its frames (RFC 7118 §4.2).
func (t Transport) Stream() bool { return t == TCP || t == TLS }

// Binding is one Contact of a DN (RFC 3261 §10.3).
type Binding struct {
	// Contact is the URI as the phone wrote it.
	Contact string
	// Params are the Contact's header parameters without expires, as the phone
	// wrote them (";q=0.5;+sip.instance=...").
	Params string
	CallID string
	CSeq   uint32
	// Unresponsive: the phone was called, and has not said a word since.
	Unresponsive bool
	// Mapped: something between gave its REGISTER another port than the phone knows of,
	// which asked for answers there (RFC 3581): no other leads to it.
	Mapped bool
	// Transport and Source say where its REGISTER came from.
	Transport Transport
	Source    netip.AddrPort
	// Expires is when the lifetime ends. Compare it with readings of the
	// store's clock only: the comparison is monotonic.
	Expires time.Time
	// Path is the route back to the phone (RFC 3327), the first hop first.
	Path      []string
	UserAgent string
}

// Entry is the record of a DN at this node with its bindings. A DN that went
// out of service keeps its record and has no bindings.
type Entry struct {
	Record   dn.Record
	Bindings []Binding
}

// earliest is the end of the binding that ends first; zero means never.
func (e *Entry) earliest() time.Time {
	var t time.Time
	for i := range e.Bindings {
		if x := e.Bindings[i].Expires; t.IsZero() || x.Before(t) {
			t = x
		}
	}
	return t
}
