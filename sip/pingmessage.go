package sip

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/proxy"
	"github.com/sipcluster/sipcluster/sip/wire"
)

var pingBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// send writes the OPTIONS, the way that a call would go. An error is a miss.
func (p *pings) send(n dn.Number, b *location.Binding, branch string) {
	realm := p.machine.View().Options().GetRealm()
	m := pingBuffers.Get().(*bytes.Buffer)
	defer pingBuffers.Put(m)
	m.Reset()
	fmt.Fprintf(m, "OPTIONS %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=%s\r\n", b.Contact, b.Transport, p.out.Via.Of(b.Transport, b.Source.Addr()), branch)
	for _, hop := range b.Path {
		fmt.Fprintf(m, "Route: %s\r\n", hop)
	}
	fmt.Fprintf(m, "Max-Forwards: 70\r\nFrom: <sip:ping@%s>;tag=%s\r\nTo: <sip:%s@%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
		realm, branch[len(branchMagic):], n, realm, branch)
	if b.Transport == location.UDP {
		if p.out.Datagrams != nil {
			p.out.Datagrams.Send(m.Bytes(), proxy.Reach(b))
		}
		return
	}
	if f := p.out.Flows.Get(wire.FlowKey{Transport: b.Transport, Peer: b.Source}); f != nil {
		f.Offer(bytes.Clone(m.Bytes()))
	}
}
