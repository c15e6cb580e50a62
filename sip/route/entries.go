package route

import (
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Recorder writes the node's entries in Record-Route lists (RFC 3261 §16.6 step 4).
type Recorder struct {
	Ring *Ring
	// Hosts are host:port by transport.
	Hosts *location.Hosts
}

// entry is the entry for one side of the call.
func (rr *Recorder) entry(k *Token, callID, tag []byte, sips bool) []byte {
	out := append(make([]byte, 0, 192), "<sip"...)
	if sips {
		out = append(out, 's')
	}
	out = append(out, ':')
	out = append(out, rr.Ring.Encode(k, callID, tag)...)
	out = append(out, '@')
	return append(rr.Hosts.AppendURI(out, k.Transport, k.side()), ";lr>"...)
}

// Entries are those of a request that begins a dialog: the called side's on top, the
// caller's below; nil for a side that another node has. They are sips where the request is
// (§16.6 step 4.4).
func (rr *Recorder) Entries(req *message.Message, called, caller *Token) (list [][]byte) {
	if !Begins(req) {
		return nil
	}
	callID, tag, sips := req.Get(message.CallID), req.Tag(message.From), message.IsSecure(req.URI)
	for _, k := range [...]*Token{called, caller} {
		if k != nil {
			list = append(list, rr.entry(k, callID, tag, sips))
		}
	}
	return list
}

// Begins tells whether a dialog may follow from a request.
func Begins(req *message.Message) bool {
	switch string(req.Method) {
	case "INVITE", "SUBSCRIBE", "REFER":
		return true
	}
	return false
}
