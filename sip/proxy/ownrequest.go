package proxy

import (
	"bytes"
	"strconv"

	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/route"
)

// ownRequest is one that we send: within a dialog in the name of a party (RFC 3261
// §12.2.1.1), or in the cluster's outside of any.
type ownRequest struct {
	method           string
	uri              []byte
	via              []byte
	routes           [][]byte
	from, to, callID []byte
	cseq             uint32
	reason           string // value of a Reason header (RFC 3326); "" for none
	lines            []byte // more headers, as they are written
}

// bytes is the request's text.
func (r *ownRequest) bytes() []byte {
	var b bytes.Buffer
	line := func(name string, value []byte) {
		b.WriteString(name)
		b.WriteString(": ")
		b.Write(value)
		b.WriteString("\r\n")
	}
	uri, routes := route.Onward(r.uri, r.routes)
	b.WriteString(r.method + " ")
	b.Write(uri)
	b.WriteString(" SIP/2.0\r\n")
	line("Via", r.via)
	for _, e := range routes {
		line("Route", e)
	}
	line("Max-Forwards", []byte("70"))
	line("From", r.from)
	line("To", r.to)
	line("Call-ID", r.callID)
	line("CSeq", append(strconv.AppendUint(nil, uint64(r.cseq), 10), " "+r.method...))
	if r.reason != "" {
		line("Reason", []byte(r.reason))
	}
	b.Write(r.lines)
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}

// inDialog writes a request of the caller within the dialog that res made.
func inDialog(res *message.Message, method string, cseq uint32, routes [][]byte, via []byte) []byte {
	r := ownRequest{
		method: method, uri: res.ContactURI(), via: via, routes: routes,
		from: res.Get(message.From), to: res.Get(message.To), callID: res.Get(message.CallID), cseq: cseq,
	}
	return r.bytes()
}
