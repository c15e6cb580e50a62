package proxy

import (
	"net/netip"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
	"github.com/sipcluster/sipcluster/sip/refer"
	"github.com/sipcluster/sipcluster/sip/route"
)

// Ways implements refer.Phones.
func (p *Proxy) Ways(n dn.Number) (list []refer.Way) {
	for _, g := range groups(p.calls.targets.phones(n, &route.Token{}, nil)) {
		for i := range g {
			list = append(list, &way{p, &g[i]})
		}
	}
	return list
}

// way is the way to one phone of this node, for requests of the cluster's own.
type way struct {
	p *Proxy
	l *leg
}

// At implements refer.Way.
func (w *way) At() (location.Transport, netip.Addr) { return w.l.to.transport, w.l.to.addr.Addr() }

// Ask implements refer.Way.
func (w *way) Ask(r *refer.Request, answered func(code int, reason string)) error {
	sh := w.p.shards.of([]byte(r.CallID))
	w.p.exits.Hold()
	defer w.p.exits.Release()
	sh.Lock()
	defer sh.Unlock()
	id := newBranch(base32(0)) // no request that came in goes on with it
	m := ownRequest{
		method: r.Method, uri: w.l.uri, via: sh.via(&w.l.to, id), routes: w.l.routes,
		from: []byte(r.From), to: []byte(r.To), callID: []byte(r.CallID), cseq: 1, lines: []byte(r.Lines),
	}
	_, err := sh.Send(id, r.Method, &w.l.to, m.bytes(), func(res *message.Message, err error) {
		code, reason := 408, "Request Timeout"
		if err == nil {
			code, reason = res.Status, string(res.Reason)
		}
		if code >= 200 {
			sh.After(func() { answered(code, reason) })
		}
	})
	return err
}
