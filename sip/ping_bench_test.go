package sip

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
)

// BenchmarkPings measures the pings of 100,000 phones, in rounds: OPTIONS and its
// 200. cpu-µs/ping is what the process spends, the phones' socket included;
// %core is that at an interval of 30 s.
func BenchmarkPings(b *testing.B) {
	const phones, interval = 100_000, 30
	w := newWorld(b, nil)
	w.run()
	end := newEnd(b, nil)
	go end.pongs()
	to := mustAddrPort(end.addr().String())
	for i := range phones {
		n := dn.Number(fmt.Sprint(2_000_000 + i))
		w.store.Put(&location.Entry{Record: dn.Record{Number: n, ClaimTime: 1, State: dn.InSrv}, Bindings: []location.Binding{{
			Contact: fmt.Sprintf("sip:%s@%s", n, to), CallID: fmt.Sprintf("call-%s@phone", n), CSeq: 2, Source: to, Expires: time.Now().Add(time.Hour), UserAgent: "phone 1.0",
		}}})
	}
	p := w.server.pings
	b.ResetTimer()
	spent := cpu()
	sent := 0
	for round := uint64(1); sent < b.N; round++ {
		for some := range slices.Chunk(p.store.Numbers(), together) {
			p.visit(some, round, interval*time.Second, 1<<30)
			sent += len(some)
			until(b, "answers", func() bool { return p.unanswered() < 512 })
			if sent >= b.N {
				break
			}
		}
	}
	until(b, "the last answers", func() bool { return p.unanswered() == 0 })
	each := float64(cpu()-spent) / float64(sent) / 1e3
	b.ReportMetric(each, "cpu-µs/ping")
	b.ReportMetric(each*phones/interval/1e6*100, "%core")
}

// pongs answers every request with 200, as cheaply as can be.
func (e *end) pongs() {
	in, out := make([]byte, 2048), []byte("SIP/2.0 200 OK")
	for {
		n, from, err := e.conn.ReadFromUDPAddrPort(in)
		if err != nil {
			return
		}
		line := bytes.IndexByte(in[:n], '\r')
		_, _ = e.conn.WriteToUDPAddrPort(append(out[:len("SIP/2.0 200 OK"):len("SIP/2.0 200 OK")], in[line:n]...), from)
	}
}
